"""The service levels: what is measured, against which target, and how much of the error budget is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now

from emm.measures import ProcessMinute
from ops import checklist, figures
from ops.figures import Figure, Span
from ops.health import database_now
from ops.models import Reading

NOTE_EVERY = timedelta(minutes=5)
TREND = timedelta(hours=24)
KEPT = timedelta(days=90)
RECENT = timedelta(minutes=15)
HOUR, DAY, WEEK, MONTH = timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30)


@dataclass(frozen=True)
class Objective:
    """One row of the service levels. `target` None: it is watched, and nothing is promised. `over`: the span judged.

    `at_most`: the value has to stay under the target, else above it. `alert`: minutes of breach, in a row, after which
    people are told; None for what no alert belongs to. `recent`: the shorter span that alerts judge by.
    """

    key: str
    measure: Callable[[Span], Figure]
    unit: str
    target: float | None
    at_most: bool
    over: timedelta
    alert: int | None = None
    recent: timedelta = RECENT
    digits: int = 1

    @property
    def title(self) -> str:
        """In the checklist's words."""
        return checklist.load().items[self.key].title

    @property
    def runbook(self) -> str:
        """Where to look when it is missed."""
        return checklist.load().items[self.key].fix

    def met(self, value: float | None) -> bool | None:
        """Whether `value` keeps what is promised. None: nothing measured, or nothing promised."""
        if value is None or self.target is None:
            return None
        return value < self.target if self.at_most else value > self.target


@dataclass(frozen=True)
class Standing:
    """One objective now. `budget_left`: percent of the misses that the target allows; None where there is no budget."""

    objective: Objective
    figure: Figure
    met: bool | None
    budget_left: float | None
    trend: list[float | None]


OBJECTIVES: tuple[Objective, ...] = (
    Objective("slo.uptime", figures.uptime, "%", 99.9, False, MONTH, digits=3),
    Objective("slo.latency", figures.latency, "s", 2.0, True, RECENT, 5, digits=2),
    Objective("slo.errors", figures.errors, "%", 1.0, True, RECENT, 5, digits=2),
    Objective("slo.poller", figures.poll_age, "intervals", 3.0, True, RECENT, 3),
    Objective("slo.no_critical", figures.critical, "lines", 1.0, True, HOUR, 1, digits=0),
    Objective("slo.notion", figures.notion, "%", 95.0, False, HOUR, 10),
    Objective("slo.anthropic", figures.anthropic, "%", 95.0, False, HOUR, 10),
    Objective("slo.api_latency", figures.api_latency, "% of the time allowed", 100.0, True, HOUR, 15, digits=0),
    Objective("slo.tokens", figures.budget, "% of the day's budget", 100.0, True, DAY, 1),
    Objective("slo.cpu", figures.cpu, "%", 80.0, True, RECENT, 15),
    Objective("slo.memory", figures.memory, "%", 80.0, True, RECENT, 10),
    Objective("slo.growth", figures.growth, "% in 6 hours", 20.0, True, timedelta(hours=6), 30, timedelta(hours=6)),
    Objective("slo.disk", figures.disk, "%", 80.0, True, RECENT, 10),
    Objective("slo.items", figures.items, "an hour", None, False, DAY),
    Objective("slo.analyses", figures.analyses, "%", 95.0, False, WEEK, 30, DAY),
    Objective("slo.dialectics", figures.dialectics, "%", None, False, WEEK),
    Objective("slo.acceptance", figures.acceptance, "%", None, False, MONTH),
)
# Shares of good events. Processor, memory and disk are percentages too, but nothing in them is used up.
WITH_BUDGET = ("slo.uptime", "slo.errors", "slo.notion", "slo.anthropic", "slo.analyses")
BY_KEY = {objective.key: objective for objective in OBJECTIVES}


def standing(objective: Objective) -> Standing:
    """Where one objective stands now, with the readings of the last day."""
    now = database_now()
    figure = objective.measure(Span(now - objective.over, now))
    noted = Reading.objects.filter(key=objective.key, at__gt=now - TREND).order_by("at")
    trend = list(noted.values_list("value", flat=True))
    return Standing(objective, figure, objective.met(figure.value), _budget_left(objective, figure.value), trend)


def standings() -> list[Standing]:
    """Where all objectives stand."""
    return [standing(objective) for objective in OBJECTIVES]


def recent(objective: Objective) -> Figure:
    """The figure over the short span that alerts judge by."""
    now = database_now()
    return objective.measure(Span(now - objective.recent, now))


def note() -> None:
    """Stage objectives: keep a reading of each every few minutes, and forget old ones."""
    now = database_now()
    if Reading.objects.filter(at__gt=now - NOTE_EVERY + timedelta(seconds=30)).exists():
        return
    Reading.objects.bulk_create(
        [
            Reading(key=objective.key, value=objective.measure(Span(now - objective.over, now)).value)
            for objective in OBJECTIVES
        ]
    )
    Reading.objects.filter(at__lt=Now() - KEPT).delete()
    ProcessMinute.objects.filter(minute__lt=Now() - KEPT).delete()


def _budget_left(objective: Objective, value: float | None) -> float | None:
    """Percent of the allowed misses that are left: for shares of a hundred only."""
    if value is None or objective.target is None or objective.key not in WITH_BUDGET:
        return None
    missed = value if objective.at_most else 100 - value
    allowed = objective.target if objective.at_most else 100 - objective.target
    return max(100 * (1 - missed / allowed), 0.0)
