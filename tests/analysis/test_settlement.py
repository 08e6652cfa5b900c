"""What a person decided is read once, whole, and followed by what has to follow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from analysis import settlement
from analysis.answers import Plan
from analysis.models import Analysis, Execution, Settlement
from analysis.settlement import open_settlements, settle
from emm import schedule
from emm.jobs import MAX_FAILURES, Job
from notion_sync import workspace
from notion_sync.models import Action, DataSource, InboxItem, LogEntry, OutboxEntry, TrainingExample
from tests.factories import decide, make_proposal, make_settlement, make_source, proposed_plan

pytestmark = pytest.mark.django_db
EMPTY = Plan(recommended_option="", scenario_options="", risk_assessment="", required_resources="", tasks=[])


@pytest.fixture
def analysis() -> Analysis:
    make_source()
    return make_proposal()


def run(job: Settlement) -> Settlement:
    claimed = Settlement.claim(job.pk)
    assert claimed is not None
    claimed.attempt(settle)
    return claimed


def promised(key: str, analysis: Analysis) -> dict[str, Any]:
    """All values that were promised for the pages of one database."""
    values: dict[str, Any] = {}
    for entry in OutboxEntry.objects.filter(source_key=key, item=analysis.item).order_by("pk"):
        values |= entry.values
    return values


@pytest.mark.parametrize("status", ["Approved", "Rejected", "Needs_Revision"])
def test_a_decision_whose_minute_has_closed_is_found_once(analysis: Analysis, status: str) -> None:
    action = decide(analysis, status)
    open_settlements()
    open_settlements()
    assert [job.action for job in Settlement.objects.all()] == [action]


def test_a_decision_is_left_alone_until_a_poll_began_after_its_minute(analysis: Analysis) -> None:
    action = decide(analysis)
    edited = action.last_edited_time
    assert edited is not None
    DataSource.objects.update(cursor=edited + timedelta(seconds=59))
    open_settlements()
    assert not Settlement.objects.exists()
    DataSource.objects.update(cursor=edited + timedelta(seconds=60))
    open_settlements()
    assert Settlement.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"approval_status": "Pending"},
        {"approval_status": "approved, I think"},
        {"in_trash": True},
        {"last_edited_time": None},
    ],
)
def test_what_is_no_decision_opens_no_settlement(analysis: Analysis, change: dict[str, Any]) -> None:
    Action.objects.filter(pk=decide(analysis).pk).update(**change)
    open_settlements()
    assert not Settlement.objects.exists()


def test_before_the_first_poll_and_the_synthesis_nothing_is_settled(analysis: Analysis) -> None:
    decide(analysis)
    DataSource.objects.update(cursor=None)
    open_settlements()
    DataSource.objects.update(cursor=Now())
    type(analysis.synthesis).objects.update(status=Job.Status.WAITING)
    open_settlements()
    assert not Settlement.objects.exists()


def test_a_page_of_a_person_without_an_analysis_is_passed_over(analysis: Analysis) -> None:
    Action.objects.create(approval_status="Approved", last_edited_time=Now() - timedelta(hours=1))
    open_settlements()
    assert not Settlement.objects.exists()


def test_an_unchanged_approval_is_accepted_whole(analysis: Analysis) -> None:
    job = run(make_settlement(analysis))
    job.refresh_from_db()
    assert (job.status, job.decision, job.acceptance_rate, job.changes) == ("done", "Approved", 1.0, [])
    assert job.closest == "synthesis"
    assert set(job.persona_rates) == {"entrepreneur", "quant", "auditor"}
    assert job.final_plan == proposed_plan().model_dump()
    assert analysis.item.__class__.objects.get().state == InboxItem.State.DECIDED


def test_an_approval_leaves_four_writes_and_an_execution_that_can_be_undone(
    analysis: Analysis, settings: LazySettings
) -> None:
    settings.UNDO_SECONDS = 90
    job = run(make_settlement(analysis))
    assert sorted(OutboxEntry.objects.values_list("source_key", "kind")) == [
        ("actions", "update"),
        ("intents", "update"),
        ("log", "create"),
        ("training", "create"),
    ]
    due = Execution.objects.annotate(waits=F("due_at") - Now()).get(settlement=job)
    assert timedelta(seconds=80) < due.waits <= timedelta(seconds=90)


def test_what_the_person_changed_stands_on_the_pages_in_words(analysis: Analysis) -> None:
    final = proposed_plan().model_copy(update={"recommended_option": "Option A", "tasks": ["Sign for one month"]})
    job = run(make_settlement(analysis, plan=final))
    job.refresh_from_db()
    assert job.acceptance_rate is not None
    assert 0 < job.acceptance_rate < 1
    change = "Recommended option changed from Option B to Option A"
    assert job.changes[0] == change
    training, log = promised("training", analysis), promised("log", analysis)
    assert training["Modifications_Count"] == 3
    assert training["Acceptance_Rate"] == job.acceptance_rate
    assert training["Decision"] == "Approved"
    assert change in training["Modifications"]
    assert change in log["Action_Taken"]
    assert log["Executor"] == "You"
    assert change in promised("intents", analysis)["Decision_Made"]


def test_the_training_example_has_every_property_that_the_workspace_declares(analysis: Analysis) -> None:
    run(make_settlement(analysis))
    declared = {one.name for one in workspace.DATABASES["training"].properties}
    assert {name for name, value in promised("training", analysis).items() if value is not None} >= declared - {
        "EMM_ID", "Modifications",
    }  # fmt: skip
    here = TrainingExample.objects.get()
    assert here.emm_id == OutboxEntry.objects.get(source_key="training").emm_id


def test_an_approval_closes_the_action_and_the_intent(analysis: Analysis) -> None:
    run(make_settlement(analysis))
    action, intent = promised("actions", analysis), promised("intents", analysis)
    assert action["Diff_Logged"] is True
    assert action["Acceptance_Rate"] == 1.0
    assert action["Approved_Date"]
    assert intent["Status"] == "Approved"
    assert not set(action) & {p.name for p in workspace.DATABASES["actions"].properties if p.writer == "people"}


def test_a_rejection_rates_zero_keeps_the_reason_and_makes_nothing(analysis: Analysis) -> None:
    job = run(make_settlement(analysis, "Rejected", Rejection_Reason="Too risky", User_Notes="Not this year"))
    job.refresh_from_db()
    assert (job.acceptance_rate, job.rejection_reason, job.note) == (0.0, "Too risky", "Not this year")
    assert (job.persona_rates, job.closest) == ({}, "")
    assert not Execution.objects.exists()
    assert promised("intents", analysis)["Status"] == "Rejected"
    assert "Too risky" in promised("log", analysis)["Action_Taken"]
    assert "Approved_Date" not in promised("actions", analysis)
    item = InboxItem.objects.get()
    assert (item.state, item.state_reason) == (InboxItem.State.WRITING, "Rejected: Too risky.")


def test_a_request_for_revision_opens_the_next_one_with_the_note_and_is_not_rated(analysis: Analysis) -> None:
    job = run(make_settlement(analysis, "Needs_Revision", User_Notes="Think of a bicycle"))
    job.refresh_from_db()
    assert job.acceptance_rate is None
    following = Analysis.objects.get(revision=2)
    assert following.note == "Think of a bicycle"
    assert following.perspectives.count() == 3
    assert promised("intents", analysis)["Status"] == "In_Analysis"
    assert "Acceptance_Rate" not in promised("actions", analysis)
    assert promised("training", analysis)["Acceptance_Rate"] is None
    assert InboxItem.objects.get().state == InboxItem.State.ANALYSING
    assert not Execution.objects.exists()


@pytest.mark.parametrize("change", [{"approval_status": "Pending"}, {"in_trash": True}])
def test_a_decision_taken_back_before_it_was_read_leaves_no_settlement(
    analysis: Analysis, change: dict[str, Any]
) -> None:
    job = make_settlement(analysis)
    Action.objects.update(**change)
    run(job)
    assert not Settlement.objects.exists()
    assert not OutboxEntry.objects.exists()
    assert InboxItem.objects.get().state == InboxItem.State.PROPOSED


def test_a_decision_taken_back_and_taken_again_is_settled_as_it_is_then(analysis: Analysis) -> None:
    job = make_settlement(analysis)
    Action.objects.update(approval_status="Pending")
    run(job)
    decide(analysis, "Rejected")
    open_settlements()
    assert run(Settlement.objects.get()).decision == "Rejected"


def test_a_plan_that_was_emptied_before_the_approval_is_rated_zero(analysis: Analysis) -> None:
    job = run(make_settlement(analysis, plan=EMPTY))
    job.refresh_from_db()
    assert job.status == Job.Status.DONE
    assert job.acceptance_rate == 0.0
    assert len(job.changes) == 7


def test_after_an_approval_repeated_edits_are_looked_for_at_once(
    analysis: Analysis, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as sent:
        run(make_settlement(analysis))
    assert ("rules", None) in [callback.args[:2] for callback in sent]


def test_reordered_tasks_are_told_as_moves(analysis: Analysis) -> None:
    plan = proposed_plan()
    run(make_settlement(analysis, plan=plan.model_copy(update={"tasks": plan.tasks[::-1]})))
    changes = Settlement.objects.get().changes
    assert changes
    assert all(" moved " in change for change in changes)


def test_an_edit_of_200_kilobytes_and_strange_letters_is_stored_and_fits_the_page(analysis: Analysis) -> None:
    strange = "\ufffd\u202e\u0301\U0001f469\u200d\U0001f680 \u2028 <b>%s{}</b> "
    plan = proposed_plan().model_copy(
        update={"scenario_options": "word " * 40_000, "risk_assessment": strange * 100, "tasks": [strange.strip()] * 60}
    )
    job = run(make_settlement(analysis, plan=plan, User_Notes=strange))
    job.refresh_from_db()
    assert job.status == Job.Status.DONE, job.last_error
    assert job.final_plan is not None
    assert job.final_plan["scenario_options"] == "word " * 40_000
    assert len(promised("training", analysis)["Modifications"]) < 21_000


def test_a_voice_that_failed_is_not_rated(analysis: Analysis) -> None:
    analysis.perspectives.filter(persona="auditor").update(status=Job.Status.DEAD, answer=None)
    run(make_settlement(analysis))
    assert set(Settlement.objects.get().persona_rates) == {"entrepreneur", "quant"}


def test_settling_again_promises_nothing_twice(analysis: Analysis) -> None:
    job = run(make_settlement(analysis))
    assert Settlement.claim(job.pk) is None
    assert TrainingExample.objects.count() == 1
    assert LogEntry.objects.count() == 1


def test_a_worker_that_lost_its_lease_stores_nothing(analysis: Analysis) -> None:
    late = Settlement.claim(make_settlement(analysis).pk)
    assert late is not None
    Settlement.objects.update(leased_until=Now() - timedelta(seconds=1))
    Settlement.reap()
    late.attempt(settle)
    assert not OutboxEntry.objects.exists()
    assert not Execution.objects.exists()
    assert Settlement.objects.get().status == Job.Status.WAITING


def test_a_settlement_that_breaks_off_leaves_nothing_and_is_made_up_for(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_settlement(analysis)
    with monkeypatch.context() as broken:
        broken.setattr(settlement, "_follow", lambda *parts: 1 / 0)
        run(job)
    assert not OutboxEntry.objects.exists()
    job.refresh_from_db()
    assert (job.status, job.decision, job.failures) == (Job.Status.WAITING, "", 1)
    Settlement.objects.update(due_at=Now())
    assert run(job).status == Job.Status.DONE
    assert OutboxEntry.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_two_workers_settle_one_decision_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_send", lambda *_: None)  # the sweep finds what no message told of
    make_source()
    analysis = make_proposal()
    decide(analysis)

    def work(_: int) -> None:
        try:
            open_settlements()
            job = Settlement.claim(Settlement.objects.get().pk)
            if job is not None:
                job.attempt(settle)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))
    assert Settlement.objects.get().status == Job.Status.DONE
    assert Execution.objects.count() == 1
    assert OutboxEntry.objects.count() == 4


def test_an_item_whose_decision_cannot_be_settled_is_held_until_it_is_queued_again() -> None:
    job = make_settlement(make_proposal())
    Settlement.objects.filter(pk=job.pk).update(failures=MAX_FAILURES - 1)
    taken = Settlement.claim(job.pk)
    assert taken is not None
    taken.attempt(crash)
    item = InboxItem.objects.get()
    assert item.state == InboxItem.State.HELD
    assert "the disk is full" in item.state_reason
    Settlement.objects.get().queue_again()
    item.refresh_from_db()
    assert item.state == InboxItem.State.PROPOSED


def crash(job: Job) -> None:
    raise OSError("the disk is full")
