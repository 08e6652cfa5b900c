"""What people change in plans again and again. Pure: no queries, no clock.

Two edits are the same when their tasks share most of their words, whatever the order; what a task has in quotation marks
names its matter and does not count. Which edits belong together is decided by the oldest of them, so that new settlements
never take an old group apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from rapidfuzz import fuzz, process

from analysis import acceptance
from analysis.answers import Plan
from analysis.models import HouseRule

Kind = HouseRule.Kind

ALIKE = 70  # of 100: fuzz.token_sort_ratio
_NAMED = re.compile(r'“[^“”]*”|"[^"]*"')
SHORTER, LONGER = 0.8, 1.25  # words left over words proposed, from where on a plan counts as shortened or lengthened

# English words; a plan in another language has none of them, and then its tone is not measured.
HEDGES = frozenset(
    ["may", "might", "could", "perhaps", "possibly", "probably", "maybe", "likely", "consider", "seems", "roughly"]
)
ORDERS = frozenset(["must", "shall", "always", "never", "need", "needs", "required", "immediately", "ensure", "only"])


class Change(Protocol):
    """A kind of edit and the texts that show it: an Edit or a HouseRule."""

    @property
    def kind(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...


@dataclass(frozen=True)
class Decided:
    """An approved plan beside the one that was proposed."""

    settlement: int
    proposed: Plan
    final: Plan


@dataclass(frozen=True)
class Edit:
    """One change in one settlement. The texts are of one task, or empty for a change of length."""

    settlement: int
    kind: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Repeat:
    """Edits that are the same, the oldest first: it stands for all."""

    edits: list[Edit]

    @property
    def oldest(self) -> Edit:
        return self.edits[0]

    @property
    def settlements(self) -> list[int]:
        return sorted({edit.settlement for edit in self.edits})


def alike(one: Change, other: Change) -> bool:
    """Whether two changes are the same: of one kind, and in tasks that share most of their words."""
    return one.kind == other.kind and _similar(one.before, other.before) >= ALIKE <= _similar(one.after, other.after)


def repeated(plans: Iterable[Decided]) -> list[Repeat]:
    """The edits of tasks in groups, each in the one that it is most like, with those that stand alone; oldest first."""
    found: list[Repeat] = []
    of_kind: dict[str, list[Repeat]] = defaultdict(list)
    oldest: dict[str, list[str]] = defaultdict(list)
    for plan in plans:
        for edit in _task_edits(plan):
            groups, task = of_kind[edit.kind], _core(edit.before or edit.after)
            near = process.extract(
                task, oldest[edit.kind], scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE, limit=None
            )
            group = next((groups[place] for _, _, place in near if alike(groups[place].oldest, edit)), None)
            if group is not None:
                group.edits.append(edit)
                continue
            oldest[edit.kind].append(task)
            groups.append(Repeat([edit]))
            found.append(groups[-1])
    return found


def length(plan: Decided) -> float | None:
    """Words left over words proposed; None where nothing was proposed."""
    before = len(acceptance.words(plan.proposed))
    return len(acceptance.words(plan.final)) / before if before else None


def shifts(plans: Iterable[Decided]) -> list[Repeat]:
    """The plans that were shortened, or lengthened, where the median plan was; nothing where it kept its length."""
    lengths = {plan.settlement: ratio for plan in plans if (ratio := length(plan)) is not None}
    middle = median(lengths.values()) if lengths else 1.0
    if middle <= SHORTER:
        return [Repeat([Edit(pk, Kind.SHORTER) for pk, ratio in lengths.items() if ratio <= SHORTER])]
    if middle >= LONGER:
        return [Repeat([Edit(pk, Kind.LONGER) for pk, ratio in lengths.items() if ratio >= LONGER])]
    return []


def share(words: Sequence[str], of: frozenset[str]) -> float | None:
    """How many of 100 words are in `of`, letter case aside; None for no words."""
    return 100 * sum(word.casefold() in of for word in words) / len(words) if words else None


def _task_edits(plan: Decided) -> list[Edit]:
    return [
        Edit(plan.settlement, _kind(edit), edit.before, edit.after)
        for edit in acceptance.task_edits(plan.proposed, plan.final)
    ]


def _kind(edit: acceptance.TaskEdit) -> Kind:
    if not edit.after:
        return Kind.REMOVED
    return Kind.REWORDED if edit.before else Kind.ADDED


def _similar(one: str, other: str) -> float:
    return fuzz.token_sort_ratio(_core(one), _core(other), score_cutoff=ALIKE) if one or other else 100.0


def unnamed(task: str, mark: str = "…") -> str:
    """A task with `mark` for what it names in quotation marks; whole where nothing else is in it."""
    bare = _NAMED.sub(mark, task)
    return bare if any(letter.isalnum() for letter in bare) else task


def _core(task: str) -> str:
    return " ".join(unnamed(task, " ").split()).casefold()
