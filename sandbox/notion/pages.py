"""Pages: rows of data sources, and pages under pages."""

import json
import re
import sqlite3
import time
from typing import Any

from sandbox.notion import blocks
from sandbox.notion.errors import invalid, not_found, trashed, unfit
from sandbox.notion.ids import body_id, new_id, same_property_id
from sandbox.notion.rich_text import check_icon, plain
from sandbox.notion.schema import Property
from sandbox.notion.sources import Source, load_source, other_side, save_properties
from sandbox.notion.store import Workspace
from sandbox.notion.times import this_minute
from sandbox.notion.users import USERS
from sandbox.notion.values import check_value, empty, page_value, shown_value

TITLE = Property("title", "title", "title")
PAGED = ("title", "rich_text", "relation", "people")


def load_page(ws: Workspace, page_id: str) -> sqlite3.Row:
    """The page's row; 404 where there is none or it, its database or its data source is not shared."""
    row = ws.row(
        "SELECT p.*, s.database_id FROM pages p LEFT JOIN data_sources s ON s.id = p.source_id WHERE p.id = ?", page_id
    )
    if row is None or not ws.is_shared((page_id, row["source_id"], row["database_id"], row["parent_id"])):
        raise not_found("page", page_id)
    return row


def source_of(ws: Workspace, page: sqlite3.Row) -> Source | None:
    """The data source that a page is a row of; None for a page under a page."""
    return load_source(ws, page["source_id"]) if page["source_id"] else None


def check_properties(ws: Workspace, source: Source | None, given: Any) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """A request's properties as (values to keep by property id, relation targets by property id)."""
    if not isinstance(given, dict):
        raise unfit("properties", "an object", given)
    values: dict[str, Any] = {}
    links: dict[str, list[str]] = {}
    options_before = source and {prop.id: len(prop.options) for prop in source.properties.values()}
    for key, item in given.items():
        prop = source.find(key) if source else (TITLE if key in ("title", "Title") else None)
        if prop is None:
            raise invalid(f"{key} is not a property that exists.")
        value = check_value(prop, item, f"properties.{key}")
        if prop.type == "relation":
            check_targets(ws, prop, value)
            links[prop.id] = value
        else:
            values[prop.id] = value
    if source and options_before != {prop.id: len(prop.options) for prop in source.properties.values()}:
        save_properties(ws, source)
    return values, links


def check_targets(ws: Workspace, prop: Property, targets: list[str]) -> None:
    """404 for a page that isn't there, 400 for one of another data source or in the trash."""
    for target in targets:
        row = load_page(ws, target)
        if row["source_id"] != prop.config["data_source_id"]:
            raise invalid(f"Page with ID {target} is not in the data source that {prop.name} relates to.")


def write_links(ws: Workspace, source: Source, page_id: str, links: dict[str, list[str]]) -> None:
    """Replaces relation values whole, on both sides of a two-way relation. The other page counts as unedited."""
    for property_id, targets in links.items():
        other = other_side(ws, source, source.properties[property_id])
        ws.db.execute("DELETE FROM links WHERE page_id = ? AND property_id = ?", (page_id, property_id))
        ws.db.executemany(
            "INSERT INTO links (page_id, property_id, target_id) VALUES (?, ?, ?)",
            [(page_id, property_id, target) for target in targets],
        )
        if other is None:
            continue
        ws.db.execute(
            "DELETE FROM links WHERE target_id = ? AND property_id = ?"
            " AND page_id NOT IN (SELECT value FROM json_each(?))",
            (page_id, other[1].id, json.dumps(targets)),
        )
        ws.db.executemany(
            "INSERT OR IGNORE INTO links (page_id, property_id, target_id) VALUES (?, ?, ?)",
            [(target, other[1].id, page_id) for target in targets],
        )


def read_links(ws: Workspace, page_ids: list[str], property_id: str = "") -> dict[tuple[str, str], list[str]]:
    """Relation targets by (page id, property id), in the order they were linked; trashed targets are left out."""
    found: dict[tuple[str, str], list[str]] = {}
    rows = ws.rows(
        "SELECT l.page_id, l.property_id, l.target_id FROM links l JOIN pages t ON t.id = l.target_id"
        " WHERE l.page_id IN (SELECT value FROM json_each(?)) AND t.in_trash = 0 AND ? IN ('', l.property_id)"
        " ORDER BY l.n",
        json.dumps(page_ids),
        property_id,
    )
    for row in rows:
        found.setdefault((row["page_id"], row["property_id"]), []).append(row["target_id"])
    return found


def create_page(ws: Workspace, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """POST /pages under a data source or a page, with properties and children."""
    parent = body.get("parent")
    if not isinstance(parent, dict) or not ({"data_source_id", "page_id"} & parent.keys()):
        raise unfit("parent", "an object with data_source_id or page_id", parent)
    if extra := parent.keys() - {"type", "data_source_id", "page_id", "database_id"}:
        raise unfit(f"parent.{min(extra)}", "not present", parent[min(extra)])
    source, under = None, None
    if "data_source_id" in parent:
        source = load_source(ws, body_id("parent.data_source_id", parent["data_source_id"]))
        if source.row["in_trash"]:
            raise trashed()
    else:
        under = load_page(ws, body_id("parent.page_id", parent["page_id"]))["id"]
        refuse_trashed(ws, under)
    values, links = check_properties(ws, source, body.get("properties", {}))
    children = blocks.check_children(body.get("children", []))
    if source:
        values = {**_unwritten(source), **values}
        take_number(ws, source, values)
    page_id = new_id()
    listed_at = time.time() + ws.query_lag if ws.query_lag else 0
    icon = check_icon(body.get("icon"))
    ws.insert_page(page_id, source.id if source else None, under, values, icon, user_id, listed_at)
    if source:
        write_links(ws, source, page_id, links)
    if under:
        ws.insert_block(under, under, ws.last_position(under) + 1, "child_page", {}, user_id, page_id)
        ws.touch_page(under, user_id)
    blocks.insert_children(ws, page_id, page_id, children, 0, user_id)
    return page_object(ws, load_page(ws, page_id))


def _unwritten(source: Source) -> dict[str, Any]:
    """What a new page keeps for properties that its creation does not name: a status starts with its first option."""
    props = source.properties.values()
    first = {prop.id: prop.options[0]["id"] for prop in props if prop.type == "status" and prop.options}
    return {**{prop.id: empty(prop) for prop in props if empty(prop) == []}, **first}


def take_number(ws: Workspace, source: Source, values: dict[str, Any]) -> None:
    """Gives a new page the source's next unique id."""
    prop = next((prop for prop in source.properties.values() if prop.type == "unique_id"), None)
    if prop is None:
        return
    row = ws.row("UPDATE data_sources SET next_number = next_number + 1 WHERE id = ? RETURNING next_number", source.id)
    values[prop.id] = row["next_number"] - 1 if row else None


def refuse_trashed(ws: Workspace, page_id: str) -> None:
    """400 where the page is in the trash."""
    if load_page(ws, page_id)["in_trash"]:
        raise trashed()


def update_page(ws: Workspace, page_id: str, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """PATCH /pages/{id}: properties, icon, in_trash. A page in the trash takes nothing but its way out."""
    page = load_page(ws, page_id)
    in_trash = body.get("in_trash", bool(page["in_trash"]))
    if not isinstance(in_trash, bool):
        raise unfit("in_trash", "a boolean", in_trash)
    if page["in_trash"] and in_trash:
        raise trashed()
    source = source_of(ws, page)
    values, links = check_properties(ws, source, body.get("properties", {}))
    if source:
        write_links(ws, source, page_id, links)
    merged = {**json.loads(page["property_values"]), **values}
    icon = json.dumps(check_icon(body["icon"])) if "icon" in body else page["icon"]
    ws.db.execute(
        "UPDATE pages SET property_values = ?, title = ?, icon = ?, in_trash = ?, edited = ?, edited_by = ?"
        " WHERE id = ?",
        (json.dumps(merged), plain(merged.get("title", [])), icon, in_trash, this_minute(), user_id, page_id),
    )
    ws.db.execute("UPDATE blocks SET in_trash = ? WHERE id = ?", (in_trash, page_id))
    return page_object(ws, load_page(ws, page_id))


def page_object(ws: Workspace, page: sqlite3.Row) -> dict[str, Any]:
    """The page object of an answer."""
    return page_objects(ws, [page], source_of(ws, page))[0]


def page_objects(
    ws: Workspace, pages: list[sqlite3.Row], source: Source | None, only: set[str] | None = None
) -> list[dict[str, Any]]:
    """Page objects of one data source (or of pages under pages: None). `only`: ids of the properties to show."""
    columns = list(source.properties.values()) if source else [TITLE]
    columns = sorted((c for c in columns if only is None or c.id in only), key=lambda c: (c.type == "title", c.id))
    related = any(column.type == "relation" for column in columns)
    links = read_links(ws, [page["id"] for page in pages]) if related else {}
    shown = []
    for page in pages:
        values = json.loads(page["property_values"])
        properties = {}
        for column in columns:
            kept = links.get((page["id"], column.id)) if column.type == "relation" else values.get(column.id)
            properties[column.name] = page_value(column, kept, page)
        shown.append(frame(ws, page, source, properties))
    return shown


def frame(ws: Workspace, page: sqlite3.Row, source: Source | None, properties: dict[str, Any]) -> dict[str, Any]:
    """A page object around its properties."""
    parent: dict[str, Any] = {"type": "workspace", "workspace": True}
    if source:
        parent = {"type": "data_source_id", "data_source_id": source.id, "database_id": source.row["database_id"]}
    elif page["parent_id"]:
        parent = {"type": "page_id", "page_id": page["parent_id"]}
    slug = re.sub(r"[^A-Za-z0-9]+", "-", page["title"])[:60].strip("-")
    return {
        "object": "page",
        "id": page["id"],
        "created_time": page["created"],
        "last_edited_time": page["edited"],
        "created_by": USERS[page["created_by"]].reference(),
        "last_edited_by": USERS[page["edited_by"]].reference(),
        "cover": None,
        "icon": json.loads(page["icon"] or "null"),
        "parent": parent,
        "in_trash": bool(page["in_trash"]),
        "is_archived": page["id"] in ws.archived,
        "is_locked": False,
        "properties": properties,
        "url": f"{ws.address}/p/{slug + '-' if slug else ''}{page['id'].replace('-', '')}",
        "public_url": None,
    }


def property_items(
    ws: Workspace, page_id: str, property_id: str
) -> tuple[Property, list[dict[str, Any]] | None, dict[str, Any]]:
    """GET /pages/{id}/properties/{id} as (property, items of a paginated type or None, the single item otherwise)."""
    page = load_page(ws, page_id)
    source = source_of(ws, page)
    columns = source.properties.values() if source else [TITLE]
    prop = next((column for column in columns if same_property_id(column.id, property_id)), None)
    if prop is None:
        raise not_found("property", property_id)
    kept = json.loads(page["property_values"]).get(prop.id)
    if prop.type == "relation":
        kept = read_links(ws, [page_id], prop.id).get((page_id, prop.id))
    value = shown_value(prop, kept, page)
    head = {"object": "property_item", "type": prop.type, "id": prop.id}
    if prop.type in PAGED:
        return prop, [{**head, prop.type: item} for item in value], {}
    return prop, None, {**head, prop.type: value}
