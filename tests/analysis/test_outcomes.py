"""How it went: everyone is asked once, the last answer counts until it is settled, and confidence is held against it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from analysis import calibration, outcome, settlement
from analysis.models import Analysis, Execution, Outcome, Settlement
from emm.audit import AuditEntry
from emm.jobs import Job
from notion_sync import conflicts, properties
from notion_sync.models import Action, InboxItem, Intent, LogEntry, OutboxEntry, Task
from tests.factories import database_now, make_item, make_proposal, make_settlement, proposed_plan
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


def twice() -> tuple[Analysis, Analysis]:
    """Two versions of one argument, on the same intent."""
    first = make_proposal()
    second = make_proposal(first.item, revision=2)
    second.intent = first.intent
    second.save()
    return first, second


@pytest.mark.parametrize("swept", [True, False])
def test_the_answer_to_an_earlier_decision_is_not_taken_for_the_next_ones(swept: bool) -> None:
    first, second = twice()
    one = opened(analysis=first)
    if swept:
        in_notion(one, "Worse")
    else:  # found by the same look that opens the next one
        said = {"Outcome": properties.write("select", "Worse")}
        Intent.objects.filter(analyses=first).update(values={"Outcome": "Worse"}, properties=said)
    other = opened(analysis=second)
    assert promised("intents")[-1] == {"Outcome": ""}
    outcome.open_outcomes()
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.result, other.result) == ("Worse", "")
    arrived()
    in_notion(other, None)
    assert other.answered_at is None
    in_notion(other, "Worse")
    one.refresh_from_db()
    assert (one.result, other.result, other.how) == ("Worse", "Worse", "notion")


def test_an_answer_to_a_decision_that_another_replaced_is_not_shown_as_the_answer_to_that_one() -> None:
    first, second = twice()
    one, other = opened(analysis=first), opened(analysis=second)
    outcome.answer(one, "Worse", by="ana", how=CONSOLE)
    assert all("Outcome" not in values for values in promised("intents"))
    assert promised("log")[-1]["Outcome"] == "Worse"
    assert other.result == ""


def test_an_earlier_approval_that_is_carried_out_late_leaves_the_answer_to_the_later_one_alone() -> None:
    first, second = twice()
    late = settled(analysis=first)
    Execution.objects.update(status=Job.Status.WAITING)
    later = settled(analysis=second)
    Execution.objects.filter(settlement=late).update(status=Job.Status.WAITING)
    outcome.open_outcomes()
    one = Outcome.objects.get(settlement=later)
    in_notion(one, "Better")
    Execution.objects.update(status=Job.Status.DONE)
    outcome.open_outcomes()
    assert Outcome.objects.get(settlement=late).result == ""
    assert all("Outcome" not in values for values in promised("intents"))


def test_what_stood_under_outcome_before_the_first_decision_is_no_answer_and_stays() -> None:
    analysis = make_proposal()
    Intent.objects.update(values={"Outcome": "Better"})
    one = opened(analysis=analysis)
    outcome.open_outcomes()
    one.refresh_from_db()
    assert one.result == ""
    assert all("Outcome" not in values for values in promised("intents"))


def test_an_intent_that_was_approved_twice_is_asked_about_once() -> None:
    first, second = twice()
    one, other = opened(analysis=first), opened(analysis=second)
    assert asked(one).asked_at is None
    assert asked(other).asked_at is not None
    in_notion(other, "Better")
    one.refresh_from_db()
    assert (one.result, other.result) == ("", "Better")


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


def told(stated: dict[str, float], result: str, probability: float = 0.5) -> None:
    """A decision and how it went, straight into the tables."""
    analysis = make_proposal(make_item())
    assert analysis.action is not None
    made = Settlement.objects.create(action=analysis.action, synthesis=analysis.synthesis, status="done")
    Outcome.objects.create(
        settlement=made, review_on=date(2026, 1, 1), prediction="It works", probability=probability, stated=stated,
        result=result, answered_at=Now(), first_answered_at=Now(), status="done",
    )  # fmt: skip


def test_calibration_matches_a_hand_calculation() -> None:
    for stated, result in [
        (0.9, "Better"), (0.9, "As expected"), (0.8, "Worse"), (0.85, "As expected"), (1.0, "As expected"),
        (0.1, "Worse"), (0.3, "Better"), (0.95, "Unknown"),
    ]:  # fmt: skip
        told({"quant": stated}, result)
    found = {one.who: one for one in calibration.report()}
    quant = found["quant"]
    # (0.1² + 0.1² + 0.8² + 0.15² + 0² + 0.1² + 0.7²) / 7 = 1.1825 / 7
    assert quant.brier.n == 7
    assert quant.brier.score == pytest.approx(1.1825 / 7)
    assert str(quant.brier) == "0.169 (n=7)"
    assert [(bin.low, bin.high, bin.came.n) for bin in quant.bins] == [(0.0, 0.2, 1), (0.2, 0.4, 1), (0.8, 1.0, 5)]
    sure = quant.bins[-1]
    assert sure.stated == pytest.approx((0.9 + 0.9 + 0.8 + 0.85 + 1.0) / 5)
    assert sure.came.mean == pytest.approx(4 / 5)
    assert str(quant.bins[0].came) == "too few (n=1)"
    assert (found["auditor"].brier.n, str(found["auditor"].brier)) == (0, "too few (n=0)")
    assert found["prediction"].brier.score == pytest.approx(0.25)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=5, max_size=40))
def test_the_bins_hold_every_statement_once_and_the_score_is_a_fraction(statements: list[tuple[float, bool]]) -> None:
    found = calibration.bins(statements)
    assert sum(bin.came.n for bin in found) == len(statements)
    assert all(bin.stated is not None and bin.low - 1e-6 <= bin.stated <= bin.high + 1e-6 for bin in found)
    score = calibration.brier(statements).score
    assert score is not None
    assert 0 <= score <= 1


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, one: Outcome, result: str = "Better", note: str = "Twelve a week <b>") -> Any:
    return client.post(
        f"/admin/analysis/outcome/{one.pk}/answer/", {"result": result, "note": note, "_form_submitted": "1"}
    )


def test_the_console_lists_what_is_due_and_takes_the_answer_with_a_note() -> None:
    one, later = asked(opened()), opened()
    client = staff("view_outcome", "change_outcome", "view_training")
    listed = client.get("/admin/analysis/outcome/?standing=due").content.decode()
    assert f"/admin/analysis/outcome/{one.pk}/" in listed
    assert f"/admin/analysis/outcome/{later.pk}/" not in listed
    assert "1 review due" in client.get("/admin/analysis/training/").content.decode()
    act(client, one)
    one.refresh_from_db()
    assert (one.result, one.note, one.answered_by) == ("Better", "Twelve a week <b>", "ada")
    entry = AuditEntry.objects.get(action="outcome.answer")
    assert (entry.label, entry.reason) == ("ada", "Twelve a week <b>")
    page = client.get(f"/admin/analysis/outcome/{one.pk}/change/").content.decode()
    assert "Twelve a week &lt;b&gt;" in page
    assert "The Quant: 70%, Brier 0.090 (n=1)" in page


def test_who_may_only_look_cannot_answer_and_a_settled_one_takes_none() -> None:
    one = asked(opened())
    act(staff("view_outcome"), one)
    one.refresh_from_db()
    assert one.result == ""
    User.objects.all().delete()
    client = staff("view_outcome", "change_outcome")
    act(client, one, result="Splendid")
    act(client, one, note="")
    one.refresh_from_db()
    assert one.result == ""
    act(client, one)
    Outcome.objects.update(first_answered_at=Now() - outcome.SETTLED_AFTER)
    act(client, one, result="Worse")
    one.refresh_from_db()
    assert one.result == "Better"


def test_the_training_page_shows_scores_with_their_count() -> None:
    for _ in range(5):
        told({"quant": 0.9}, "Better")
    page = staff("view_training").get("/admin/analysis/training/").content.decode()
    assert "0.010 (n=5)" in page
    assert "80% to 100%" in page


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
