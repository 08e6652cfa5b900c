"""The only room that speaks to Notion: one function for each call that the product makes.

Every HTTP attempt waits for the shared pace, leaves a NotionCall row, and ends in an answer or an exception:

* Later: not applied. Notion is busy, down or out of reach, or a read lost its answer.
* TooSlow, a Later: Notion ran out of time over a reading.
* Misconfigured: not applied. A person must mend the token, its capabilities, the sharing of a page or the plan.
* Never: not applied. Notion refuses the request as it is.
* Ambiguous (writes only): it may have been applied.
* Committed (writes only): it was applied, although Notion reports an error.

Nothing is retried here, and no call may be made inside a database transaction. Answers are Notion's JSON as it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import methodcaller
from typing import Any

import notion_client

from notion_sync.client.connection import TOKEN, Id, access, all_pages, answered_at, call, disconnect, is_sandbox
from notion_sync.failures import Ambiguous, Committed, NotShared, Refused, TooSlow

__all__ = [
    "TOKEN",
    "Ambiguous",
    "Body",
    "Committed",
    "NotShared",
    "QueryPage",
    "Refused",
    "TooSlow",
    "access",
    "disconnect",
    "is_sandbox",
]


@dataclass(frozen=True)
class Body:
    """A page's content as markdown. `truncated`, or `unknown_block_ids`: it is not all there."""

    markdown: str
    truncated: bool
    unknown_block_ids: tuple[str, ...]


@dataclass(frozen=True)
class QueryPage:
    """One page of results. `next_cursor` None: the last one. `capped`: Notion stopped at 10,000 results; more exist.

    `answered_at`: by Notion's clock; None where the answer does not say.
    """

    pages: list[dict[str, Any]]
    next_cursor: str | None
    capped: bool
    answered_at: datetime | None = None


def me() -> dict[str, Any]:
    """The integration's own user, with its workspace. https://developers.notion.com/reference/get-self"""
    return call("GET", "/v1/users/me", lambda notion: notion.users.me())


def retrieve_page(page_id: Id) -> dict[str, Any]:
    """A page with its properties; long values are cut at 25 entries. https://developers.notion.com/reference/retrieve-a-page"""
    return call("GET", "/v1/pages/{page_id}", lambda notion: notion.pages.retrieve(str(page_id)), page_id)


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
    return call("POST", "/v1/pages", lambda notion: notion.pages.create(**body), parent_page_id, write=True)


def update_page(
    page_id: Id, properties: Mapping[str, Any] | None = None, in_trash: bool | None = None
) -> dict[str, Any]:
    """Set property values, or move to or from the trash; returns the page. https://developers.notion.com/reference/patch-page"""
    body = {"properties": properties, "in_trash": in_trash}
    body = {name: value for name, value in body.items() if value is not None}
    return call(
        "PATCH", "/v1/pages/{page_id}", lambda notion: notion.pages.update(str(page_id), **body), page_id, write=True
    )


def page_markdown(page_id: Id) -> Body:
    """A page's content; see whether it is all there. https://developers.notion.com/reference/retrieve-page-markdown"""
    answer = call(
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

    return list(all_pages(route, send, page_id))


def block_children(block_id: Id) -> list[dict[str, Any]]:
    """All blocks right under a page or block. https://developers.notion.com/reference/get-block-children"""
    return list(each_block(block_id))


def each_block(block_id: Id) -> Iterator[dict[str, Any]]:
    """The blocks right under a page or block, asked for in hundreds while they are taken."""

    def send(notion: notion_client.Client, cursor: str | None) -> Any:
        return notion.blocks.children.list(str(block_id), page_size=100, start_cursor=cursor)

    return all_pages("/v1/blocks/{block_id}/children", send, block_id)


def append_children(
    block_id: Id, children: Sequence[Mapping[str, Any]], after: Id | None = None
) -> list[dict[str, Any]]:
    """Add blocks to a page, behind its block `after` or at its end. Returns the new blocks and what follows them.

    https://developers.notion.com/reference/patch-block-children
    """
    place: dict[str, Any] = {"position": {"type": "after_block", "after_block": {"id": str(after)}}} if after else {}

    def send(notion: notion_client.Client) -> Any:
        return notion.blocks.children.append(str(block_id), children=list(children), **place)

    results: list[dict[str, Any]] = call("PATCH", "/v1/blocks/{block_id}/children", send, block_id, write=True)[
        "results"
    ]
    return results


def update_block(block_id: Id, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what a block of that kind says, in one call. https://developers.notion.com/reference/update-a-block"""

    def send(notion: notion_client.Client) -> Any:
        return notion.blocks.update(str(block_id), **{kind: content})

    return call("PATCH", "/v1/blocks/{block_id}", send, block_id, write=True)


def create_view(page_id: Id, data_source_id: Id, name: str, filter: Mapping[str, Any]) -> dict[str, Any]:
    """A linked table of a data source at the end of a page. https://developers.notion.com/reference/create-view"""
    place = {"parent": {"type": "page_id", "page_id": str(page_id)}}
    body = {"data_source_id": str(data_source_id), "name": name, "type": "table", "filter": filter}

    def send(notion: notion_client.Client) -> Any:
        return notion.views.create(**body, create_database=place)

    return call("POST", "/v1/views", send, page_id, write=True)


def views(data_source_id: Id) -> list[dict[str, Any]]:
    """References to all views of a data source, linked ones included. https://developers.notion.com/reference/list-views"""

    def send(notion: notion_client.Client, cursor: str | None) -> Any:
        return notion.views.list(data_source_id=str(data_source_id), page_size=100, start_cursor=cursor)

    return list(all_pages("/v1/views", send))


def retrieve_view(view_id: Id) -> dict[str, Any]:
    """A view: name, data source, and the database block that it stands in. https://developers.notion.com/reference/retrieve-a-view"""
    return call("GET", "/v1/views/{view_id}", lambda notion: notion.views.retrieve(str(view_id)))


def search(text: str, kind: str, most: int = 100) -> list[dict[str, Any]]:
    """At most so many objects of `kind` (page, data_source) shared with us whose title holds `text`, last edited first.

    Notion's search lags and is never exhaustive. https://developers.notion.com/reference/post-search
    """
    body: dict[str, Any] = {"query": text, "filter": {"property": "object", "value": kind}, "page_size": 100}
    found: list[dict[str, Any]] = []
    while True:
        answer = call("POST", "/v1/search", methodcaller("search", **body))
        found += answer["results"]
        if len(found) >= most or not answer["has_more"]:
            return found[:most]
        body["start_cursor"] = answer["next_cursor"]


def users() -> dict[str, Any]:
    """One person of the workspace, or our bot: asked to learn whether we may. https://developers.notion.com/reference/get-users"""
    return call("GET", "/v1/users", lambda notion: notion.users.list(page_size=1))


def create_comment(page_id: Id, rich_text: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Open a discussion on a page. https://developers.notion.com/reference/create-a-comment"""
    body = {"parent": {"type": "page_id", "page_id": str(page_id)}, "rich_text": list(rich_text)}
    return call("POST", "/v1/comments", lambda notion: notion.comments.create(**body), page_id, write=True)


def comments(block_id: Id) -> list[dict[str, Any]]:
    """The open comments of a page or block itself. https://developers.notion.com/reference/list-comments"""

    def send(notion: notion_client.Client, cursor: str | None) -> Any:
        return notion.comments.list(block_id=str(block_id), page_size=100, start_cursor=cursor)

    return list(all_pages("/v1/comments", send, block_id))


def query(
    data_source_id: Id,
    *,
    edited_since: datetime | None = None,
    created_since: datetime | None = None,
    created_before: datetime | None = None,
    by_creation: bool = False,
    start_cursor: str | None = None,
    page_size: int = 100,
    filter: Mapping[str, Any] | None = None,
    in_trash: bool = False,
) -> QueryPage:
    """One page of a data source's live pages, oldest edit first, or oldest page first where `by_creation`.

    Times are aware; `edited_since` and `created_since` include that very moment, `created_before` does not. `in_trash`:
    of those in the trash instead.

    https://developers.notion.com/reference/query-a-data-source
    """
    bounds = (
        ("last_edited_time", "on_or_after", edited_since),
        ("created_time", "on_or_after", created_since),
        ("created_time", "before", created_before),
    )
    wanted = [dict(filter)] if filter else []
    wanted += [{"timestamp": time, time: {word: _exact(bound)}} for time, word, bound in bounds if bound is not None]
    body: dict[str, Any] = {
        "sorts": [{"timestamp": "created_time" if by_creation else "last_edited_time", "direction": "ascending"}],
        "page_size": page_size,
        "start_cursor": start_cursor,
    }
    if wanted:
        body["filter"] = wanted[0] if len(wanted) == 1 else {"and": wanted}
    if in_trash:
        body["in_trash"] = True
    answer = call(
        "POST",
        "/v1/data_sources/{data_source_id}/query",
        lambda notion: notion.data_sources.query(str(data_source_id), **body),
    )
    capped = (answer.get("request_status") or {}).get("type") == "incomplete"
    return QueryPage(answer["results"], answer["next_cursor"] if answer["has_more"] else None, capped, answered_at())


def _exact(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def find_by_emm_id(data_source_id: Id, property_id: str, emm_id: Id, *, in_trash: bool = False) -> list[dict[str, Any]]:
    """The live pages, or those in the trash, that carry this EMM_ID, at most five; several where someone made copies."""
    carries = {"property": property_id, "rich_text": {"equals": str(emm_id)}}
    return query(data_source_id, page_size=5, filter=carries, in_trash=in_trash).pages


def retrieve_database(database_id: Id) -> dict[str, Any]:
    """A database: title, parent and its data sources by id. https://developers.notion.com/reference/database-retrieve"""
    return call("GET", "/v1/databases/{database_id}", lambda notion: notion.databases.retrieve(str(database_id)))


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
    return call("POST", "/v1/databases", lambda notion: notion.databases.create(**body), parent_page_id, write=True)


def retrieve_data_source(data_source_id: Id) -> dict[str, Any]:
    """A data source with its properties, by name. https://developers.notion.com/reference/retrieve-a-data-source"""
    return call(
        "GET",
        "/v1/data_sources/{data_source_id}",
        lambda notion: notion.data_sources.retrieve(str(data_source_id)),
    )


def update_data_source(data_source_id: Id, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Add properties (new names) or change them (ids or names); returns the data source.

    https://developers.notion.com/reference/update-a-data-source
    """
    return call(
        "PATCH",
        "/v1/data_sources/{data_source_id}",
        lambda notion: notion.data_sources.update(str(data_source_id), properties=properties),
        write=True,
    )
