"""Data sources: the tables of the workspace, their properties, and the other sides of two-way relations."""

import json
import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.notion.errors import invalid, not_found, trashed, unfit
from sandbox.notion.ids import new_property_id, same_property_id
from sandbox.notion.rich_text import check_icon, check_rich_text, plain
from sandbox.notion.schema import READ_ONLY, Property, check_config, property_type
from sandbox.notion.store import Workspace
from sandbox.notion.times import this_minute
from sandbox.notion.users import USERS


@dataclass
class Source:
    """A data source read from its row, with its properties by id."""

    row: sqlite3.Row
    properties: dict[str, Property]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.row["id"])

    @property
    def title(self) -> str:
        """Its plain title."""
        return plain(json.loads(self.row["title"]))

    def find(self, key: str) -> Property | None:
        """The property of that id (encoded or not) or, failing that, of that name."""
        by_id = next((p for p in self.properties.values() if same_property_id(p.id, key)), None)
        return by_id or self.named(key)

    def named(self, name: str) -> Property | None:
        """The property of that name."""
        return next((p for p in self.properties.values() if p.name == name), None)


FIXED_TYPES = READ_ONLY | {"title", "relation"}
SELECT = "SELECT s.*, d.parent_id, d.is_inline, d.in_trash FROM data_sources s JOIN databases d ON d.id = s.database_id"


def find_source(ws: Workspace, source_id: str) -> Source | None:
    """The data source, trashed or not; None where there is none or it is not shared."""
    row = ws.row(f"{SELECT} WHERE s.id = ?", source_id)
    if row is None or not ws.is_shared((source_id, row["database_id"])):
        return None
    properties = {item["id"]: Property(**item) for item in json.loads(row["properties"])}
    return Source(row, properties)


def load_source(ws: Workspace, source_id: str) -> Source:
    """The data source; 404 where there is none or it is not shared."""
    source = find_source(ws, source_id)
    if source is None:
        raise not_found("data_source", source_id)
    return source


def save_properties(ws: Workspace, source: Source) -> None:
    """Writes the properties back."""
    text = json.dumps([asdict(prop) for prop in source.properties.values()])
    ws.db.execute("UPDATE data_sources SET properties = ? WHERE id = ?", (text, source.id))


def prefix_taken(ws: Workspace, prefix: str, except_id: str | None = None) -> bool:
    """Whether a unique id prefix is in use anywhere, the trash included; upper and lower case are one."""
    for row in ws.rows("SELECT properties FROM data_sources"):
        for item in json.loads(row["properties"]):
            used = item["config"].get("prefix") if item["type"] == "unique_id" else None
            if used and used.lower() == prefix.lower() and item["id"] != except_id:
                return True
    return False


def free_name(source: Source, name: str) -> str:
    """The name, with a number behind it where a property has it already."""
    taken, number, free = {p.name for p in source.properties.values()}, 1, name
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free


def add_property(ws: Workspace, source: Source, name: str, given: Any, path: str, creating: bool) -> None:
    """Adds a property, and the other side of a two-way relation.

    While a database is being `creating`, Notion ignores synced_property_name and names the other side itself.
    """
    if not isinstance(given, dict):
        raise unfit(path, "an object", given)
    if not name or len(name) > 200:
        raise unfit(path, "named with 1 to 200 characters", name)
    kind = property_type(given, path)
    if kind == "title" and any(p.type == "title" for p in source.properties.values()):
        raise invalid("Cannot create a second title property.")
    config = check_config(kind, given[kind], f"{path}.{kind}")
    prop = Property("title" if kind == "title" else new_property_id(), name, kind, config, given.get("description"))
    if kind == "unique_id":
        check_unique_id(ws, source, config)
    source.properties[prop.id] = prop
    if kind == "relation":
        relate(ws, source, prop, None if creating else config["other_name"])
    save_properties(ws, source)
    if kind == "unique_id":
        number_pages(ws, source, prop)


def check_unique_id(ws: Workspace, source: Source, config: dict[str, Any], except_id: str | None = None) -> None:
    """400 for a second unique id in a source, or a prefix that the workspace uses already."""
    if any(p.type == "unique_id" and p.id != except_id for p in source.properties.values()):
        raise invalid("A data source can only have one unique_id property.")
    if config["prefix"] and prefix_taken(ws, config["prefix"], except_id):
        raise invalid(f"Unique ID prefix {config['prefix']} is already in use in this workspace.")


def number_pages(ws: Workspace, source: Source, prop: Property) -> None:
    """Gives the pages that are there already their numbers, oldest first."""
    number = int(source.row["next_number"])
    for row in ws.rows("SELECT id, property_values FROM pages WHERE source_id = ? ORDER BY n", source.id):
        values = {**json.loads(row["property_values"]), prop.id: number}
        ws.db.execute("UPDATE pages SET property_values = ? WHERE id = ?", (json.dumps(values), row["id"]))
        number += 1
    ws.db.execute("UPDATE data_sources SET next_number = ? WHERE id = ?", (number, source.id))


def relate(ws: Workspace, source: Source, prop: Property, other_name: str | None) -> None:
    """Settles a new relation's config and makes its other side where it is two-way."""
    target_id, two_way = prop.config["data_source_id"], prop.config["two_way"]
    target = source if target_id == source.id else load_source(ws, target_id)
    prop.config = {"data_source_id": target_id, "synced_property_id": None}
    if not two_way:
        return
    name = free_name(target, other_name or f"Related to {source.title} ({prop.name})")
    other = Property(new_property_id(), name, "relation", {"data_source_id": source.id, "synced_property_id": prop.id})
    prop.config["synced_property_id"] = other.id
    target.properties[other.id] = other
    if target is not source:
        save_properties(ws, target)


def other_side(ws: Workspace, source: Source, prop: Property) -> tuple[Source, Property] | None:
    """The data source and property at the other end of a two-way relation; None for a single one."""
    synced = prop.config["synced_property_id"]
    if synced is None:
        return None
    target = source if prop.config["data_source_id"] == source.id else find_source(ws, prop.config["data_source_id"])
    return (target, target.properties[synced]) if target and synced in target.properties else None


def change_property(ws: Workspace, source: Source, prop: Property, given: dict[str, Any], path: str) -> None:
    """Renames a property, changes options, format, prefix or, between plain types, the type: values are lost then."""
    if "name" in given:
        name = given["name"]
        if not isinstance(name, str) or not name:
            raise unfit(f"{path}.name", "a string", name)
        if name != prop.name and source.named(name):
            raise invalid(f"Cannot rename property: a property named {name} exists already.")
        prop.name = name
    if "description" in given:
        prop.description = given["description"]
    if given.keys() - {"name", "description", "id"}:
        kind = property_type(given, path)
        known = prop if kind == prop.type else None  # of another type's options and format nothing stays
        if known is None:
            retype(ws, source, prop, kind)
        config = check_config(kind, given[kind], f"{path}.{kind}", known)
        if kind == "unique_id":
            check_unique_id(ws, source, config, prop.id)
        if kind == "relation":
            change_relation(ws, source, prop, config)
        else:
            prop.config = config
    save_properties(ws, source)


def retype(ws: Workspace, source: Source, prop: Property, kind: str) -> None:
    """Changes the type of a property; unlike Notion, the sandbox keeps no value of the old type."""
    if {kind, prop.type} & FIXED_TYPES:
        raise invalid(f"Cannot change the type of {prop.name} from {prop.type} to {kind}.")
    prop.type, prop.config = kind, {}
    for row in ws.rows("SELECT id, property_values FROM pages WHERE source_id = ?", source.id):
        values = json.loads(row["property_values"])
        values.pop(prop.id, None)
        ws.db.execute("UPDATE pages SET property_values = ? WHERE id = ?", (json.dumps(values), row["id"]))


def change_relation(ws: Workspace, source: Source, prop: Property, asked: dict[str, Any]) -> None:
    """Renames the other side; aim and direction of a relation stay as they are."""
    other = other_side(ws, source, prop)
    if asked["data_source_id"] != prop.config["data_source_id"] or asked["two_way"] != (other is not None):
        raise invalid(f"The sandbox does not re-aim relations: make {prop.name} anew.")
    if other and asked["other_name"]:
        target, twin = other
        twin.name = asked["other_name"] if twin.name == asked["other_name"] else free_name(target, asked["other_name"])
        save_properties(ws, target)


def remove_property(ws: Workspace, source: Source, prop: Property) -> None:
    """Removes a property with its links and, for a two-way relation, its other side."""
    if prop.type == "title":
        raise invalid("Cannot delete the title property.")
    doomed = [(source, prop)]
    if prop.type == "relation" and (other := other_side(ws, source, prop)):
        doomed.append(other)
    for owner, column in doomed:
        owner.properties.pop(column.id, None)
        ws.db.execute(
            "DELETE FROM links WHERE property_id = ? AND page_id IN (SELECT id FROM pages WHERE source_id = ?)",
            (column.id, owner.id),
        )
        save_properties(ws, owner)


def update_source(ws: Workspace, source_id: str, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    """PATCH /data_sources/{id}: title, icon, properties (null removes, an unknown name adds), in_trash."""
    source = load_source(ws, source_id)
    if source.row["in_trash"] and body.get("in_trash") is not False:
        raise trashed()
    for key, given in (body.get("properties") or {}).items():
        path, prop = f"properties.{key}", source.find(key)
        if given is None:
            if prop is None:
                raise invalid(f"{key} is not a property that exists.")
            remove_property(ws, source, prop)
        elif prop is None:
            add_property(ws, source, given.get("name", key) if isinstance(given, dict) else key, given, path, False)
        elif isinstance(given, dict):
            change_property(ws, source, prop, given, path)
        else:
            raise unfit(path, "an object or `null`", given)
    title = json.dumps(check_rich_text(body["title"], "title")) if "title" in body else source.row["title"]
    icon = json.dumps(check_icon(body["icon"])) if "icon" in body else source.row["icon"]
    ws.db.execute(
        "UPDATE data_sources SET title = ?, icon = ?, edited = ?, edited_by = ? WHERE id = ?",
        (title, icon, this_minute(), user_id, source_id),
    )
    if isinstance(body.get("in_trash"), bool):
        ws.db.execute("UPDATE databases SET in_trash = ? WHERE id = ?", (body["in_trash"], source.row["database_id"]))
        ws.db.execute("UPDATE blocks SET in_trash = ? WHERE id = ?", (body["in_trash"], source.row["database_id"]))
    return source_object(ws, load_source(ws, source_id))


def property_object(ws: Workspace, source: Source, prop: Property) -> dict[str, Any]:
    """A property configuration as answers show it."""
    config = prop.config
    if prop.type == "relation":
        target = ws.row("SELECT database_id FROM data_sources WHERE id = ?", config["data_source_id"])
        config = {
            "database_id": target["database_id"] if target else None,
            "data_source_id": config["data_source_id"],
            "type": "dual_property" if config["synced_property_id"] else "single_property",
        }
        if other := other_side(ws, source, prop):
            twin = other[1]
            config["dual_property"] = {"synced_property_name": twin.name, "synced_property_id": twin.id}
        else:
            config |= {"type": "single_property", "single_property": {}}
    shown = {"id": prop.id, "name": prop.name, "description": prop.description, "type": prop.type}
    return {**shown, prop.type: config}


def source_object(ws: Workspace, source: Source) -> dict[str, Any]:
    """The data_source object of an answer."""
    row = source.row
    ordered = sorted(source.properties.values(), key=lambda prop: (prop.type == "title", prop.id))
    return {
        "object": "data_source",
        "id": source.id,
        "cover": None,
        "icon": json.loads(row["icon"] or "null"),
        "created_time": row["created"],
        "created_by": USERS[row["created_by"]].reference(),
        "last_edited_by": USERS[row["edited_by"]].reference(),
        "last_edited_time": row["edited"],
        "title": json.loads(row["title"]),
        "description": json.loads(row["description"]),
        "is_inline": bool(row["is_inline"]),
        "properties": {prop.name: property_object(ws, source, prop) for prop in ordered},
        "parent": {"type": "database_id", "database_id": row["database_id"]},
        "database_parent": {"type": "page_id", "page_id": row["parent_id"]},
        "url": f"{ws.address}/d/{row['database_id'].replace('-', '')}",
        "public_url": None,
        "in_trash": bool(row["in_trash"]),
    }
