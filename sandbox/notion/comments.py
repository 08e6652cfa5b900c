"""Comments on pages and blocks. They leave the page's last_edited_time alone."""

import json
import sqlite3
from typing import Any

from sandbox.notion.blocks import find_parent
from sandbox.notion.errors import not_found, unfit
from sandbox.notion.ids import body_id, new_id
from sandbox.notion.rich_text import check_rich_text
from sandbox.notion.store import Workspace
from sandbox.notion.times import this_minute
from sandbox.notion.users import USERS


def create_comment(ws: Workspace, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """POST /comments under a page or block, or in a discussion."""
    if "rich_text" not in body:
        raise unfit("rich_text", "defined", None)
    text = check_rich_text(body["rich_text"], "rich_text")
    if "discussion_id" in body:
        discussion = body_id("discussion_id", body["discussion_id"])
        first = ws.row("SELECT * FROM comments WHERE discussion_id = ?", discussion)
        if first is None:
            raise not_found("discussion", discussion)
        kind, parent_id = first["parent_type"], first["parent_id"]
    else:
        parent, discussion = body.get("parent"), new_id()
        kind = next((key for key in ("page_id", "block_id") if isinstance(parent, dict) and key in parent), None)
        if kind is None or not isinstance(parent, dict):
            raise unfit("parent", "an object with page_id or block_id", parent)
        parent_id = body_id(f"parent.{kind}", parent[kind])
        find_parent(ws, parent_id)
    comment_id = new_id()
    ws.db.execute(
        "INSERT INTO comments (id, parent_type, parent_id, discussion_id, rich_text, created, created_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (comment_id, kind, parent_id, discussion, json.dumps(text), this_minute(), user_id),
    )
    return comment_object(ws.rows("SELECT * FROM comments WHERE id = ?", comment_id)[0])


def list_comments(ws: Workspace, parent_id: str) -> list[dict[str, Any]]:
    """The comments of a page or block itself, oldest first."""
    find_parent(ws, parent_id)
    return [comment_object(row) for row in ws.rows("SELECT * FROM comments WHERE parent_id = ? ORDER BY n", parent_id)]


def comment_object(row: sqlite3.Row) -> dict[str, Any]:
    """The comment object of an answer."""
    author = USERS[row["created_by"]]
    return {
        "object": "comment",
        "id": row["id"],
        "parent": {"type": row["parent_type"], row["parent_type"]: row["parent_id"]},
        "discussion_id": row["discussion_id"],
        "created_time": row["created"],
        "last_edited_time": row["created"],
        "created_by": author.reference(),
        "rich_text": json.loads(row["rich_text"]),
        "display_name": {"type": "user" if author.email else "integration", "resolved_name": author.name},
    }
