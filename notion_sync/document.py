"""A page that people like to read, as a Document -> Notion's blocks, or markdown. Pure.

The limits are those of one request: https://developers.notion.com/reference/request-limits. A page may hold more than one
request carries: `requests` says which blocks go together.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from notion_sync.rich_text import MAX_ITEMS, Span, escaped, items, joined, marked

__all__ = [
    "Block",
    "Bullet",
    "Callout",
    "Columns",
    "Divider",
    "Document",
    "DocumentTooLong",
    "Heading",
    "Measure",
    "Numbered",
    "Paragraph",
    "Quote",
    "Span",
    "Table",
    "Text",
    "Todo",
    "Toggle",
    "blocks",
    "markdown",
    "measure",
    "requests",
]

MAX_CHILDREN = 100
MAX_BLOCKS = 1_000
MAX_DEPTH = 3  # a block and two levels below it
MAX_BYTES = 450_000  # of the children; the rest of the 500 kB is for what stands around them
MAX_REQUEST = 500_000  # bytes of a whole body
PART_BYTES = 210_000  # of one block of text or rows, so that a toggle can hold it

# Plain text is shown as it is: nothing in it becomes a link or a format.
Text: TypeAlias = "str | Span | Sequence[str | Span]"


class DocumentTooLong(ValueError):  # the name says what is wrong
    """A part of the document that cannot be divided is more than one request carries; the message says by how much."""


@dataclass(frozen=True)
class Heading:
    text: Text
    level: Literal[1, 2, 3] = 2


@dataclass(frozen=True)
class Paragraph:
    text: Text


@dataclass(frozen=True)
class Bullet:
    text: Text


@dataclass(frozen=True)
class Numbered:
    text: Text


@dataclass(frozen=True)
class Todo:
    text: Text
    done: bool = False


@dataclass(frozen=True)
class Quote:
    text: Text


@dataclass(frozen=True)
class Callout:
    """`icon`: one emoji; `color`: one of Notion's, such as "blue_background"."""

    text: Text
    icon: str
    color: str = "default"


@dataclass(frozen=True)
class Toggle:
    """Closed until a person opens it."""

    summary: Text
    children: "Sequence[Block]"


@dataclass(frozen=True)
class Table:
    """Every row has as many cells as the header."""

    header: Sequence[Text]
    rows: Sequence[Sequence[Text]]


@dataclass(frozen=True)
class Columns:
    """Two columns or more, side by side."""

    columns: "Sequence[Sequence[Block]]"


@dataclass(frozen=True)
class Divider:
    pass


Block: TypeAlias = Heading | Paragraph | Bullet | Numbered | Todo | Quote | Callout | Toggle | Table | Columns | Divider
Document: TypeAlias = Sequence[Block]


@dataclass(frozen=True)
class Measure:
    """What a request carries: blocks on all levels, levels, bytes of JSON."""

    count: int
    depth: int
    bytes: int


def blocks(document: Document) -> list[dict[str, Any]]:
    """The blocks that show `document`, all of it, each small enough for one request; `requests` packs them.

    Text that is longer than a block holds goes on in paragraphs below, rows in a table below with the header again, and
    what a toggle cannot hold in a toggle below that says so. Raises DocumentTooLong for a cell, a row, columns or levels
    that one request cannot carry, ValueError for a table whose rows differ in width and for fewer than two columns.
    """
    found = [made for block in document for made in _made(block)]
    for block in found:
        size = measure([block])
        for limit, number, what in (
            (MAX_CHILDREN, _widest(block), "blocks side by side"),
            (MAX_BLOCKS, size.count, "blocks"),
            (MAX_DEPTH, size.depth, "levels of blocks"),
            (MAX_BYTES, size.bytes, "bytes"),
        ):
            if number > limit:
                raise DocumentTooLong(f"A {block['type']} has {number:,} {what}; one request carries {limit:,}.")
    return found


def requests(found: Sequence[dict[str, Any]], taken: int = 0) -> Iterator[list[dict[str, Any]]]:
    """The blocks in order, divided into what one request each carries. `taken`: bytes of the first one that are used; it
    may have no room for a block at all."""
    return _divided(found, MAX_BYTES, first=min(MAX_BYTES, MAX_REQUEST - taken))


def measure(found: Sequence[dict[str, Any]]) -> Measure:
    """How much of a request these blocks take."""
    count, depth = _extent(found)
    return Measure(count, depth, _bytes(found))


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _extent(found: Sequence[dict[str, Any]]) -> tuple[int, int]:
    below = [_extent(block[block["type"]].get("children", ())) for block in found]
    return len(found) + sum(count for count, _ in below), 1 + max(depth for _, depth in below) if found else 0


def _widest(block: dict[str, Any]) -> int:
    below = block[block["type"]].get("children", ())
    return max([len(below), *map(_widest, below)])


def _divided(
    found: Sequence[dict[str, Any]], most_bytes: int, most: int = MAX_CHILDREN, first: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Blocks or pieces of text in order, in groups within the limits of number, blocks on all levels and bytes.

    `first`: bytes of the first group, where they differ; that group may be empty. What is bigger stands alone.
    """
    group: list[dict[str, Any]] = []
    room = most_bytes if first is None else first
    size = count = 0
    for one in found:
        added = measure([one])
        if len(group) == most or size + added.bytes > room or count + added.count >= MAX_BLOCKS:
            if group or room < most_bytes:
                yield group
            group, size, count, room = [], 0, 0, most_bytes
        group.append(one)
        size += added.bytes
        count += added.count
    if group:
        yield group


def _block(kind: str, rich_text: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"type": kind, kind: {"rich_text": rich_text, **more}}


def _items(text: Text) -> list[dict[str, Any]]:
    return items(_spans(text))


def _spans(text: Text) -> list[Span]:
    parts = [text] if isinstance(text, str | Span) else text
    return joined(Span(part) if isinstance(part, str) else part for part in parts)


def _texts(kind: str, text: Text, **more: Any) -> list[dict[str, Any]]:
    """A block of text and, where it is longer than a block holds, paragraphs that go on with it."""
    first, *rest = _pieces(text)
    return [_block(kind, first, **more), *(_block("paragraph", part) for part in rest)]


def _pieces(text: Text) -> list[list[dict[str, Any]]]:
    """The items of a text in groups that one block each holds; one empty group for no text."""
    return list(_divided(_items(text), PART_BYTES, MAX_ITEMS)) or [[]]


def _toggles(toggle: Toggle) -> list[dict[str, Any]]:
    """A toggle and, where it holds more than one can, others below it that say so."""
    summary, *more = _pieces(toggle.summary)
    inside = [_block("paragraph", part) for part in more] + [one for child in toggle.children for one in _made(child)]
    title = [*summary[: MAX_ITEMS - 1], *_items(" (continued)")]
    parts = list(_divided(inside, MAX_BYTES - 2 * _bytes(summary))) or [[]]
    return [_block("toggle", title if number else summary, children=part) for number, part in enumerate(parts)]


def _made(block: Block) -> list[dict[str, Any]]:
    match block:
        case Heading(text, level):
            return _texts(f"heading_{level}", text)
        case Todo(text, done):
            return _texts("to_do", text, checked=done)
        case Callout(text, icon, color):
            return _texts("callout", text, icon={"type": "emoji", "emoji": icon}, color=color)
        case Toggle():
            return _toggles(block)
        case Table():
            return _tables(block)
        case Columns(columns):
            return [_columns(columns)]
        case Divider():
            return [{"type": "divider", "divider": {}}]
        case _:
            return _texts(_KINDS[type(block)], block.text)


_KINDS = {
    Paragraph: "paragraph",
    Bullet: "bulleted_list_item",
    Numbered: "numbered_list_item",
    Quote: "quote",
}


def _short(text: Text) -> list[dict[str, Any]]:
    found = _items(text)
    if len(found) > MAX_ITEMS:
        raise DocumentTooLong(f"A cell has {len(found)} pieces of text; Notion takes {MAX_ITEMS}.")
    return found


def _tables(table: Table) -> list[dict[str, Any]]:
    width = len(table.header)
    if not width or any(len(row) != width for row in table.rows):
        raise ValueError("Every row of a table has as many cells as its header, one or more.")
    header, *rows = [_row(cells) for cells in (table.header, *table.rows)]
    parts = list(_divided(rows, PART_BYTES, MAX_CHILDREN - 1)) or [[]]
    return [
        {
            "type": "table",
            "table": {
                "table_width": width,
                "has_column_header": True,
                "children": [header, *part],
            },
        }
        for part in parts
    ]


def _row(cells: Sequence[Text]) -> dict[str, Any]:
    return {"type": "table_row", "table_row": {"cells": [_short(cell) for cell in cells]}}


def _columns(columns: Sequence[Document]) -> dict[str, Any]:
    if len(columns) < 2:
        raise ValueError("Columns are two or more.")
    parts = [
        {"type": "column", "column": {"children": [made for block in column for made in _made(block)]}}
        for column in columns
    ]
    return {"type": "column_list", "column_list": {"children": parts}}


def markdown(document: Document) -> str:
    """`document` as markdown that shows the same text: columns one below the other, toggles as entries of a list.

    No address in plain text becomes a link, not even where a reader of markdown links bare addresses.
    """
    return "\n\n".join(_joined_lists(document))


def _joined_lists(document: Document) -> list[str]:
    """Markdown of each block; neighbouring entries of one list stay together."""
    found: list[str] = []
    last: type[Block] | None = None
    for block in document:
        text = _markdown(block)
        if last is type(block) and last in _ENTRIES:
            found[-1] += f"\n{text}"
        else:
            found.append(text)
        last = type(block)
    return found


_ENTRIES: dict[type[Any], Callable[[Any], str]] = {
    Bullet: lambda block: "- ",
    Numbered: lambda block: "1. ",
    Todo: lambda block: f"- [{'x' if block.done else ' '}] ",
}
_BARE_PIPE = re.compile(r"(?<!\\)\|")


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return "#" * level + " " + _inline(text).replace("\n", " ")
        case Paragraph(text):
            return _inline(text)
        case Quote(text):
            return _prefixed("> ", "> ", _inline(text))
        case Callout(text, icon):
            return _prefixed(f"> {escaped(icon)} ", "> ", _inline(text))
        case Toggle(summary, children):
            title = marked([replace(span, bold=True) for span in _spans(summary)], bare_links=False)
            return _prefixed("- ", "  ", f"{title}\n\n{markdown(children)}")
        case Table(header, rows):
            return "\n".join([_line(header), "| --- " * len(header) + "|", *(_line(row) for row in rows)])
        case Columns(columns):
            return "\n\n".join(markdown(column) for column in columns)
        case Divider():
            return "---"
    marker = _ENTRIES[type(block)](block)
    return _prefixed(marker, " " * len(marker), _inline(block.text))


def _inline(text: Text) -> str:
    return marked(_spans(text), bare_links=False)


def _prefixed(first: str, others: str, text: str) -> str:
    return first + text.replace("\n", f"\n{others}")


def _line(cells: Sequence[Text]) -> str:
    texts = [_BARE_PIPE.sub(r"\|", _inline(cell)).replace("\n", "<br>") for cell in cells]
    return f"| {' | '.join(texts)} |"
