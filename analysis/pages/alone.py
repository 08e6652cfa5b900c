"""One answer by itself, as the console shows it: no other voice is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from analysis.answers import Answer, PerspectiveAnswer, RebuttalAnswer, Reject, SynthesisAnswer, TriageAnswer
from analysis.pages.bodies import plan_section
from analysis.pages.economics import figures_section
from analysis.pages.options import named, options_section, recommended
from analysis.pages.plan import resources_text
from analysis.pages.rebuttals import rebuttal_section
from analysis.pages.values import STANCES
from notion_sync.document import Block, Bullet, Document, Heading, Numbered, Paragraph, Quote, Span


def answer_page(answer: Answer, today: date) -> Document:
    """All that one answer says, the verdict first. `today`: when it was given. Raises TypeError for what we never ask."""
    match answer:
        case TriageAnswer():
            return _triage(answer)
        case PerspectiveAnswer():
            return _opinion(answer)
        case RebuttalAnswer():
            return [_verdict(answer.stance, answer.recommended, answer.confidence), *rebuttal_section(answer)]
        case SynthesisAnswer():
            return _synthesis(answer, today)
    raise TypeError(f"{type(answer).__name__} is no answer that stands alone")


def _triage(answer: TriageAnswer) -> list[Block]:
    return [
        Paragraph(Span(f"{answer.title}: {answer.route}, {answer.confidence:.0%} sure", bold=True)),
        Paragraph(
            f"Led by: {answer.lead_persona}. Risk {answer.risk}, impact {answer.impact}/10. "
            f"Area: {answer.area or 'none'}."
        ),
        Paragraph(answer.reasoning),
        *_bullets("Concepts", [f"{one.name} ({one.kind}): {one.note}" for one in answer.concepts]),
        *_bullets("Success criteria", answer.success_criteria),
    ]


def _opinion(answer: PerspectiveAnswer) -> list[Block]:
    reject = f"It says that this must not go on: {answer.reject}. {answer.reject_reason}"
    rejected = [Quote(reject)] if answer.reject != Reject.NONE else []
    return [
        _verdict(answer.stance, named(recommended(answer)), answer.confidence),
        *rejected,
        Paragraph(answer.rationale),
        *options_section(answer),
        *figures_section(answer.payoffs),
        *_bullets("Assumptions", answer.assumptions),
        *_bullets("Would change its mind", [answer.would_change_my_mind]),
        *_bullets("What it takes", resources_text(answer.resources).splitlines()),
        Heading("Tasks"),
        *(Numbered(task) for task in answer.tasks),
    ]


def _synthesis(answer: SynthesisAnswer, today: date) -> list[Block]:
    return [
        Paragraph(Span(f"Recommended: {named(recommended(answer))}, {answer.confidence:.0%} sure", bold=True)),
        Paragraph(answer.decision),
        *options_section(answer),
        *_bullets("Points of conflict", [f"{one.topic}: {one.positions}" for one in answer.conflicts]),
        *_bullets("The dissent", [answer.dissent] if answer.dissent else []),
        *_bullets("What it takes", resources_text(answer.resources).splitlines()),
        *plan_section(answer, today),
    ]


def _verdict(stance: str, option: str, confidence: float) -> Block:
    return Paragraph(Span(f"{STANCES[stance].capitalize()}: {option}, {confidence:.0%} sure", bold=True))


def _bullets(name: str, lines: Sequence[str]) -> list[Block]:
    return [Heading(name), *(Bullet(line) for line in lines)] if lines else []
