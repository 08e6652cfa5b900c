"""Views: saved filters and sorts of a data source, as tabs of its database or in a linked database on another page."""

import json
import sqlite3
from typing import Any

from sandbox.notion.databases import load_database
from sandbox.notion.errors import invalid, not_found, trashed, unfit
from sandbox.notion.filters import compile_filter, compile_sorts
from sandbox.notion.ids import body_id, new_id
from sandbox.notion.pages import load_page
from sandbox.notion.queries import columns_of
from sandbox.notion.sources import load_source
from sandbox.notion.store import Workspace
from sandbox.notion.times import exact
from sandbox.notion.users import USERS

TYPES = ("table", "board", "list", "calendar", "timeline", "gallery", "form", "chart", "map", "dashboard")


def create_view(ws: Workspace, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """POST /views: a tab of a database, or, with create_database, a linked database block at the end of a page."""
    for key in ("data_source_id", "name", "type"):
        if key not in body:
            raise unfit(key, "defined", None)
    if body["type"] not in TYPES:
        raise unfit("type", "a view type", body["type"])
    if not isinstance(body["name"], str):
        raise unfit("name", "a string", body["name"])
    source = load_source(ws, body_id("data_source_id", body["data_source_id"]))
    if source.row["in_trash"]:
        raise trashed()
    if body.get("filter"):
        compile_filter(body["filter"], columns_of(source))
    compile_sorts(body.get("sorts") or [], columns_of(source))
    if ("database_id" in body) == ("create_database" in body):
        raise invalid("Exactly one of database_id, view_id and create_database must be provided.")
    if "database_id" in body:
        place = str(load_database(ws, body_id("database_id", body["database_id"]))["id"])
    else:
        place = link_database(ws, body["create_database"], source.title, user_id)
    return view_object(insert_view(ws, place, source.id, body, user_id))


def link_database(ws: Workspace, given: Any, title: str, user_id: str) -> str:
    """Makes the block of a linked database; its id is that of a database of its own."""
    parent = given.get("parent") if isinstance(given, dict) else None
    if not isinstance(parent, dict) or parent.get("type") != "page_id":
        raise unfit("create_database.parent", "an object with type page_id", parent)
    page = load_page(ws, body_id("create_database.parent.page_id", parent.get("page_id")))
    if page["in_trash"]:
        raise trashed()
    position = ws.last_position(page["id"]) + 1
    block_id = ws.insert_block(page["id"], page["id"], position, "child_database", {"title": title}, user_id)
    ws.touch_page(page["id"], user_id)
    return block_id


def insert_view(ws: Workspace, place: str, source_id: str, body: dict[str, Any], user_id: str) -> sqlite3.Row:
    """Writes a view's row and returns it."""
    view_id = new_id()
    settings = json.dumps({"filter": body.get("filter"), "sorts": body.get("sorts")})
    ws.db.execute(
        "INSERT INTO views (id, database_id, source_id, name, type, settings, created, created_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (view_id, place, source_id, body["name"], body["type"], settings, exact(), user_id),
    )
    return load_view(ws, view_id)


def load_view(ws: Workspace, view_id: str) -> sqlite3.Row:
    """The view's row; 404 where there is none, or where the block that it stood in was deleted."""
    row = ws.row("SELECT * FROM views WHERE id = ?", view_id)
    if row is None or ws.row("SELECT 1 FROM blocks WHERE id = ? AND in_trash = 1", row["database_id"]):
        raise not_found("view", view_id)
    return row


def list_views(ws: Workspace, database_id: str | None, source_id: str | None) -> list[dict[str, Any]]:
    """GET /views: references to a database's views or to all of a data source's, linked ones included."""
    if source_id is not None:
        wanted, rows = source_id, "SELECT id FROM views v WHERE source_id = ?"
        load_source(ws, source_id)
    elif database_id is not None:
        wanted, rows = database_id, "SELECT id FROM views v WHERE database_id = ?"
        load_database(ws, database_id)
    else:
        raise invalid("At least one of database_id or data_source_id is required.")
    live = " AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.id = v.database_id AND b.in_trash = 1) ORDER BY n"
    return [{"object": "view", "id": row["id"]} for row in ws.rows(rows + live, wanted)]


def view_object(row: sqlite3.Row) -> dict[str, Any]:
    """The view object of an answer."""
    author = USERS[row["created_by"]].reference()
    return {
        "object": "view",
        "id": row["id"],
        "parent": {"type": "database_id", "database_id": row["database_id"]},
        "data_source_id": row["source_id"],
        "name": row["name"],
        "type": row["type"],
        "created_time": row["created"],
        "created_by": author,
        "last_edited_time": row["created"],
        "last_edited_by": author,
        "url": f"https://app.notion.com/p/{row['database_id'].replace('-', '')}?v={row['id'].replace('-', '')}",
        **json.loads(row["settings"]),
        "quick_filters": None,
        "configuration": {"type": row["type"]},
    }
