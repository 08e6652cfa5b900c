"""The section of a page that shows what the personas answered each other."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.answers import RebuttalAnswer
from analysis.pages.values import STANCES, Voice
from notion_sync.document import Block, Bullet, Callout, Heading, Paragraph, Span, Toggle


def rebuttals_section(voices: Sequence[Voice], depth: str) -> list[Block]:
    """Who attacked what, what was conceded, who changed their mind because of which words, and whose answer failed."""
    asked = [voice for voice in voices if voice.rebuttal is not None or voice.unanswered]
    if asked:
        return [Heading("What they answered each other"), *(_reply(voice) for voice in asked)]
    if depth == "deep":
        return [Paragraph(Span("They agreed, so nobody was asked again.", italic=True))]
    return []


def _reply(voice: Voice) -> Block:
    said, before = voice.rebuttal, voice.answer
    if said is None or before is None:
        words = f"{voice.name} did not answer the others, so its first verdict stands. {voice.unanswered}"
        return Callout(words, "⚠️", "yellow_background")
    changed = "kept its verdict"
    if said.changed_by:
        changed = f"changed from {STANCES[before.stance]}, {before.recommended}, "
        changed += f"to {STANCES[said.stance]}, {said.recommended}"
    return Toggle(
        [Span(voice.name, bold=True), f" {changed}"],
        rebuttal_section(said),
    )


def rebuttal_section(said: RebuttalAnswer) -> list[Block]:
    """What one persona answered: whose words changed its verdict, what it attacks, what it concedes, and why."""
    return [
        *([Paragraph([Span("Changed by: ", bold=True), f"“{said.changed_by}”"])] if said.changed_by else []),
        *(Bullet([Span(f"Against {one.adviser}: ", bold=True), f"“{one.quote}” {one.reply}"]) for one in said.attacks),
        *(
            Bullet([Span(f"Concedes to {one.adviser}: ", bold=True), f"“{one.quote}” {one.why}"])
            for one in said.concessions
        ),
        Paragraph(said.rationale),
    ]
