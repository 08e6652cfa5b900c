"""Databases: containers of data sources, shown on their parent page as child_database blocks."""

import json
import sqlite3
from typing import Any

from sandbox.notion.errors import not_found, trashed, unfit
from sandbox.notion.ids import body_id, new_id
from sandbox.notion.rich_text import check_icon, check_rich_text, plain, written
from sandbox.notion.sources import Source, add_property, load_source, source_object
from sandbox.notion.store import Workspace
from sandbox.notion.times import exact, this_minute


def load_database(ws: Workspace, database_id: str) -> sqlite3.Row:
    """The database's row; 404 where there is none or it is not shared."""
    row = ws.row("SELECT * FROM databases WHERE id = ?", database_id)
    sources = [s["id"] for s in ws.rows("SELECT id FROM data_sources WHERE database_id = ?", database_id)]
    if row is None or not ws.is_shared((database_id, *sources)):
        raise not_found("database", database_id)
    return row


def free_title(ws: Workspace, parent_id: str, title: str) -> str:
    """The title, or "Title 1" and so on where a live database under the same page has it."""
    rows = ws.rows("SELECT title FROM databases WHERE parent_id = ? AND in_trash = 0", parent_id)
    taken, number, free = {plain(json.loads(row["title"])) for row in rows}, 1, title
    while title and free in taken:
        free, number = f"{title} {number}", number + 1
    return free


def parent_page(ws: Workspace, parent: Any) -> sqlite3.Row:
    """The page under which a database is to be made."""
    if not isinstance(parent, dict) or "page_id" not in parent:
        raise unfit("parent.page_id", "defined", None)
    page_id = body_id("parent.page_id", parent["page_id"])
    row = ws.row("SELECT * FROM pages WHERE id = ?", page_id)
    if row is None or not ws.is_shared((page_id, row["source_id"])):
        raise not_found("page", page_id)
    if row["in_trash"]:
        raise trashed()
    return row


def create_database(ws: Workspace, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """POST /databases. Without an initial data source, or without a title property in it, Notion adds `Name`."""
    parent = parent_page(ws, body.get("parent"))
    title = check_rich_text(body.get("title", []), "title")
    asked, free = plain(title), free_title(ws, parent["id"], plain(title))
    title = title if asked == free else written(free)
    initial = body.get("initial_data_source") or {}
    properties = initial.get("properties") or {} if isinstance(initial, dict) else None
    if not isinstance(properties, dict):
        raise unfit("initial_data_source.properties", "an object", properties)
    database_id, now = new_id(), exact()
    icon = json.dumps(check_icon(body.get("icon")))
    ws.db.execute(
        "INSERT INTO databases (id, parent_id, title, description, icon, is_inline, created, edited)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            database_id, parent["id"], json.dumps(title),
            json.dumps(check_rich_text(body.get("description", []), "description")),
            icon, bool(body.get("is_inline")), now, now,
        ),
    )  # fmt: skip
    path = "initial_data_source.properties"
    source_id = insert_source(ws, database_id, json.dumps(title), icon, properties, path, user_id).id
    position = ws.last_position(parent["id"]) + 1
    ws.insert_block(parent["id"], parent["id"], position, "child_database", {}, user_id, database_id)
    ws.db.execute(
        "INSERT INTO views (id, database_id, source_id, name, type, settings, created, created_by)"
        " VALUES (?, ?, ?, 'Default view', 'table', '{}', ?, ?)",
        (new_id(), database_id, source_id, now, user_id),
    )
    ws.touch_page(parent["id"], user_id)
    return database_object(ws, load_database(ws, database_id))


def insert_source(
    ws: Workspace, database_id: str, title: str, icon: str | None, properties: dict[str, Any], path: str, user_id: str
) -> Source:
    """Writes a data source with its properties; a title property is added where none is asked for."""
    source_id, now = new_id(), this_minute()
    ws.db.execute(
        "INSERT INTO data_sources (id, database_id, title, description, icon, properties, created, edited, created_by,"
        " edited_by) VALUES (?, ?, ?, '[]', ?, '[]', ?, ?, ?, ?)",
        (source_id, database_id, title, icon, now, now, user_id, user_id),
    )
    source = load_source(ws, source_id)
    if not any(isinstance(given, dict) and "title" in given for given in properties.values()):
        add_property(ws, source, "Name", {"title": {}}, f"{path}.Name", True)
    for name, given in properties.items():
        add_property(ws, source, name, given, f"{path}.{name}", True)
    return source


def create_source(ws: Workspace, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """POST /data_sources: a further data source in a database."""
    parent, properties = body.get("parent"), body.get("properties")
    if not isinstance(parent, dict) or "database_id" not in parent:
        raise unfit("parent.database_id", "defined", None)
    if not isinstance(properties, dict):
        raise unfit("properties", "an object", properties)
    database = load_database(ws, body_id("parent.database_id", parent["database_id"]))
    if database["in_trash"]:
        raise trashed()
    title = json.dumps(check_rich_text(body.get("title", []), "title"))
    return source_object(ws, insert_source(ws, database["id"], title, None, properties, "properties", user_id))


def update_database(ws: Workspace, database_id: str, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """PATCH /databases/{id}: title, description, icon, is_inline, in_trash."""
    row = load_database(ws, database_id)
    in_trash = body.get("in_trash", bool(row["in_trash"]))
    if not isinstance(in_trash, bool):
        raise unfit("in_trash", "a boolean", in_trash)
    if row["in_trash"] and in_trash:
        raise trashed()
    title = json.dumps(check_rich_text(body["title"], "title")) if "title" in body else row["title"]
    description = (
        json.dumps(check_rich_text(body["description"], "description")) if "description" in body else row["description"]
    )
    icon = json.dumps(check_icon(body["icon"])) if "icon" in body else row["icon"]
    ws.db.execute(
        "UPDATE databases SET title = ?, description = ?, icon = ?, is_inline = ?, in_trash = ?, edited = ?"
        " WHERE id = ?",
        (title, description, icon, body.get("is_inline", row["is_inline"]), in_trash, exact(), database_id),
    )
    ws.db.execute("UPDATE data_sources SET title = ? WHERE database_id = ?", (title, database_id))
    ws.db.execute("UPDATE blocks SET in_trash = ? WHERE id = ?", (in_trash, database_id))
    ws.touch_page(row["parent_id"], user_id)
    return database_object(ws, load_database(ws, database_id))


def database_object(ws: Workspace, row: sqlite3.Row) -> dict[str, Any]:
    """The database object of an answer: its data sources by id and name, no properties."""
    sources = ws.rows("SELECT id, title FROM data_sources WHERE database_id = ?", row["id"])
    return {
        "object": "database",
        "id": row["id"],
        "title": json.loads(row["title"]),
        "description": json.loads(row["description"]),
        "parent": {"type": "page_id", "page_id": row["parent_id"]},
        "is_inline": bool(row["is_inline"]),
        "in_trash": bool(row["in_trash"]),
        "is_locked": False,
        "created_time": row["created"],
        "last_edited_time": row["edited"],
        "data_sources": [{"id": s["id"], "name": plain(json.loads(s["title"]))} for s in sources],
        "icon": json.loads(row["icon"] or "null"),
        "cover": None,
        "url": f"{ws.address}/d/{row['id'].replace('-', '')}",
        "public_url": None,
    }
