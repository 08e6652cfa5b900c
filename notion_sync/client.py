"""The only module that speaks to Notion: one function for each call that the product makes.

Every HTTP attempt waits for the shared pace, leaves a NotionCall row, and ends in an answer or an exception:

* Later: not applied. Notion is busy, down or out of reach, or a read lost its answer.
* Misconfigured: not applied. A person must mend the token, its capabilities, the sharing of a page or the plan.
* Never: not applied. Notion refuses the request as it is.
* Ambiguous (writes only): it may have been applied.
* Committed (writes only): it was applied, although Notion reports an error.

Nothing is retried here, and no call may be made inside a database transaction. Answers are Notion's JSON as it came.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import notion_client
import structlog
from django.conf import settings
from django.db import transaction
from notion_client.errors import HTTPResponseError, InvalidPathParameterError, RequestTimeoutError
from structlog.contextvars import get_contextvars

from emm.jobs import Misconfigured, Never
from notion_sync import pace
from notion_sync.failures import Ambiguous, Committed, Failure, clipped, read_refusal, sort
from notion_sync.models import NotionCall

VERSION = "2026-03-11"
TIMEOUT_MS = 60_000
log = structlog.get_logger(__name__)

Id = str | uuid.UUID
Send = Callable[[notion_client.Client], Any]

__all__ = ["Ambiguous", "Body", "Committed", "QueryPage"]


@dataclass(frozen=True)
class Body:
    """A page's content as markdown. `truncated`, or `unknown_block_ids`: it is not all there."""

    markdown: str
    truncated: bool
    unknown_block_ids: tuple[str, ...]


@dataclass(frozen=True)
class QueryPage:
    """One page of results. `next_cursor` None: the last one. `capped`: Notion stopped at 10,000 results; more exist."""

    pages: list[dict[str, Any]]
    next_cursor: str | None
    capped: bool


def me() -> dict[str, Any]:
    """The integration's own user, with its workspace. https://developers.notion.com/reference/get-self"""
    return _call("GET", "/v1/users/me", lambda notion: notion.users.me())


def retrieve_page(page_id: Id) -> dict[str, Any]:
    """A page with its properties; long values are cut at 25 entries. https://developers.notion.com/reference/retrieve-a-page"""
    return _call("GET", "/v1/pages/{page_id}", lambda notion: notion.pages.retrieve(str(page_id)), page_id)


def create_page(
    properties: Mapping[str, Any],
    *,
    parent_data_source_id: Id | None = None,
    parent_page_id: Id | None = None,
    children: Sequence[Mapping[str, Any]] = (),
    icon: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make a page under exactly one of the two parents; returns it. https://developers.notion.com/reference/post-page"""
    if (parent_data_source_id is None) == (parent_page_id is None):
        raise ValueError("A page has one parent: a data source or a page.")
    body: dict[str, Any] = {
        "parent": {"type": "data_source_id", "data_source_id": str(parent_data_source_id)}
        if parent_data_source_id
        else {"type": "page_id", "page_id": str(parent_page_id)},
        "properties": properties,
    }
    if children:
        body["children"] = list(children)
    if icon:
        body["icon"] = icon
    return _call("POST", "/v1/pages", lambda notion: notion.pages.create(**body), parent_page_id, write=True)


def update_page(
    page_id: Id, properties: Mapping[str, Any] | None = None, in_trash: bool | None = None
) -> dict[str, Any]:
    """Set property values, or move to or from the trash; returns the page. https://developers.notion.com/reference/patch-page"""
    body = {"properties": properties, "in_trash": in_trash}
    body = {name: value for name, value in body.items() if value is not None}
    return _call(
        "PATCH", "/v1/pages/{page_id}", lambda notion: notion.pages.update(str(page_id), **body), page_id, write=True
    )


def page_markdown(page_id: Id) -> Body:
    """A page's content; see whether it is all there. https://developers.notion.com/reference/retrieve-page-markdown"""
    answer = _call(
        "GET", "/v1/pages/{page_id}/markdown", lambda notion: notion.pages.retrieve_markdown(str(page_id)), page_id
    )
    return Body(answer["markdown"], answer["truncated"], tuple(answer["unknown_block_ids"]))


def page_property(page_id: Id, property_id: str) -> list[dict[str, Any]]:
    """All items of one property value, however many; a property of one value gives one item.

    `property_id` as Notion gives it, already encoded. https://developers.notion.com/reference/retrieve-a-page-property
    """
    route = "/v1/pages/{page_id}/properties/{property_id}"

    def send(notion: notion_client.Client, cursor: str | None) -> Any:
        return notion.pages.properties.retrieve(str(page_id), property_id, page_size=100, start_cursor=cursor)

    return list(_all_pages(route, send, page_id))


def block_children(block_id: Id) -> list[dict[str, Any]]:
    """All blocks right under a page or block. https://developers.notion.com/reference/get-block-children"""

    def send(notion: notion_client.Client, cursor: str | None) -> Any:
        return notion.blocks.children.list(str(block_id), page_size=100, start_cursor=cursor)

    return list(_all_pages("/v1/blocks/{block_id}/children", send, block_id))


def query(
    data_source_id: Id,
    *,
    edited_since: datetime | None = None,
    start_cursor: str | None = None,
    page_size: int = 100,
    filter: Mapping[str, Any] | None = None,
) -> QueryPage:
    """One page of a data source's live pages, oldest edit first; `edited_since` (aware) includes that very moment.

    https://developers.notion.com/reference/query-a-data-source
    """
    wanted = [dict(filter)] if filter else []
    if edited_since is not None:
        since = edited_since.astimezone(UTC).isoformat(timespec="milliseconds")
        wanted.append({"timestamp": "last_edited_time", "last_edited_time": {"on_or_after": since}})
    body: dict[str, Any] = {
        "sorts": [{"timestamp": "last_edited_time", "direction": "ascending"}],
        "page_size": page_size,
        "start_cursor": start_cursor,
    }
    if wanted:
        body["filter"] = wanted[0] if len(wanted) == 1 else {"and": wanted}
    answer = _call(
        "POST",
        "/v1/data_sources/{data_source_id}/query",
        lambda notion: notion.data_sources.query(str(data_source_id), **body),
    )
    capped = (answer.get("request_status") or {}).get("type") == "incomplete"
    return QueryPage(answer["results"], answer["next_cursor"] if answer["has_more"] else None, capped)


def find_by_emm_id(data_source_id: Id, property_id: str, emm_id: Id) -> list[dict[str, Any]]:
    """The live pages that carry this EMM_ID, at most five; several where someone made copies."""
    carries = {"property": property_id, "rich_text": {"equals": str(emm_id)}}
    return query(data_source_id, page_size=5, filter=carries).pages


def retrieve_database(database_id: Id) -> dict[str, Any]:
    """A database: title, parent and its data sources by id. https://developers.notion.com/reference/database-retrieve"""
    return _call("GET", "/v1/databases/{database_id}", lambda notion: notion.databases.retrieve(str(database_id)))


def create_database(parent_page_id: Id, title: str, description: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Make a database with one data source; the answer names no properties, and a taken title gets a number.

    https://developers.notion.com/reference/create-a-database
    """
    body = {
        "parent": {"type": "page_id", "page_id": str(parent_page_id)},
        "title": [{"type": "text", "text": {"content": title}}],
        "description": [{"type": "text", "text": {"content": description}}],
        "initial_data_source": {"properties": properties},
    }
    return _call("POST", "/v1/databases", lambda notion: notion.databases.create(**body), parent_page_id, write=True)


def retrieve_data_source(data_source_id: Id) -> dict[str, Any]:
    """A data source with its properties, by name. https://developers.notion.com/reference/retrieve-a-data-source"""
    return _call(
        "GET",
        "/v1/data_sources/{data_source_id}",
        lambda notion: notion.data_sources.retrieve(str(data_source_id)),
    )


def update_data_source(data_source_id: Id, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Add properties (new names) or change them (ids or names); returns the data source.

    https://developers.notion.com/reference/update-a-data-source
    """
    return _call(
        "PATCH",
        "/v1/data_sources/{data_source_id}",
        lambda notion: notion.data_sources.update(str(data_source_id), properties=properties),
        write=True,
    )


def http_client() -> httpx.Client:
    """The HTTP client below Notion's SDK: the one seam that tests replace, to look at requests or to break them."""
    return httpx.Client()


def disconnect() -> None:
    """Close all connections and forget the clients; the next call opens new ones."""
    with _opening:
        while _clients:
            _clients.popitem()[1].close()


_clients: dict[tuple[str, str], notion_client.Client] = {}
_opening = threading.Lock()


def _notion() -> notion_client.Client:
    token, base_url = settings.NOTION_API_KEY, settings.NOTION_BASE_URL.rstrip("/")
    # A header refuses other characters with an error that quotes the token.
    if not re.fullmatch(r"[!-~]+", token):
        raise Misconfigured(
            "NOTION_API_KEY is empty or holds characters that no token has.", "Copy the integration's token again."
        )
    with _opening:
        if (token, base_url) not in _clients:
            _clients[token, base_url] = notion_client.Client(
                client=http_client(),
                auth=token,
                base_url=base_url,
                notion_version=VERSION,
                timeout_ms=TIMEOUT_MS,
                retry=False,
                logger=logging.getLogger("notion_client"),
                log_level=logging.ERROR,
            )
        return _clients[token, base_url]


# What the SDK raises, and what it lets through: connection errors, and answers that are not JSON.
FAILURES = (HTTPResponseError, RequestTimeoutError, httpx.RequestError, json.JSONDecodeError, UnicodeDecodeError)


def _call(method: str, route: str, send: Send, page_id: Id | None = None, *, write: bool = False) -> dict[str, Any]:
    with transaction.atomic(durable=True):
        pass  # a durable block refuses to be nested: no network inside a transaction
    notion = _notion()
    call = NotionCall(method=method, route=route, page_id=page_id, item_id=get_contextvars().get("item"))
    call.waited_ms = round(pace.wait() * 1000)
    started = time.monotonic()
    try:
        answer = send(notion)
        if not isinstance(answer, dict):
            raise json.JSONDecodeError("an object was expected", "", 0)
    except InvalidPathParameterError as error:
        raise Never(f"{route} cannot be asked for: {error}") from error
    except FAILURES as error:
        failure = _read(error)
        call.status, call.error, call.request_id = failure.status, failure.text, failure.request_id
        _keep(call, started)
        log.warning("notion_call_failed", method=method, route=route, status=failure.status, error=failure.text)
        raise sort(failure, write) from error
    call.status, call.request_id = 200, str(answer.get("request_id") or "")[:64]
    _keep(call, started)
    return answer


def _read(error: Exception) -> Failure:
    if isinstance(error, HTTPResponseError):
        return read_refusal(error.status, error.body, error.headers)
    cause = error.__context__ if isinstance(error, RequestTimeoutError) and error.__context__ else error
    sent = not isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return Failure(clipped(f"No answer from Notion. {type(cause).__name__}: {cause}"), sent=sent)


def _all_pages(route: str, send: Callable[..., Any], page_id: Id) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        answer = _call("GET", route, functools.partial(send, cursor=cursor), page_id)
        if answer["object"] != "list":
            yield answer
            return
        yield from answer["results"]
        cursor = answer["next_cursor"]
        if not answer["has_more"] or cursor is None:
            return


def _keep(call: NotionCall, started: float) -> None:
    call.duration_ms = round((time.monotonic() - started) * 1000)
    with transaction.atomic(durable=True):
        call.save(force_insert=True)
