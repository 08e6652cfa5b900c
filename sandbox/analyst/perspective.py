"""One persona's answer: its verdict by rule, moved by a reviewer's note, and the case it makes."""

import re
from collections.abc import Callable
from typing import Any

from sandbox.analyst import auditor, entrepreneur, quant
from sandbox.analyst.brief import Brief
from sandbox.analyst.options import LABELS, Case, Verdict, options
from sandbox.analyst.reading import Reading
from sandbox.analyst.wording import clean, clip, line, paragraphs, quoted

DECIDE: dict[str, Callable[[Reading], Verdict]] = {
    "entrepreneur": entrepreneur.decide,
    "quant": quant.decide,
    "auditor": auditor.decide,
}
ARGUE: dict[str, Callable[[Reading, Verdict], Case]] = {
    "entrepreneur": entrepreneur.argue,
    "quant": quant.argue,
    "auditor": auditor.argue,
}
SAFER = re.compile(
    r"\b(?:risk\w{0,3}|careful\w{0,4}|safer?|caution|slow\w{0,2}|small\w{0,2}|cheap\w{0,2}|costly|expensive|budget)\b",
    re.I,
)
BOLDER = re.compile(r"\b(?:bold\w{0,2}|fast\w{0,2}|ambitio\w{0,4}|timid|bigger|quick\w{0,2}|hurry)\b", re.I)


def perspective(brief: Brief) -> dict[str, Any]:
    """A PerspectiveAnswer in the voice of the brief's persona."""
    reading = brief.reading
    verdict = heeded(DECIDE[brief.persona](reading), brief.note)
    case = ARGUE[brief.persona](reading, verdict)
    rationale = paragraphs(
        "Sandbox analysis, made by rules.",
        *case.rationale,
        _on_note(brief.note),
        _on_others(brief, verdict),
        "Sentences addressed to the analyst were left out." if reading.addressed_to_analyst else "",
        f"The last {reading.unread:,} characters were not read." if reading.unread else "",
    )
    return {
        "options": options(reading, case),
        "assumptions": [line(assumption) for assumption in case.assumptions],
        "resources": {
            "time": line(case.time),
            "money": line(case.money),
            "tools": line(case.tools),
            "people": line(case.people),
        },
        "tasks": [line(task) for task in case.tasks],
        "payoffs": case.payoffs,
        "would_change_my_mind": line(case.turning_point),
        "reject_reason": clip(case.reject_reason, 1_000),
        "reject": case.reject,
        "rationale": rationale,
        "stance": verdict.stance,
        "recommended": verdict.label,
        "confidence": round(max(0.05, min(0.95, verdict.confidence)), 2),
    }


def heeded(verdict: Verdict, note: str) -> Verdict:
    """The verdict one step safer or bolder where the note asks for either, otherwise unchanged."""
    step = 1 if SAFER.search(note) else -1 if BOLDER.search(note) else 0
    place = max(0, min(2, LABELS.index(verdict.label) + step))
    if LABELS[place] == verdict.label:
        return verdict
    return Verdict(LABELS[place], ("go", "go", "wait")[place], verdict.confidence - 0.05)


def _on_note(note: str) -> str:
    if not note:
        return ""
    wish = "more care" if SAFER.search(note) else "more courage" if BOLDER.search(note) else "a closer look"
    return f"The reviewer's note {quoted(note, 200)} asks for {wish}; I have weighed it in this revision."


def _on_others(brief: Brief, verdict: Verdict) -> str:
    """A rebuttal's paragraph on the first voice that recommends another way."""
    if not brief.opinions:
        return ""
    other = next((voice for voice in brief.opinions if voice.get("recommended") != verdict.label), None)
    if other is None:
        return "I have read the other voices. They arrive where I do, by other roads."
    label = other["recommended"] if other.get("recommended") in LABELS else "another way"
    change = clean(str(other.get("would_change_my_mind") or ""))
    ask = f" It would itself give way to {quoted(change, 160)}; that is worth testing first." if change else ""
    return f"I have read the voice for {label}. I concede its point on cost and keep {verdict.label}.{ask}"
