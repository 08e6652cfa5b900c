"""Page bodies as Notion's markdown, and markdown as blocks."""

import re
from typing import Any

from sandbox.notion import blocks
from sandbox.notion.errors import invalid, trashed, unfit
from sandbox.notion.pages import load_page
from sandbox.notion.rich_text import text_item, units
from sandbox.notion.store import Workspace

ESCAPED = re.compile(r"([\\`*_~\[\]<>{}|^$])")
MARKS = (("strikethrough", "~~"), ("italic", "*"), ("bold", "**"))
PREFIXES = {
    "heading_1": "# ", "heading_2": "## ", "heading_3": "### ", "bulleted_list_item": "- ", "quote": "> ",
}  # fmt: skip
INLINE = re.compile(
    r"\\(?P<escaped>.)|`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\*(?P<italic>[^*]+)\*|~~(?P<struck>.+?)~~"
    r"|\[(?P<label>[^\]]+)\]\((?P<address>[^)\s]+)\)"
)
LINES = (
    (re.compile(r"# (.+)"), "heading_1"),
    (re.compile(r"## (.+)"), "heading_2"),
    (re.compile(r"#{3,6} (.+)"), "heading_3"),
    (re.compile(r"[-*] \[[ xX]\] (.*)"), "to_do"),
    (re.compile(r"[-*+] (.*)"), "bulleted_list_item"),
    (re.compile(r"\d+[.)] (.*)"), "numbered_list_item"),
    (re.compile(r"> ?(.*)"), "quote"),
)
RULE = re.compile(r"-{3,}|\*{3,}")
FENCE = re.compile(r"```(\S*)")


def escape(text: str) -> str:
    """Text with a backslash before what markdown would read as markup."""
    return ESCAPED.sub(r"\\\1", text)


def inline(items: list[dict[str, Any]]) -> str:
    """Rich text as inline markdown."""
    return "".join(inline_item(item) for item in items).replace("\n", "<br>")


def inline_item(item: dict[str, Any]) -> str:
    """One item; marks go around it, the link outside of them."""
    marks = item["annotations"]
    if item["type"] == "equation":
        return f"$`{item['plain_text']}`$"
    text = f"`{item['plain_text']}`" if marks["code"] else escape(item["plain_text"])
    for name, mark in MARKS:
        if marks[name]:
            text = f"{mark}{text}{mark}"
    if marks["underline"]:
        text = f'<span underline="true">{text}</span>'
    return f"[{text}]({item['href']})" if item["href"] else text


def render(ws: Workspace, parent_id: str, depth: int = 0) -> list[str]:
    """The lines of a page's or block's children, nested ones indented by tabs."""
    lines: list[str] = []
    number = 0
    for block in blocks.list_children(ws, parent_id):
        number = number + 1 if block["type"] == "numbered_list_item" else 0
        lines += ["\t" * depth + line for line in render_block(ws, block, number)]
        if block["has_children"] and block["type"] not in CONTAINERS:
            lines += render(ws, block["id"], depth + 1)
    return lines


def render_block(ws: Workspace, block: dict[str, Any], number: int) -> list[str]:
    """A block's own lines; containers render what they hold."""
    kind, content = block["type"], block[block["type"]]
    if kind in CONTAINERS:
        return CONTAINERS[kind](ws, block)
    text = inline(content.get("rich_text", []))
    if kind == "to_do":
        return [f"- [{'x' if content['checked'] else ' '}] {text}"]
    if kind == "code":
        code = "".join(item["plain_text"] for item in content["rich_text"])
        return [f"```{content['language']}", *code.split("\n"), "```"]
    if kind == "bookmark":
        return [f"[{escape(content['url'])}]({content['url']})"]
    if kind in ("child_page", "child_database"):
        tag = "page" if kind == "child_page" else "database"
        return [f'<{tag} url="{ws.address}/p/{block["id"].replace("-", "")}">{content["title"]}</{tag}>']
    if kind == "link_to_page":
        target = content[content["type"]].replace("-", "")
        return [f'<mention-page url="{ws.address}/p/{target}">{blocks.linked_title(ws, content)}</mention-page>']
    return [{**PREFIXES, "numbered_list_item": f"{number}. ", "divider": "---"}.get(kind, "") + text]


def render_toggle(ws: Workspace, block: dict[str, Any]) -> list[str]:
    """A toggle with what it hides."""
    summary = inline(block["toggle"]["rich_text"])
    return ["<details>", f"<summary>{summary}</summary>", *render(ws, block["id"], 1), "</details>"]


def render_callout(ws: Workspace, block: dict[str, Any]) -> list[str]:
    """A callout with its icon."""
    text, icon = inline(block["callout"]["rich_text"]), block["callout"]["icon"]["emoji"]
    return [f'<callout icon="{icon}">', f"\t{text}", *render(ws, block["id"], 1), "</callout>"]


def render_columns(ws: Workspace, block: dict[str, Any]) -> list[str]:
    """A column list, or one column of it."""
    tag = "columns" if block["type"] == "column_list" else "column"
    return [f"<{tag}>", *render(ws, block["id"], 1), f"</{tag}>"]


def render_table(ws: Workspace, block: dict[str, Any]) -> list[str]:
    """A table as Notion's markdown writes it."""
    header = "true" if block["table"]["has_column_header"] else "false"
    lines = [f'<table header-row="{header}">']
    for row in blocks.list_children(ws, block["id"]):
        lines += ["<tr>", *(f"<td>{inline(cell)}</td>" for cell in row["table_row"]["cells"]), "</tr>"]
    return [*lines, "</table>"]


CONTAINERS = {
    "toggle": render_toggle, "callout": render_callout, "table": render_table, "column_list": render_columns,
    "column": render_columns,
}  # fmt: skip


def parse_inline(text: str, marks: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Inline markdown as rich text; what is no markup stays as it stands."""
    marks = marks or {}
    items: list[dict[str, Any]] = []
    place = 0
    for found in INLINE.finditer(text):
        if found.start() > place:
            items.append(text_item(text[place : found.start()], None, marks))
        part = found.groupdict()
        if part["escaped"]:
            items.append(text_item(part["escaped"], None, marks))
        elif part["code"]:
            items.append(text_item(part["code"], None, {**marks, "code": True}))
        elif part["bold"]:
            items += parse_inline(part["bold"], {**marks, "bold": True})
        elif part["italic"]:
            items += parse_inline(part["italic"], {**marks, "italic": True})
        elif part["struck"]:
            items += parse_inline(part["struck"], {**marks, "strikethrough": True})
        else:
            items.append(text_item(part["label"], part["address"], marks))
        place = found.end()
    return merge([*items, *([text_item(text[place:], None, marks)] if place < len(text) else [])])


def merge(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one format as one item, as long as Notion takes it."""
    merged: list[dict[str, Any]] = []
    for item in items:
        last = merged[-1] if merged else None
        alike = last and last["annotations"] == item["annotations"] and last["href"] == item["href"] is None
        if last and alike and units(last["plain_text"] + item["plain_text"]) <= 2000:
            merged[-1] = text_item(last["plain_text"] + item["plain_text"], None, last["annotations"])
        else:
            merged.append(item)
    return merged


def parse(text: str) -> list[dict[str, Any]]:
    """Markdown as blocks in request form. Headings, lists, to-dos, quotes, code, rules; the rest is paragraphs."""
    parsed: list[dict[str, Any]] = []
    lines = iter(text.replace("<br>", "\n").split("\n"))
    for line in lines:
        stripped = line.strip()
        if not stripped:
            continue
        if fence := FENCE.fullmatch(stripped):
            code = []
            for inside in lines:
                if inside.strip() == "```":
                    break
                code.append(inside)
            body = {"rich_text": chunks("\n".join(code)), "language": fence.group(1) or "plain text"}
            parsed.append({"type": "code", "code": body})
        elif RULE.fullmatch(stripped):
            parsed.append({"type": "divider", "divider": {}})
        else:
            parsed.append(parse_line(stripped))
    return parsed


def parse_line(line: str) -> dict[str, Any]:
    """One line that is neither code nor a rule."""
    for pattern, kind in LINES:
        if found := pattern.fullmatch(line):
            content: dict[str, Any] = {"rich_text": split_long(parse_inline(found.group(1)))}
            if kind == "to_do":
                content["checked"] = line[3] in "xX"
            return {"type": kind, kind: content}
    return {"type": "paragraph", "paragraph": {"rich_text": split_long(parse_inline(line))}}


def chunks(text: str) -> list[dict[str, Any]]:
    """Plain text in items of Notion's size."""
    return split_long([text_item(text)]) if text else []


def split_long(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items over 2,000 units cut into several of the same format."""
    short: list[dict[str, Any]] = []
    for item in items:
        text = item["plain_text"]
        short += [
            text_item(text[start : start + 1000], item["href"], item["annotations"])
            for start in range(0, len(text), 1000)
        ] if units(text) > 2000 else [item]  # fmt: skip
    return short


def page_markdown(ws: Workspace, page_id: str) -> dict[str, Any]:
    """GET /pages/{id}/markdown."""
    load_page(ws, page_id)
    text = "\n".join(render(ws, page_id))
    return {"object": "page_markdown", "id": page_id, "markdown": text, "truncated": False, "unknown_block_ids": []}


def replace_markdown(ws: Workspace, page_id: str, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """PATCH /pages/{id}/markdown with replace_content; other kinds of edit are not served here."""
    if load_page(ws, page_id)["in_trash"]:
        raise trashed()
    if body.get("type") != "replace_content":
        raise unfit("type", "`replace_content`, the only kind the sandbox serves", body.get("type"))
    content = body.get("replace_content")
    if not isinstance(content, dict) or not isinstance(content.get("new_str"), str):
        raise unfit("replace_content.new_str", "a string", content)
    held = ws.row(
        "SELECT 1 FROM blocks WHERE page_id = ? AND in_trash = 0 AND type IN ('child_page', 'child_database')", page_id
    )
    if held and not content.get("allow_deleting_content"):
        raise invalid("This operation would delete child pages or databases. Set allow_deleting_content to true.")
    parsed = parse(content["new_str"])
    hundreds = [parsed[start : start + 100] for start in range(0, len(parsed), 100)]
    checked = [block for hundred in hundreds for block in blocks.check_children(hundred)]
    if len(checked) > blocks.MOST_BLOCKS:
        raise unfit("replace_content.new_str", f"≤ `{blocks.MOST_BLOCKS}` blocks", len(checked))
    if held:
        ws.db.execute("UPDATE pages SET in_trash = 1 WHERE parent_id = ?", (page_id,))
        ws.db.execute("UPDATE databases SET in_trash = 1 WHERE parent_id = ?", (page_id,))
        ws.db.execute("UPDATE blocks SET in_trash = 1 WHERE page_id = ?", (page_id,))
    blocks.clear_body(ws, page_id)
    blocks.insert_children(ws, page_id, page_id, checked, ws.last_position(page_id) + 1, user_id)
    ws.touch_page(page_id, user_id)
    return page_markdown(ws, page_id)
