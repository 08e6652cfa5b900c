"""A Document as HTML, so that the console shows an argument just as Notion does. Every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from notion_sync.document import (
    Block,
    Bullet,
    Callout,
    Columns,
    Divider,
    Document,
    Heading,
    Numbered,
    Paragraph,
    Quote,
    Span,
    Table,
    Text,
    Todo,
    Toggle,
)

LINES: dict[type[Block], str] = {
    Heading: "<h3>{}</h3>",
    Paragraph: "<p>{}</p>",
    Quote: "<blockquote>{}</blockquote>",
    Bullet: '<p class="bullet">{}</p>',
    Numbered: '<p class="numbered">{}</p>',
}


def html(document: Document) -> SafeString:
    """The document, inside an element whose class `reading` lays it out."""
    return format_html('<div class="reading">{}</div>', _blocks(document))


def _joined(parts: Iterable[SafeString]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308  # every part is escaped already


def _blocks(blocks: Sequence[Block]) -> SafeString:
    return _joined(_block(block) for block in blocks)


def _block(block: Block) -> SafeString:
    match block:
        case Divider():
            return format_html("<hr>")
        case Toggle(summary, children):
            return format_html("<details><summary>{}</summary>{}</details>", _text(summary), _blocks(children))
        case Table(header, rows):
            return _table(header, rows)
        case Columns(columns):
            return _joined(format_html("<div>{}</div>", _blocks(column)) for column in columns)
        case Callout(text, icon, color):
            return format_html('<p class="callout {}"><span>{}</span> <span>{}</span></p>', color, icon, _text(text))
        case Todo(text, done):
            return format_html('<p class="todo">{} {}</p>', "☑" if done else "☐", _text(text))
        case _:
            return format_html(LINES[type(block)], _text(block.text))


def _table(header: Sequence[Text], rows: Sequence[Sequence[Text]]) -> SafeString:
    head = _joined(format_html('<th scope="col">{}</th>', _text(cell)) for cell in header)
    lines = [_joined(format_html("<td>{}</td>", _text(cell)) for cell in row) for row in rows]
    body = _joined(format_html("<tr>{}</tr>", line) for line in lines)
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)


def _text(text: Text) -> SafeString:
    parts = [text] if isinstance(text, str | Span) else text
    return _joined(_span(part) if isinstance(part, Span) else escape(part) for part in parts)


def _span(span: Span) -> SafeString:
    found = escape(span.text)
    for wanted, tag in ((span.bold, "strong"), (span.italic, "em"), (span.code, "code")):
        if wanted:
            found = format_html("<{0}>{1}</{0}>", tag, found)
    if span.link and urlsplit(span.link).scheme in ("http", "https"):
        return format_html('<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>', span.link, found)
    return found
