"""Property values as form fields, and submitted forms as the changes they make. Only what changed is written."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.notion.errors import NotionError
from sandbox.notion.pages import read_links
from sandbox.notion.rich_text import plain, written
from sandbox.notion.schema import READ_ONLY, Property
from sandbox.notion.sources import Source
from sandbox.notion.store import Workspace
from sandbox.notion.users import USERS
from sandbox.notion.values import shown_value

MOST_TEXT = 20_000
INPUTS = {"number": "number", "date": "text", "url": "url", "email": "email", "phone_number": "tel"}


@dataclass(frozen=True)
class Field:
    """A property on the page: `input` is textarea, select, checkbox, an input's type, links, or plain (read-only)."""

    name: str
    label: str
    input: str
    value: str
    options: list[dict[str, Any]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    long: bool = False


def field_name(prop: Property) -> str:
    """The form field's name; ids stay the same when a property is renamed."""
    return f"p-{prop.id}"


def names(items: list[dict[str, Any]]) -> str:
    """The names of options, people or files."""
    return ", ".join(item["name"] for item in items)


def number_text(value: float) -> str:
    """A number as a person would type it."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else str(value)


TEXTS: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(["title", "rich_text"], plain),
    **dict.fromkeys(["multi_select", "people", "files"], names),
    **dict.fromkeys(["select", "status", "created_by", "last_edited_by"], lambda value: str(value["name"])),
    "date": lambda value: value["start"] + (f" to {value['end']}" if value["end"] else ""),
    "unique_id": lambda value: "-".join(str(part) for part in (value["prefix"], value["number"]) if part is not None),
    "checkbox": lambda value: "on" if value else "",
    "number": number_text,
}


def text_value(prop: Property, value: Any) -> str:
    """A value in Notion's form as the text that a form field holds."""
    return "" if value is None or value == [] else TEXTS.get(prop.type, str)(value)


def moment(stamp: str) -> str:
    """A stored time as people read it."""
    return f"{stamp[:10]} {stamp[11:16]}"


def page_fields(ws: Workspace, source: Source, page: Any) -> list[Field]:
    """The fields of a page, without its title, in the order of the data source."""
    values = json.loads(page["property_values"])
    links = read_links(ws, [page["id"]])
    fields = []
    for prop in source.properties.values():
        if prop.type == "title":
            continue
        value = shown_value(prop, values.get(prop.id), page)
        if prop.type == "relation":
            targets = links.get((page["id"], prop.id), [])
            fields.append(Field(field_name(prop), prop.name, "links", "", links=titles_of(ws, targets)))
        else:
            fields.append(one_field(prop, text_value(prop, value)))
    return fields


def one_field(prop: Property, text: str) -> Field:
    """The field of a property that is no relation."""
    name = field_name(prop)
    if prop.type in ("created_time", "last_edited_time"):
        return Field(name, prop.name, "plain", moment(text))
    # A dropdown holds one person; a list of several is shown and left alone.
    if prop.type in READ_ONLY or prop.type == "files" or (prop.type == "people" and "," in text):
        return Field(name, prop.name, "plain", text)
    if prop.type in ("select", "status"):
        return Field(name, prop.name, "select", text, options=prop.options)
    if prop.type == "people":
        people = [{"name": user.name} for user in USERS.values()]
        return Field(name, prop.name, "select", text, options=people)
    if prop.type == "rich_text":
        return Field(name, prop.name, "textarea", text, long=len(text) > 80 or "\n" in text)
    if prop.type == "checkbox":
        return Field(name, prop.name, "checkbox", text)
    return Field(name, prop.name, INPUTS.get(prop.type, "text"), text)


def titles_of(ws: Workspace, page_ids: list[str]) -> list[tuple[str, str]]:
    """(id, title) of related pages, at most 100 of them."""
    found = []
    for page_id in page_ids[:100]:
        row = ws.row("SELECT title FROM pages WHERE id = ?", page_id)
        found.append((page_id, row["title"] if row and row["title"] else "Untitled"))
    return found


def as_request(prop: Property, text: str) -> Any:
    """A submitted text as the property value of a request. Raises NotionError 400 for what makes no value."""
    if prop.type in ("title", "rich_text"):
        return {prop.type: written(text)}
    if prop.type == "number":
        return {"number": as_number(prop, text)}
    if prop.type == "checkbox":
        return {"checkbox": text == "on"}
    if prop.type in ("select", "status"):
        return {prop.type: {"name": text} if text else None}
    if prop.type == "multi_select":
        return {"multi_select": [{"name": part.strip()} for part in text.split(",") if part.strip()]}
    if prop.type == "date":
        start, _, end = text.partition(" to ")
        return {"date": {"start": start.strip(), "end": end.strip() or None} if start.strip() else None}
    if prop.type == "people":
        return {"people": [{"id": user.id} for user in USERS.values() if user.name == text]}
    return {prop.type: text or None}


def as_number(prop: Property, text: str) -> float | int | None:
    """A number as typed; empty is None."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise NotionError(400, "validation_error", f"{prop.name} takes a number.") from None
    return int(number) if number.is_integer() else number


def changes(ws: Workspace, source: Source | None, page: Any, form: dict[str, str]) -> dict[str, Any]:
    """The properties of a request that brings the page to the submitted form: those alone that a person changed.

    An unchanged text keeps its formatting, since it is not written at all.
    """
    values = json.loads(page["property_values"])
    columns = list(source.properties.values()) if source else [Property("title", "title", "title")]
    changed: dict[str, Any] = {}
    for prop in columns:
        name = field_name(prop)
        if prop.type in READ_ONLY or prop.type in ("relation", "files"):
            continue
        if name not in form and (prop.type != "checkbox" or "fields" not in form):
            continue
        text = form.get(name, "").replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}").strip()
        before = text_value(prop, shown_value(prop, values.get(prop.id), page)).strip()
        if prop.type == "title":
            # A one-line field has lost the line breaks before anybody typed.
            before = before.replace("\n", "")
        if text == before:
            continue
        if len(text) > MOST_TEXT:
            raise NotionError(400, "validation_error", f"{prop.name} is longer than {MOST_TEXT:,} characters.")
        changed[prop.name] = as_request(prop, text)
    return changed
