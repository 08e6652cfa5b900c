"""One question, one typed answer: what is asked, what is paid, and what every way to fail comes to."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from analysis import ledger, llm
from analysis.answers import Persona, PerspectiveAnswer, TriageAnswer
from analysis.llm import connection
from analysis.models import Budget, BudgetPeriod, LLMCall, Policy, Triage
from analysis.prompts import common, role, served, triage_user
from emm import credentials
from emm.jobs import Later, Misconfigured, Never
from tests.analysis.rows import a_job, an_item
from tests.world import Sandbox

pytestmark = pytest.mark.django_db


def ask(job: Triage) -> TriageAnswer:
    prompt = served("triage")
    return llm.ask(
        purpose="triage",
        job=job,
        item=job.item,
        system=prompt.text,
        user=triage_user(job.item),
        answer=TriageAnswer,
        prompt_hash=prompt.hash,
    )


def spoil(sandbox: Sandbox, kind: str, **more: Any) -> None:
    sandbox.claude(script=[{"kind": kind, **more}])


def calls() -> list[tuple[str, str]]:
    return list(LLMCall.objects.order_by("pk").values_list("purpose", "status"))


def spent() -> tuple[Decimal, Decimal]:
    day = BudgetPeriod.objects.get(budget__scope="day")
    return day.reserved_usd, day.spent_usd


def test_it_returns_a_typed_answer_and_keeps_what_came_and_what_it_cost(sandbox: Sandbox) -> None:
    job = a_job()
    answer = ask(job)
    call = LLMCall.objects.get()
    assert json.loads(call.answer_text)["route"] == answer.route == "strategic"
    assert (call.purpose, call.status, call.stop_reason, call.item) == ("triage", "answered", "end_turn", job.item)
    assert call.prompt_hash == served("triage").hash
    assert call.input_tokens > 0
    assert call.output_tokens > 0
    assert call.cost_usd is not None
    assert Decimal(0) < call.cost_usd <= call.reserved_usd
    assert spent() == (Decimal(0), call.cost_usd)
    assert call.request_id.startswith("req_")


def test_an_answer_that_was_paid_for_before_a_crash_is_not_bought_again(sandbox: Sandbox) -> None:
    job = a_job()
    assert ask(job) == ask(job)
    assert sandbox.claude_state()["calls"] == {"triage": 1}


def test_another_job_with_the_same_question_gets_an_answer_of_its_own(sandbox: Sandbox) -> None:
    ask(a_job(an_item("Renew the passport")))
    ask(a_job(an_item("Renew the passport")))
    assert sandbox.claude_state()["calls"] == {"triage": 2}


@pytest.mark.parametrize("kind", ["malformed", "wrong_schema", "empty"])
def test_an_answer_that_does_not_fit_is_mended_once(sandbox: Sandbox, kind: str) -> None:
    spoil(sandbox, kind)
    assert ask(a_job()).route == "strategic"
    assert calls() == [("triage", "answered"), ("triage repair", "answered")]


def test_the_repair_after_a_crash_buys_neither_answer_again(sandbox: Sandbox) -> None:
    spoil(sandbox, "wrong_schema")
    job = a_job()
    ask(job)
    ask(job)
    assert len(calls()) == 2


def test_an_answer_that_does_not_fit_twice_is_no_answer(sandbox: Sandbox) -> None:
    spoil(sandbox, "wrong_schema", times=2)
    with pytest.raises(Never, match="did not fit what was asked for, twice: reasoning: Field required"):
        ask(a_job())
    assert calls() == [("triage", "failed"), ("triage repair", "failed")]
    assert spent()[1] == sum(call.cost_usd or 0 for call in LLMCall.objects.all())


def test_a_person_who_queues_it_again_gets_a_new_answer(sandbox: Sandbox) -> None:
    spoil(sandbox, "wrong_schema", times=2)
    job = a_job()
    with pytest.raises(Never):
        ask(job)
    assert ask(job).route == "strategic"


def test_an_answer_that_was_cut_off_is_asked_for_with_twice_the_room(sandbox: Sandbox) -> None:
    spoil(sandbox, "max_tokens")
    ask(a_job())
    first, second = LLMCall.objects.order_by("pk")
    assert first.stop_reason == "max_tokens"
    assert second.purpose == "triage repair"
    assert second.reserved_usd > first.reserved_usd


def test_an_answer_that_is_cut_off_twice_is_no_answer(sandbox: Sandbox) -> None:
    spoil(sandbox, "max_tokens", times=2)
    with pytest.raises(Never, match="cut off after"):
        ask(a_job())


def test_a_refusal_is_final_and_names_its_category(sandbox: Sandbox) -> None:
    spoil(sandbox, "refusal")
    with pytest.raises(Never, match="declined to answer this \\(general_harms\\)"):
        ask(a_job())
    assert calls() == [("triage", "failed")]


def test_a_stop_sequence_ends_an_answer_like_its_own_end(sandbox: Sandbox) -> None:
    spoil(sandbox, "stop_ends", stop_reason="stop_sequence")
    ask(a_job())
    first = LLMCall.objects.order_by("pk")[0]
    assert first.stop_reason == "stop_sequence"


def test_a_text_longer_than_the_model_reads_is_final(sandbox: Sandbox) -> None:
    spoil(sandbox, "stop_ends", stop_reason="model_context_window_exceeded")
    with pytest.raises(Never, match="longer than the model can read"):
        ask(a_job())


def test_a_pause_is_waited_out_and_then_asked_anew(sandbox: Sandbox) -> None:
    spoil(sandbox, "stop_ends", stop_reason="pause_turn")
    job = a_job()
    with pytest.raises(Later, match="paused"):
        ask(job)
    assert ask(job).route == "strategic"


def test_a_stop_that_nobody_knows_is_final_and_says_which(sandbox: Sandbox) -> None:
    spoil(sandbox, "stop_ends", stop_reason="tool_use")
    with pytest.raises(Never, match="don't know: tool_use"):
        ask(a_job())


@pytest.mark.parametrize("kind", ["429", "500", "529"])
def test_a_busy_claude_is_asked_later_at_no_cost(sandbox: Sandbox, kind: str) -> None:
    spoil(sandbox, kind)
    with pytest.raises(Later) as later:
        ask(a_job())
    assert not isinstance(later.value, Misconfigured)
    assert calls() == [("triage", "failed")]
    assert spent() == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("asked", "waits"),
    [(None, timedelta(seconds=30)), (90, timedelta(seconds=90)), (4_294_967, timedelta(minutes=10))],
)
def test_it_waits_as_long_as_it_is_told_within_bounds(sandbox: Sandbox, asked: int | None, waits: timedelta) -> None:
    spoil(sandbox, "429", retry_after=asked)
    with pytest.raises(Later) as later:
        ask(a_job())
    assert later.value.until == waits


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_an_answer_that_was_lost_on_its_way_counts_with_its_worst_cost(sandbox: Sandbox, kind: str) -> None:
    spoil(sandbox, kind)
    with pytest.raises(Later, match="No answer came"):
        ask(a_job())
    call = LLMCall.objects.get()
    assert (call.status, call.cost_usd) == ("lost", call.reserved_usd)
    assert spent() == (Decimal(0), call.reserved_usd)


def test_a_timeout_counts_with_its_worst_cost(sandbox: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.claude(delay_seconds=1)
    settings.ANTHROPIC_API_KEY = "impatient"  # clients are kept by key: this one is new
    monkeypatch.setattr(connection, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(Later, match="ReadTimeout"):
        ask(a_job())
    assert calls() == [("triage", "lost")]


def test_a_connection_that_never_stood_costs_nothing(sandbox: Sandbox, settings: Any) -> None:
    settings.ANTHROPIC_BASE_URL = "http://127.0.0.1:9"
    with pytest.raises(Later, match="ConnectError"):
        ask(a_job())
    assert calls() == [("triage", "failed")]


def test_a_refused_key_names_the_setting_and_shows_no_key(sandbox: Sandbox, settings: Any) -> None:
    settings.ANTHROPIC_API_KEY = "invalid"
    with pytest.raises(Misconfigured) as problem:
        ask(a_job())
    assert "ANTHROPIC_API_KEY" in problem.value.fix
    assert calls() == [("triage", "failed")]


def test_without_a_key_nothing_is_asked(sandbox: Sandbox, settings: Any) -> None:
    settings.ANTHROPIC_API_KEY = ""
    settings.ANTHROPIC_IS_SANDBOX = False
    with pytest.raises(Misconfigured, match="There is no ANTHROPIC_API_KEY"):
        ask(a_job())
    assert calls() == []


def test_a_key_entered_in_the_console_is_used_at_once_and_its_address_with_it(sandbox: Sandbox, settings: Any) -> None:
    settings.ANTHROPIC_ADDRESS, settings.ANTHROPIC_BASE_URL = settings.ANTHROPIC_BASE_URL, "http://127.0.0.1:9"
    credentials.store("ANTHROPIC_API_KEY", "invalid", by="test")
    with pytest.raises(Misconfigured, match="ANTHROPIC_API_KEY"):
        ask(a_job())
    credentials.store("ANTHROPIC_API_KEY", "sk-ant-of-the-console", by="test")
    ask(a_job())
    assert calls() == [("triage", "failed"), ("triage", "answered")]


def test_a_model_that_is_gone_names_the_setting(sandbox: Sandbox) -> None:
    spoil(sandbox, "retired")
    with pytest.raises(Misconfigured, match="ANTHROPIC_MODEL"):
        ask(a_job())


def test_a_model_without_a_price_is_not_asked(sandbox: Sandbox, settings: Any) -> None:
    settings.ANTHROPIC_MODELS = {**settings.ANTHROPIC_MODELS, "triage": "claude-unheard-of"}
    with pytest.raises(Misconfigured, match="no price"):
        ask(a_job())
    assert sandbox.claude_state()["calls"] == {}


def test_over_budget_nothing_is_asked(sandbox: Sandbox, settings: Any) -> None:
    settings.BUDGETS_USD = {**settings.BUDGETS_USD, "day": Decimal(0)}
    with pytest.raises(ledger.OverBudget):
        ask(a_job())
    assert sandbox.claude_state()["calls"] == {}


def test_what_cannot_be_stored_or_sent_is_replaced_in_questions(sandbox: Sandbox) -> None:
    job = a_job()
    job.item.title = "Half a \ud83d pair and a \x00"
    assert ask(job).title


def answer(**changed: Any) -> str:
    fields = {
        "reasoning": "A choice.", "title": "Lisbon", "route": "strategic", "lead_persona": "quant", "risk": "High",
        "impact": 8, "area": "", "concepts": [], "success_criteria": [], "confidence": 0.9,
    }  # fmt: skip
    return json.dumps({**fields, **changed})


def bought(job: Triage, text: str) -> None:
    """An answer that lies in the ledger, as after a crash."""
    ask(job)
    LLMCall.objects.update(answer_text=text)


def test_the_letter_case_of_a_choice_does_not_matter(sandbox: Sandbox) -> None:
    job = a_job()
    concept = {"name": "ACME", "kind": "entity_company", "note": ""}
    bought(job, answer(route="STRATEGIC", risk="hIGH", lead_persona="Quant", concepts=[concept]))
    got = ask(job)
    assert (got.route, got.risk, got.lead_persona) == ("strategic", "High", "quant")
    assert got.concepts[0].kind == "Entity_Company"
    assert sandbox.claude_state()["calls"] == {"triage": 1}


def test_text_that_no_database_holds_is_replaced_in_answers(sandbox: Sandbox) -> None:
    job = a_job()
    bought(job, answer(title="a\x00b\ud800c"))
    assert ask(job).title == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    "spoiled",
    [answer(impact=11), answer(impact="8"), answer(confidence=1.5), answer(extra=1), "[" * 100_000, "1" * 5_000],
    ids=["above", "text", "fraction", "extra", "deep", "long"],
)
def test_bounds_and_types_are_checked_here(sandbox: Sandbox, spoiled: str) -> None:
    job = a_job()
    bought(job, spoiled)
    assert ask(job).impact <= 10
    assert [purpose for purpose, _ in calls()] == ["triage", "triage repair"]


def test_the_key_is_in_no_row_and_no_log_line(
    sandbox: Sandbox, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ANTHROPIC_API_KEY = "sk-ant-a-real-secret"
    spoil(sandbox, "429")
    with pytest.raises(Later) as later:
        ask(a_job())
    shown = f"{later.value}{list(LLMCall.objects.values())}{capsys.readouterr()}"
    assert "a-real-secret" not in shown


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("drop_mid", "RemoteProtocolError"),
        ("corrupt", "garbled"),
        ("end_early", "stopped before its end"),
        ("error_mid", r"Claude broke off its answer: Overloaded\."),
    ],
)
def test_a_stream_that_breaks_off_costs_one_call_at_most_and_is_asked_for_again(
    sandbox: Sandbox, kind: str, words: str
) -> None:
    spoil(sandbox, kind)
    job = a_job()
    with pytest.raises(Later, match=words) as later:
        ask(job)
    assert not isinstance(later.value, Misconfigured)
    call = LLMCall.objects.get()
    assert (call.status, call.cost_usd) == ("lost", call.reserved_usd)
    assert call.input_tokens > 0  # as reported before it broke off
    assert call.request_id.startswith("req_")
    assert spent() == (Decimal(0), call.reserved_usd)
    assert ask(job).route == "strategic"
    assert sandbox.claude_state()["calls"] == {"triage": 2}


def test_the_switch_stops_every_call_before_it_is_made(sandbox: Sandbox) -> None:
    Policy.objects.update_or_create(pk=1, defaults={"model_calls_stopped": True})
    job = a_job()
    with pytest.raises(ledger.Stopped, match="All model calls are stopped"):
        ask(job)
    assert calls() == []
    assert sandbox.claude_state()["calls"] == {}
    Policy.objects.update(model_calls_stopped=False)
    assert ask(job).route == "strategic"


def stop_all() -> None:
    Policy.objects.update_or_create(pk=1, defaults={"model_calls_stopped": True})


def test_a_call_under_way_finishes_after_the_switch(sandbox: Sandbox) -> None:
    prompt = served("persona")
    job = a_job()
    found = llm.ask(
        purpose="persona",
        job=job,
        item=job.item,
        system=common(prompt),
        shared=triage_user(job.item),
        role=role(prompt, Persona.QUANT),
        cached=True,
        begun=stop_all,
        answer=PerspectiveAnswer,
        prompt_hash="",
    )
    assert found.recommended
    assert calls() == [("persona", "answered")]


@pytest.mark.django_db(transaction=True)
def test_twenty_workers_that_ask_at_once_make_only_the_calls_that_a_small_cap_pays(sandbox: Sandbox) -> None:
    jobs = [a_job() for _ in range(20)]
    ask(jobs[0])
    worst = LLMCall.objects.get().reserved_usd
    cap = worst * Decimal("4.5")
    Budget.objects.filter(scope="day").update(limit_usd=cap)
    sandbox.claude(delay_seconds=0.3)
    start, refused = threading.Barrier(19), list[str]()

    def one(job: Triage) -> None:
        start.wait()
        try:
            ask(job)
        except ledger.OverBudget as over:
            refused.append(over.why)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(job,)) for job in jobs[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) + sandbox.claude_state()["calls"]["triage"] == 20
    assert len(refused) > 0
    assert spent()[0] == 0
    assert spent()[1] == sum(call.cost_usd or 0 for call in LLMCall.objects.all()) <= cap
