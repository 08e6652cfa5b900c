"""Queries over a data source, search, and the cursors that page through both."""

import base64
import binascii
import hashlib
import json
import sqlite3
import time
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from sandbox.notion.errors import invalid, not_found, unfit
from sandbox.notion.filters import TIMES, Column, Predicate, compile_filter, compile_sorts, key_for, sort_rows
from sandbox.notion.ids import same_property_id
from sandbox.notion.pages import page_object, page_objects, read_links
from sandbox.notion.sources import Source, find_source, load_source, source_object
from sandbox.notion.store import Workspace
from sandbox.notion.times import span, stored_form
from sandbox.notion.values import shown_value

CAP = 10_000
INCOMPLETE = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
FIELDS = {"created_time": "created", "last_edited_time": "edited"}
BOUNDS = {"after": ">", "on_or_after": ">=", "before": "<", "on_or_before": "<="}


@dataclass(frozen=True)
class Cursor:
    """Where the last page of results ended: how many were served, and the last row's sort value and number."""

    served: int = 0
    value: str = ""
    n: int = 0


def signature(*parts: Any) -> str:
    """A short hash of a query; a cursor is only good for the query that gave it out."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def write_cursor(sign: str, cursor: Cursor) -> str:
    """The opaque text of a cursor."""
    text = json.dumps([sign, cursor.served, cursor.value, cursor.n])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(sign: str, text: Any) -> Cursor:
    """The cursor; None starts at the beginning. 400 for one that this query did not give out."""
    if text is None:
        return Cursor()
    try:
        got, served, value, n = json.loads(base64.urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4)))
    except (ValueError, TypeError, binascii.Error):
        got = None
    if got != sign:
        raise invalid(f"The start_cursor provided is invalid: {text}")
    return Cursor(served, value, n)


def page_size(value: Any) -> int:
    """The asked page size, 100 where none; 400 outside 1 to 100."""
    if value is None:
        return 100
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise unfit("page_size", "a number", value)
    if not 1 <= value <= 100:
        raise unfit("page_size", "≤ `100`" if value > 100 else "≥ `1`", value)
    return int(value)


def paginate(items: list[Any], cursor_text: Any, size: Any, sign: str) -> dict[str, Any]:
    """One page of a list that is complete in memory: results, next_cursor, has_more."""
    cursor, size = read_cursor(sign, cursor_text), page_size(size)
    end = cursor.served + size
    more = end < len(items)
    following = write_cursor(sign, Cursor(end)) if more else None
    return {"object": "list", "results": items[cursor.served : end], "next_cursor": following, "has_more": more}


def columns_of(source: Source) -> Any:
    """Resolves a property's id or name to a Column for filters and sorts."""

    def find(key: str) -> Column | None:
        prop = source.find(key)
        return Column(prop.id, prop.type) if prop else None

    return find


def query(ws: Workspace, source_id: str, body: dict[str, Any], shown_only: list[str]) -> dict[str, Any]:
    """POST /data_sources/{id}/query. `shown_only`: the filter_properties of the address; empty shows all."""
    source = load_source(ws, source_id)
    if source.row["in_trash"]:
        raise not_found("data_source", source_id)
    only = {asked_property(source, key) for key in shown_only} or None
    sorts = compile_sorts(body.get("sorts") or [], columns_of(source))
    matches = compile_filter(body["filter"], columns_of(source)) if body.get("filter") else None
    sign = signature(source_id, body.get("filter"), body.get("sorts"), body.get("in_trash"))
    cursor, size = read_cursor(sign, body.get("start_cursor")), page_size(body.get("page_size"))
    bounds, exact = timestamp_bounds(body.get("filter"))
    where = "source_id = ? AND in_trash = ? AND listed_at <= ? AND id NOT IN (SELECT value FROM json_each(?))"
    values = [source_id, bool(body.get("in_trash")), time.time(), json.dumps(sorted(ws.archived))]
    for clause, value in bounds:
        where, values = f"{where} AND {clause}", [*values, value]
    if exact and len(sorts) <= 1 and all(column.id in TIMES for column, _ in sorts):
        rows, more, end = walk(ws, where, values, sorts, cursor, size)
    else:
        rows, more, end = filter_rows(ws, source, (where, values), matches, sorts, cursor, size)
    answer: dict[str, Any] = {
        "object": "list",
        "results": page_objects(ws, rows, source, only),
        "next_cursor": write_cursor(sign, end) if more and end.served < CAP else None,
        "has_more": more and end.served < CAP,
        "type": "page_or_data_source",
        "page_or_data_source": {},
    }
    if more and end.served >= CAP:
        answer["request_status"] = INCOMPLETE
    return answer


def asked_property(source: Source, key: str) -> str:
    """The id of a property named in filter_properties."""
    prop = next((p for p in source.properties.values() if same_property_id(p.id, key)), None)
    if prop is None:
        raise invalid(f"Could not find property with id: {key}")
    return prop.id


def timestamp_bounds(given: Any) -> tuple[list[tuple[str, str]], bool]:
    """The timestamp conditions that SQL can apply, and whether they are the whole filter."""
    if not given:
        return [], True
    members = given.get("and", [given])
    clauses = []
    for member in members:
        column = member.get("timestamp")
        for word, wanted in member.get(column, {}).items() if column else ():
            if word in BOUNDS:
                low, high = span(wanted)
                edge = high if word in ("after", "on_or_before") else low
                clauses.append((f"{FIELDS[column]} {BOUNDS[word]} ?", stored_form(edge)))
    conditions = sum(len(member.get(member.get("timestamp"), {})) or 1 for member in members)
    return clauses, len(clauses) == conditions


def walk(
    ws: Workspace, where: str, values: list[Any], sorts: list[tuple[Column, bool]], cursor: Cursor, size: int
) -> tuple[list[sqlite3.Row], bool, Cursor]:
    """The next rows along an index, after the cursor's row: (rows, whether there are more, where they end)."""
    field, down = (FIELDS[sorts[0][0].id], sorts[0][1]) if sorts else ("created", True)
    if cursor.served:
        where = f"{where} AND ({field}, n) {'<' if down else '>'} (?, ?)"
        values = [*values, cursor.value, cursor.n]
    way = "DESC" if down else "ASC"
    size = min(size, CAP - cursor.served)
    # Text of this file's own making; all that a request brings is bound.
    sql = f"SELECT * FROM pages WHERE {where} ORDER BY {field} {way}, n {way} LIMIT ?"  # noqa: S608 - see above
    rows = ws.rows(sql, *values, size + 1)
    kept = rows[:size]
    end = Cursor(cursor.served + len(kept), kept[-1][field], kept[-1]["n"]) if kept else cursor
    return kept, len(rows) > size, end


def filter_rows(
    ws: Workspace,
    source: Source,
    selection: tuple[str, list[Any]],
    matches: Predicate | None,
    sorts: list[tuple[Column, bool]],
    cursor: Cursor,
    size: int,
) -> tuple[list[sqlite3.Row], bool, Cursor]:
    """The next rows of those that match, sorted here. Goes on after the cursor's row, or where it stood if it left."""
    where, values = selection
    sql = f"SELECT * FROM pages WHERE {where} ORDER BY n DESC"  # noqa: S608 - own text, values are bound
    found = ws.rows(sql, *values)
    links = cache(lambda: read_links(ws, [row["id"] for row in found]))
    kept_values: dict[str, dict[str, Any]] = {}

    def read(row: sqlite3.Row, column: Column) -> Any:
        if column.id in TIMES:
            return row[FIELDS[column.id]]
        prop = source.properties[column.id]
        if prop.type == "relation":
            return shown_value(prop, links().get((row["id"], prop.id)), row)
        if row["id"] not in kept_values:
            kept_values[row["id"]] = json.loads(row["property_values"])
        return shown_value(prop, kept_values[row["id"]].get(prop.id), row)

    rows = found if matches is None else [row for row in found if matches(partial(read, row))]
    rows = sort_rows(rows, [(key_for(column, ranks(source, column), read), down) for column, down in sorts])
    start = next((i + 1 for i, row in enumerate(rows) if row["n"] == cursor.n), cursor.served) if cursor.served else 0
    size = min(size, CAP - cursor.served)
    kept = rows[start : start + size]
    end = Cursor(cursor.served + len(kept), "", kept[-1]["n"]) if kept else cursor
    return kept, start + size < len(rows), end


def ranks(source: Source, column: Column) -> dict[str, int]:
    """The place of each option by name: selects sort in the order of their options."""
    prop = source.properties.get(column.id)
    return {option["name"]: place for place, option in enumerate(prop.options)} if prop else {}


def search(ws: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    """POST /search: titles that contain the query, pages and data sources, last edited first."""
    text = str(body.get("query") or "").lower()
    wanted = body.get("filter") or {}
    if wanted and (wanted.get("property") != "object" or wanted.get("value") not in ("page", "data_source")):
        raise unfit("filter.value", "`page` or `data_source`", wanted.get("value"))
    sort = body.get("sort") or {"timestamp": "last_edited_time", "direction": "descending"}
    if sort.get("timestamp") != "last_edited_time" or sort.get("direction") not in ("ascending", "descending"):
        raise unfit("sort", "by last_edited_time, ascending or descending", sort)
    found: list[tuple[str, str, str]] = []
    if wanted.get("value") != "data_source":
        found += [
            (row["edited"], "page", row["id"])
            for row in ws.rows("SELECT id, title, edited, source_id FROM pages WHERE in_trash = 0")
            if text in row["title"].lower() and ws.is_shared((row["id"], row["source_id"]))
        ]
    if wanted.get("value") != "page":
        for row in ws.rows("SELECT id FROM data_sources"):
            source = find_source(ws, row["id"])
            if source and not source.row["in_trash"] and text in source.title.lower():
                found.append((source.row["edited"], "data_source", source.id))
    found.sort(reverse=sort["direction"] == "descending")
    sign = signature("search", text, wanted, sort)
    answer = paginate(found, body.get("start_cursor"), body.get("page_size"), sign)
    answer["results"] = [found_object(ws, kind, object_id) for _, kind, object_id in answer["results"]]
    return {**answer, "type": "page_or_data_source", "page_or_data_source": {}}


def found_object(ws: Workspace, kind: str, object_id: str) -> dict[str, Any]:
    """What a search result shows."""
    if kind == "data_source":
        return source_object(ws, load_source(ws, object_id))
    row = ws.row("SELECT * FROM pages WHERE id = ?", object_id)
    if row is None:
        raise not_found("page", object_id)
    return page_object(ws, row)
