"""Page bodies and rich text as HTML. Everything is escaped; links go to http, https and mailto addresses only."""

from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from sandbox.notion import blocks
from sandbox.notion.store import Workspace

LINKS = frozenset(["http", "https", "mailto"])
TAGS = {"bold": "strong", "italic": "em", "strikethrough": "s", "underline": "u", "code": "code"}
PLAIN_TAGS = {"paragraph": "p", "heading_1": "h2", "heading_2": "h3", "heading_3": "h4", "quote": "blockquote"}
LISTS = {"bulleted_list_item": "ul", "numbered_list_item": "ol"}


def tag(name: str, inside: str, **attributes: str) -> Markup:
    """An element; `inside` is escaped unless it is Markup, attribute values always."""
    written = Markup("").join(Markup(' {}="{}"').format(key.rstrip("_"), value) for key, value in attributes.items())
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inside)  # noqa: S704 - own names of elements


def is_safe(address: str | None) -> bool:
    """Whether an address may become a link."""
    try:
        return bool(address) and urlsplit(address).scheme in LINKS
    except ValueError:
        return False


def rich_text(items: list[dict[str, Any]]) -> Markup:
    """Rich text with its annotations."""
    return Markup("").join(rich_item(item) for item in items)


def rich_item(item: dict[str, Any]) -> Markup:
    """One item."""
    html = Markup("<br>").join(escape(line) for line in item["plain_text"].split("\n"))
    for mark, name in TAGS.items():
        if item["annotations"][mark]:
            html = tag(name, html)
    color = item["annotations"]["color"]
    if color != "default":
        html = tag("span", html, class_=f"color-{color}")
    if is_safe(item["href"]):
        html = tag("a", html, href=item["href"], rel="noopener noreferrer")
    return html


def body_html(ws: Workspace, parent_id: str, depth: int = 0) -> Markup:
    """The children of a page or block. Neighbouring list items share a list; nesting ends at 20 levels, visibly."""
    if depth > 20:
        return tag("p", "Deeper blocks are not shown here.", class_="muted")
    html, open_list = Markup(""), ""
    for block in blocks.list_children(ws, parent_id):
        wanted = LISTS.get(block["type"], "")
        if wanted != open_list:
            html += end_tag(open_list) + start_tag(wanted)
            open_list = wanted
        html += block_html(ws, block, depth)
    return html + end_tag(open_list)


def start_tag(name: str) -> Markup:
    """The opening tag of a list; nothing for no list."""
    return {"ul": Markup("<ul>"), "ol": Markup("<ol>")}.get(name, Markup(""))


def end_tag(name: str) -> Markup:
    """The closing tag of a list; nothing for no list."""
    return {"ul": Markup("</ul>"), "ol": Markup("</ol>")}.get(name, Markup(""))


def block_html(ws: Workspace, block: dict[str, Any], depth: int) -> Markup:
    """One block with what it holds."""
    kind, content = block["type"], block[block["type"]]
    text = rich_text(content.get("rich_text", []))
    color = content.get("color", "default")
    paint = {"class_": f"color-{color}"} if color != "default" else {}
    held = body_html(ws, block["id"], depth + 1) if block["has_children"] and kind != "table" else Markup("")
    if kind in LISTS:
        return tag("li", text + held, **paint)
    if (kind.startswith("heading") and content["is_toggleable"]) or kind == "toggle":
        summary = tag("summary", text, **paint)
        return tag("details", summary + tag("div", held, class_="indent"), open="")
    if kind in PLAIN_TAGS:
        return tag(PLAIN_TAGS[kind], text + (tag("div", held, class_="indent") if held else Markup("")), **paint)
    if kind == "to_do":
        box = Markup('<span class="box">{}</span> ').format("\N{CHECK MARK}" if content["checked"] else "")
        return tag("div", box + text + held, class_="todo done" if content["checked"] else "todo")
    if kind == "callout":
        icon = tag("span", content["icon"]["emoji"], class_="icon")
        return tag("div", icon + tag("div", text + held), class_=f"callout color-{color}")
    if kind == "code":
        return tag("pre", tag("code", text), title=content["language"])
    if kind == "divider":
        return Markup("<hr>")
    if kind == "table":
        return table_html(ws, block)
    if kind in ("column_list", "column"):
        return tag("div", held, class_="columns" if kind == "column_list" else "column")
    return linked_block(ws, kind, block, content)


def linked_block(ws: Workspace, kind: str, block: dict[str, Any], content: dict[str, Any]) -> Markup:
    """Bookmarks, links, child pages and child databases."""
    if kind == "bookmark":
        return tag("p", rich_item(address_item(content["url"])))
    if kind == "link_to_page":
        place = "d" if content["type"] == "database_id" else "p"
        title = blocks.linked_title(ws, content) or "Untitled"
        return tag("p", tag("a", f"\N{NORTH EAST ARROW} {title}", href=f"/{place}/{content[content['type']]}"))
    if kind in ("child_page", "child_database"):
        icon, place = ("\N{PAGE FACING UP}", "p") if kind == "child_page" else ("\N{CARD FILE BOX}", "d")
        return tag("p", tag("a", f"{icon} {content['title'] or 'Untitled'}", href=f"/{place}/{block['id']}"))
    return tag("p", f"A {kind} block is not shown here.", class_="muted")


def address_item(address: str) -> dict[str, Any]:
    """An address as a rich text item that links to itself."""
    return {"plain_text": address, "href": address, "annotations": {**dict.fromkeys(TAGS, False), "color": "default"}}


def table_html(ws: Workspace, block: dict[str, Any]) -> Markup:
    """A table with its rows."""
    rows = blocks.list_children(ws, block["id"])
    html = Markup("")
    for number, row in enumerate(rows):
        cells = Markup("")
        for place, cell in enumerate(row["table_row"]["cells"]):
            head = (number == 0 and block["table"]["has_column_header"]) or (
                place == 0 and block["table"]["has_row_header"]
            )
            cells += tag("th" if head else "td", rich_text(cell))
        html += tag("tr", cells)
    return tag("div", tag("table", html, class_="simple"), class_="scroll")
