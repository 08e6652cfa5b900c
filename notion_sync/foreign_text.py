"""Text as other programs send it -> plain text as its author wrote it: Slack's marks, a mail's HTML. Pure.

Every step takes time in proportion to the text, since anybody may send one.
"""

from __future__ import annotations

import html
import re

_SLACK_MARK = re.compile(r"<((?:[@#!]|[a-z]+:)[^<>|]+)(?:\|([^<>|]*))?>")
_SLACK_SIGNS = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))  # in this order: "&amp;lt;" was written as "&lt;"
_TAG = re.compile(r"<(/?)([a-z!?][a-z0-9]*)([^<>]*)>", re.IGNORECASE)
_ADDRESS = re.compile(r"""\bhref\s*=\s*["']?(https?://[^\s"'>]+)""", re.IGNORECASE)
_UNSEEN = ("script", "style", "title")
_CELLS = ("td", "th")
_BLOCKS = frozenset([
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "footer", "form", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul",
])  # fmt: skip


def of_slack(text: str) -> str:
    """The words of a message: Slack escapes three signs, and sends people, channels and links in angle brackets.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    text = _SLACK_MARK.sub(_marked, text)
    for escaped, sign in _SLACK_SIGNS:
        text = text.replace(escaped, sign)
    return text


def _marked(found: re.Match[str]) -> str:
    target, label = found[1], found[2] or ""
    if target[0] in "@#":
        return f"{target[0]}{label.removeprefix(target[0]) or target[1:]}"
    if target[0] == "!":  # <!here>, <!subteam^S1|@bakers>, <!date^...|27 November>
        return label or f"@{target[1:]}"
    return label if target in (f"mailto:{label}", f"http://{label}") else f"{label} ({target})" if label else target


def of_html(page: str) -> str:
    """What a person reads of a page: a line for each block, and behind a link its address where that says more."""
    page = _without_comments(page)
    said: list[str] = []
    unseen, address, at = "", "", 0
    for tag in _TAG.finditer(page):
        closes, name = bool(tag[1]), tag[2].lower()
        if not unseen:
            said.append(_words(page[at : tag.start()]))
        at = tag.end()
        if unseen:
            unseen = "" if closes and name == unseen else unseen
        elif name in _UNSEEN:
            unseen = "" if closes else name
        elif name == "a":
            if closes and address and address not in said[-1:]:
                said.append(f" ({address})")
            found = _ADDRESS.search(tag[3])
            address = html.unescape(found[1]) if found else ""
        elif name in _BLOCKS:
            said.append("\n")
        elif name in _CELLS:
            said.append(" ")
    said.append("" if unseen else _words(page[at:]))
    lines = (" ".join(line.split()) for line in "".join(said).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _words(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(text))


def _without_comments(page: str) -> str:
    """One that has no end is left where it is: nothing behind it is lost."""
    parts, at = [], 0
    while (start := page.find("<!--", at)) >= 0 and (end := page.find("-->", start + 2)) >= 0:  # <!--> is one, too
        parts.append(page[at:start])
        at = end + len("-->")
    return "".join([*parts, page[at:]])
