"""Answers where an intent was decided more than once."""

from __future__ import annotations

import pytest

from analysis import outcome
from analysis.models import Analysis, Execution, Outcome
from emm.jobs import Job
from notion_sync import properties
from notion_sync.models import Intent
from tests.analysis.test_outcomes import CONSOLE, arrived, asked, in_notion, opened, promised, settled
from tests.factories import make_proposal

pytestmark = pytest.mark.django_db


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
