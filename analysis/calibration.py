"""How far stated confidence can be trusted: Brier scores and calibration, from decisions whose outcome a person told.

A decision that went better or as expected counts as 1, one that went worse as 0; what nobody can tell is left out. Who
recommended the option that was carried out is scored by their confidence in it, who recommended another one by one minus
theirs. Each decision counts once, by its last answer. No figure is without its count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from analysis import acceptance, training
from analysis.models import Outcome
from analysis.training import Figure, figure, too_few

BINS = 5  # of equal width, each with its lower bound; the last one with both
PREDICTION = "prediction"
WHO = (*training.WHO[1:], acceptance.SYNTHESIS, PREDICTION)

Told = tuple[float, bool]  # a stated probability, and whether it came so


@dataclass(frozen=True)
class Brier:
    """The mean squared distance between what was stated and what came: 0 is perfect, 0.25 is a coin. None: too few."""

    n: int
    score: float | None

    def __str__(self) -> str:
        return too_few(self.n) if self.score is None else f"{self.score:.3f} (n={self.n})"


@dataclass(frozen=True)
class Bin:
    """The statements from `low` to below `high`. `stated`: their mean, None for none; `came`: how many came so."""

    low: float
    high: float
    stated: float | None
    came: Figure


@dataclass(frozen=True)
class Calibration:
    """One of WHO: the score over all statements, and the bins that have any."""

    who: str
    brier: Brier
    bins: list[Bin]


def brier(told: Sequence[Told]) -> Brier:
    """The Brier score, from training.FEWEST statements on."""
    if len(told) < training.FEWEST:
        return Brier(len(told), None)
    return Brier(len(told), fmean((stated - came) ** 2 for stated, came in told))


def bins(told: Sequence[Told]) -> list[Bin]:
    """The statements by how sure they were; bins without any are left out."""
    groups: dict[int, list[Told]] = defaultdict(list)
    for stated, came in told:
        groups[min(int(stated * BINS + 1e-9), BINS - 1)].append((stated, came))
    return [
        Bin(
            place / BINS,
            (place + 1) / BINS,
            fmean(stated for stated, _ in groups[place]),
            figure([float(came) for _, came in groups[place]]),
        )
        for place in sorted(groups)
    ]


def report() -> list[Calibration]:
    """Everyone's calibration up to now."""
    told: dict[str, list[Told]] = {who: [] for who in WHO}
    for outcome in Outcome.objects.exclude(result="").order_by("pk"):
        if outcome.happened is None:
            continue
        for who, stated in {**outcome.stated, PREDICTION: outcome.probability}.items():
            told[who].append((stated, outcome.happened))
    return [Calibration(who, brier(told[who]), bins(told[who])) for who in WHO]
