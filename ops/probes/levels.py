"""The service levels as probes, and what stands behind backups and rollbacks."""

from __future__ import annotations

import functools
from datetime import timedelta

from ops import backups, objectives
from ops.health import database_now
from ops.models import RestoreDrill, Rollback
from ops.objectives import Objective
from ops.probes.registry import NEAR, REGISTRY, Probe, Seen, fails, passes, probe, unknown

NEWEST = timedelta(hours=26)
DRILLED = timedelta(days=35)
PRACTISED = timedelta(days=90)
ROLLBACK_TARGET = timedelta(minutes=5)


def _look(objective: Objective) -> Seen:
    standing = objectives.standing(objective)
    if standing.figure.value is None:
        return unknown(f"Not measured yet. {standing.figure.detail}")
    words = f"{standing.figure.value:.{objective.digits}f} {objective.unit}. {standing.figure.detail}"
    return fails(words) if standing.met is False else passes(words)


for _objective in objectives.OBJECTIVES:
    REGISTRY[_objective.key] = Probe(_objective.key, functools.partial(_look, _objective), NEAR)


@probe("infra.backup")
def backup() -> Seen:
    """A copy of the last day, and a drill that restored one."""
    age = backups.age()
    if age is None:
        return fails("No backup was made yet.")
    hours = f"The newest backup is {age.total_seconds() / 3600:.0f} hours old."
    if age > NEWEST:
        return fails(hours)
    drill = RestoreDrill.objects.exclude(passed=None).order_by("-opened_at").first()
    if drill is None:
        return fails(f"{hours} None was ever restored.")
    if not drill.passed:
        return fails(f"{hours} The last restore drill failed: {drill.findings}")
    if database_now() - drill.opened_at > DRILLED:
        return fails(f"{hours} The last restore drill was on {drill.opened_at:%Y-%m-%d}.")
    return passes(f"{hours} One was restored on {drill.opened_at:%Y-%m-%d} in {drill.seconds or 0:.0f} s.")


@probe("infra.rollback")
def rollback() -> Seen:
    """A rollback that was finished within the target."""
    last = Rollback.objects.exclude(finished_at=None).order_by("-finished_at").first()
    if last is None or last.finished_at is None:
        return fails("No rollback was ever practised.")
    took = last.finished_at - last.started_at
    words = f"{last} on {last.started_at:%Y-%m-%d} took {took.total_seconds() / 60:.1f} minutes."
    if took > ROLLBACK_TARGET or database_now() - last.finished_at > PRACTISED:
        return fails(words)
    return passes(words)
