"""The section of a page that sets the options side by side."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.answers import Option, PerspectiveAnswer, SynthesisAnswer
from notion_sync.document import Block, Bullet, Heading, Span, Table, Text

Advice = PerspectiveAnswer | SynthesisAnswer


def options_section(answer: Advice) -> list[Block]:
    header = ["Option", "Risk", "Impact", "For", "Against"]
    return [
        Heading("The options side by side"),
        Table(header, [_row(option, option.label == answer.recommended) for option in answer.options]),
        *(Bullet([Span(named(option), bold=True), f"\n{option.description}"]) for option in answer.options),
    ]


def _row(option: Option, recommended: bool) -> list[Text]:
    mark = "⭐ " if recommended else ""
    return [
        [
            Span(f"{mark}{named(option)}", bold=recommended),
            "\nLeaves things as they are" if option.does_nothing else "",
        ],
        f"{option.risk}/5",
        f"{option.impact}/10",
        _listed(option.pros),
        _listed(option.cons),
    ]


def recommended(answer: Advice) -> Option:
    return next(option for option in answer.options if option.label == answer.recommended)


def named(option: Option) -> str:
    return f"{option.label}, {option.name}"


def _listed(points: Sequence[str]) -> str:
    return "\n".join(f"• {point}" for point in points)
