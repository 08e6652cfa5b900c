"""Formatted text: Notion's rich text <-> spans, and spans -> markdown. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import regex

MAX_UNITS = 2_000  # UTF-16 code units in one item: https://developers.notion.com/reference/request-limits
MAX_ITEMS = 100  # items in one array

_GRAPHEME = regex.compile(r"\X")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x1f\x7f-\x9f]+", re.IGNORECASE)
_INLINE = re.compile(r"[\\`*\[\]<>~|$]|&(?=#?\w+;)|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_LINE_START = re.compile(r"^(?:([#+=-])|(\d+)([.)]))")
_BARE_LINK = re.compile(r"(?<=[a-z])://|(?<=www)\.|(?<=\w)@(?=\w)", re.IGNORECASE)
_AMISS_IN_LINK = re.compile(r"[<>\\]")
_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True)
class Span:
    """A stretch of text in one format. `link` is an address, `mention` what a mention points at, without its name."""

    text: str
    bold: bool = False
    italic: bool = False
    strikethrough: bool = False
    underline: bool = False
    code: bool = False
    color: str = "default"
    link: str | None = None
    mention: tuple[str, str] | None = None
    equation: bool = False

    @property
    def is_plain(self) -> bool:
        """True where nothing but the text is to be said."""
        return self == Span(self.text)


def clean(text: str) -> str:
    """`text` with each NUL and lone surrogate, which no database or JSON body can carry, replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def pieces(text: str) -> list[str]:
    """`text` cut between graphemes into parts of at most 2,000 UTF-16 units; joined they are `text` again.

    Only a single grapheme that is longer than that is cut inside, between its code points.
    """
    if text.isascii() and "\r" not in text:  # then each character is a grapheme
        return [text[start : start + MAX_UNITS] for start in range(0, len(text), MAX_UNITS)]
    found: list[str] = []
    start = end = size = 0
    for grapheme in _GRAPHEME.findall(text):
        width = _units(grapheme)
        for part in [grapheme] if width <= MAX_UNITS else grapheme:
            width = _units(part)
            if size + width > MAX_UNITS:
                found.append(text[start:end])
                start, size = end, 0
            end += len(part)
            size += width
    return [*found, text[start:]] if start < len(text) else found


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def safe_link(address: str | None) -> str | None:
    """`address` where it is a web or mail address that Notion takes as a link, else None."""
    is_safe = address and _SAFE_LINK.fullmatch(address) and _units(address) <= MAX_UNITS
    return address if is_safe else None


def spans(rich_text: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Notion's rich text as spans, neighbours of one format joined."""
    return joined(_span(item) for item in rich_text)


def plain(parts: Iterable[Mapping[str, Any]]) -> str:
    """The words of Notion's rich text, without their format."""
    return clean("".join(part.get("plain_text", "") for part in parts))


def joined(parts: Iterable[Span]) -> list[Span]:
    """`parts` without empty ones, and with neighbours of one format as one."""
    found: list[Span] = []
    for part in parts:
        last = found[-1] if found else None
        if last and last == replace(part, text=last.text) and not (part.mention or part.equation):
            found[-1] = replace(last, text=last.text + part.text)
        elif part.text or part.mention:
            found.append(part)
    return found


def _span(item: Mapping[str, Any]) -> Span:
    kind = item.get("type") or next((key for key in ("text", "mention", "equation") if key in item), "text")
    content = item.get(kind) or {}
    text = item.get("plain_text") or content.get("content") or content.get("expression") or ""
    mention = _mentioned(content) if kind == "mention" else None
    link = (content.get("link") or {}).get("url") if kind == "text" else item.get("href")
    marks = {
        name: value for name, value in (item.get("annotations") or {}).items() if name in _MARKS or name == "color"
    }
    return Span(text, **marks, link=link, mention=mention, equation=kind == "equation")


def _mentioned(mention: Mapping[str, Any]) -> tuple[str, str]:
    kind = mention.get("type") or next(iter(mention))
    target = mention.get(kind) or {}
    if kind == "date":
        return kind, f"{target.get('start')}/{target.get('end')}"
    return kind, str(target.get("id") or target.get("url") or target.get("href") or target).replace("-", "")


def items(parts: Iterable[Span]) -> list[dict[str, Any]]:
    """Notion's rich text for text spans, in items of at most 2,000 UTF-16 units; how many is the caller's to check.

    A link that is not a web or mail address is shown as text behind its words.
    """
    found = []
    for part in joined(_shown_link(part) for part in parts):
        text: dict[str, Any] = {"link": {"url": part.link}} if part.link else {}
        annotations = {name: True for name in _MARKS if getattr(part, name)}
        format = {**annotations, "color": part.color} if part.color != "default" else annotations
        for piece in pieces(clean(part.text)):
            item = {"type": "text", "text": {"content": piece, **text}}
            found.append({**item, "annotations": format} if format else item)
    return found


def _shown_link(part: Span) -> Span:
    if not part.link or safe_link(part.link):
        return part
    return replace(part, text=f"{part.text} ({part.link})", link=None)


def markdown(rich_text: Iterable[Mapping[str, Any]]) -> str:
    """Notion's rich text as markdown, all of it but the colors, with what people typed escaped.

    Pages and databases that are mentioned become links, people and dates their names; a line stays a line.
    """
    return marked(spans(rich_text))


def marked(parts: Sequence[Span], *, bare_links: bool = True) -> str:
    """Spans as markdown; where a marker would touch a letter or another marker, its HTML tag stands for it.

    `bare_links=False` escapes addresses in plain text too, for readers of markdown that make links of them.
    """
    edge = Span("")
    padded = [edge, *parts, edge]
    neighbours = pairwise(pairwise(padded))
    return "".join(_marked(before, part, after, bare_links) for (before, part), (_, after) in neighbours)


_MARKS = {
    "bold": ("**", "b"),
    "italic": ("_", "i"),
    "strikethrough": ("~~", "s"),
    "underline": ("", "u"),
    "code": ("", ""),
}


def _marked(before: Span, part: Span, after: Span, bare_links: bool) -> str:
    lines = part.text.split("\n")
    found = []
    for number, line in enumerate(lines):
        first, last = number == 0, number == len(lines) - 1
        around = (before if first else Span(""), after if last else Span(""))
        found.append(_marked_line(part, line, *around, bare_links))
    return "\n".join(found)


def _marked_line(part: Span, line: str, before: Span, after: Span, bare_links: bool) -> str:
    core = line.strip()
    if not core:
        return line
    left, right = line[: line.index(core)], line[line.index(core) + len(core) :]
    is_loose = _is_loose(left, before, core[0], -1) and _is_loose(right, after, core[-1], 0)
    at_start = not before.text.rpartition("\n")[2].strip()
    text = _code(core) if part.code else f"${core}$" if part.equation else escaped(core, at_start, bare_links)
    for name, (marker, tag) in _MARKS.items():
        if getattr(part, name) and tag:
            text = f"{marker}{text}{marker}" if marker and is_loose else f"<{tag}>{text}</{tag}>"
    address = f"https://www.notion.so{part.link}" if part.link and part.link.startswith("/") else part.link
    if address and safe_link(address):
        text = f"[{text}](<{_AMISS_IN_LINK.sub(_percent, address)}>)"
    elif address:
        text += f" ({escaped(address, False, bare_links)})"
    return f"{left}{text}{right}"


def _is_loose(space: str, neighbour: Span, inner: str, edge: int) -> bool:
    """True where a marker between `inner` and what lies outside of it reads as a marker."""
    outer = space or neighbour.text[edge:][:1]
    if not outer or outer.isspace():
        return True
    return neighbour.is_plain and not outer.isalnum() and inner.isalnum()


def escaped(line: str, at_start: bool = True, bare_links: bool = True) -> str:
    """`line` such that markdown shows it as it is; `at_start`: it begins a line, where more signs have a meaning."""
    line = _INLINE.sub(r"\\\g<0>", line)
    if not bare_links:
        line = _BARE_LINK.sub(r"\\\g<0>", line)
    return _LINE_START.sub(_line_start, line) if at_start else line


def unescaped(text: str) -> str:
    """Markdown with each sign that was escaped as it is shown; what formats the text stays."""
    return _ESCAPE.sub(r"\1", text)


def _line_start(match: re.Match[str]) -> str:
    sign, number, dot = match.groups()
    return f"\\{sign}" if sign else f"{number}\\{dot}"


def _percent(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"


def _code(text: str) -> str:
    fence = "`" * (1 + max((len(ticks) for ticks in _BACKTICKS.findall(text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
