"""How far the personas agree, computed from their verdicts: no model is asked whether models agree."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from analysis.answers import Reject


class Conflict(StrEnum):
    """The options of Conflict_Level in Executive Intents."""

    CONSENSUS = "None - Full Consensus"
    MINOR = "Low - Minor Disagreement"
    SPLIT = "Medium - Split Opinion"
    MAJOR = "High - Major Conflict"


# Option A goes the whole way, Option C leaves things as they are. Option B may go with any stance.
CONTRARY = {("go", "Option C"), ("stop", "Option A")}


class Band(StrEnum):
    """Whether the voices pull one way."""

    ALIGNED = "aligned"
    SPLIT = "split"


def band(stances: Iterable[str]) -> Band:
    """Aligned where every voice has the same stance, whatever the option; fewer than two voices are aligned."""
    return Band.ALIGNED if len(set(stances)) < 2 else Band.SPLIT


def conflict(verdicts: Iterable[tuple[str, str]]) -> Conflict:
    """The level of conflict among (stance, recommended option) pairs, one a voice; in any order.

    Equal stances are never a split: they differ at most in the option. Go against stop is major, whatever the rest.
    """
    known = set(verdicts)
    stances = {stance for stance, _ in known}
    if {"go", "stop"} <= stances:
        return Conflict.MAJOR
    if len(stances) > 1:
        return Conflict.SPLIT
    return Conflict.MINOR if len(known) > 1 else Conflict.CONSENSUS


def contradictions(stance: str, recommended: str, reject: str = Reject.NONE) -> list[str]:
    """What is wrong with a verdict that says opposite things, in words; nothing for a sound one. `reject`: the ground on
    which its adviser says that the matter must not go on."""
    found = []
    if (stance, recommended) in CONTRARY:
        found.append(f"stance is {stance}, but recommended is {recommended}: they contradict each other")
    if reject != Reject.NONE and stance == "go":
        found.append(f"reject is {reject}, but stance is go: what must not go on as it stands cannot go ahead")
    return found
