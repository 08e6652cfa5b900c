"""Notion's operations over HTTP: who asks, in which version, with which body; then one call into the workspace."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.notion import blocks, capabilities, comments, databases, markdown, pages, queries, sources, views
from sandbox.notion.errors import NotionError, invalid, unfit
from sandbox.notion.ids import body_id, new_id, path_id
from sandbox.notion.store import Workspace
from sandbox.notion.users import BOT, PERSON, USERS

VERSION = "2026-03-11"
MOST_BYTES = 500_000
SURROGATES = re.compile("[\ud800-\udfff]")

Operation = Callable[[Workspace, Request, dict[str, Any], str], dict[str, Any]]
Endpoint = Callable[[Request], Awaitable[Response]]


def who_asks(request: Request) -> str:
    """The id of the user behind the token: `person...` is the person, anything else the bot; `invalid` is nobody."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or token.strip() == "invalid":
        raise NotionError(401, "unauthorized", "API token is invalid.")
    return PERSON.id if token.strip().startswith("person") else BOT.id


def check_version(request: Request) -> None:
    """400 without the one version that the sandbox speaks."""
    version = request.headers.get("notion-version")
    if version is None:
        fault = "header.Notion-Version should be defined, instead was `undefined`."
        raise NotionError(400, "missing_version", f"Notion-Version header failed validation: {fault}")
    if version != VERSION:
        fault = f'header.Notion-Version should be `"{VERSION}"`, instead was `"{version}"`.'
        raise NotionError(400, "missing_version", f"Notion-Version header failed validation: {fault}")


async def read_body(request: Request, keys: frozenset[str]) -> dict[str, Any]:
    """The JSON object sent; 400 for anything else, for unknown keys, for NUL and lone surrogates, beyond 500 kB."""
    if request.method in ("GET", "DELETE"):
        return {}
    raw = await request.body()
    if len(raw) > MOST_BYTES:
        raise invalid(f"body failed validation: body.length should be ≤ `{MOST_BYTES}`, instead was `{len(raw)}`.")
    try:
        body = json.loads(raw or b"{}", parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise NotionError(400, "invalid_json", "Error parsing JSON body.") from None
    if not isinstance(body, dict):
        raise invalid("body failed validation: body should be an object.")
    if b"\\u" in raw:
        check_characters(body)
    if extra := body.keys() - keys:
        raise unfit(min(extra), "not present", body[min(extra)])
    return body


def refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(name)


def check_characters(value: Any) -> None:
    """400 for text that Notion's database cannot hold."""
    if isinstance(value, dict):
        for key, item in value.items():
            check_characters(key)
            check_characters(item)
    elif isinstance(value, list):
        for item in value:
            check_characters(item)
    elif isinstance(value, str) and ("\0" in value or SURROGATES.search(value)):
        raise invalid("body failed validation: body contains characters that cannot be stored (NUL or half a pair).")


def size_asked(request: Request) -> int | None:
    """page_size of the address; None where absent."""
    text = request.query_params.get("page_size")
    if text is None:
        return None
    if not text.isdigit():
        raise invalid(f'query failed validation: query.page_size should be a number, instead was `"{text}"`.')
    return int(text)


def listing(request: Request, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of a GET listing."""
    sign = queries.signature(request.url.path, kind)
    cursor = request.query_params.get("start_cursor")
    return {**queries.paginate(items, cursor, size_asked(request), sign), "type": kind, kind: {}}


def me(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return USERS[user_id].full()


def list_users(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return listing(request, "user", [user.full() for user in USERS.values()])


def create_database(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return databases.create_database(ws, body, user_id)


def get_database(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    found = databases.load_database(ws, path_id("database_id", request.path_params["id"]))
    return databases.database_object(ws, found)


def update_database(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return databases.update_database(ws, path_id("database_id", request.path_params["id"]), body, user_id)


def create_source(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return databases.create_source(ws, body, user_id)


def get_source(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    source = sources.load_source(ws, path_id("data_source_id", request.path_params["id"]))
    return sources.source_object(ws, source)


def update_source(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return sources.update_source(ws, path_id("data_source_id", request.path_params["id"]), body, user_id)


def query_source(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    asked = request.query_params
    only = [*asked.getlist("filter_properties"), *asked.getlist("filter_properties[]")]
    return queries.query(ws, path_id("data_source_id", request.path_params["id"]), body, only)


def create_page(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return pages.create_page(ws, body, user_id)


def get_page(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return pages.page_object(ws, pages.load_page(ws, path_id("page_id", request.path_params["id"])))


def update_page(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return pages.update_page(ws, path_id("page_id", request.path_params["id"]), body, user_id)


def get_markdown(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return markdown.page_markdown(ws, path_id("page_id", request.path_params["id"]))


def replace_markdown(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return markdown.replace_markdown(ws, path_id("page_id", request.path_params["id"]), body, user_id)


def get_property(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    page_id = path_id("page_id", request.path_params["id"])
    prop, items, single = pages.property_items(ws, page_id, request.path_params["property_id"])
    if items is None:
        return single
    answer = listing(request, "property_item", items)
    following = None
    if answer["has_more"]:
        following = f"{request.url.replace(query='')}?start_cursor={answer['next_cursor']}"
    head: dict[str, Any] = {"id": prop.id, "next_url": following, "type": prop.type, prop.type: {}}
    return {**answer, "property_item": head}


def list_children(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return listing(request, "block", blocks.list_children(ws, path_id("block_id", request.path_params["id"])))


def append_children(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    results = blocks.append_children(ws, path_id("block_id", request.path_params["id"]), body, user_id)
    return {
        "object": "list", "results": results, "next_cursor": None, "has_more": False, "type": "block", "block": {}
    }  # fmt: skip


def update_block(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return blocks.update_block(ws, path_id("block_id", request.path_params["id"]), body, user_id)


def delete_block(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return blocks.delete_block(ws, path_id("block_id", request.path_params["id"]), user_id)


def search(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return queries.search(ws, body)


def create_comment(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return comments.create_comment(ws, body, user_id)


def list_comments(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    parent_id = body_id("block_id", request.query_params.get("block_id"))
    return listing(request, "comment", comments.list_comments(ws, parent_id))


def create_view(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return views.create_view(ws, body, user_id)


def get_view(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    return views.view_object(views.load_view(ws, path_id("view_id", request.path_params["id"])))


def list_views(ws: Workspace, request: Request, body: dict[str, Any], user_id: str) -> dict[str, Any]:
    asked = [request.query_params.get(name) for name in ("database_id", "data_source_id")]
    named = [body_id("id", one) if one else None for one in asked]
    return listing(request, "view", views.list_views(ws, *named))


def operation(ws: Workspace, verb: Operation, keys: str) -> Endpoint:
    """An endpoint: checks who asks, the version and the body, then runs the verb in one transaction."""
    allowed = frozenset(keys.split())

    async def endpoint(request: Request) -> Response:
        request_id = new_id()
        try:
            user_id = who_asks(request)
            check_version(request)
            body = await read_body(request, allowed)
            capabilities.check(ws, request.method, request.url.path, user_id)
            with ws.transaction():
                used = capabilities.blocks_used(ws)
                answer = verb(ws, request, body, user_id)
                capabilities.check_plan(ws, used, user_id)
        except NotionError as error:
            return JSONResponse(error.body(request_id), error.status, error.headers)
        return JSONResponse({**answer, "request_id": request_id})

    return endpoint


async def unknown(request: Request) -> Response:
    """Notion's answer to an address it doesn't have."""
    error = NotionError(400, "invalid_request_url", "Invalid request URL.")
    return JSONResponse(error.body(new_id()), error.status)


def notion_routes(ws: Workspace) -> list[Route]:
    """All operations served, below /v1."""
    database, source = "/v1/databases/{id}", "/v1/data_sources/{id}"
    page, block = "/v1/pages/{id}", "/v1/blocks/{id}"
    table: list[tuple[str, str, Operation, str]] = [
        ("GET", "/v1/users/me", me, ""),
        ("GET", "/v1/users", list_users, ""),
        ("POST", "/v1/databases", create_database, "parent title description is_inline initial_data_source icon"),
        ("GET", database, get_database, ""),
        ("PATCH", database, update_database, "title description icon is_inline in_trash"),
        ("POST", "/v1/data_sources", create_source, "parent title icon properties"),
        ("GET", source, get_source, ""),
        ("PATCH", source, update_source, "title icon properties in_trash"),
        ("POST", f"{source}/query", query_source, "filter sorts start_cursor page_size in_trash"),
        ("POST", "/v1/pages", create_page, "parent properties children icon"),
        ("GET", page, get_page, ""),
        ("PATCH", page, update_page, "properties icon in_trash"),
        ("GET", f"{page}/markdown", get_markdown, ""),
        ("PATCH", f"{page}/markdown", replace_markdown, "type replace_content"),
        ("GET", f"{page}/properties/{{property_id:path}}", get_property, ""),
        ("GET", f"{block}/children", list_children, ""),
        ("PATCH", f"{block}/children", append_children, "children position"),
        ("PATCH", block, update_block, f"type {' '.join(blocks.TEXT_BLOCKS)}"),
        ("DELETE", block, delete_block, ""),
        ("POST", "/v1/search", search, "query filter sort start_cursor page_size"),
        ("POST", "/v1/comments", create_comment, "parent discussion_id rich_text"),
        ("GET", "/v1/comments", list_comments, ""),
        ("POST", "/v1/views", create_view, "data_source_id name type database_id create_database filter sorts"),
        ("GET", "/v1/views", list_views, ""),
        ("GET", "/v1/views/{id}", get_view, ""),
    ]
    routes = [Route(path, operation(ws, verb, keys), methods=[method]) for method, path, verb, keys in table]
    every = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    return [*routes, Route("/{rest:path}", unknown, methods=every)]
