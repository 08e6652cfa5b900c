"""Which addresses on our pages open at a click: those that stood in the item. Every other one stays text. Pure.

This is the only place that makes a link of something a model wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from notion_sync.document import Block, Columns, Divider, Document, Span, Table, Text, Toggle
from notion_sync.properties import unescaped

LONGEST = 500  # characters of a live address
MOST_IN_A_TEXT = 40  # a cell of a table holds 100 pieces, and a link parts its text in up to three
MOST = 100  # in a document, so that links never make it too long for one request
PORTS = {"http": 80, "https": 443}

_ADDRESS = re.compile(r"(?<![\w@/.,])https?://[^\s<>\"\\^`{|}\x00-\x1f\x7f-\x9f]+", re.IGNORECASE)
_IN_MARKUP = re.compile(
    r"(?:\]\(<?|=[\"'])$"
)  # what stands before the target of a markdown link or of an HTML attribute
_CLOSING = {")": "(", "]": "["}


def live_links(document: Document, *sources: str) -> list[Block]:
    """`document` with a link on each address that stands in `sources`, texts of the item as people or markdown have them.

    An address counts as the same only with all its parts; letter case of scheme and host and a default port don't matter.
    Targets of what looks like markdown or HTML, mail addresses and other schemes are never made live.
    """
    known = {whole for source in sources for _, address in _found(unescaped(source)) if (whole := _same(address))}
    left = iter(range(MOST))
    return [_block(block, known, left) for block in document]


def _block(block: Block, known: set[str], left: Iterator[int]) -> Block:
    match block:
        case Divider():
            return block
        case Toggle(summary, children):
            return Toggle(_text(summary, known, left), [_block(child, known, left) for child in children])
        case Table(header, rows):
            return Table(header, [[_text(cell, known, left) for cell in row] for row in rows])
        case Columns(columns):
            return Columns([[_block(child, known, left) for child in column] for column in columns])
        case _:
            return replace(block, text=_text(block.text, known, left))


def _text(text: Text, known: set[str], left: Iterator[int]) -> Text:
    parts = [text] if isinstance(text, str | Span) else text
    spans = [Span(part) if isinstance(part, str) else part for part in parts]
    if not known or not any(_live(span, known) for span in spans):
        return text
    room = iter(range(MOST_IN_A_TEXT))
    return [piece for span in spans for piece in _pieces(span, known, room, left)]


def _pieces(span: Span, known: set[str], room: Iterator[int], left: Iterator[int]) -> Iterator[Span]:
    end = 0
    for start, address in _live(span, known):
        if next(room, None) is None or next(left, None) is None:
            break
        yield replace(span, text=span.text[end:start])
        end = start + len(address)
        yield replace(span, text=address, link=address)
    yield replace(span, text=span.text[end:])


def _live(span: Span, known: set[str]) -> Sequence[tuple[int, str]]:
    if span.link or span.mention or span.equation or span.code:
        return []
    found = _found(span.text)
    return [
        (start, address)
        for start, address in found
        if len(address) <= LONGEST and _same(address) in known and not _IN_MARKUP.search(span.text[:start][-3:])
    ]


def _found(text: str) -> Iterable[tuple[int, str]]:
    """Each address in `text` and where it begins, without the punctuation of the sentence around it."""
    for match in _ADDRESS.finditer(text):
        address = match[0]
        while address[-1] in ".,;:!?'*_~" or (
            address[-1] in _CLOSING and address.count(_CLOSING[address[-1]]) < address.count(address[-1])
        ):
            address = address[:-1]
        yield match.start(), address


def _same(address: str) -> str:
    """The address in the form that is compared; empty for one that never becomes a link."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return ""
    if not parts.hostname or "@" in parts.netloc or any(unicodedata.category(sign) == "Cf" for sign in address):
        return ""
    host = parts.hostname if port in (None, PORTS[parts.scheme]) else f"{parts.hostname}:{port}"
    return SplitResult(parts.scheme, host, parts.path or "/", parts.query, parts.fragment).geturl()
