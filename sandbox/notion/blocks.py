"""Blocks: the bodies of pages."""

import json
import sqlite3
from typing import Any

from sandbox.notion.errors import invalid, not_found, trashed, unfit
from sandbox.notion.ids import body_id
from sandbox.notion.rich_text import COLORS, check_address, check_rich_text, plain
from sandbox.notion.store import Workspace
from sandbox.notion.times import this_minute
from sandbox.notion.users import USERS

# Keys beside rich_text, children and color that a type takes, with their defaults.
TEXT_BLOCKS: dict[str, dict[str, Any]] = {
    "paragraph": {"icon": None},
    "heading_1": {"is_toggleable": False},
    "heading_2": {"is_toggleable": False},
    "heading_3": {"is_toggleable": False},
    "bulleted_list_item": {},
    "numbered_list_item": {},
    "to_do": {"checked": False},
    "toggle": {},
    "quote": {},
    "callout": {"icon": None},
}
PARENTS = frozenset([*TEXT_BLOCKS, "table", "column_list", "column"])
LEVELS = 2
MOST_BLOCKS = 1000
# {"type", "content", "children"}: content in full form, children checked as well.
Checked = dict[str, Any]


def check_children(given: Any, path: str = "children") -> list[Checked]:
    """A request's blocks in checked form; 400 beyond 100 a list, 1,000 in all or 2 nesting levels."""
    checked = check_list(given, path, 0)
    if count_blocks(checked) > MOST_BLOCKS:
        raise unfit(f"{path}.length", f"≤ `{MOST_BLOCKS}` blocks in one request", count_blocks(checked))
    return checked


def count_blocks(checked: list[Checked]) -> int:
    """All blocks, nested ones included."""
    return sum(1 + count_blocks(block["children"]) for block in checked)


def check_list(given: Any, path: str, level: int) -> list[Checked]:
    """One list of sibling blocks."""
    if not isinstance(given, list):
        raise unfit(path, "an array", given)
    if len(given) > 100:
        raise unfit(f"{path}.length", "≤ `100`", len(given))
    return [check_block(block, f"{path}[{index}]", level) for index, block in enumerate(given)]


def check_block(given: Any, path: str, level: int) -> Checked:
    """One block with what it holds."""
    if not isinstance(given, dict):
        raise unfit(path, "an object", given)
    named = [key for key in given if key not in ("object", "type", "children")]
    kind = given.get("type", named[0] if len(named) == 1 else None)
    if kind not in CHECKS:
        raise unfit(f"{path}.type", "a block type the sandbox knows", kind)
    content = given.get(kind)
    if not isinstance(content, dict):
        raise unfit(f"{path}.{kind}", "defined", content)
    if extra := given.keys() - {"object", "type", kind}:
        raise unfit(f"{path}.{min(extra)}", "not present", given[min(extra)])
    path = f"{path}.{kind}"
    content = dict(content)
    children = content.pop("children", None)
    if children is not None and (level >= LEVELS or kind not in PARENTS):
        raise unfit(f"{path}.children", "not present", children)
    held = check_list(children or [], f"{path}.children", level + 1)
    block = {"type": kind, "content": CHECKS[kind](kind, content, path), "children": held}
    check_shape(block, path)
    return block


def check_text_block(kind: str, content: dict[str, Any], path: str) -> dict[str, Any]:
    """Paragraphs, headings, list items, quotes, toggles and callouts."""
    defaults = TEXT_BLOCKS[kind]
    refuse_extra(content, {"rich_text", "color", *defaults}, path)
    if "rich_text" not in content:
        raise unfit(f"{path}.rich_text", "defined", None)
    if content.get("color", "default") not in COLORS:
        raise unfit(f"{path}.color", "a color that Notion knows", content["color"])
    for key in ("checked", "is_toggleable"):
        if key in content and not isinstance(content[key], bool):
            raise unfit(f"{path}.{key}", "a boolean", content[key])
    rich_text = check_rich_text(content["rich_text"], f"{path}.rich_text")
    shown = {"rich_text": rich_text, **{key: content.get(key, value) for key, value in defaults.items()}}
    if kind == "callout":
        icon = content.get("icon") or {"emoji": "\N{ELECTRIC LIGHT BULB}"}
        if not isinstance(icon, dict) or not isinstance(icon.get("emoji"), str):
            raise unfit(f"{path}.icon.emoji", "a string", icon)
        shown["icon"] = {"type": "emoji", "emoji": icon["emoji"]}
    return {**shown, "color": content.get("color", "default")}


def check_code(_: str, content: dict[str, Any], path: str) -> dict[str, Any]:
    """Code with a language."""
    refuse_extra(content, {"rich_text", "language", "caption"}, path)
    language = content.get("language", "plain text")
    if not isinstance(language, str):
        raise unfit(f"{path}.language", "a string", language)
    return {
        "caption": check_rich_text(content.get("caption", []), f"{path}.caption"),
        "rich_text": check_rich_text(content.get("rich_text"), f"{path}.rich_text"),
        "language": language,
    }


def check_bookmark(_: str, content: dict[str, Any], path: str) -> dict[str, Any]:
    """A linked address."""
    refuse_extra(content, {"url", "caption"}, path)
    caption = check_rich_text(content.get("caption", []), f"{path}.caption")
    return {"caption": caption, "url": check_address(content.get("url"), f"{path}.url")}


def check_table(_: str, content: dict[str, Any], path: str) -> dict[str, Any]:
    """A table's frame; its rows are children."""
    refuse_extra(content, {"table_width", "has_column_header", "has_row_header"}, path)
    width = content.get("table_width")
    if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= 100:
        raise unfit(f"{path}.table_width", "an integer from 1 to 100", width)
    headers = {key: bool(content.get(key, False)) for key in ("has_column_header", "has_row_header")}
    return {"table_width": width, **headers}


def check_row(_: str, content: dict[str, Any], path: str) -> dict[str, Any]:
    """A table row's cells."""
    refuse_extra(content, {"cells"}, path)
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise unfit(f"{path}.cells", "an array", cells)
    return {"cells": [check_rich_text(cell, f"{path}.cells[{index}]") for index, cell in enumerate(cells)]}


def check_link(_: str, content: dict[str, Any], path: str) -> dict[str, Any]:
    """A link to a page or a database."""
    kind = content.get("type")
    if kind not in ("page_id", "database_id"):
        raise unfit(f"{path}.type", "`page_id` or `database_id`", kind)
    refuse_extra(content, {"type", kind}, path)
    return {"type": kind, kind: body_id(f"{path}.{kind}", content.get(kind))}


def check_bare(_: str, content: dict[str, Any], path: str) -> dict[str, Any]:
    """A block without content of its own."""
    refuse_extra(content, set(), path)
    return {}


CHECKS = {
    **dict.fromkeys(TEXT_BLOCKS, check_text_block),
    "code": check_code, "bookmark": check_bookmark, "table": check_table, "table_row": check_row,
    "link_to_page": check_link,
    "divider": check_bare, "column_list": check_bare, "column": check_bare,
}  # fmt: skip


def refuse_extra(content: dict[str, Any], known: set[str], path: str) -> None:
    """400 for a key that the block type doesn't have."""
    if extra := content.keys() - known:
        raise unfit(f"{path}.{min(extra)}", "not present", content[min(extra)])


def check_shape(block: Checked, path: str) -> None:
    """What a block must or must not hold: rows in tables, columns in column lists, nothing under a plain heading."""
    kind, children = block["type"], block["children"]
    if kind.startswith("heading") and children and not block["content"]["is_toggleable"]:
        raise unfit(f"{path}.is_toggleable", "`true` for a heading with children", False)
    if kind == "table":
        if not children or any(child["type"] != "table_row" for child in children):
            raise unfit(f"{path}.children", "one table_row or more", [child["type"] for child in children])
        if any(len(row["content"]["cells"]) != block["content"]["table_width"] for row in children):
            raise invalid("Number of cells in table row must match the table width of the parent table.")
    if kind == "column_list" and (len(children) < 2 or any(child["type"] != "column" for child in children)):
        raise unfit(f"{path}.children", "two columns or more", [child["type"] for child in children])
    if kind == "column" and not children:
        raise unfit(f"{path}.children", "one block or more", [])


def insert_children(
    ws: Workspace, page_id: str, parent_id: str, checked: list[Checked], position: int, user_id: str
) -> list[str]:
    """Writes checked blocks in order from `position` on; the ids of the top ones."""
    ids = []
    for offset, block in enumerate(checked):
        block_id = ws.insert_block(page_id, parent_id, position + offset, block["type"], block["content"], user_id)
        insert_children(ws, page_id, block_id, block["children"], 0, user_id)
        ids.append(block_id)
    return ids


def find_parent(ws: Workspace, block_id: str) -> tuple[str, sqlite3.Row | None]:
    """What holds children: (page id, None) for a page, (its page's id, its row) for a block. 404 for neither."""
    page = ws.row("SELECT p.*, s.database_id FROM pages p LEFT JOIN data_sources s ON s.id = p.source_id"
                  " WHERE p.id = ?", block_id)  # fmt: skip
    if page is not None and ws.is_shared((page["id"], page["source_id"], page["database_id"])):
        return str(page["id"]), None
    row = ws.row("SELECT * FROM blocks WHERE id = ?", block_id)
    if row is None or not ws.is_shared((block_id, row["page_id"])):
        raise not_found("block", block_id)
    return str(row["page_id"]), row


def list_children(ws: Workspace, block_id: str) -> list[dict[str, Any]]:
    """All children of a page or block, in order, without the trash."""
    find_parent(ws, block_id)
    sql = "SELECT * FROM blocks WHERE parent_id = ? AND in_trash = 0 ORDER BY position"
    return block_objects(ws, ws.rows(sql, block_id))


def append_children(ws: Workspace, block_id: str, body: dict[str, Any], user_id: str) -> list[dict[str, Any]]:
    """PATCH /blocks/{id}/children. After a block, Notion answers with the new blocks and all that follow them."""
    page_id, row = find_parent(ws, block_id)
    page = ws.row("SELECT in_trash FROM pages WHERE id = ?", page_id)
    if (row is not None and row["in_trash"]) or (page is not None and page["in_trash"]):
        raise trashed()
    if row is not None and row["type"] not in PARENTS:
        raise invalid(f"Block type {row['type']} does not support children.")
    if "children" not in body:
        raise unfit("children", "defined", None)
    checked = check_children(body["children"])
    there = [r["id"] for r in ws.rows("SELECT id FROM blocks WHERE parent_id = ? ORDER BY position", block_id)]
    start = insertion_index(there, body.get("position"))
    new = insert_children(ws, page_id, block_id, checked, len(there), user_id)
    order = [*there[:start], *new, *there[start:]]
    ws.db.executemany("UPDATE blocks SET position = ? WHERE id = ?", [(n, i) for n, i in enumerate(order)])
    ws.touch_page(page_id, user_id)
    rows = ws.rows("SELECT * FROM blocks WHERE parent_id = ? AND in_trash = 0 ORDER BY position", block_id)
    return block_objects(ws, [r for r in rows if r["id"] in new or r["position"] >= start + len(new)])


def insertion_index(there: list[str], position: Any) -> int:
    """Where among the siblings new blocks go; none given: at the end."""
    if position is None:
        return len(there)
    kind = position.get("type") if isinstance(position, dict) else None
    if kind in ("start", "end"):
        return 0 if kind == "start" else len(there)
    if kind != "after_block":
        raise unfit("position.type", "`after_block`, `start` or `end`", kind)
    after = position.get("after_block")
    after_id = body_id("position.after_block.id", after.get("id") if isinstance(after, dict) else after)
    if after_id not in there:
        raise invalid(f"Block to append children after does not exist: {after_id}.")
    return there.index(after_id) + 1


def update_block(ws: Workspace, block_id: str, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """PATCH /blocks/{id}: the content of a text block. Keys that are left out stay as they are."""
    page_id, row = find_parent(ws, block_id)
    page = ws.row("SELECT in_trash FROM pages WHERE id = ?", page_id)
    if row is None or row["in_trash"] or (page is not None and page["in_trash"]):
        raise trashed() if row else not_found("block", block_id)
    kind = row["type"]
    if kind not in TEXT_BLOCKS or not isinstance(body.get(kind), dict):
        raise unfit(kind, "defined", body.get(kind))
    if extra := body.keys() - {kind, "type"}:
        raise unfit(min(extra), "not present", body[min(extra)])
    content = CHECKS[kind](kind, {**json.loads(row["content"]), **body[kind]}, kind)
    edited = (json.dumps(content), this_minute(), user_id, block_id)
    ws.db.execute("UPDATE blocks SET content = ?, edited = ?, edited_by = ? WHERE id = ?", edited)
    ws.touch_page(row["page_id"], user_id)
    return block_objects(ws, ws.rows("SELECT * FROM blocks WHERE id = ?", block_id))[0]


def delete_block(ws: Workspace, block_id: str, user_id: str) -> dict[str, Any]:
    """DELETE /blocks/{id}: to the trash, with the page or database that it stands for."""
    row = ws.row("SELECT * FROM blocks WHERE id = ?", block_id)
    if row is None:
        page_id, _ = find_parent(ws, block_id)
        raise invalid(f"Page {page_id} is a row of a database: trash it through PATCH /pages.")
    if not ws.is_shared((block_id, row["page_id"])):
        raise not_found("block", block_id)
    if row["in_trash"]:
        raise trashed()
    edited = (this_minute(), user_id, block_id)
    ws.db.execute("UPDATE blocks SET in_trash = 1, edited = ?, edited_by = ? WHERE id = ?", edited)
    ws.db.execute("UPDATE pages SET in_trash = 1, edited = ?, edited_by = ? WHERE id = ?", edited)
    ws.db.execute("UPDATE databases SET in_trash = 1 WHERE id = ?", (block_id,))
    ws.touch_page(row["page_id"], user_id)
    return block_objects(ws, ws.rows("SELECT * FROM blocks WHERE id = ?", block_id))[0]


def linked_title(ws: Workspace, content: dict[str, Any]) -> str:
    """The title of what a link_to_page block points to; empty where it is not there."""
    if content["type"] == "database_id":
        row = ws.row("SELECT title FROM databases WHERE id = ?", content["database_id"])
        return plain(json.loads(row["title"])) if row else ""
    row = ws.row("SELECT title FROM pages WHERE id = ?", content["page_id"])
    return str(row["title"]) if row else ""


def clear_body(ws: Workspace, page_id: str) -> None:
    """Removes a page's own blocks for good; child pages and databases stay."""
    ws.db.execute("DELETE FROM blocks WHERE page_id = ? AND type NOT IN ('child_page', 'child_database')", (page_id,))


def block_objects(ws: Workspace, rows: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Block objects of an answer."""
    return [block_object(ws, row) for row in rows]


def block_object(ws: Workspace, row: sqlite3.Row) -> dict[str, Any]:
    """One block object; titles of child pages and databases are looked up."""
    content = json.loads(row["content"])
    if row["type"] == "child_page":
        page = ws.row("SELECT title FROM pages WHERE id = ?", row["id"])
        content = {"title": page["title"] if page else ""}
    if row["type"] == "child_database":
        database = ws.row("SELECT title FROM databases WHERE id = ?", row["id"])
        content = {"title": plain(json.loads(database["title"]))} if database else content
    holds = row["type"] in PARENTS and ws.row("SELECT 1 FROM blocks WHERE parent_id = ? AND in_trash = 0", row["id"])
    on_page = row["parent_id"] == row["page_id"]
    return {
        "object": "block",
        "id": row["id"],
        "parent": {"type": "page_id", "page_id": row["page_id"]}
        if on_page
        else {"type": "block_id", "block_id": row["parent_id"]},
        "created_time": row["created"],
        "last_edited_time": row["edited"],
        "created_by": USERS[row["created_by"]].reference(),
        "last_edited_by": USERS[row["edited_by"]].reference(),
        "has_children": bool(holds),
        "in_trash": bool(row["in_trash"]),
        "type": row["type"],
        row["type"]: content,
    }
