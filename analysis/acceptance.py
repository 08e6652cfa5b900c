"""What a person changed in a proposed plan, and how much of it they kept.

Text is compared word by word: a rate is twice the number of words kept in order, over the words of both sides. So an
addition, a removal, a rewording and a move each count by how much text they touch. White space, line endings, the list
marker before a task and the two ways to write an accented letter make no difference.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import regex
from rapidfuzz import process
from rapidfuzz.distance import Indel, LCSseq

from analysis.answers import Persona, PerspectiveAnswer, Plan
from analysis.pages import resources_text, shorten

# How much each field counts, of 100. A field that is empty on both sides does not count.
WEIGHTS: Mapping[str, int] = {
    "recommended_option": 30,
    "tasks": 40,
    "scenario_options": 10,
    "risk_assessment": 10,
    "required_resources": 10,
}
ADVICE = ("recommended_option", "tasks", "required_resources")
SYNTHESIS = "synthesis"
QUOTED = 160  # characters of a person's or a model's text inside one change
REWORDED_FROM = 0.4  # a task that keeps less than this of its words is a removal and an addition

# Scripts without spaces between words are compared letter by letter.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}"
_WORD = regex.compile(rf"[{_UNSPACED}]|[\w--[{_UNSPACED}]]+|[^\w\s]", regex.V1)
_MARKER = regex.compile(r"^(?:[-*•\u2013]|\[[ xX]?\]|\d{1,2}[.)])\s+(?=\S)")
_PIECE = regex.compile(r"\S+")

Words = tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """`rate`: a fraction, 1.0 exactly when nothing changed; None for a request for revision, which is not rated.

    `changes`: in words, in the order of the page. `field_rates`: by field of the Plan that holds anything, from the
    text alone, whatever the decision.
    """

    rate: float | None
    changes: list[str]
    field_rates: dict[str, float]


def compare(proposed: Plan, final: Plan, decision: str) -> Comparison:
    """What the person changed between the two plans, and the acceptance rate.

    `decision` is Approved (rated by the text), Rejected (0.0) or Needs_Revision (None); another one raises KeyError.
    The rates are symmetric: swapping the two plans gives the same numbers. Nothing kept gives 0.0.
    """
    rates = _field_rates(proposed, final)
    changes = [
        *_option_change(proposed.recommended_option, final.recommended_option),
        *_text_change("Scenario options", proposed.scenario_options, final.scenario_options),
        *_text_change("Risk assessment", proposed.risk_assessment, final.risk_assessment),
        *_text_change("Required resources", proposed.required_resources, final.required_resources),
        *_task_changes(_tasks(proposed), _tasks(final)),
    ]
    rate = {"Approved": _weighted(rates), "Rejected": 0.0, "Needs_Revision": None}[decision]
    return Comparison(rate, changes, rates)


@dataclass(frozen=True)
class TaskEdit:
    """One task that a person removed (`after` is empty), added (`before` is empty) or reworded."""

    before: str
    after: str


def task_edits(proposed: Plan, final: Plan) -> list[TaskEdit]:
    """The tasks that were removed, reworded or added, in this order; one that only moved is none."""
    before, after = _tasks(proposed), _tasks(final)
    places = _task_places(before, after)
    return [
        *(TaskEdit(before[place], "") for place in places.removed),
        *(TaskEdit(before[place], after[to]) for place, to in places.reworded.items()),
        *(TaskEdit("", after[place]) for place in places.added),
    ]


def words(plan: Plan) -> list[str]:
    """All words of a plan's texts and tasks in order, punctuation marks among them."""
    texts = [plan.scenario_options, plan.risk_assessment, plan.required_resources, *_tasks(plan)]
    return [word for text in texts for word in _words(text)]


def persona_rate(final: Plan, answer: PerspectiveAnswer) -> float:
    """How close one persona's own advice came to the final plan, as a fraction: its option, its tasks, its resources.

    Options compare by label: everyone argues about the same three kinds (the whole way, a smaller step, as things are).
    """
    advice = Plan(
        recommended_option=answer.recommended,
        scenario_options="",
        risk_assessment="",
        required_resources=resources_text(answer.resources),
        tasks=answer.tasks,
    )
    return _advice_rate(final, advice)


def closest(final: Plan, proposed: Plan, answers: Mapping[str, PerspectiveAnswer]) -> str:
    """The persona whose advice is closest to the final plan, or "synthesis".

    All are measured by the same three fields. The synthesis wins a tie, then the personas in the order of `Persona`.
    """
    rates = {SYNTHESIS: _advice_rate(final, proposed)}
    rates |= {persona.value: persona_rate(final, answers[persona]) for persona in Persona if persona in answers}
    return max(rates, key=lambda name: rates[name])


def _field_rates(one: Plan, other: Plan) -> dict[str, float]:
    """The rate of each field of the Plan that holds anything on either side, from the text alone."""
    pairs: dict[str, tuple[Sequence[object], Sequence[object]]] = {
        "recommended_option": (_one(one.recommended_option), _one(other.recommended_option)),
        "tasks": (_task_words(one), _task_words(other)),
        "scenario_options": (_words(one.scenario_options), _words(other.scenario_options)),
        "risk_assessment": (_words(one.risk_assessment), _words(other.risk_assessment)),
        "required_resources": (_words(one.required_resources), _words(other.required_resources)),
    }
    return {field: _similarity(a, b) for field, (a, b) in pairs.items() if a or b}


def _weighted(rates: Mapping[str, float]) -> float:
    """The mean by WEIGHTS; 1.0 where there is no text at all, so nothing to change."""
    total = sum(WEIGHTS[field] for field in rates)
    return sum(WEIGHTS[field] * rate for field, rate in rates.items()) / total if total else 1.0


def _advice_rate(final: Plan, advice: Plan) -> float:
    rates = _field_rates(final, advice)
    return _weighted({field: rate for field, rate in rates.items() if field in ADVICE})


def _one(option: str) -> list[str]:
    return [option] if option else []


def _words(text: str) -> Words:
    return tuple(_WORD.findall(unicodedata.normalize("NFC", text)))


def _tasks(plan: Plan) -> list[str]:
    """The tasks without list markers; lines without any text are none."""
    bare = (_MARKER.sub("", task.strip()) for task in plan.tasks)
    return [task for task in bare if _words(task)]


def _task_words(plan: Plan) -> list[tuple[str, bool]]:
    """The words of all tasks in order, each with whether a task starts there: joining two tasks is a change, too."""
    return [(word, place == 0) for task in _tasks(plan) for place, word in enumerate(_words(task))]


def _similarity(one: Sequence[object], other: Sequence[object]) -> float:
    """1.0 for equal sequences, 0.0 where nothing of one stands in the other; the same both ways round."""
    return 2 * LCSseq.similarity(one, other) / (len(one) + len(other))


def _option_change(before: str, after: str) -> list[str]:
    if before == after:
        return []
    return [f"Recommended option changed from {before or 'none'} to {after or 'none'}"]


def _text_change(name: str, before: str, after: str) -> list[str]:
    """The one change of a text field: the stretch between the first and the last word that differ."""
    if _words(before) == _words(after):
        return []
    if not _words(after):
        return [f"{name} emptied"]
    old, new = _PIECE.findall(before), _PIECE.findall(after)
    start = _shared(old, new)
    end = _shared(old[start:][::-1], new[start:][::-1])
    removed, added = " ".join(old[start : len(old) - end]), " ".join(new[start : len(new) - end])
    if not removed:
        return [f"{name}: added {_quoted(added)}"]
    if not added:
        return [f"{name}: removed {_quoted(removed)}"]
    return [f"{name} reworded: {_quoted(removed)} -> {_quoted(added)}"]


def _shared(one: list[str], other: list[str]) -> int:
    """How many entries at the start of both are equal."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


@dataclass(frozen=True)
class _Places:
    """What became of the tasks, by place: old to new one for those that moved or were reworded."""

    moved: dict[int, int]
    reworded: dict[int, int]
    removed: list[int]
    added: list[int]


def _task_places(before: list[str], after: list[str]) -> _Places:
    old, new = [_words(task) for task in before], [_words(task) for task in after]
    kept = [op for op in LCSseq.opcodes(old, new) if op.tag == "equal"]
    gone = sorted(set(range(len(old))) - {place for op in kept for place in range(op.src_start, op.src_end)})
    fresh = sorted(set(range(len(new))) - {place for op in kept for place in range(op.dest_start, op.dest_end)})
    moved = _moved(old, new, gone, fresh)
    reworded = _reworded(old, new, [p for p in gone if p not in moved], [p for p in fresh if p not in moved.values()])
    known = {*moved.values(), *reworded.values()}
    return _Places(
        moved, reworded, [p for p in gone if p not in moved and p not in reworded], [p for p in fresh if p not in known]
    )


def _task_changes(before: list[str], after: list[str]) -> list[str]:
    """Each task that was moved, reworded, removed or added, by its number as proposed; a new one by where it stands."""
    places = _task_places(before, after)
    changes = {place: f"Task {place + 1} removed: {_quoted(before[place])}" for place in places.removed}
    for place, to in places.moved.items():
        where = f"moved to place {to + 1}" if to != place else f"kept place {to + 1} while others moved past it"
        changes[place] = f"Task {place + 1} {where}: {_quoted(before[place])}"
    for place, to in places.reworded.items():
        changes[place] = f"Task {place + 1} reworded: {_quoted(before[place])} -> {_quoted(after[to])}"
    added = [f"Task {place + 1} added: {_quoted(after[place])}" for place in places.added]
    return [changes[place] for place in sorted(changes)] + added


def _moved(old: list[Words], new: list[Words], gone: list[int], fresh: list[int]) -> dict[int, int]:
    """The tasks that stand elsewhere with the same words: old place to new place."""
    places: dict[Words, list[int]] = {}
    for place in reversed(fresh):
        places.setdefault(new[place], []).append(place)
    return {place: places[old[place]].pop() for place in gone if places.get(old[place])}


def _reworded(old: list[Words], new: list[Words], gone: list[int], fresh: list[int]) -> dict[int, int]:
    """The tasks that stand there in other words: each old one takes the new one most like it that is left."""
    left = {place: new[place] for place in fresh}
    pairs = {}
    for place in gone:
        best = process.extractOne(old[place], left, scorer=Indel.normalized_similarity, score_cutoff=REWORDED_FROM)
        if best is not None:
            pairs[place] = best[2]
            del left[best[2]]
    return pairs


def _quoted(text: str) -> str:
    return f'"{shorten(" ".join(text.split()), QUOTED)}"'
