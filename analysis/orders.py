"""Words of an item that look like orders to a model: what a person should see before they trust what came of it. Pure.

A sign is no proof, and its absence none either: nothing is decided by it. Patterns are bounded, so that they run in linear time.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from analysis.disguises import disguised, hidden, plain
from analysis.phrases import PHRASES, Kind

MOST = 3  # quotes of one kind
QUOTE = 160  # characters


@dataclass(frozen=True)
class Sign:
    """One thing that was found. `quote`: the words, on one line, hidden characters as U+..."""

    kind: Kind
    quote: str


def signs(*texts: str) -> list[Sign]:
    """What in `texts`, the title and the text of one item, reads like an order to a model; by kind, at most three of each."""
    found: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for text in texts:
        for sign in _signs(text):
            if sign.quote not in found[sign.kind]:
                found[sign.kind].append(sign.quote)
    return [Sign(kind, quote) for kind, quotes in found.items() for quote in quotes[:MOST]]


def _signs(text: str) -> Iterator[Sign]:
    yield from (Sign(Kind.HIDDEN, _quote(text, start, end)) for start, end in hidden(text))
    yield from _phrases(plain(text), Kind)
    for coded, said in disguised(text):
        if coded == "text" or any(_phrases(said, Kind)):
            yield Sign(Kind.ENCODED, _quote(said, 0, len(said)))


def _phrases(text: str, kinds: Iterable[Kind]) -> Iterator[Sign]:
    for kind in kinds:
        for pattern in PHRASES[kind]:
            for match in islice(pattern.finditer(text), MOST):
                yield Sign(kind, _quote(text, *match.span()))


def _quote(text: str, start: int, end: int) -> str:
    before = max(0, start - 20)
    words = "".join(_visible(sign) for sign in text[before : min(end + 20, before + QUOTE)])
    return " ".join(words.split())[:QUOTE]


def _visible(sign: str) -> str:
    category = unicodedata.category(sign)
    return f"<U+{ord(sign):04X}>" if category in ("Cf", "Cs", "Co", "Cn") or "\ufe00" <= sign <= "\ufe0f" else sign
