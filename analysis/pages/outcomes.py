"""What people read about how a decision turned out: the question when its day has come, and projected beside actual."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from analysis.answers import PerspectiveAnswer, SynthesisAnswer
from analysis.pages.plan import shorten
from analysis.pages.values import PROPERTY_TEXT, TITLE, Ref
from notion_sync.document import Bullet, Callout, Document, Paragraph


def projected(prediction: str, probability: float, option: str, confidence: float | None) -> str:
    """What was said beforehand. `confidence`: of the synthesis in what was carried out; None where no option stood."""
    sure = "" if confidence is None else f" {option} was thought right with a confidence of {confidence:.0%}."
    return f"Projected: {prediction} ({probability:.0%} likely).{sure}"


def confidence_in(answer: SynthesisAnswer | PerspectiveAnswer, option: str) -> float | None:
    """How sure an answer is that `option` is right; None for no option.

    Whoever recommends another one is as sure that this one is not: one minus the confidence, which is the most it may be.
    """
    if not option:
        return None
    return answer.confidence if answer.recommended == option else 1 - answer.confidence


def outcome_values(foreseen: str, result: str, said: str, note: str) -> dict[str, Any]:
    """Projected against actual, for the log entry of the decision. `said`: by whom and when."""
    actual = f"Actual: {result.lower()} ({said})." if result else "Actual: not known yet."
    text = "\n".join(part for part in (foreseen, actual, note) if part)
    return {"Outcome": result, "Actual_vs_Projected": shorten(text, PROPERTY_TEXT)}


def review_task_values(title: str, day: date, priority: str, *, intent: Ref, inbox: Ref) -> Mapping[str, Any]:
    """The task that asks a person how a decision turned out."""
    return {
        "Name": shorten(f"How did it go? {title}", TITLE),
        "Auto Generated": True,
        "Date": day.isoformat(),
        "Priority": priority,
        "Source Intent": [intent],
        "DB_System_Inbox": [inbox],
    }


def review_page(foreseen: str, success_criteria: str) -> Document:
    """What was predicted, and how to answer."""
    lines = [line.removeprefix("- ").strip() for line in success_criteria.splitlines()]
    return [
        Callout("The day has come to look back at this decision.", "🔭", "blue_background"),
        Paragraph(foreseen),
        *(Bullet(f"It was to count as a success if: {line}") for line in lines if line),
        Paragraph(
            "On the page under Source Intent, set Outcome: Better or As expected if it went at least as well as was "
            "said, Worse if not, Unknown if nobody can tell. What you learned goes into Lessons_Learned of its entry in "
            "the Execution Log. Too early? Move Review_Date there before the day comes, or answer later."
        ),
        Paragraph("Your answer shows how far each persona's confidence can be trusted. This task is closed by it."),
    ]
