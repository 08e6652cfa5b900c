"""How sure a triage should be before it is followed: what people's corrections suggest for each route. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEAST_EVIDENCE = 20  # items
MOST_CORRECTED = 0.05  # of those that pass


@dataclass(frozen=True)
class Judged:
    """Items that the triage sent one way with the same `confidence`, and how many of them people sent elsewhere."""

    confidence: float
    items: int
    corrected: int


@dataclass(frozen=True)
class Suggestion:
    """A threshold for one route, and what it rests on. `threshold` is None where there is nothing to suggest.

    `items` and `corrected`: all that was judged. `passing` and `passing_corrected`: of those, what the threshold lets by.
    """

    items: int
    corrected: int
    threshold: float | None = None
    passing: int = 0
    passing_corrected: int = 0


def suggest(judged: Iterable[Judged], now: float) -> Suggestion:
    """The lowest confidence seen from which on at most 5 % of the items were corrected; it has to let 20 items by.

    Nothing below what was seen is suggested: nobody knows how good that would be. Nor is more than what is asked for
    `now`, while what that lets by is as good.
    """
    steps = list(judged)
    items, corrected = sum(step.items for step in steps), sum(step.corrected for step in steps)
    for threshold in sorted({step.confidence for step in steps} | {now}):
        passing = [step for step in steps if step.confidence >= threshold]
        let_by, wrong = sum(step.items for step in passing), sum(step.corrected for step in passing)
        if let_by >= LEAST_EVIDENCE and wrong <= MOST_CORRECTED * let_by:
            return Suggestion(items, corrected, threshold, let_by, wrong)
    return Suggestion(items, corrected)
