"""What a run will probably cost, and what it can cost at most. Pure: from past costs by purpose and model, and worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

FEWEST = 5  # past calls; below it the worst case is taken


@dataclass(frozen=True)
class Call:
    """One call to come. `worst`: USD, as the ledger would reserve it."""

    purpose: str
    model: str
    worst: Decimal


@dataclass(frozen=True)
class Past:
    """What the latest answered calls for one purpose with one model cost: their mean in USD, and how many they are."""

    n: int
    mean: Decimal


@dataclass(frozen=True)
class Estimate:
    """USD for `calls` calls. `n`: the fewest past calls that a part of `likely` rests on; 0 where none has enough.

    `unknown`: the purposes with too few past calls, which are counted at their worst. An answer that has to be asked
    for a second time is not in it.
    """

    calls: int
    likely: Decimal
    worst: Decimal
    n: int
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        calls = "1 call" if self.calls == 1 else f"{self.calls} calls"
        basis = f"from n={self.n} or more past calls of each kind" if self.n else "no past calls to go by"
        if self.unknown:
            basis += f"; at its worst for {', '.join(self.unknown)}: fewer than {FEWEST} past calls"
        return f"{calls}: likely {self.likely:.4f} USD ({basis}), at most {self.worst:.4f} USD"


def estimate(calls: Sequence[Call], past: Mapping[tuple[str, str], Past]) -> Estimate:
    """The sum over `calls`, each at its mean past cost, or at its worst where the past has fewer than FEWEST.

    A mean above the worst case, from longer texts than this one, counts as the worst case.
    """
    known = {kind: found for kind, found in past.items() if found.n >= FEWEST}
    likely, used, unknown = Decimal(0), [], []
    for call in calls:
        found = known.get((call.purpose, call.model))
        if found is None:
            unknown.append(call.purpose)
        else:
            used.append(found.n)
        likely += min(found.mean, call.worst) if found is not None else call.worst
    worst = sum((call.worst for call in calls), Decimal(0))
    return Estimate(len(calls), likely, worst, min(used, default=0), tuple(dict.fromkeys(unknown)))
