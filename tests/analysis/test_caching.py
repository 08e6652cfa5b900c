"""The prompt cache: one prefix for all personas, written by the first and read by the others, where it is long enough."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Sum

from analysis import dialectic, llm, prompts, quotes
from analysis.answers import Persona, PerspectiveAnswer
from analysis.llm.questions import CACHE_MINIMUM, Question
from analysis.models import Analysis, Depth, LLMCall, ModelPrice, Perspective
from emm import schedule
from emm.jobs import Later
from tests.analysis.rows import a_job, an_item
from tests.world import Sandbox, run, run_stage

pytestmark = pytest.mark.django_db
BIG, TEXT = "Buy Vantor Ltd for $400k?", "Dana Brightside runs it. It cannot be undone."


def argued(depth: str) -> Analysis:
    item = an_item(BIG, TEXT)
    item.values = {**item.values, "Depth": depth}
    item.save(update_fields=["values"])
    run_stage("triage")
    found: Analysis = Analysis.objects.get(item=item)
    return found


def question(**changed: Any) -> Question:
    fields: dict[str, Any] = {
        "purpose": "persona", "asker": "", "item": None, "model": "claude-sonnet-5-5", "system": "s" * 4_000,
        "shared": "i" * 4_000, "user": "", "role": "You are it.", "schema": {}, "max_tokens": 10, "prompt_hash": "",
        "cached": True,
    }  # fmt: skip
    return Question(**{**fields, **changed})


def marks(asked: Question) -> int:
    return json.dumps(asked.request()).count("cache_control")


def test_the_three_personas_share_every_byte_up_to_who_they_are(sandbox: Sandbox) -> None:
    analysis = argued("Standard")
    asked: list[Question] = []
    for voice in analysis.perspectives.all():
        job = a_job(an_item(voice.persona))
        prompt = prompts.served("persona")
        asked.append(
            question(
                asker=str(job.pk),
                system=prompts.common(prompt),
                shared=prompts.matter(analysis),
                role=prompts.role(prompt, Persona(voice.persona)),
            )
        )
    requests = [one.request() for one in asked]
    roles = [request["messages"][0]["content"].pop() for request in requests]
    assert requests[0] == requests[1] == requests[2]
    assert len({json.dumps(one) for one in roles}) == 3
    assert "Vantor" not in json.dumps(requests[0]["system"])


def test_a_prefix_is_marked_only_where_others_read_it_and_the_model_caches_it() -> None:
    assert marks(question()) == 2
    assert marks(question(cached=False)) == 0
    assert marks(question(shared="")) == 0
    assert marks(question(system="s" * 1_000, shared="i" * 1_000)) == 0
    assert marks(question(system="s" * 1_000)) == 1
    assert marks(question(model="claude-haiku-4-5")) == 0
    assert marks(question(model="claude-haiku-4-5", shared="i" * 16_384)) == 1
    assert marks(question(model="claude-opus-4-8", system="", shared="i" * 4_096)) == 1


def test_every_model_with_a_price_has_a_minimum_or_takes_the_highest() -> None:
    priced = set(ModelPrice.objects.values_list("model", flat=True))
    assert priced - set(CACHE_MINIMUM) == {"claude-opus-4-6", "claude-opus-4-5", "claude-haiku-4-5"}


@pytest.mark.parametrize(
    ("depth", "purposes"), [("Standard", ["persona"]), ("Deep", ["persona", "rebuttal", "synthesis"])]
)
def test_from_the_second_call_on_most_of_the_prefix_is_read(sandbox: Sandbox, depth: str, purposes: list[str]) -> None:
    argued(depth)
    run(["argue", "synthesise"])
    for purpose in purposes:
        first, *others = LLMCall.objects.filter(purpose=purpose).order_by("pk")
        assert first.cache_write_5m_tokens > 500
        assert others
        for other in others:
            assert (other.cache_read_tokens, other.cache_write_5m_tokens) == (first.cache_write_5m_tokens, 0)
        assert all((call.cost_usd or 0) <= call.reserved_usd for call in (first, *others))


def test_a_voice_that_is_alone_writes_no_cache(sandbox: Sandbox) -> None:
    argued("Quick")
    run(["argue", "synthesise"])
    written = LLMCall.objects.aggregate(all=Sum("cache_write_5m_tokens") + Sum("cache_write_1h_tokens"))
    assert written["all"] == 0


def test_a_persona_argues_with_a_model_of_its_own_and_writes_no_cache_that_nobody_reads(
    sandbox: Sandbox, settings: Any
) -> None:
    settings.ANTHROPIC_MODELS = {**settings.ANTHROPIC_MODELS, "auditor": "claude-opus-5-5"}
    analysis = argued("Deep")
    estimate = quotes.of_depth(analysis.item, Depth.DEEP, triaged=False)
    run(["argue", "synthesise"])
    asked = LLMCall.objects.filter(purpose__in=("persona", "rebuttal"))
    for voice in Perspective.objects.all():
        model = "claude-opus-5-5" if voice.persona == "auditor" else "claude-sonnet-5-5"
        assert asked.get(asker=f"argue {voice.pk}").model == model
    alone = asked.filter(model="claude-opus-5-5").aggregate(all=Sum("cache_write_5m_tokens"), n=Count("pk"))
    assert alone == {"all": 0, "n": 2}
    assert asked.aggregate(read=Sum("cache_read_tokens"))["read"] > 0, "the other two still share one"
    spent = LLMCall.objects.aggregate(all=Sum("reserved_usd"))["all"]
    settings.ANTHROPIC_MODELS = {**settings.ANTHROPIC_MODELS, "auditor": "claude-sonnet-5-5"}
    assert estimate.worst >= spent
    assert estimate.worst > quotes.of_depth(analysis.item, Depth.DEEP, triaged=False).worst


def test_the_next_item_reads_what_the_personas_are_all_told(sandbox: Sandbox) -> None:
    argued("Standard")
    run(["argue", "synthesise"])
    item = an_item("Buy the mill for $300k?", "It cannot be undone.")
    item.values = {**item.values, "Depth": "Standard"}
    item.save(update_fields=["values"])
    run_stage("triage")
    run_stage("argue")
    first = LLMCall.objects.filter(purpose="persona", item=item).earliest("pk")
    assert first.cache_read_tokens > 500
    assert first.cache_write_5m_tokens > 0


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, float]]:
    """The messages about voices, with their delay in seconds, instead of a broker."""
    found: list[tuple[Any, float]] = []

    def note(name: str, pk: Any, after: timedelta) -> None:
        if name == "argue":
            found.append((pk, after.total_seconds()))

    monkeypatch.setattr(schedule, "_send", note)
    return found


@pytest.mark.django_db(transaction=True)
def test_the_lead_goes_first_and_the_others_start_when_its_answer_begins(
    sandbox: Sandbox, nudged: list[tuple[Any, float]]
) -> None:
    analysis = argued("Standard")
    (lead, now), *later = nudged
    assert (Perspective.objects.get(pk=lead).persona, now) == (analysis.lead, 0)
    assert [after for _, after in later] == [4, 4]
    nudged.clear()
    sandbox.claude(delay_seconds=2)
    thread = threading.Thread(target=one, args=(lead,))
    thread.start()
    while not nudged:
        assert thread.is_alive(), "the answer ended before anybody was told"
    assert Perspective.objects.get(pk=lead).status == "running"
    sandbox.claude(delay_seconds=0)
    assert {pk for pk, _ in nudged} == {pk for pk, _ in later}
    for pk, _ in list(nudged):
        one(pk)
    thread.join()
    reads = LLMCall.objects.filter(purpose="persona").order_by("pk").values_list("cache_read_tokens", flat=True)
    assert [read > 500 for read in reads] == [False, True, True]


def one(pk: Any) -> None:
    voice = Perspective.claim(pk)
    assert voice is not None
    voice.attempt(dialectic.argue)
    if threading.current_thread() is not threading.main_thread():
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["refusal", "529", "drop_before", "401"])
def test_a_lead_that_fails_keeps_nobody_waiting(sandbox: Sandbox, nudged: list[tuple[Any, float]], kind: str) -> None:
    argued("Standard")
    (lead, _), *later = nudged
    nudged.clear()
    sandbox.claude(script=[{"kind": kind, "match": {"purpose": "persona"}}])
    one(lead)
    assert {(pk, after) for pk, after in nudged} == {(pk, 0) for pk, _ in later}


@pytest.mark.django_db(transaction=True)
def test_where_nothing_is_cached_nobody_waits_for_an_answer(
    sandbox: Sandbox, nudged: list[tuple[Any, float]], settings: Any
) -> None:
    settings.ANTHROPIC_MODELS = {**settings.ANTHROPIC_MODELS, "persona": "claude-haiku-4-5"}
    job, begun = a_job(), list[str]()
    sandbox.claude(script=[{"kind": "500"}])
    with pytest.raises(Later):
        llm.ask(
            purpose="persona", job=job, item=job.item, system="Advise.", shared="short", role="You are it.", cached=True,
            begun=lambda: begun.append("before the call"), answer=PerspectiveAnswer, prompt_hash="",
        )  # fmt: skip
    assert begun == ["before the call"]
