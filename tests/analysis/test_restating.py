"""Whoever approved and decides otherwise before anything was made of it is heard: the settlement says what they decided last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models.functions import Now

from analysis import desk, outcome, settlement
from analysis.execution import execute, queue_redecided
from analysis.models import Analysis, Execution, Outcome, Settlement
from emm import schedule
from emm.audit import AuditEntry
from emm.jobs import Job
from notion_sync.models import Action, DataSource, InboxItem, Intent, LogEntry, OutboxEntry, Task, TrainingExample
from tests.factories import decide, make_proposal, make_settlement, make_source, proposed_plan
from tests.world import Sandbox, add_item, poll_everything, work
from tests.world import decide as decide_in_notion

pytestmark = pytest.mark.django_db


@pytest.fixture
def analysis() -> Analysis:
    """An approved proposal whose tasks are not made yet; all that was promised stands in Notion."""
    make_source()
    made = make_proposal()
    settling = Settlement.claim(make_settlement(made).pk)
    assert settling is not None
    settling.attempt(settlement.settle)
    OutboxEntry.objects.update(status=Job.Status.DONE)
    return made


def run(job: Execution | None = None) -> Execution:
    Execution.objects.filter(status=Job.Status.WAITING).update(due_at=Now())
    claimed = Execution.claim((job or Execution.objects.get()).pk)
    assert claimed is not None
    claimed.attempt(execute)
    return claimed


def taken_back(analysis: Analysis) -> Settlement:
    """The approval after its execution found Pending on the Action page."""
    decide(analysis, "Pending")
    run()
    OutboxEntry.objects.update(status=Job.Status.DONE)
    return Settlement.objects.get()


def promised(key: str) -> dict[str, Any]:
    """The latest promised write for a page of one database."""
    entry = OutboxEntry.objects.filter(source_key=key).latest("pk")
    return dict(entry.values)


def test_a_rejection_in_the_time_to_undo_takes_the_approvals_place(analysis: Analysis) -> None:
    final = proposed_plan().model_copy(update={"tasks": ["Sell the bicycle"]})
    decide(analysis, "Rejected", final, Rejection_Reason="Too risky", User_Notes="Not this year")
    run()
    made = Settlement.objects.get()
    assert (made.decision, made.rejection_reason, made.note) == ("Rejected", "Too risky", "Not this year")
    assert (made.acceptance_rate, made.persona_rates, made.field_rates, made.closest) == (0.0, {}, {}, "")
    assert made.final_plan == final.model_dump()
    assert made.changes
    assert not Execution.objects.exists()
    assert not Task.objects.exists()
    item = InboxItem.objects.get()
    assert (item.state, item.state_reason) == (InboxItem.State.WRITING, "Rejected: Too risky.")
    entry = AuditEntry.objects.get(action="proposal.restate")
    assert (entry.label, entry.reason) == ("a person in Notion", "Too risky Not this year")
    assert (entry.before or {})["decision"] == "Approved"
    assert (entry.after or {})["decision"] == "Rejected"


def test_the_pages_of_the_approval_say_what_was_decided_instead(analysis: Analysis) -> None:
    decide(analysis, "Rejected", Rejection_Reason="Too risky")
    run()
    assert (promised("training")["Decision"], promised("training")["Acceptance_Rate"]) == ("Rejected", 0.0)
    assert promised("training")["Title"].startswith("Rejected: ")
    assert promised("actions") == {"Acceptance_Rate": 0.0, "Approved_Date": None, "Diff_Logged": True}
    assert promised("intents")["Status"] == "Rejected"
    assert "Too risky" in promised("intents")["Decision_Made"]
    assert TrainingExample.objects.count() == 1
    first, second = LogEntry.objects.order_by("pk")
    assert (first.title[:8], second.title[:8]) == ("Approved", "Rejected")
    assert "It had been approved before; nothing was made of that." in promised("log")["Action_Taken"]


def test_a_request_for_revision_in_the_time_to_undo_opens_the_revision(analysis: Analysis) -> None:
    decide(analysis, "Needs_Revision", User_Notes="Think of a bicycle")
    run()
    made = Settlement.objects.get()
    assert (made.decision, made.acceptance_rate) == ("Needs_Revision", None)
    assert Analysis.objects.get(revision=2).note == "Think of a bicycle"
    assert promised("actions")["Acceptance_Rate"] is None
    assert promised("intents")["Status"] == "In_Analysis"
    assert InboxItem.objects.get().state == InboxItem.State.ANALYSING


def test_another_decision_is_read_when_its_minute_has_closed_and_not_if_it_is_approved_again_by_then(
    analysis: Analysis,
) -> None:
    edited = decide(analysis, "Rejected").last_edited_time
    assert edited is not None
    DataSource.objects.update(cursor=edited + timedelta(seconds=59))
    job = run()
    assert job.status == Job.Status.WAITING
    assert "until the minute of that edit has closed" in job.last_error
    decide(analysis, "Approved")
    assert run().status == Job.Status.DONE
    assert (Settlement.objects.get().decision, Task.objects.count()) == ("Approved", 3)


def test_what_is_decided_otherwise_later_counts_from_then_on(analysis: Analysis) -> None:
    taken_back(analysis)
    Settlement.objects.update(status_since=Now() - timedelta(days=8))
    decide(analysis, "Rejected")
    queue_redecided()
    run()
    assert Settlement.objects.filter(decision="Rejected", status_since__gt=Now() - timedelta(days=1)).exists()


def test_an_approval_is_restated_once(analysis: Analysis) -> None:
    decide(analysis, "Rejected")
    run()
    before = OutboxEntry.objects.count()
    for status in ("Approved", "Needs_Revision"):
        decide(analysis, status)
        settlement.open_settlements()
        queue_redecided()
    assert Settlement.objects.get().decision == "Rejected"
    assert (OutboxEntry.objects.count(), Execution.objects.count(), Analysis.objects.count()) == (before, 0, 1)


def test_a_worker_that_lost_its_lease_restates_nothing(analysis: Analysis) -> None:
    decide(analysis, "Rejected")
    late = Execution.claim(Execution.objects.get().pk)
    assert late is not None
    Execution.objects.update(leased_until=Now() - timedelta(seconds=1))
    Execution.reap()
    late.attempt(execute)
    assert (Settlement.objects.get().decision, Execution.objects.count()) == ("Approved", 1)
    assert not AuditEntry.objects.exists()


def test_what_was_taken_back_and_is_decided_otherwise_later_is_restated_too(analysis: Analysis) -> None:
    taken_back(analysis)
    queue_redecided()
    assert Execution.objects.get().status == Job.Status.NEVER
    decide(analysis, "Rejected", Rejection_Reason="Too costly")
    queue_redecided()
    run()
    assert Settlement.objects.get().rejection_reason == "Too costly"
    assert InboxItem.objects.get().state == InboxItem.State.WRITING


def test_another_decision_waits_while_a_word_of_ours_on_the_same_page_is_not_settled(analysis: Analysis) -> None:
    desk.take_back(Settlement.objects.get(), by="ada")
    OutboxEntry.objects.filter(values__has_key="Approval_Status").update(status=Job.Status.NEVER)
    decide(analysis, "Rejected")
    queue_redecided()
    assert Execution.objects.get().status == Job.Status.NEVER
    OutboxEntry.objects.update(status=Job.Status.DONE)  # a person chose theirs
    queue_redecided()
    run()
    assert Settlement.objects.get().decision == "Rejected"


def test_what_is_argued_again_at_the_desk_is_no_other_decision(analysis: Analysis) -> None:
    made = taken_back(analysis)
    desk.argue_again(made, "Think of winter.", by="ada")
    decide(analysis, "Needs_Revision")  # as our write leaves it
    OutboxEntry.objects.update(status=Job.Status.DONE)
    queue_redecided()
    assert Execution.objects.get().status == Job.Status.NEVER
    assert Settlement.objects.get().decision == "Approved"


def test_the_desk_writes_nothing_over_another_decision(analysis: Analysis) -> None:
    made = Settlement.objects.get()
    decide(analysis, "Rejected")
    with pytest.raises(ValidationError, match="Decided otherwise in Notion meanwhile: Rejected"):
        desk.take_back(made, by="ada")
    assert Execution.objects.get().status == Job.Status.WAITING
    decide(analysis, "Approved")
    taken_back(analysis)
    decide(analysis, "Rejected")
    for deed in (lambda: desk.approve_after_all(made, by="ada"), lambda: desk.argue_again(made, "Again.", by="ada")):
        with pytest.raises(ValidationError, match="Decided otherwise in Notion meanwhile"):
            deed()
    assert Analysis.objects.count() == 1


def test_once_it_is_decided_otherwise_there_is_nothing_to_take_back(analysis: Analysis) -> None:
    decide(analysis, "Rejected")
    run()
    for deed in (desk.take_back, desk.approve_after_all):
        with pytest.raises(ValidationError):
            deed(Settlement.objects.get(), by="ada")


def test_how_it_went_is_not_waited_for_before_the_approval_is_carried_out(analysis: Analysis) -> None:
    outcome.open_outcomes()
    assert not Outcome.objects.exists()
    taken_back(analysis)
    outcome.open_outcomes()
    assert not Outcome.objects.exists()
    decide(analysis, "Approved")
    Execution.objects.get().queue_again()
    run()
    outcome.open_outcomes()
    assert Outcome.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_taking_back_at_the_desk_and_restating_at_the_same_time_end_in_one_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "_send", lambda *_: None)  # the sweep finds what no message told of
    make_source()
    analysis = make_proposal()
    settling = Settlement.claim(make_settlement(analysis).pk)
    assert settling is not None
    settling.attempt(settlement.settle)
    OutboxEntry.objects.update(status=Job.Status.DONE)
    decide(analysis, "Rejected")
    execution = Execution.objects.get()

    def deed(number: int) -> None:
        try:
            if number % 2:
                job = Execution.claim(execution.pk)
                if job is not None:
                    job.attempt(execute)
            else:
                desk.take_back(Settlement.objects.get(), by="ada")
        except ValidationError:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(deed, range(4)))
    assert Settlement.objects.get().decision == "Rejected"
    assert not Execution.objects.exists()
    assert AuditEntry.objects.count() == 1


def test_a_person_who_rejects_in_notion_within_the_minute_is_heard(workspace: Sandbox, settings: LazySettings) -> None:
    settings.UNDO_SECONDS = 60
    add_item(workspace, "Should we acquire our competitor Northwind Ltd for $400,000?")
    poll_everything()
    work()
    action = Action.objects.get()
    decide_in_notion(workspace, action, "Approved")
    poll_everything()
    work()
    assert Execution.objects.get().status == Job.Status.WAITING
    decide_in_notion(workspace, action, "Rejected", Rejection_Reason="Too risky")
    Settlement.objects.update(status_since=Now() - timedelta(seconds=61))
    Execution.objects.update(due_at=Now())
    poll_everything()
    work()
    made = Settlement.objects.get()
    assert (made.decision, made.rejection_reason) == ("Rejected", "Too risky")
    action.refresh_from_db()
    assert (action.values["Approval_Status"], action.values["Acceptance_Rate"]) == ("Rejected", 0)
    assert action.values["Approved_Date"] is None
    assert Intent.objects.get().values["Status"] == "Rejected"
    assert TrainingExample.objects.get().values["Decision"] == "Rejected"
    assert [row.title.split(":")[0] for row in LogEntry.objects.order_by("pk")][-2:] == ["Approved", "Rejected"]
    assert (InboxItem.objects.get().state, Task.objects.count(), Outcome.objects.count()) == ("done", 0, 0)
    assert not OutboxEntry.objects.exclude(status=Job.Status.DONE).exists()
