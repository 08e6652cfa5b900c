"""How the analyst writes: short lines, the item's words in quotes, cuts that show."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TypeVar

LINE = 300
TEXT = 4_000

T = TypeVar("T")


def clean(text: str) -> str:
    """One line without control characters, bidi overrides, NULs and lone surrogates; white space collapsed."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    kept = (" " if char.isspace() else char for char in whole if char.isspace() or not _invisible(char))
    return " ".join("".join(kept).split())


def _invisible(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"


def clip(text: str, limit: int) -> str:
    """At most `limit` characters; a cut is marked by an ellipsis."""
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def line(text: str) -> str:
    return clip(text, LINE)


def paragraphs(*parts: str) -> str:
    """The non-empty parts with an empty line between them, within the bound of a text."""
    return clip("\n\n".join(part for part in parts if part), TEXT)


def quoted(text: str, limit: int = 80) -> str:
    """The item's own words, in quotes that it cannot close."""
    return f"“{clip(re.sub('[“”]', '', clean(text)), limit)}”"


def listed(words: Sequence[str], joint: str = "and") -> str:
    """["a", "b", "c"] -> "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def distinct(words: Iterable[str]) -> list[str]:
    """Without repetitions whatever their letter case, in order."""
    return list({word.casefold(): word for word in reversed(list(words))}.values())[::-1]


def pick(seed: int, choices: Sequence[T]) -> T:
    """The same choice for the same seed."""
    return choices[seed % len(choices)]


def clamp(number: float, low: int, high: int) -> int:
    return max(low, min(high, round(number)))
