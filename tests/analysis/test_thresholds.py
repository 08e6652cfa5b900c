"""What people's corrections suggest as the least confidence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from analysis.thresholds import LEAST_EVIDENCE, Judged, Suggestion, suggest


@st.composite
def steps(draw: st.DrawFn) -> list[Judged]:
    drawn = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60), st.integers(0, 60)), max_size=12))
    return [Judged(confidence, items, min(items, corrected)) for confidence, items, corrected in drawn]


def above(judged: list[Judged], threshold: float) -> tuple[int, int]:
    passing = [step for step in judged if step.confidence >= threshold]
    return sum(step.items for step in passing), sum(step.corrected for step in passing)


@given(steps(), st.floats(0, 1))
def test_it_is_the_lowest_one_seen_or_in_force_that_lets_by_at_most_five_percent_corrected(
    judged: list[Judged], now: float
) -> None:
    found = suggest(judged, now)
    good = [
        threshold
        for threshold in [*(step.confidence for step in judged), now]
        if (passing := above(judged, threshold))[0] >= LEAST_EVIDENCE and passing[1] * 20 <= passing[0]
    ]
    assert found.threshold == min(good, default=None)
    assert (found.items, found.corrected) == above(judged, 0)
    if found.threshold is not None:
        assert (found.passing, found.passing_corrected) == above(judged, found.threshold)


@given(steps(), st.floats(0, 1))
def test_the_order_of_the_evidence_changes_nothing(judged: list[Judged], now: float) -> None:
    assert suggest(judged, now) == suggest(judged[::-1], now)


def test_nineteen_items_suggest_nothing_and_twenty_do() -> None:
    assert suggest([Judged(0.8, 19, 0)], 0.9) == Suggestion(19, 0)
    assert suggest([Judged(0.8, 20, 1)], 0.9) == Suggestion(20, 1, 0.8, 20, 1)
    assert suggest([Judged(0.8, 20, 2)], 0.9).threshold is None
    assert suggest([], 0.9) == Suggestion(0, 0)
    assert suggest([Judged(0.5, 10, 5), Judged(0.7, 40, 1)], 0.5).threshold == 0.7


def test_what_goes_well_is_no_ground_to_ask_for_more() -> None:
    assert suggest([Judged(0.9, 20, 0)], 0.5) == Suggestion(20, 0, 0.5, 20, 0)
    assert suggest([Judged(0.6, 20, 1), Judged(0.9, 20, 0)], 0.5).threshold == 0.5
    assert suggest([Judged(0.6, 20, 4), Judged(0.9, 20, 0)], 0.5).threshold == 0.9
