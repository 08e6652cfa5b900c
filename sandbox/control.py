"""Levers for tests and for `make run`: reset, seed, age, faults, log. No token, so only this machine may pull them."""

import ipaddress
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import seed
from sandbox.notion.errors import NotionError
from sandbox.notion.faults import KINDS, Budget, Fault, Gate
from sandbox.notion.ids import dashed, new_id
from sandbox.notion.rich_text import written
from sandbox.notion.sources import load_source, save_properties
from sandbox.notion.store import ROOT_PAGE_ID, Workspace
from sandbox.notion.times import clock, earlier, this_minute
from sandbox.notion.users import BOT, PERSON
from sandbox.notion.values import check_value
from sandbox.web.same_site import same_site

SETTINGS = frozenset(["query_lag", "unshare", "archive", "lacking", "block_limit"])
MATCH = ("method", "path_regex", "nth", "body_contains")
STAMPED = (
    ("SELECT id, created, edited FROM pages WHERE ? IN ('', id)",
     "UPDATE pages SET created = ?, edited = ? WHERE id = ?"),
    ("SELECT id, created, edited FROM blocks WHERE ? IN ('', page_id)",
     "UPDATE blocks SET created = ?, edited = ? WHERE id = ?"),
)  # fmt: skip
COUNTS = (
    "SELECT (SELECT count(*) FROM databases) AS databases, (SELECT count(*) FROM data_sources) AS data_sources,"
    " (SELECT count(*) FROM pages) AS pages, (SELECT count(*) FROM blocks) AS blocks,"
    " (SELECT count(*) FROM comments) AS comments"
)
Lever = Callable[[dict[str, Any]], dict[str, Any]]


class BadLeverError(Exception):
    """A control request that makes no sense; the text says why."""


def is_local(request: Request) -> bool:
    """Whether the request comes from this machine, and from no other site in a browser."""
    host = request.client.host if request.client else ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    return near and same_site(request)


def control_routes(ws: Workspace, gate: Gate) -> list[Route]:
    """The levers, below /control."""

    def reset(_: dict[str, Any]) -> dict[str, Any]:
        gate.clear()
        clock.skew = timedelta()
        ws.reset()
        return {"root_page_id": ROOT_PAGE_ID}

    def save(_: dict[str, Any]) -> dict[str, Any]:
        ws.save()
        return {}

    def restore(_: dict[str, Any]) -> dict[str, Any]:
        gate.clear()
        clock.skew = timedelta()
        ws.restore()
        return {"root_page_id": ROOT_PAGE_ID}

    def clear_log(_: dict[str, Any]) -> dict[str, Any]:
        gate.log.clear()
        return {}

    def clear_faults(_: dict[str, Any]) -> dict[str, Any]:
        gate.faults.clear()
        ws.clear_up()
        return {}

    posts: dict[str, Lever] = {
        "reset": reset,
        "save": save,
        "restore": restore,
        "seed": lambda _: {"created": seed.fill_inbox(ws)},
        "age": lambda body: age(ws, body),
        "clock": set_clock,
        "bulk": lambda body: bulk(ws, body),
        "move": lambda body: move(ws, body),
        "faults": lambda body: plan(ws, gate, body),
        "faults/clear": clear_faults,
        "budget": lambda body: set_budget(gate, body),
        "log/clear": clear_log,
    }

    async def log(request: Request) -> Response:
        since = int(request.query_params.get("since", "0") or 0)
        return JSONResponse({"requests": [asdict(asked) for asked in gate.log if asked.n > since], "last": gate.count})

    async def counts(request: Request) -> Response:
        return JSONResponse(count(ws, gate))

    async def info(request: Request) -> Response:
        return JSONResponse(who_and_where(ws))

    async def planned(request: Request) -> Response:
        return JSONResponse({"faults": [asdict(fault) for fault in gate.faults]})

    gets = {"log": log, "counts": counts, "info": info, "faults": planned}
    return [
        *(Route(f"/{name}", guarded(ws, lever), methods=["POST"]) for name, lever in posts.items()),
        *(Route(f"/{name}", local_only(endpoint), methods=["GET"]) for name, endpoint in gets.items()),
    ]


def who_and_where(ws: Workspace) -> dict[str, str]:
    """The ids that a test begins with, and the address of the workspace."""
    return {"root_page_id": ROOT_PAGE_ID, "bot_id": BOT.id, "person_id": PERSON.id, "address": ws.address}


def local_only(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """403 for anybody but this machine."""

    async def checked(request: Request) -> Response:
        if not is_local(request):
            return JSONResponse({"error": "control is for this machine only"}, 403)
        return await endpoint(request)

    return checked


def guarded(ws: Workspace, lever: Lever) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for a lever: a JSON object in, a JSON object out, 400 with a sentence where it makes no sense."""

    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
            return JSONResponse(lever(body if isinstance(body, dict) else {}))
        except (BadLeverError, ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        except NotionError as error:
            return JSONResponse({"error": error.message}, error.status)

    return local_only(endpoint)


def plan(ws: Workspace, gate: Gate, body: dict[str, Any]) -> dict[str, Any]:
    """Plans a fault, or sets one of the weather's settings."""
    kind = str(body.get("kind"))
    if kind == "query_lag":
        ws.query_lag = float(body["seconds"])
        return {"query_lag": ws.query_lag}
    if kind == "unshare":
        ws.unshared.add(known_id(body["id"]))
        return {"unshared": sorted(ws.unshared)}
    if kind == "archive":
        ws.archived.add(known_id(body["id"]))
        return {"archived": sorted(ws.archived)}
    if kind == "lacking":
        ws.lacking = set(body["capabilities"])
        return {"lacking": sorted(ws.lacking)}
    if kind == "block_limit":
        ws.most_blocks = body["blocks"]
        return {"most_blocks": ws.most_blocks}
    if kind not in KINDS:
        raise BadLeverError(f"no such kind: {kind}; known are {', '.join(sorted(KINDS | SETTINGS))}")
    match = body.get("match") or {}
    known = {spot.name for spot in fields(Fault)} - {"seen", "struck", *MATCH}
    unknown = (match.keys() - set(MATCH)) | (body.keys() - known - {"match"})
    if unknown:
        raise BadLeverError(f"unknown keys: {', '.join(sorted(unknown))}")
    fault = Fault(**{key: value for key, value in body.items() if key != "match"}, **match)
    try:
        re.compile(fault.path_regex or "")
    except re.error as error:
        raise BadLeverError(f"path_regex: {error}") from None
    gate.faults.append(fault)
    return asdict(fault)


def known_id(text: Any) -> str:
    """An id with dashes; BadLeverError where it is none."""
    found = dashed(text)
    if found is None:
        raise BadLeverError(f"not an id: {text}")
    return found


def set_budget(gate: Gate, body: dict[str, Any]) -> dict[str, Any]:
    """{limit, window_seconds, burst?}; {"limit": null} lifts it. Without burst it is a fixed window."""
    limit = body.get("limit")
    gate.budget = None
    if limit is not None:
        gate.budget = Budget(int(limit), float(body.get("window_seconds", 60)), body.get("burst"))
    return {"limit": limit}


def set_clock(body: dict[str, Any]) -> dict[str, Any]:
    """{skew_seconds}: how far Notion's clock is ahead of this machine's, or behind."""
    clock.skew = timedelta(seconds=float(body["skew_seconds"]))
    return {"skew_seconds": clock.skew.total_seconds()}


def age(ws: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    """Moves created and last edited times back by {seconds}: of {page_id} with its blocks, or of everything."""
    seconds, page_id = float(body["seconds"]), known_id(body["page_id"]) if body.get("page_id") else ""
    with ws.transaction():
        moved = [
            [(earlier(row["created"], seconds), earlier(row["edited"], seconds), row["id"]) for row in rows]
            for rows in (ws.rows(select, page_id) for select, _ in STAMPED)
        ]
        for (_, update), stamps in zip(STAMPED, moved, strict=True):
            ws.db.executemany(update, stamps)
        ws.db.execute("UPDATE pages SET listed_at = listed_at - ? WHERE ? IN ('', id)", (seconds, page_id))
    return {"pages": len(moved[0])}


def move(ws: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    """Puts {page_id} into {data_source_id}, as a person does who moves it there; its values stay as they are."""
    source, page_id = load_source(ws, body["data_source_id"]), known_id(body["page_id"])
    with ws.transaction():
        ws.db.execute("UPDATE pages SET source_id = ? WHERE id = ?", (source.id, page_id))
    return {"page_id": page_id, "data_source_id": source.id}


def bulk(ws: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    """Inserts {count} pages titled "{title} 1", ... into {data_source_id}, each with the same further {properties}, as
    the person (or the bot: {"by": "bot"}), the last one edited now and each before it {spread_seconds} earlier."""
    source = load_source(ws, body["data_source_id"])
    count, spread, title = int(body["count"]), float(body.get("spread_seconds", 0)), body.get("title", "Item")
    user_id = BOT.id if body.get("by") == "bot" else PERSON.id
    columns = {prop.name: prop for prop in source.properties.values()}
    given = body.get("properties", {})
    shared = {columns[name].id: check_value(columns[name], value, name) for name, value in given.items()}
    number_id = next((prop.id for prop in columns.values() if prop.type == "unique_id"), None)
    first, now, started = int(source.row["next_number"]), this_minute(), time.monotonic()
    rows = []
    for index in range(count):
        name = f"{title} {index + 1}"
        values = {**shared, "title": written(name), **({number_id: first + index} if number_id else {})}
        stamp = earlier(now, spread * (count - 1 - index)) if spread else now
        rows.append((new_id(), source.id, name, json.dumps(values), "null", stamp, stamp, user_id, user_id))
    with ws.transaction():
        ws.db.executemany(
            "INSERT INTO pages (id, source_id, title, property_values, icon, created, edited, created_by, edited_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        ws.db.execute("UPDATE data_sources SET next_number = ? WHERE id = ?", (first + count, source.id))
        save_properties(ws, source)
    return {"ids": [row[0] for row in rows], "seconds": round(time.monotonic() - started, 3)}


def count(ws: Workspace, gate: Gate) -> dict[str, Any]:
    """How much there is of everything, and requests by method and address with ids left out."""
    found = dict(ws.rows(COUNTS)[0])
    by_source = {
        row["title"]: row["n"]
        for row in ws.rows(
            "SELECT json_extract(s.title, '$[0].plain_text') AS title, count(p.id) AS n FROM data_sources s"
            " LEFT JOIN pages p ON p.source_id = s.id AND p.in_trash = 0 GROUP BY s.id"
        )
    }
    asked = Counter(f"{a.method} {without_ids(a.path)} {a.status}" for a in gate.log)
    return {**found, "pages_by_source": by_source, "requests": gate.count, "requests_by": dict(asked)}


def without_ids(path: str) -> str:
    """An address with its ids as {id}."""
    parts = path.split("/")
    return "/".join("{id}" if len(part.replace("-", "")) == 32 else part for part in parts)
