"""The pages of the web view. Edits are made as the person, through the functions that the API uses."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.notion import comments, pages
from sandbox.notion.errors import NotionError, not_found
from sandbox.notion.ids import dashed
from sandbox.notion.pages import load_page, read_links, source_of
from sandbox.notion.rich_text import plain, written
from sandbox.notion.schema import Property
from sandbox.notion.sources import Source, load_source
from sandbox.notion.store import ROOT_PAGE_ID, ROOT_TITLE, Workspace
from sandbox.notion.users import PERSON, USERS
from sandbox.notion.values import shown_value
from sandbox.web.body import body_html, rich_text
from sandbox.web.forms import changes, moment, page_fields, text_value, titles_of
from sandbox.web.same_site import same_site

HERE = Path(__file__).parent
ROWS = 50
MOST_BYTES = 400_000
# The order a person works in; databases of other names come after.
ORDER = [
    "System Inbox", "Action Pipes", "Executive Intents", "Tasks", "Projects", "Nodes", "Areas", "Agent Registry",
    "Execution Log", "Training Data",
]  # fmt: skip
GROUPS = {"Capture": ORDER[:1], "Decide": ORDER[1:3], "Do": ORDER[3:5], "Know": ORDER[5:7], "System": ORDER[7:]}
LISTED = ("select", "status", "checkbox", "number", "date", "unique_id", "created_time", "relation")
Page = Callable[[Request], Awaitable[Response]]
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"

templates = Environment(loader=FileSystemLoader(HERE.parent / "templates"), autoescape=True)


def show(name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A rendered template."""
    html = templates.get_template(name).render(workspace=ROOT_TITLE, root_id=ROOT_PAGE_ID, **context)
    return HTMLResponse(html, status, {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"})


def web_routes(ws: Workspace) -> list[BaseRoute]:
    """The web view's routes, at the root."""

    async def home(request: Request) -> Response:
        return show("home.html", groups=grouped(ws), pending=pending_decisions(ws))

    async def database(request: Request) -> Response:
        source = source_for(ws, request.path_params["ref"])
        place = request.query_params.get("page", "1")
        number = max(1, int(place)) if place.isdigit() and len(place) < 7 else 1
        trash = request.query_params.get("trash") == "1"
        return show("database.html", source=source, **database_rows(ws, source, number, trash))

    async def add(request: Request) -> Response:
        source, form = source_for(ws, request.path_params["ref"]), await read_form(request)
        with ws.transaction():
            made = pages.create_page(ws, new_item(source, form), PERSON.id)
        return RedirectResponse(f"/p/{made['id']}", 303)

    async def page(request: Request) -> Response:
        return page_view(ws, load_page(ws, ref_id(request.path_params["ref"], "page")))

    async def save(request: Request) -> Response:
        row, form = load_page(ws, ref_id(request.path_params["ref"], "page")), await read_form(request)
        try:
            if changed := changes(ws, source_of(ws, row), row, form):
                with ws.transaction():
                    pages.update_page(ws, row["id"], {"properties": changed}, PERSON.id)
        except NotionError as error:
            return page_view(ws, row, error.message, error.status)
        return RedirectResponse(f"/p/{row['id']}", 303)

    async def trash(request: Request) -> Response:
        row, form = load_page(ws, ref_id(request.path_params["ref"], "page")), await read_form(request)
        with ws.transaction():
            pages.update_page(ws, row["id"], {"in_trash": form.get("in_trash") == "1"}, PERSON.id)
        return RedirectResponse(f"/p/{row['id']}", 303)

    return [
        Route("/", shown(home)),
        Route("/d/{ref}", shown(database)),
        Route("/d/{ref}/items", shown(add), methods=["POST"]),
        Route("/p/{ref}", shown(page)),
        Route("/p/{ref}", shown(save), methods=["POST"]),
        Route("/p/{ref}/trash", shown(trash), methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]


def shown(view: Page) -> Page:
    """The view, with a page for what goes wrong; a form sent by another site is refused."""

    async def safe(request: Request) -> Response:
        if request.method == "POST" and not same_site(request):
            return show("message.html", 403, message="This form was sent by another site.")
        try:
            return await view(request)
        except NotionError as error:
            return show("message.html", error.status, message=error.message)

    return safe


async def read_form(request: Request) -> dict[str, str]:
    """The text fields of a submitted form, of bounded size."""
    raw = await request.body()
    if len(raw) > MOST_BYTES:
        raise NotionError(400, "validation_error", f"The form is larger than {MOST_BYTES:,} bytes.")
    form = await request.form(max_files=0, max_fields=200)
    return {key: value for key, value in form.items() if isinstance(value, str)}


def ref_id(ref: str, kind: str) -> str:
    """The id at the end of an address such as Hello-0123...; 404 where there is none."""
    found = dashed(ref) or dashed(ref.replace("-", "")[-32:])
    if found is None:
        raise not_found(kind, ref[:80])
    return found


def source_for(ws: Workspace, ref: str) -> Source:
    """The data source of a database's address (its own id or its database's)."""
    database_id = ref_id(ref, "database")
    row = ws.row("SELECT id FROM data_sources WHERE ? IN (database_id, id)", database_id)
    if row is None:
        raise not_found("database", database_id)
    return load_source(ws, row["id"])


def grouped(ws: Workspace) -> list[tuple[str, list[dict[str, Any]]]]:
    """The live databases with their counts, by what one does there."""
    rows = ws.rows(
        "SELECT d.id, s.title, d.icon, (SELECT count(*) FROM pages p WHERE p.source_id = s.id AND p.in_trash = 0) AS n"
        " FROM databases d JOIN data_sources s ON s.database_id = d.id WHERE d.in_trash = 0 ORDER BY d.created"
    )
    found = [{"id": r["id"], "title": plain(json.loads(r["title"])) or "Untitled", "count": r["n"]} for r in rows]
    groups = []
    for name, titles in [*GROUPS.items(), ("Other", [])]:
        some = [d for d in found if (d["title"] in titles if titles else d["title"] not in ORDER)]
        some.sort(key=lambda d: ORDER.index(d["title"]) if d["title"] in ORDER else len(ORDER))
        if some:
            groups.append((name, some))
    return groups


def pending_decisions(ws: Workspace) -> list[dict[str, Any]]:
    """The actions whose Approval_Status is Pending, oldest first, at most 20."""
    rows = ws.rows("SELECT s.id, s.title FROM data_sources s JOIN databases d ON d.id = s.database_id"
                   " WHERE d.in_trash = 0")  # fmt: skip
    pending = []
    for found in rows:
        if plain(json.loads(found["title"])) != "Action Pipes":
            continue
        source = load_source(ws, found["id"])
        status = source.named("Approval_Status")
        option = status.option("Pending") if status else None
        if status is None or option is None:
            continue
        sql = (
            "SELECT id, title, created FROM pages WHERE source_id = ? AND in_trash = 0"
            " AND json_extract(property_values, ?) = ? ORDER BY n LIMIT 20"
        )
        pending += [dict(row) for row in ws.rows(sql, source.id, f'$."{status.id}"', option["id"])]
    return pending


def database_rows(ws: Workspace, source: Source, number: int, trash: bool) -> dict[str, Any]:
    """One page of a database's table: newest first."""
    where = "FROM pages WHERE source_id = ? AND in_trash = ?"
    total = ws.rows(f"SELECT count(*) AS n {where}", source.id, trash)[0]["n"]
    rows = ws.rows(f"SELECT * {where} ORDER BY n DESC LIMIT ? OFFSET ?", source.id, trash, ROWS, (number - 1) * ROWS)
    columns = [prop for prop in source.properties.values() if prop.type in LISTED][:6]
    links = read_links(ws, [row["id"] for row in rows])
    table = []
    for row in rows:
        values = json.loads(row["property_values"])
        cells = [cell(ws, prop, links.get((row["id"], prop.id), values.get(prop.id)), row) for prop in columns]
        table.append({"id": row["id"], "title": row["title"] or "Untitled", "cells": cells})
    pages_total = max(1, -(-total // ROWS))
    depth = source.named("Depth")
    return {
        "columns": columns, "table": table, "total": total, "number": number, "last": pages_total, "trash": trash,
        "database_id": source.row["database_id"], "title": source.title or "Untitled",
        "names": {prop.name for prop in source.properties.values()}, "depths": depth.options if depth else [],
    }  # fmt: skip


def cell(ws: Workspace, prop: Property, kept: Any, row: sqlite3.Row) -> dict[str, Any]:
    """A table cell: pills for options, links for relations, text for the rest."""
    value = shown_value(prop, kept, row)
    if prop.type in ("select", "status") and value:
        return {"pill": value["name"], "color": value["color"]}
    if prop.type == "relation":
        return {"links": titles_of(ws, [item["id"] for item in value[:3]]), "more": max(0, len(value) - 3)}
    if prop.type == "checkbox":
        return {"text": "\N{CHECK MARK}" if value else ""}
    text = text_value(prop, value)
    return {"text": moment(text) if prop.type == "created_time" else text}


def new_item(source: Source, form: dict[str, str]) -> dict[str, Any]:
    """The request that creates the item of the add form. Raises NotionError 400 for an empty title."""
    title = form.get("title", "").replace("\0", "").strip()
    if not title or len(title) > 500:
        raise NotionError(400, "validation_error", "An item needs a title of 1 to 500 characters.")
    content = form.get("content", "").replace("\r\n", "\n").replace("\0", "").strip()
    if len(content) > 20_000:
        raise NotionError(400, "validation_error", "The content is longer than 20,000 characters.")
    column = next(prop for prop in source.properties.values() if prop.type == "title")
    wanted: dict[str, dict[str, Any]] = {
        "Content": {"rich_text": written(content)},
        "Urgent": {"checkbox": form.get("urgent") == "on"},
        "Depth": {"select": {"name": form["depth"]} if form.get("depth") else None},
        "Source": {"select": {"name": "Manual"}},
    }
    known = {prop.name: prop.type for prop in source.properties.values()}
    properties = {name: value for name, value in wanted.items() if known.get(name) in value}
    children = []
    if content and "Content" not in properties:
        children = [{"type": "paragraph", "paragraph": {"rich_text": written(content)}}]
    return {
        "parent": {"data_source_id": source.id},
        "properties": {column.name: {"title": written(title)}, **properties},
        "children": children,
    }


def page_view(ws: Workspace, page: sqlite3.Row, error: str = "", status: int = 200) -> Response:
    """A page: title, properties in a form, body, comments."""
    source = source_of(ws, page)
    said = [
        {"who": USERS[c["created_by"]["id"]].name, "at": moment(c["created_time"]), "text": rich_text(c["rich_text"])}
        for c in comments.list_comments(ws, page["id"])
    ]
    return show(
        "page.html", status, page=page, source=source, error=error, said=said, body=body_html(ws, page["id"]),
        fields=page_fields(ws, source, page) if source else [], created=moment(page["created"]),
        created_by=USERS[page["created_by"]].name, edited=moment(page["edited"]),
        edited_by=USERS[page["edited_by"]].name, title=page["title"] or "Untitled",
    )  # fmt: skip
