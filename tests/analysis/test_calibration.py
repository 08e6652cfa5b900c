"""How far what was stated can be trusted, and where a person sees and answers it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from analysis import calibration, outcome
from analysis.models import Outcome, Settlement
from emm.audit import AuditEntry
from tests.analysis.test_outcomes import asked, opened
from tests.factories import make_item, make_proposal, staff

pytestmark = pytest.mark.django_db


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
