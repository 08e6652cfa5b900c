"""What a person wrote in Notion, the markdown of a body or a text property -> a Document, and that -> its words. Pure.

The format: https://developers.notion.com/guides/data-apis/enhanced-markdown. Its headings, lists, quotes, rules, code,
formats, links, mentions and tables are read; what is not known stays as it is written. No word is left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

from notion_sync.document import Bullet, Divider, Heading, Paragraph, Quote, Span, Todo
from notion_sync.rich_text import joined, safe_link, spans

Line: TypeAlias = Heading | Paragraph | Bullet | Todo | Quote | Divider

_Made: TypeAlias = Callable[[list[Span]], Line]


def _rule(_: list[Span]) -> Line:
    return Divider()


# Only lines that are not indented: what stands under an entry of a list goes on in its text, as it is written. So do the
# numbers of numbered lists, which Notion would count anew.
_LINES: tuple[tuple[re.Pattern[str], _Made], ...] = (
    (re.compile(r"# (.*)"), lambda text: Heading(text, 1)),
    (re.compile(r"## (.*)"), lambda text: Heading(text, 2)),
    (re.compile(r"#{3,6} (.*)"), lambda text: Heading(text, 3)),
    (re.compile(r"- \[ \] (.*)"), lambda text: Todo(text)),
    (re.compile(r"- \[[xX]\] (.*)"), lambda text: Todo(text, done=True)),
    (re.compile(r"- (.*)"), Bullet),
    (re.compile(r"> (.*)"), Quote),
    (re.compile(r"---()"), _rule),
)
_FENCE = re.compile(r"\t*```[^`]*")
_CELL = re.compile(r"\t*<td[^<>]*>(.*)</td>")
# Each part ends at the first sign that it cannot hold, so that no text makes this slow.
_LABEL = r"\[(?P<label>(?:\\.|[^\\\[\]])*)\]"
_ADDRESS = r"\((?P<address>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)"
_INLINE = re.compile(
    r"(?P<escaped>(?:\\[^\w\s])+)"
    r"|`(?P<code>[^`]+)`"
    rf"|(?P<picture>!{_LABEL.replace('label', 'caption')}{_ADDRESS.replace('address', 'file')})"
    rf"|{_LABEL}{_ADDRESS}"
    r"|<(?P<tag>mention-[a-z-]+|page|database)(?P<about> [^<>]*)?>(?P<name>(?:\\.|[^\\<>])*)</(?P=tag)>"
    r"|(?P<line><br/?>)"
    r"|(?P<next></td>\s*<td[^<>]*>)"
    r"|(?P<layout></?(?:details|summary|callout|columns|column|table|colgroup|col|tr|td|empty-block)\b[^<>]*>)"
    r'|(?P<color> ?\{color="[a-z_]+"\}$)'
    r'|(?P<mark>\*\*|\*|~~|<span (?:underline|color)="[a-z_]+">|</span>)'
)
_MARKS = {"**": "bold", "*": "italic", "~~": "strikethrough"}
_URL = re.compile(r'url="([^"]*)"')


def document(text: str) -> list[Line]:
    """The blocks that show what `text` says, its formats and links as they are there."""
    parts: list[tuple[_Made, list[Span]]] = []
    for line, is_code in _lines(text):
        made, spans = (Paragraph, [Span(line, code=True)]) if is_code else _read(line)
        above = parts[-1] if parts and parts[-1][0] is not _rule else None
        if above and made is Paragraph and (above[0] is Paragraph or line.startswith("\t")):
            above[1].extend([Span("\n"), *spans])
        else:
            parts.append((made, spans))
    found = [made(_trimmed(spans)) for made, spans in parts]
    return [block for block in found if isinstance(block, Divider) or block.text]


def paragraph(rich_text: Iterable[Mapping[str, Any]]) -> list[Line]:
    """A text property as Notion gives it, in its formats; nothing for an empty one."""
    found = _trimmed(spans(rich_text))
    return [Paragraph(found)] if found else []


def plain(found: Sequence[Line]) -> str:
    """The words of these blocks, a heading, an entry or a quote behind its sign, the address of a link behind what it is called."""
    said: list[str] = []
    for above, block in pairwise([None, *found]):
        assert block is not None
        if above is not None:
            said.append("\n" if isinstance(above, _ENTRIES) and isinstance(block, _ENTRIES) else "\n\n")
        said.append(_said(block))
    return "".join(said)


_ENTRIES = (Bullet, Todo)


def _said(block: Line) -> str:
    match block:
        case Divider():
            return "---"
        case Heading(_, level):
            sign = "#" * level + " "
        case Todo():
            sign = "[x] " if block.done else "[ ] "
        case _:
            sign = _SIGNS.get(type(block), "")
    parts = [block.text] if isinstance(block.text, str | Span) else block.text
    return sign + "".join(part if isinstance(part, str) else _named(part) for part in parts)


_SIGNS: dict[type[Line], str] = {Bullet: "- ", Quote: "> "}


def _named(part: Span) -> str:
    return f"{part.text} ({part.link})" if part.link and part.link != part.text else part.text


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """The lines, each with whether it is code. What stands between two fences, and a row of a table, is one line."""
    code: list[str] | None = None
    cells: list[str] = []
    for line in text.split("\n"):
        if code is not None:
            if line.strip() == "```":
                yield "\n".join(code[1:]), True
                code = None
            else:
                code.append(line)
        elif _FENCE.fullmatch(line):
            code = [line]
        elif cell := _CELL.fullmatch(line):
            cells.append(cell[1])
        else:
            if cells:
                yield " | ".join(cells), False
                cells = []
            yield line, False
    if code is not None:
        yield "\n".join(code), True
    if cells:
        yield " | ".join(cells), False


def _read(line: str) -> tuple[_Made, list[Span]]:
    for pattern, made in _LINES:
        if found := pattern.fullmatch(line):
            return made, _spans(found[1])
    return Paragraph, _spans(line)


def _spans(text: str, link: str | None = None) -> list[Span]:
    """A line as spans. A mark that is never closed stays a sign."""
    parts: list[Span] = []
    opened: dict[str, int] = {}  # by kind of mark: where in `parts` it was opened
    place = 0
    for found in _INLINE.finditer(text):
        parts.append(Span(text[place : found.start()], link=link))
        place = found.end()
        kind = found.lastgroup or ""
        if found["mark"]:
            _mark(found["mark"], parts, opened, link)
        elif found["label"] is not None:
            parts += _called(found["label"], found["address"])
        elif found["tag"]:
            about = _URL.search(found["about"] or "")
            parts += _called(found["name"], safe_link(about[1]) if about else None)
        elif kind == "code":
            parts.append(Span(found["code"], code=True, link=link))
        elif kind in _SHOWN:
            parts.append(Span(_SHOWN[kind](found[kind]), link=link))
    return [*parts, Span(text[place:], link=link)]


def _called(name: str, link: str | None) -> list[Span]:
    """A link under its name, or its address where it has none."""
    return _spans(name, link) if name or not link else [Span(link, link=link)]


_SHOWN: dict[str, Callable[[str], str]] = {
    "escaped": lambda signs: signs[1::2],
    "picture": lambda picture: picture,
    "line": lambda _: "\n",
    "next": lambda _: " | ",
}


def _mark(sign: str, parts: list[Span], opened: dict[str, int], link: str | None) -> None:
    """Open a format, or close it for all parts since then."""
    name = _MARKS.get(sign) or ("underline" if "underline" in sign else "color")
    if sign == "</span>":
        name = max((one for one in ("underline", "color") if one in opened), key=lambda one: opened[one], default="")
    if name in opened and not sign.startswith("<span"):
        start = opened.pop(name)
        parts[start] = Span("")
        if name != "color":
            format: dict[str, Any] = {name: True}
            parts[start:] = [replace(part, **format) for part in parts[start:]]
        return
    if sign != "</span>" and name not in opened:
        opened[name] = len(parts)
    parts.append(Span(sign, link=link))


def _trimmed(spans: Sequence[Span]) -> list[Span]:
    """Without the empty lines around it."""
    found = joined(spans)
    if found:
        found[0] = replace(found[0], text=found[0].text.lstrip("\n"))
        found[-1] = replace(found[-1], text=found[-1].text.rstrip("\n"))
    return joined(found)
