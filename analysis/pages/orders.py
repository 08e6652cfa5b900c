"""What people read about an item whose words look like orders to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from notion_sync.document import Block, Callout, Span

HEAD = "Parts of this item read like orders to a model."
ADVICE = "The models were told to treat them as text. Check the source before you rely on what follows."


def warning(found: Sequence[Mapping[str, str]]) -> str:
    """The signs as stored on the item, in words: what was found, and what it means for the reader."""
    quotes = [f"- It {sign['means']}: “{sign['quote']}”" for sign in found]
    return "\n".join([HEAD, *quotes, ADVICE])


def warning_section(found: Sequence[Mapping[str, str]] | None) -> list[Block]:
    """The same above an argument; nothing where nothing was found, or where nobody has looked yet (None)."""
    if not found:
        return []
    head, rest = warning(found).split("\n", 1)
    return [Callout([Span(head, bold=True), f"\n{rest}"], "🚩", "orange_background")]
