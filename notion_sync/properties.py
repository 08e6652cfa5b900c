"""Notion property JSON <-> Python values. Pure.

Shapes: https://developers.notion.com/reference/page-property-values and its limits in /reference/request-limits.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from notion_sync.rich_text import MAX_ITEMS, MAX_UNITS, Span, clean, items, markdown, plain, spans, unescaped

__all__ = ["Value", "canonical", "clean", "cut", "markdown", "read", "title", "unescaped", "whole", "write"]

Value: TypeAlias = Any  # what JSON can hold: mirror rows keep it in a JSON column

CUT_AT = 25  # entries of a value on a page object, whatever it holds
MAX_ADDRESS = {"url": 2_000, "email": 200, "phone_number": 200}
_LISTS = ("title", "rich_text", "relation", "people")
_AS_IT_IS = {
    "number",
    "checkbox",
    "url",
    "email",
    "phone_number",
    "created_time",
    "last_edited_time",
    "string",
    "boolean",
}
_BESIDES = ("id", "type", "object", "has_more", "next_url")


def read(prop: Mapping[str, Any]) -> Value:
    """The value of a property of a page, or of a property item.

    Text, addresses, unique ids ("INBOX-12") and times: text. Select and status: the option's name or None. Relation and
    people: list of ids; multi-select and files: list of names. Date: {"start", "end"} or None. Created and last edited
    by: an id. Formula and rollup: the value of their result. What has no reading here, such as a kind of property that
    is not known, comes back whole as {"unreadable": its type, "raw": its JSON}: reading never fails.
    """
    kind = _kind(prop)
    try:
        return _read(kind, prop[kind])
    except (KeyError, TypeError, AttributeError):
        return {"unreadable": kind, "raw": dict(prop)}


def title(page: Mapping[str, Any]) -> str:
    """The words of the page's title; empty where it has none."""
    return plain(next((prop["title"] for prop in page["properties"].values() if prop["type"] == "title"), []))


def _kind(prop: Mapping[str, Any]) -> str:
    """The property's type; what we write ourselves says it only by its key."""
    return str(prop.get("type") or next((key for key in prop if key not in _BESIDES), ""))


def _read(kind: str, value: Any) -> Value:
    match kind:
        case "title" | "rich_text":
            return "".join(span.text for span in spans(_listed(value)))
        case _ if kind in _AS_IT_IS:
            return value
        case "select" | "status":
            return value and value["name"]
        case "multi_select" | "files":
            return [entry["name"] for entry in value]
        case "relation" | "people":
            return [entry["id"] for entry in _listed(value)]
        case "created_by" | "last_edited_by":
            return value["id"]
        case "date":
            return value and {"start": value["start"], "end": value.get("end")}
        case "unique_id":
            return f"{value['prefix']}-{value['number']}" if value.get("prefix") else str(value["number"])
        case "formula" | "rollup":
            result = value[value["type"]]
            return [read(entry) for entry in result] if value["type"] == "array" else _read(value["type"], result)
    raise KeyError(kind)


def _listed(value: Any) -> list[Mapping[str, Any]]:
    """A page object holds a list of entries where a property item holds one."""
    return [value] if isinstance(value, Mapping) else list(value)


def cut(prop: Mapping[str, Any]) -> bool:
    """True where Notion may have left out entries of a page's value beyond the 25th: fetch it whole, see `whole`."""
    kind = _kind(prop)
    return kind in _LISTS and bool(prop.get("has_more") or len(prop.get(kind) or []) >= CUT_AT)


def whole(prop: Mapping[str, Any], property_items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`prop` with all its entries, from the property items of GET /pages/{id}/properties/{property id}."""
    kind = _kind(prop)
    complete = {**prop, kind: [item[kind] for item in property_items]}
    return {**complete, "has_more": False} if "has_more" in prop else complete


def write(kind: str, value: Value) -> dict[str, Any]:
    """The JSON that sets a property of type `kind` in POST or PATCH /pages; None empties it.

    Text: text, unformatted, or formatted as `canonical` gives it. Select and status: a name; multi-select: names.
    Relation and people: ids, which replace those that stand there. Date: a date, an aware datetime, either as ISO text,
    or {"start", "end"} of them. Raises ValueError, with the limit, for what Notion would refuse or cut, and for types
    that cannot be written.
    """
    match kind:
        case "title" | "rich_text":
            return {kind: _text(value)}
        case "number":
            return {kind: _number(value)}
        case "select" | "status":
            return {kind: {"name": clean(value)} if value else None}
        case "checkbox":
            return {kind: bool(value)}
        case "date":
            return {kind: _date(value)}
        case "multi_select":
            return {kind: [{"name": name} for name in _entries(kind, value)]}
        case "people" | "relation":
            user = {"object": "user"} if kind == "people" else {}
            return {kind: [{**user, "id": id} for id in _entries(kind, value)]}
        case "url" | "email" | "phone_number":
            return {kind: _address(kind, value)}
    raise ValueError(f"A property of type {kind!r} cannot be written.")


def _text(value: Any) -> list[dict[str, Any]]:
    parts = [Span(**one) for one in value] if isinstance(value, list) else [Span(value or "")]
    if any(part.mention or part.equation for part in parts):
        raise ValueError("A mention or an equation in a text is not written.")
    found = items(parts)
    if len(found) > MAX_ITEMS:
        size = sum(len(part.text) for part in parts)
        raise ValueError(f"{size:,} characters; Notion takes {MAX_ITEMS} pieces of at most {MAX_UNITS:,} of a text.")
    return found


def _number(value: int | float | Decimal | None) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not isfinite(value):
        raise ValueError(f"{value!r} is not a number that Notion takes.")
    return float(value) if isinstance(value, Decimal) else value


def _entries(kind: str, value: Sequence[str] | None) -> list[str]:
    entries = [clean(str(entry)) for entry in value or ()]
    if len(entries) > MAX_ITEMS:
        raise ValueError(f"{len(entries)} entries; Notion takes {MAX_ITEMS} of a {kind} in one request.")
    return entries


def _address(kind: str, value: str | None) -> str | None:
    if value and len(value) > MAX_ADDRESS[kind]:
        raise ValueError(f"{len(value):,} characters; Notion takes {MAX_ADDRESS[kind]:,} of a {kind}.")
    return clean(value) if value else None


def _date(value: Any) -> dict[str, str | None] | None:
    if not value:
        return None
    if not isinstance(value, Mapping):
        value = {"start": value}
    end = value.get("end")
    return {"start": _moment(value["start"]), "end": _moment(end) if end else None}


def _moment(value: str | date | datetime) -> str:
    """ISO text of a date, or of a time whose zone is known; raises ValueError for anything else."""
    text = value if isinstance(value, str) else value.isoformat()
    if datetime.fromisoformat(text).tzinfo is None and len(text) > len("2026-01-31"):
        raise ValueError(f"{text} has no time zone.")
    return text


def canonical(prop: Mapping[str, Any]) -> Value:
    """A JSON value, equal for two properties of a type exactly where they say the same to a person.

    What we write and what Notion answers to it are equal: how text is split, defaults spelled out, colors and ids of
    options, names of people, the order of relations and dashes in ids do not count. Formatting counts. Notion keeps
    times to the minute, so they are compared as minutes in UTC. Unknown types are compared by their raw JSON.
    """
    kind = _kind(prop)
    try:
        return _canonical(kind, prop[kind])
    except (KeyError, TypeError, AttributeError):
        return {"unreadable": kind, "raw": prop.get(kind)}


def _canonical(kind: str, value: Any) -> Value:
    match kind:
        case "title" | "rich_text":
            return _canonical_text(spans(_listed(value)))
        case "number":
            return int(value) if isinstance(value, float) and value.is_integer() else value
        case "multi_select":
            return sorted(_read(kind, value))
        case "relation" | "people":
            return sorted({id.replace("-", "") for id in _read(kind, value)})
        case "created_by" | "last_edited_by":
            return value["id"].replace("-", "")
        case "date":
            zone = value and value.get("time_zone")
            return value and {end: _minute(value.get(end), zone) for end in ("start", "end")}
        case "files":  # the addresses of hosted files are signed anew for each answer
            return [[entry["name"], (entry.get("external") or {}).get("url")] for entry in value]
        case "formula" | "rollup":
            result = value[value["type"]]
            return (
                [canonical(entry) for entry in result]
                if value["type"] == "array"
                else _canonical(value["type"], result)
            )
    return _read(kind, value)


def _canonical_text(parts: Sequence[Span]) -> Value:
    if all(part.is_plain for part in parts):
        return "".join(part.text for part in parts)
    return [_canonical_span(part) for part in parts]


def _canonical_span(part: Span) -> dict[str, Any]:
    plain = Span("")
    said = {name: value for name, value in vars(part).items() if value != getattr(plain, name)}
    if part.mention:  # the name and the address of what is mentioned are Notion's to change
        said |= {"mention": list(part.mention), "text": "", "link": None}
    return said


def _minute(text: str | None, zone: str | None) -> str | None:
    if text is None or "T" not in text:
        return text
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    except (ValueError, ZoneInfoNotFoundError):
        return text
    return moment.astimezone(UTC).replace(second=0, microsecond=0).isoformat()
