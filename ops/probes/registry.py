"""What a probe is, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction

from emm import logs
from emm.jobs import Never
from ops import deployment
from ops.models import ProbeRun, State

LONGEST_EVIDENCE = 2_000


class Seen(NamedTuple):
    """What a probe saw: a state, and the evidence in words for people, without secrets."""

    state: State
    evidence: str


def passes(evidence: str) -> Seen:
    """It is as it should be."""
    return Seen(State.PASS, evidence)


def fails(evidence: str) -> Seen:
    """It is not as it should be."""
    return Seen(State.FAIL, evidence)


def unknown(evidence: str) -> Seen:
    """It could not be seen."""
    return Seen(State.UNKNOWN, evidence)


@dataclass(frozen=True)
class Probe:
    """One look at one item. `every`: how often; a probe that calls out looks more rarely."""

    key: str
    look: Callable[[], Seen]
    every: timedelta


REGISTRY: dict[str, Probe] = {}
NEAR = timedelta(minutes=1)
FAR = timedelta(hours=1)


def probe(key: str, every: timedelta = NEAR) -> Callable[[Callable[[], Seen]], Callable[[], Seen]]:
    """Register a function without arguments as the probe of the item `key`."""

    def register(look: Callable[[], Seen]) -> Callable[[], Seen]:
        REGISTRY[key] = Probe(key, look, every)
        return look

    return register


def verdict(problems: list[str], well: str) -> Seen:
    """Fails with the problems, or passes with the words for none."""
    return fails(" ".join(problems)) if problems else passes(well)


def run(job: ProbeRun) -> None:
    """Look, and keep what was seen. Raises Never for a key that no probe has, and whatever the probe raises."""
    found = REGISTRY.get(job.key)
    if found is None:
        raise Never(f"This release has no probe {job.key}: the row is another release's, and nothing has to be done.")
    state, evidence = found.look()
    hidden = str(logs.hide(evidence))
    shown = hidden if len(hidden) <= LONGEST_EVIDENCE else f"{hidden[:LONGEST_EVIDENCE]}… ({len(hidden):,} characters)"
    with transaction.atomic():
        job.finish()
        job.keep_evidence(state, shown, deployment.commit())
