"""Three voices, blind to each other; one synthesis, whoever is missing; the pages on which a person decides."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from analysis import dialectic, prompts, versions
from analysis.answers import SynthesisAnswer
from analysis.models import Analysis, BudgetPeriod, LLMCall, Perspective, Synthesis, Triage
from analysis.personas import CHARACTERS
from emm.jobs import Never
from notion_sync.models import Action, InboxItem, Intent, Node, OutboxEntry, PersonaPage
from tests.analysis.rows import an_item
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.django_db


def fresh(item: InboxItem) -> InboxItem:
    item.refresh_from_db()
    return item


@pytest.fixture
def analysis(sandbox: Sandbox) -> Analysis:
    """A strategic item after its triage."""
    an_item("Buy Vantor Ltd for $400k?", "Dana Brightside runs it. It cannot be undone.")
    run_stage("triage")
    found: Analysis = Analysis.objects.get()
    return found


def spoil(sandbox: Sandbox, kind: str, persona: str = "", **more: Any) -> None:
    match = {"purpose": "persona", "contains": f"You are {CHARACTERS[persona].name}."} if persona else {}  # type: ignore[index]  # a persona is its text
    sandbox.claude(script=[{"kind": kind, "match": match, **more}])


def test_each_voice_hears_the_item_and_no_other_voice(analysis: Analysis, sandbox: Sandbox) -> None:
    run_stage("argue")
    assert [voice.status for voice in analysis.perspectives.all()] == ["done"] * 3
    assert sandbox.claude_state()["calls"] == {"triage": 1, "persona": 3}
    assert Synthesis.objects.get().analysis == analysis
    assert fresh(analysis.item).state == "analysing"


@pytest.mark.parametrize(
    "does_nothing",
    [(False, False, False), (False, True, True), (True, False, False), (None, None, None)],
    ids=["none", "two", "another", "unsaid"],
)
def test_a_voice_that_does_not_let_the_person_do_nothing_is_asked_again(
    analysis: Analysis, sandbox: Sandbox, does_nothing: tuple[bool | None, ...]
) -> None:
    run_stage("argue")
    call = LLMCall.objects.filter(purpose="persona").latest("pk")
    said = json.loads(call.answer_text)
    for option, claim in zip(said["options"], does_nothing, strict=True):
        option["does_nothing"] = claim
        if claim is None:
            del option["does_nothing"]
    read_again(call, said)
    assert LLMCall.objects.latest("pk").purpose == "persona repair"
    assert len(analysis.voices) == 3


def read_again(call: LLMCall, said: dict[str, Any]) -> None:
    """Have a persona's answer read as `said`, as after a crash: it is paid for, and its voice was not kept."""
    LLMCall.objects.filter(pk=call.pk).update(answer_text=json.dumps(said))
    Perspective.objects.filter(pk=call.asker.split()[1]).update(status="waiting", answer=None)
    run_stage("argue")


@pytest.mark.parametrize(
    ("stance", "recommended", "fits"),
    [
        ("go", "Option C", False),
        ("stop", "Option A", False),
        ("stop", "Option C", True),
        ("go", "Option B", True),
        ("wait", "Option C", True),
    ],
)
def test_a_voice_whose_stance_and_option_contradict_each_other_is_asked_again(
    analysis: Analysis, sandbox: Sandbox, stance: str, recommended: str, fits: bool
) -> None:
    run_stage("argue")
    call = LLMCall.objects.filter(purpose="persona").latest("pk")
    read_again(call, json.loads(call.answer_text) | {"stance": stance, "recommended": recommended})
    assert LLMCall.objects.filter(purpose="persona repair").exists() != fits
    assert len(analysis.voices) == 3


def test_a_voice_that_rejects_the_matter_and_goes_ahead_is_asked_again(analysis: Analysis, sandbox: Sandbox) -> None:
    run_stage("argue")
    call = LLMCall.objects.filter(purpose="persona").latest("pk")
    rejects = {"reject": "unethical or unlawful", "reject_reason": "It is a bribe."}
    read_again(call, json.loads(call.answer_text) | rejects | {"stance": "go", "recommended": "Option B"})
    assert LLMCall.objects.filter(purpose="persona repair").exists()


def test_what_is_stored_says_what_the_release_before_can_read(analysis: Analysis) -> None:
    run_stage("argue")
    run_stage("synthesise")
    stored = [*analysis.perspectives.values_list("answer", flat=True), Synthesis.objects.get().answer]
    assert len(stored) == 4
    assert "does_nothing" not in json.dumps(stored)
    told = [option.does_nothing for option in SynthesisAnswer.model_validate(stored[-1]).options]
    assert told == [False, False, True]


def test_nothing_is_paid_for_an_item_whose_page_is_in_the_trash_and_it_goes_on_once_it_is_back(
    analysis: Analysis, sandbox: Sandbox
) -> None:
    InboxItem.objects.update(in_trash=True)
    run_stage("argue")
    assert sandbox.claude_state()["calls"] == {"triage": 1}
    item = fresh(analysis.item)
    assert (item.state, dialectic.TRASHED in item.state_reason) == ("held", True)
    InboxItem.objects.update(in_trash=False)
    Perspective.objects.update(due_at=F("due_at") - dialectic.NEXT_LOOK)
    run_stage("argue")
    InboxItem.objects.update(in_trash=True)
    run_stage("synthesise")
    assert sandbox.claude_state()["calls"] == {"triage": 1, "persona": 3}
    InboxItem.objects.update(in_trash=False)
    Synthesis.objects.update(due_at=F("due_at") - dialectic.NEXT_LOOK)
    run_stage("synthesise")
    assert Synthesis.objects.get().status == "done"


def test_the_synthesis_promises_intent_action_log_and_last_the_items_own_status(analysis: Analysis) -> None:
    PersonaPage.objects.create(title=CHARACTERS[analysis.lead].name, page_id=uuid.uuid4())  # type: ignore[index]  # as above
    run_stage("argue")
    run_stage("synthesise")
    intent, action, log, patch = OutboxEntry.objects.order_by("pk")
    assert [e.source_key for e in (intent, action, log, patch)] == ["intents", "actions", "log", "inbox"]
    page = {"ref": str(Intent.objects.get().emm_id)}
    assert intent.values["Status"] == "Pending_Approval"
    assert intent.values["Source"] == [str(analysis.item.page_id)]
    assert intent.values["Agent_Persona"] == [str(PersonaPage.objects.get().page_id)]
    assert len(intent.children) > 5
    assert (action.values["Intent"], action.values["Approval_Status"]) == ([page], "Pending")
    assert log.values["Intent"] == [page]
    assert patch.values == {"Status": "Triaged_to_Intent", "Triage_Destination": "Strategic (Intent)"}
    analysis.refresh_from_db()
    assert (analysis.intent, analysis.action) == (Intent.objects.get(), Action.objects.get())
    assert fresh(analysis.item).state == "writing"
    plan = Synthesis.objects.get().plan
    assert plan is not None
    assert action.values["Recommended_Option"] == plan["recommended_option"]


def test_a_strategic_item_takes_five_calls_to_a_model(analysis: Analysis, sandbox: Sandbox) -> None:
    run_stage("argue")
    run_stage("synthesise")
    assert sandbox.claude_state()["calls"] == {"triage": 1, "persona": 3, "synthesis": 1}
    assert sorted(LLMCall.objects.values_list("purpose", flat=True)) == ["persona"] * 3 + ["synthesis", "triage"]


def test_nodes_that_the_item_mentions_are_linked_to_the_intent(analysis: Analysis) -> None:
    answer = analysis.item.triage.answer
    assert answer is not None
    mentioned = answer["concepts"][0]["name"]
    known = Node.objects.create(title=mentioned.upper(), page_id=uuid.uuid4())
    run_stage("argue")
    run_stage("synthesise")
    assert OutboxEntry.objects.get(source_key="intents").values["Related_Nodes"] == [str(known.page_id)]


def test_a_missing_voice_is_named_and_two_are_enough(analysis: Analysis, sandbox: Sandbox) -> None:
    spoil(sandbox, "refusal", "quant")
    run_stage("argue")
    assert [voice.persona for voice in analysis.missing] == ["quant"]
    run_stage("synthesise")
    body = str(OutboxEntry.objects.get(source_key="intents").children)
    assert "The Quant was not heard. Claude declined to answer this (general_harms)." in body
    assert fresh(analysis.item).state == "writing"


def test_one_voice_alone_is_no_argument(analysis: Analysis, sandbox: Sandbox) -> None:
    spoil(sandbox, "refusal", "quant")
    spoil(sandbox, "refusal", "auditor")
    run_stage("argue")
    assert Synthesis.objects.count() == 0
    assert fresh(analysis.item).state == "held"
    assert analysis.item.state_reason.startswith("1 of 3 voices were heard, 2 are needed. The Auditor is missing: ")
    assert "The Quant is missing" in analysis.item.state_reason


def test_a_missing_voice_can_be_asked_again_alone(analysis: Analysis, sandbox: Sandbox) -> None:
    spoil(sandbox, "refusal", "quant")
    spoil(sandbox, "refusal", "auditor")
    run_stage("argue")
    Perspective.objects.get(persona="quant").queue_again()
    assert fresh(analysis.item).state == "analysing"
    run_stage("argue")
    assert [voice.persona for voice in Synthesis.objects.get().analysis.voices] == ["entrepreneur", "quant"]
    assert sandbox.claude_state()["calls"]["persona"] == 4


def test_a_voice_after_the_synthesis_leaves_the_proposal_alone(analysis: Analysis, sandbox: Sandbox) -> None:
    spoil(sandbox, "refusal", "quant")
    run_stage("argue")
    run_stage("synthesise")
    Perspective.objects.get(persona="quant").queue_again()
    run_stage("argue")
    assert len(analysis.voices) == 3
    assert (Synthesis.objects.count(), fresh(analysis.item).state) == (1, "writing")


def test_a_voice_that_has_to_wait_holds_the_item_and_goes_on(analysis: Analysis, sandbox: Sandbox) -> None:
    spoil(sandbox, "401", "auditor")
    run_stage("argue")
    assert fresh(analysis.item).state == "held"
    assert analysis.item.state_reason.startswith(
        "The Auditor is missing: Claude answered 401: invalid x-api-key. Check ANTHROPIC_API_KEY"
    )
    assert "It is tried again by itself at " in analysis.item.state_reason
    assert Synthesis.objects.count() == 0
    Perspective.objects.update(due_at=F("due_at") - timedelta(minutes=3))
    run_stage("argue")
    assert fresh(analysis.item).state == "analysing"
    assert len(Synthesis.objects.get().analysis.voices) == 3


def test_an_exhausted_item_budget_holds_the_item_and_names_the_way_out(analysis: Analysis) -> None:
    BudgetPeriod.objects.filter(budget__scope="item").update(spent_usd=1)
    run_stage("argue")
    assert fresh(analysis.item).state == "held"
    assert "the budget for an item is raised in the console." in analysis.item.state_reason


def test_a_synthesis_that_fails_shows_on_the_item(analysis: Analysis, sandbox: Sandbox) -> None:
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "synthesis"}}])
    run_stage("argue")
    run_stage("synthesise")
    assert fresh(analysis.item).state == "held"
    assert "declined" in analysis.item.state_reason
    assert OutboxEntry.objects.count() == 0


def test_the_labels_of_the_advisers_become_their_names(analysis: Analysis) -> None:
    run_stage("argue")
    run_stage("synthesise")
    answer = SynthesisAnswer.model_validate(Synthesis.objects.get().answer)
    spoken = answer.model_copy(update={"dissent": "ADVISER NUMBER 2 objects, adviser number 12 is unheard of."})
    voices = [Perspective(persona=persona) for persona in ("auditor", "quant")]
    named = dialectic.with_names(spoken, voices)
    assert named.dissent == "The Quant objects, adviser number 12 is unheard of."


def revise(analysis: Analysis) -> Analysis:
    run_stage("argue")
    run_stage("synthesise")
    OutboxEntry.objects.update(status="done")
    Intent.objects.update(page_id=uuid.uuid4(), ours=True, values={"Status": "Pending_Approval"})
    analysis.refresh_from_db()
    return versions.open_revision(analysis, "Spend less.")


def test_a_revision_argues_again_with_the_note_and_proposes_on_a_new_action(analysis: Analysis) -> None:
    second = revise(analysis)
    assert (second.revision, second.note, second.intent) == (2, "Spend less.", Intent.objects.get())
    assert fresh(analysis.item).state == "analysing"
    run_stage("argue")
    run_stage("synthesise")
    action = OutboxEntry.objects.filter(source_key="actions").latest("pk")
    assert action.values["Action_Title"].endswith("(revision 2)")
    assert "This is revision 2." in str(action.children)
    assert Action.objects.count() == 2
    assert Intent.objects.count() == 1
    change = OutboxEntry.objects.filter(source_key="intents").latest("pk")
    assert change.kind == "update"
    assert set(change.values) <= set(dialectic.RENEWED)


def test_no_voice_answers_about_a_text_that_is_too_long(analysis: Analysis) -> None:
    Analysis.objects.update(item_read={**prompts.told_of(analysis.item), "content": "x" * 400_001})
    voice = Perspective.claim(Perspective.objects.filter(persona="quant").get().pk)
    assert voice is not None
    with pytest.raises(Never, match="400,0"):
        dialectic.argue(voice)


@pytest.mark.django_db(transaction=True)
def test_two_last_voices_at_once_open_exactly_one_synthesis(sandbox: Sandbox) -> None:
    item = an_item()
    Triage.objects.create(item=item, status="done")
    analysis = Analysis.objects.create(item=item, lead="quant", item_digest="")
    for persona in ("quant", "auditor", "entrepreneur"):
        Perspective.objects.create(analysis=analysis, persona=persona)
    claimed = [Perspective.claim(pk) for pk in Perspective.objects.values_list("pk", flat=True)]
    start = threading.Barrier(3)

    def one(voice: Perspective) -> None:
        start.wait()
        voice.attempt(lambda job: job.finish())
        connection.close()

    threads = [threading.Thread(target=one, args=(voice,)) for voice in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [voice.status for voice in Perspective.objects.all()] == ["done"] * 3
    assert Synthesis.objects.count() == 1
