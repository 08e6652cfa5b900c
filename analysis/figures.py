"""The figures in a text, however people write them: 5,000 and 5.000,00, 5k, 1.2 Mio, 12 %. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

SCALES = {
    **dict.fromkeys(("%", "percent", "prozent"), Decimal("0.01")),
    **dict.fromkeys(("k", "tsd", "thousand", "tausend"), Decimal(10**3)),
    **dict.fromkeys(("m", "mn", "mio", "million", "millions", "millionen"), Decimal(10**6)),
    **dict.fromkeys(("b", "bn", "mrd", "billion", "billions", "milliarde", "milliarden"), Decimal(10**9)),
}
_WORDS = "|".join(word for word in SCALES if word.isalpha())
_FIGURE = re.compile(
    rf"([1-9]\d{{0,2}}(?:[\s.,'\u2019]\d{{3}})+(?!\d)|\d+)(?:[.,](\d+))?(?:\s?(%|(?:{_WORDS})\b))?", re.IGNORECASE
)
_EITHER_WAY = re.compile(r"\d+[.,]\d{3}")  # five thousand to some people, five and no thousandths to others


class Figure(NamedTuple):
    """One figure and where it stands. `amounts`: what it may mean, two where its sign has a meaning for each language."""

    start: int
    end: int
    amounts: frozenset[Decimal]


def figures(text: str) -> list[Figure]:
    """All figures in `text`, in their order, without plus and minus: people write a loss of 5,000 with neither."""
    return [Figure(*match.span(), frozenset(_amounts(*match.groups()))) for match in _FIGURE.finditer(text)]


def _amounts(whole: str, decimals: str | None, scale: str | None) -> set[Decimal]:
    digits = re.sub(r"\D", "", whole)
    read = {Decimal(f"{digits}.{decimals or 0}")}
    if not decimals and _EITHER_WAY.fullmatch(whole):
        read.add(Decimal(whole.replace(",", ".")))
    return {amount * SCALES[scale.casefold()] for amount in read} if scale else read
