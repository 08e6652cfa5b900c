"""A person decides on the desk: what they leave there is the final plan, settled at once, once, and never over Notion's back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test import Client

from analysis import desk
from analysis.desk import Changed, Wish
from analysis.models import Analysis, Execution, LLMCall, Perspective, Settlement, Synthesis
from emm import schedule
from emm.audit import AuditEntry
from emm.jobs import Job
from notion_sync import outbox
from notion_sync.models import Action, InboxItem, LogEntry, OutboxEntry, Task
from tests.factories import decide, make_item, make_proposal, make_source, proposed_plan
from tests.world import Sandbox, poll_now, run, run_stage, text, work

pytestmark = pytest.mark.django_db


def action_of(analysis: Analysis) -> Action:
    return Action.objects.get(analysis=analysis)


def wish(analysis: Analysis, decision: str = "Approved", reason: str = "", note: str = "", **plan: Any) -> Wish:
    stands = desk.shown(action_of(analysis)).plan
    return Wish(decision, stands.model_copy(update=plan), reason=reason, note=note)


def take(analysis: Analysis, *, by: str = "ada", **wanted: Any) -> Settlement:
    analysis = Analysis.objects.get(pk=analysis.pk)
    return desk.decide(analysis, wish(analysis, **wanted), by=by, seen=desk.shown(action_of(analysis)))


def state(analysis: Analysis) -> str:
    return str(InboxItem.objects.get(pk=analysis.item_id).state)


def test_what_a_person_leaves_on_the_desk_is_settled_at_once_and_written_to_notion(
    proposal: Analysis, workspace: Sandbox
) -> None:
    tasks = ["Ask the bank for terms", "Talk to three customers", "Read the lease"]
    settled = take(proposal, tasks=tasks, recommended_option="Option A", note="Carefully.")
    assert (settled.status, settled.decision, settled.decided_by) == (Job.Status.DONE, "Approved", "ada")
    assert settled.acceptance_rate is not None
    assert 0 < settled.acceptance_rate < 1
    assert state(proposal) == "decided"
    work()
    action = action_of(proposal)
    page = workspace.as_person("GET", f"/pages/{action.page_id}")["properties"]
    assert page["Approval_Status"]["select"]["name"] == "Approved"
    assert page["Recommended_Option"]["select"]["name"] == "Option A"
    assert page["Task_Generation_Template"]["rich_text"][0]["plain_text"] == "\n".join(tasks)
    assert page["User_Notes"]["rich_text"][0]["plain_text"] == "Carefully."
    assert page["Diff_Logged"]["checkbox"] is True
    assert sorted(task.title for task in Task.objects.all()) == sorted(tasks)
    assert state(proposal) == "done"
    log = LogEntry.objects.get(title__startswith="Approved:")
    assert "At the review desk, by ada." in log.values["Action_Taken"]


def test_it_takes_one_question_and_one_write_of_the_action_page(proposal: Analysis, workspace: Sandbox) -> None:
    workspace.control("log/clear")
    take(proposal, note="Fine.")
    work()
    page = f"/v1/pages/{action_of(proposal).page_id}"
    asked = [one["method"] for one in workspace.requests() if one["path"].endswith(page)]
    assert asked == ["GET", "PATCH"]


def test_the_poll_of_our_own_write_settles_nothing_a_second_time(proposal: Analysis, workspace: Sandbox) -> None:
    settled = take(proposal, tasks=["Only this"])
    work()
    Action.objects.update(last_edited_time=Now() - timedelta(minutes=5))
    poll_now()
    work()
    assert Settlement.objects.get() == settled
    assert OutboxEntry.objects.filter(source_key="training").count() == 1
    assert Task.objects.count() == 1


def test_a_rejection_makes_nothing_and_a_revision_argues_again(proposal: Analysis, workspace: Sandbox) -> None:
    settled = take(proposal, decision="Needs_Revision", note="What if we only license their brand?")
    assert settled.acceptance_rate is None
    work()
    again = Analysis.objects.get(revision=2)
    assert again.note == "What if we only license their brand?"
    rejected = take(again, decision="Rejected", reason="Too risky")
    assert (rejected.acceptance_rate, rejected.rejection_reason) == (0.0, "Too risky")
    work()
    action = action_of(again)
    assert (action.values["Rejection_Reason"], action.values["Approval_Status"]) == ("Too risky", "Rejected")
    assert (Task.objects.count(), state(proposal)) == (0, "done")


def test_a_page_changed_in_notion_meanwhile_decides_nothing_and_says_what_changed(
    proposal: Analysis, workspace: Sandbox
) -> None:
    action = action_of(proposal)
    seen = desk.shown(action)
    mine = wish(proposal, tasks=["Mine"])
    first = seen.plan.tasks[0]
    theirs = {
        "Task_Generation_Template": text("\n".join([*seen.plan.tasks[1:], "Theirs"])),
        "User_Notes": text("Look!"),
    }
    workspace.as_person("PATCH", f"/pages/{action.page_id}", {"properties": theirs})
    with pytest.raises(Changed) as told:
        desk.decide(proposal, mine, by="ada", seen=seen)
    assert any("removed" in change and first[:40] in change for change in told.value.changes)
    assert any('added: "Theirs"' in change for change in told.value.changes)
    assert "User_Notes is now: Look!" in told.value.changes
    assert not Settlement.objects.exists()
    now = desk.shown(action_of(proposal))  # what was just shown to the person, who chooses theirs all the same
    assert desk.decide(proposal, mine, by="ada", seen=now).final_plan == mine.plan.model_dump()
    work()
    assert action_of(proposal).values["Task_Generation_Template"] == "Mine"


def test_a_decision_in_notion_meanwhile_is_told_and_stays_the_only_one(proposal: Analysis, workspace: Sandbox) -> None:
    action = action_of(proposal)
    choice = {"Approval_Status": {"select": {"name": "Rejected"}}}
    workspace.as_person("PATCH", f"/pages/{action.page_id}", {"properties": choice})
    with pytest.raises(ValidationError, match="Decided in Notion meanwhile: Rejected"):
        take(proposal)
    Action.objects.update(last_edited_time=Now() - timedelta(minutes=5))
    run(["settle"])
    assert (Settlement.objects.get().decision, Settlement.objects.get().decided_by) == ("Rejected", "")
    with pytest.raises(ValidationError, match="A person in Notion has decided already: rejected"):
        take(proposal)


def test_an_edit_in_notion_before_our_write_lands_is_kept_and_holds_the_tasks(
    proposal: Analysis, workspace: Sandbox
) -> None:
    take(proposal, tasks=["Mine"])
    run(["execute"])  # our word is not in Notion yet: that is no approval taken back
    execution = Execution.objects.get()
    assert execution.status == Job.Status.WAITING
    page = action_of(proposal).page_id
    workspace.as_person("PATCH", f"/pages/{page}", {"properties": {"Task_Generation_Template": text("Theirs")}})
    poll_now()
    run_stage("deliver")
    Execution.objects.update(due_at=Now())
    run(["execute"])
    item = InboxItem.objects.get()
    assert (item.state, Task.objects.count()) == ("held", 0)
    assert "Conflict: Task_Generation_Template" in item.state_reason
    assert action_of(proposal).values["Task_Generation_Template"] == "Theirs"


@pytest.fixture
def slow(settings: LazySettings) -> None:
    settings.UNDO_SECONDS = 60


def test_an_approval_can_be_taken_back_before_its_tasks_are_made(
    proposal: Analysis, workspace: Sandbox, slow: None
) -> None:
    settled = take(proposal)
    assert [one.settlement for one in desk.undoable()] == [settled]
    work()
    desk.take_back(settled, by="ada")
    with pytest.raises(ValidationError, match="Too late"):
        desk.take_back(settled, by="ada")
    work()
    item = InboxItem.objects.get()
    assert (item.state, Task.objects.count()) == ("held", 0)
    assert "taken back" in item.state_reason
    assert action_of(proposal).values["Approval_Status"] == "Pending"
    assert AuditEntry.objects.filter(action="proposal.take_back", label="ada").count() == 1


def test_what_was_taken_back_can_be_approved_after_all(
    proposal: Analysis, workspace: Sandbox, settings: LazySettings
) -> None:
    settings.UNDO_SECONDS = 60
    settled = take(proposal)
    with pytest.raises(ValidationError, match="not taken back"):
        desk.approve_after_all(settled, by="ada")
    work()
    desk.take_back(settled, by="ada")
    work()
    settings.UNDO_SECONDS = 0
    desk.approve_after_all(settled, by="ada")
    run(["execute"])
    assert not Task.objects.exists()  # Notion still says Pending
    Execution.objects.update(due_at=Now())
    work()
    assert Task.objects.count() == len(settled.final_plan["tasks"] if settled.final_plan else [])
    assert (action_of(proposal).values["Approval_Status"], state(proposal)) == ("Approved", "done")


def test_what_was_taken_back_can_be_argued_again_with_a_note_and_decided_otherwise(
    proposal: Analysis, workspace: Sandbox, slow: None, admin_client: Client
) -> None:
    settled = take(proposal)
    with pytest.raises(ValidationError, match="not taken back"):
        desk.argue_again(settled, "Think of winter.", by="ada")
    work()
    desk.take_back(settled, by="ada")
    path = f"/admin/analysis/proposal/{proposal.pk}/change/"
    page = admin_client.get(path).content.decode()
    assert "Approve after all" in page
    assert "Argue again with this note" in page
    admin_client.post(path, {"deed": "argue_again", "note": "  "})
    assert Analysis.objects.count() == 1
    admin_client.post(path, {"deed": "argue_again", "note": "Think of winter."})
    revision = Analysis.objects.get(revision=2)
    assert (revision.note, state(proposal)) == ("Think of winter.", "analysing")
    for again in (
        lambda: desk.argue_again(settled, "Twice.", by="bob"),
        lambda: desk.approve_after_all(settled, by="b"),
    ):
        with pytest.raises(ValidationError, match="decide on"):
            again()
    assert "decide on the new version" in admin_client.get(path).content.decode()
    work()
    assert action_of(proposal).values["Approval_Status"] == "Needs_Revision"
    take(revision, decision="Rejected", reason="Too risky")
    work()
    assert (state(proposal), Task.objects.count()) == ("done", 0)
    assert Settlement.objects.get(pk=settled.pk).decision == "Approved", "what was settled stays"
    assert AuditEntry.objects.get(action="proposal.argue_again").reason == "Think of winter."


def test_two_clicks_are_one_decision_and_another_reviewer_is_told_who_was_first(alone: Analysis) -> None:
    first = take(alone, note="Fine.")
    assert take(alone, note="Fine.") == first
    with pytest.raises(ValidationError, match="ada has decided already: approved"):
        take(alone, by="bob", note="Fine.")
    with pytest.raises(ValidationError, match="ada has decided already"):
        take(alone, decision="Rejected", reason="Too risky")
    assert Settlement.objects.count() == 1
    assert AuditEntry.objects.filter(action="proposal.decide").count() == 1
    assert OutboxEntry.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_of_four_reviewers_at_once_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_send", lambda *_: None)
    monkeypatch.setattr(outbox, "refresh", lambda action: None)
    make_source()
    analysis = make_proposal()

    def review(who: str) -> str:
        try:
            return take(analysis, by=who, tasks=[f"The task of {who}"]).decided_by
        except ValidationError as error:
            return " ".join(error.messages)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as people:
        told = list(people.map(review, ["ada", "bob", "eve", "joe"]))
    winner = Settlement.objects.get()
    assert told.count(winner.decided_by) == 1
    assert sum(f"{winner.decided_by} has decided already" in one for one in told) == 3
    assert winner.final_plan is not None
    assert winner.final_plan["tasks"] == [f"The task of {winner.decided_by}"]
    assert (OutboxEntry.objects.count(), Execution.objects.count()) == (4, 1)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"decision": "Maybe"}, "Approve, reject"),
        ({"decision": "Rejected"}, "Say why"),
        ({"decision": "Rejected", "reason": "<script>"}, "Say why"),
        ({"decision": "Needs_Revision", "note": " \n"}, "Say in the note"),
        ({"scenario_options": "x" * 100_001}, "longer than 100,000"),
        ({"tasks": ["t"] * 101}, "101 tasks"),
        ({"tasks": ["t" * 2_001]}, "A task is longer"),
        ({"recommended_option": "Option D"}, "no such option"),
    ],
)
def test_what_passes_a_bound_or_lacks_its_reason_is_refused(alone: Analysis, wanted: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        take(alone, **wanted)
    assert not Settlement.objects.exists()
    assert not OutboxEntry.objects.exists()


def test_a_plan_that_was_proposed_is_never_changed(alone: Analysis) -> None:
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Synthesis.objects.update(plan={**proposed_plan().model_dump(), "tasks": []})
    Synthesis.objects.update(plan=proposed_plan().model_dump())  # the same again is no change


def test_how_a_browser_ends_lines_is_no_edit(alone: Analysis) -> None:
    plan = proposed_plan()
    sent = {name: getattr(plan, name).replace("\n", "\r\n") for name in ("scenario_options", "risk_assessment")}
    settled = take(alone, **sent, tasks=[*plan.tasks, "", "  "])
    assert (settled.acceptance_rate, settled.changes) == (1.0, [])
    assert settled.final_plan == plan.model_dump()


def test_letters_that_no_database_holds_are_marked_and_never_break_it(alone: Analysis) -> None:
    settled = take(alone, tasks=["a\x00b", "c\ud800d\u2028e"], note="\x00")
    assert settled.final_plan is not None
    assert "\x00" not in str(settled.final_plan)


def test_an_item_that_went_elsewhere_is_not_decided(alone: Analysis) -> None:
    Analysis.objects.update(superseded="ana sent the item from strategic to reference.")
    with pytest.raises(ValidationError, match="ana sent the item"):
        take(alone)
    assert not desk.waiting().exists()


def test_the_queue_has_the_stop_signals_first_then_the_oldest(alone: Analysis) -> None:
    second, third = make_proposal(make_item("Second")), make_proposal(make_item("Third"))
    voice = Perspective.objects.get(analysis=third, persona="auditor")
    voice.answer = {**(voice.answer or {}), "reject": "values", "reject_reason": "It is against what you said."}
    voice.save()
    LLMCall.objects.create(purpose="persona", model="m", key="k", item=second.item, reserved_usd="0.5")
    queue = list(desk.waiting())
    assert [one.pk for one in queue] == [third.pk, alone.pk, second.pk]
    assert [float(one.cost) for one in queue] == [0, 0, 0.5]
    decide(alone)
    assert [one.pk for one in desk.waiting()] == [third.pk, second.pk]


def test_the_queue_costs_the_same_number_of_queries_however_long_it_is(
    alone: Analysis, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        make_proposal(make_item(f"Question {number}"))
    with django_assert_max_num_queries(12):
        assert admin_client.get("/admin/analysis/proposal/").status_code == 200
