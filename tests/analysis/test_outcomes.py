"""How it went: everyone is asked once, the last answer counts until it is settled, and confidence is held against it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from analysis import outcome, settlement
from analysis.models import Execution, Outcome, Settlement
from emm.audit import AuditEntry
from emm.jobs import Job
from notion_sync import conflicts, properties
from notion_sync.models import Action, InboxItem, Intent, LogEntry, OutboxEntry, Task
from tests.factories import database_now, make_proposal, make_settlement, proposed_plan
from tests.world import Sandbox, add_item, poll_everything, work
from tests.world import decide as decide_in_notion

pytestmark = pytest.mark.django_db
CONSOLE, NOTION = Outcome.How.CONSOLE, Outcome.How.NOTION


def settled(status: str = "Approved", *, analysis: Any = None, option: str = "Option B") -> Settlement:
    plan = proposed_plan().model_copy(update={"recommended_option": option})
    made = make_settlement(analysis or make_proposal(), status, plan)
    claimed = Settlement.claim(made.pk)
    assert claimed is not None
    claimed.attempt(settlement.settle)
    Execution.objects.update(status=Job.Status.DONE)
    made.refresh_from_db()
    return made


def opened(**more: Any) -> Outcome:
    made = settled(**more)
    outcome.open_outcomes()
    found: Outcome = Outcome.objects.get(settlement=made)
    return found


def asked(one: Outcome) -> Outcome:
    Outcome.objects.filter(pk=one.pk).update(due_at=Now())
    claimed = Outcome.claim(one.pk)
    assert claimed is not None
    claimed.attempt(outcome.ask)
    one.refresh_from_db()
    return one


def in_notion(one: Outcome, result: str | None) -> None:
    """The mirror after a poll that found what a person chose on the Intent page."""
    intent = one.settlement.synthesis.analysis.intent
    assert intent is not None
    intent.refresh_from_db()
    intent.values = {**intent.values, "Outcome": result}
    intent.properties = {**intent.properties, "Outcome": properties.write("select", result)}
    intent.save()
    outcome.open_outcomes()
    one.refresh_from_db()


def arrived() -> None:
    """All that was promised stands in Notion."""
    OutboxEntry.objects.update(status=Job.Status.DONE)


def promised(key: str) -> list[dict[str, Any]]:
    return [entry.values for entry in OutboxEntry.objects.filter(source_key=key).order_by("pk")]


def test_every_approved_decision_gets_its_review_date_and_prediction_once() -> None:
    approved = settled()
    settled("Rejected")
    settled("Needs_Revision")
    for _ in range(2):
        outcome.open_outcomes()
    one = Outcome.objects.get()
    intent = one.settlement.synthesis.analysis.intent
    assert intent is not None
    assert one.settlement == approved
    assert one.review_on.isoformat() == intent.values["Review_Date"]
    assert (one.prediction, one.probability, one.option) == ("Ten deliveries a week are made", 0.6, "Option B")
    assert one.due_at.date() == one.review_on
    # The Quant and the synthesis advised Option B, the others something else.
    assert one.stated == pytest.approx({"entrepreneur": 0.3, "quant": 0.7, "auditor": 0.3, "synthesis": 0.72})


def test_the_verdict_after_a_rebuttal_is_the_one_that_counts_and_no_option_scores_nobody() -> None:
    assert opened(option="").stated == {}
    assert opened(option="Option A").stated["entrepreneur"] == pytest.approx(0.7)


def test_a_review_date_that_a_person_emptied_is_counted_from_the_decision() -> None:
    analysis = make_proposal()
    Intent.objects.update(values={})
    one = opened(analysis=analysis)
    assert one.review_on == (one.settlement.status_since + timedelta(days=60)).date()


@pytest.mark.parametrize("days", [-30, 0])
def test_a_review_date_that_was_over_when_it_was_approved_is_set_anew(days: int) -> None:
    analysis = make_proposal()
    past = database_now().date() + timedelta(days=days)
    stale = {"Review_Date": {"start": past.isoformat(), "end": None}}
    Intent.objects.update(values=stale, properties={"Review_Date": properties.write("date", past)})
    one = opened(analysis=analysis)
    outcome.open_outcomes()  # the Intent page still says the old day: nobody has moved it
    one.refresh_from_db()
    assert one.review_on == (one.settlement.status_since + timedelta(days=60)).date()
    assert one.due_at.date() == one.review_on
    assert promised("intents")[-1] == {"Review_Date": one.review_on.isoformat()}


def test_a_person_may_move_the_date_until_it_is_asked() -> None:
    one = opened()
    intent = one.settlement.synthesis.analysis.intent
    assert intent is not None
    OutboxEntry.objects.update(status="done")
    today = one.settlement.status_since.date().isoformat()
    for moved in ("2031-05-06", today, "2030-01-02T10:00:00.000+01:00"):
        intent.refresh_from_db()
        values = {**intent.values, "Review_Date": {"start": moved, "end": None}}
        Intent.objects.filter(pk=intent.pk).update(values=values)
        outcome.open_outcomes()
        one.refresh_from_db()
        assert one.review_on.isoformat() == moved[:10]
        assert one.due_at.date() == one.review_on
    asked(one)
    Intent.objects.filter(pk=intent.pk).update(values={**intent.values, "Review_Date": {"start": "2032-01-01"}})
    outcome.open_outcomes()
    one.refresh_from_db()
    assert one.review_on == date(2030, 1, 2)


def test_when_due_a_person_is_asked_by_a_task_once_and_the_intent_shows_the_day() -> None:
    one = opened()
    before = len(promised("tasks"))
    asked(one)
    assert one.asked_at is not None
    assert Outcome.claim(one.pk) is None
    (task,) = promised("tasks")[before:]
    assert task["Name"] == "How did it go? Should we buy a van?"
    assert task["Date"] == one.review_on.isoformat()
    assert task["Source Intent"]
    page = str(OutboxEntry.objects.get(purpose="ask how the decision turned out").children)
    assert "Projected: Ten deliveries a week are made (60% likely)" in page
    assert "set Outcome" in page
    assert promised("intents")[-1] == {"Due_Date": one.review_on.isoformat()}
    assert list(outcome.due()) == [one]


def test_nobody_is_asked_about_an_approval_that_was_taken_back_or_about_what_was_answered() -> None:
    one = opened()
    Action.objects.update(approval_status="Pending")
    asked(one)
    assert (one.status, one.asked_at) == (Job.Status.WAITING, None)
    assert "taken back" in one.last_error
    Action.objects.update(approval_status="Approved")
    in_notion(one, "Better")
    asked(one)
    assert (one.status, one.asked_at) == (Job.Status.DONE, None)


def test_a_worker_that_lost_its_lease_asks_nobody() -> None:
    one = opened()
    Outcome.objects.update(due_at=Now())
    late = Outcome.claim(one.pk)
    assert late is not None
    Outcome.objects.update(leased_until=Now() - timedelta(seconds=1))
    Outcome.reap()
    before = OutboxEntry.objects.count()
    late.attempt(outcome.ask)
    assert OutboxEntry.objects.count() == before
    assert Outcome.objects.get().asked_at is None


def test_the_log_shows_what_is_projected_at_once_and_what_came_when_it_is_known() -> None:
    one = opened()
    (entry,) = [values for values in promised("log") if values["Log_Entry_Title"].startswith("Approved")]
    foreseen = (
        "Projected: Ten deliveries a week are made (60% likely). Option B was thought right with a confidence of 72%."
    )
    assert entry["Actual_vs_Projected"] == f"{foreseen}\nActual: not known yet."
    asked(one)
    outcome.answer(one, "Worse", by="ana", how=CONSOLE, note="Two deliveries a week.")
    shown = promised("log")[-1]
    assert shown["Outcome"] == "Worse"
    assert shown["Actual_vs_Projected"].startswith(f"{foreseen}\nActual: worse (ana, 20")
    assert shown["Actual_vs_Projected"].endswith("Two deliveries a week.")
    assert promised("intents")[-1] == {"Outcome": "Worse"}
    assert promised("tasks")[-1] == {"Status": "Done"}
    assert not outcome.due().exists()


def test_a_rejection_projects_nothing_in_the_log() -> None:
    settled("Rejected")
    assert all("Actual_vs_Projected" not in values for values in promised("log"))


def test_an_answer_in_notion_counts_once_and_is_not_written_back_there() -> None:
    one = opened()
    for _ in range(3):
        in_notion(one, "As expected")
    assert (one.result, one.how, one.answered_by) == ("As expected", "notion", "a person in Notion")
    assert AuditEntry.objects.filter(action="outcome.answer").count() == 1
    assert all("Outcome" not in values for values in promised("intents"))


def test_the_last_answer_counts_wherever_it_was_given_and_the_audit_log_keeps_all() -> None:
    one = opened()
    in_notion(one, "Better")
    outcome.answer(one, "Worse", by="ana", how=CONSOLE, note="The engine failed.")
    outcome.open_outcomes()  # Notion still says Better, until our write is delivered: that is no new answer
    one.refresh_from_db()
    assert one.result == "Worse"
    arrived()
    in_notion(one, "Worse")
    assert (one.result, one.how, one.note) == ("Worse", "console", "The engine failed.")
    in_notion(one, "Unknown")
    assert (one.result, one.how) == ("Unknown", "notion")
    in_notion(one, None)
    assert (one.result, one.answered_at, one.how) == ("", None, "")
    in_notion(one, "Better")
    history = AuditEntry.objects.filter(action="outcome.answer").order_by("pk").values_list("after__result", flat=True)
    assert list(history) == ["Better", "Worse", "Unknown", "", "Better"]


def test_a_correction_in_the_console_is_not_undone_by_the_answer_before_it() -> None:
    one = opened()
    outcome.answer(one, "Better", by="ana", how=CONSOLE, note="A slip.")
    arrived()
    outcome.answer(one, "Worse", by="ana", how=CONSOLE, note="The engine failed.")
    in_notion(one, "Better")  # what was written for the first answer
    assert (one.result, one.note) == ("Worse", "The engine failed.")
    arrived()
    in_notion(one, "Worse")
    assert (one.result, one.how, one.note) == ("Worse", "console", "The engine failed.")
    in_notion(one, "Better")
    assert (one.result, one.how) == ("Better", "notion")
    assert AuditEntry.objects.filter(action="outcome.answer").count() == 3


def test_an_answer_in_notion_that_stands_in_the_way_of_ours_waits_until_a_person_chooses() -> None:
    one = opened()
    outcome.answer(one, "Worse", by="ana", how=CONSOLE, note="The engine failed.")
    ours = OutboxEntry.objects.get(source_key="intents", values__has_key="Outcome")
    row = {"property": "Outcome", "base": None, "ours": "Worse", "theirs": "Unknown"}
    OutboxEntry.objects.filter(pk=ours.pk).update(status=Job.Status.NEVER, conflict=[row])
    in_notion(one, "Unknown")
    assert (one.result, one.note) == ("Worse", "The engine failed.")
    conflicts.settle(ours, {"Outcome": conflicts.THEIRS}, by="ana", reason="He was there.")
    in_notion(one, "Unknown")
    assert (one.result, one.how) == ("Unknown", "notion")


def test_an_answer_whose_intent_is_in_the_bin_stands_when_the_page_comes_back() -> None:
    one = opened()
    Intent.objects.update(in_trash=True)
    outcome.answer(one, "Better", by="ana", how=CONSOLE)
    Intent.objects.update(in_trash=False)
    outcome.open_outcomes()
    one.refresh_from_db()
    assert one.result == "Better"


def test_after_a_month_it_is_settled_and_a_late_answer_only_noted() -> None:
    one = opened()
    in_notion(one, "Better")
    Outcome.objects.update(first_answered_at=Now() - outcome.SETTLED_AFTER)
    for _ in range(2):
        in_notion(one, "Worse")
    assert one.result == "Better"
    assert AuditEntry.objects.filter(action="outcome.late_answer").count() == 1
    with pytest.raises(ValidationError, match="settled"):
        outcome.answer(one, "Worse", by="ana", how=CONSOLE)


def test_a_page_in_the_bin_stops_no_answer() -> None:
    one = asked(opened())
    for model in (Intent, LogEntry, Task):
        model.objects.update(in_trash=True)
    before = OutboxEntry.objects.count()
    outcome.answer(one, "Better", by="ana", how=CONSOLE)
    assert OutboxEntry.objects.count() == before


def test_the_database_refuses_an_answer_without_its_time() -> None:
    one = opened()
    for wrong in ({"result": "Better"}, {"probability": 1.5}, {"result": "Great", "answered_at": Now()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Outcome.objects.filter(pk=one.pk).update(**wrong)


def test_a_decision_is_asked_about_in_notion_and_answered_there(workspace: Sandbox) -> None:
    add_item(workspace, "Should we acquire our competitor Northwind Ltd for $400,000?")
    poll_everything()
    work()
    decide_in_notion(workspace, Action.objects.get(), "Approved")
    poll_everything()
    work()
    one = Outcome.objects.get()
    assert not Execution.objects.exclude(status="done").exists()
    Outcome.objects.update(due_at=Now())
    work()
    (question,) = Task.objects.filter(title__startswith="How did it go?")
    assert question.page_id is not None
    intent = Intent.objects.get()
    assert intent.values["Due_Date"]["start"] == one.review_on.isoformat()
    choice = {"Outcome": {"select": {"name": "Better"}}}
    workspace.as_person("PATCH", f"/pages/{intent.page_id}", {"properties": choice})
    poll_everything()
    work()
    work()  # what the last look promised is delivered
    one.refresh_from_db()
    question.refresh_from_db()
    assert (one.result, question.values["Status"]) == ("Better", "Done")
    (entry,) = [row for row in LogEntry.objects.all() if row.values.get("Outcome")]
    assert "Actual: better (a person in Notion" in entry.values["Actual_vs_Projected"]
    assert InboxItem.objects.get().state == "done"
    assert not OutboxEntry.objects.exclude(status="done").exists()
