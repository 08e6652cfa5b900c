"""Every kind of answer fits Notion's published description of it."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from tests.sandbox.conftest import World, block, options, text, title

FOLDER = os.environ.get("NOTION_CONTRACT_DIR", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="NOTION_CONTRACT_DIR is unset: Notion's description is not at hand")


@functools.cache
def description() -> dict[str, Any]:
    return dict(json.loads((Path(FOLDER) / "openapi-2026-03-11.json").read_text()))


@functools.cache
def validator(path: str, method: str, status: str) -> Any:
    """The validator of one operation's answer."""
    answer = description()["paths"][path][method]["responses"][status]
    schema = {**answer["content"]["application/json"]["schema"], "components": description()["components"]}
    return jsonschema.Draft202012Validator(schema)


def fits(answer: httpx.Response) -> Any:
    """The body of an answer, once it fits the description."""
    asked = answer.request.url.path.removeprefix("/notion")
    method = answer.request.method.lower()
    for path, operations in description()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", path)
        if method in operations and re.fullmatch(pattern, asked):
            error = next(validator(path, method, str(answer.status_code)).iter_errors(answer.json()), None)
            assert error is None, f"{method} {path}: {jsonschema.exceptions.best_match([error])}"
            return answer.json()
    raise AssertionError(f"not described: {method} {asked}")


@pytest.fixture
def made(world: World) -> dict[str, str]:
    """A workspace with every type of property and block: ids by what they are."""
    other = world.source("Other")
    database, source = world.database(
        "Everything", Text={"rich_text": {}}, Count={"number": {"format": "percent"}}, Choice=options("A"),
        Tags={"multi_select": {"options": [{"name": "x", "color": "red"}]}}, State={"status": {}}, Day={"date": {}},
        Owner={"people": {}}, Files={"files": {}}, Flag={"checkbox": {}}, Link={"url": {}}, Mail={"email": {}},
        Phone={"phone_number": {}}, Made={"created_time": {}}, Edited={"last_edited_time": {}},
        By={"created_by": {}}, Hand={"last_edited_by": {}}, ID={"unique_id": {"prefix": "ALL"}},
        One={"relation": {"data_source_id": other, "single_property": {}}},
        Two={"relation": {"data_source_id": other, "type": "dual_property", "dual_property": {}}},
    )  # fmt: skip
    target, me = world.page(other), world.call("GET", "/users/me").json()
    page = world.page(
        source, children=every_block(),
        Text={"rich_text": [text("bold", bold=True, color="red"), {"mention": {"user": {"id": me["id"]}}},
                            {"mention": {"page": {"id": target["id"]}}}, {"equation": {"expression": "x"}}]},
        Count={"number": 0.5}, Choice={"select": {"name": "A"}}, Tags={"multi_select": [{"name": "y"}]},
        State={"status": {"name": "Done"}}, Day={"date": {"start": "2026-01-01", "end": "2026-01-02"}},
        Owner={"people": [{"id": me["id"]}]}, Flag={"checkbox": True}, Link={"url": "https://example.com"},
        Files={"files": [{"name": "f", "external": {"url": "https://example.com/f"}}]},
        Mail={"email": "a@example.com"}, Phone={"phone_number": "1"}, One={"relation": [{"id": target["id"]}]},
        Two={"relation": [{"id": target["id"]}]},
    )  # fmt: skip
    world.page(source, "Empty")
    return {"database": database, "source": source, "page": page["id"], "other": other, "target": target["id"]}


def every_block() -> list[dict[str, Any]]:
    """One block of each type, some with children."""
    row = {"type": "table_row", "table_row": {"cells": [[text("a")], []]}}
    columns = [{"type": "column", "column": {"children": [block("paragraph", "x")]}}] * 2
    plain = ["paragraph", "heading_1", "heading_2", "heading_3", "bulleted_list_item", "numbered_list_item", "to_do"]
    return [
        *(block(kind, kind) for kind in [*plain, "quote", "callout"]),
        block("toggle", "toggle", children=[block("paragraph", "held")]),
        {"type": "divider", "divider": {}},
        block("code", "x = 1", language="python"),
        {"type": "bookmark", "bookmark": {"url": "https://example.com"}},
        {"type": "table", "table": {"table_width": 2, "has_column_header": True, "children": [row]}},
        {"type": "column_list", "column_list": {"children": columns}},
    ]


def test_reads_fit_the_description(world: World, made: dict[str, str]) -> None:
    fits(world.call("GET", "/users/me"))
    fits(world.call("GET", "/users"))
    fits(world.call("GET", f"/databases/{made['database']}"))
    fits(world.call("GET", f"/data_sources/{made['source']}"))
    fits(world.call("GET", f"/data_sources/{made['other']}"))
    fits(world.call("GET", f"/pages/{made['page']}"))
    fits(world.call("GET", f"/pages/{made['page']}/markdown"))
    fits(world.call("GET", f"/pages/{world.root}"))
    assert len(fits(world.call("GET", f"/blocks/{made['page']}/children"))["results"]) == 15
    assert len(fits(world.call("GET", f"/blocks/{world.root}/children"))["results"]) == 2


def test_every_property_item_fits_the_description(world: World, made: dict[str, str]) -> None:
    page = fits(world.call("GET", f"/pages/{made['page']}"))
    assert len(page["properties"]) == 20
    for value in page["properties"].values():
        fits(world.call("GET", f"/pages/{made['page']}/properties/{value['id']}"))


def test_listings_fit_the_description(world: World, made: dict[str, str]) -> None:
    query = f"/data_sources/{made['source']}/query"
    first = fits(world.call("POST", query, {"page_size": 1}))
    fits(world.call("POST", query, {"start_cursor": first["next_cursor"]}))
    fits(world.call("POST", "/search", {}))
    world.call("POST", "/comments", {"parent": {"page_id": made["page"]}, "rich_text": [text("said")]})
    fits(world.call("GET", f"/comments?block_id={made['page']}"))


def test_writes_fit_the_description(world: World, made: dict[str, str]) -> None:
    parent = {"type": "page_id", "page_id": world.root}
    fits(world.call("POST", "/databases", {"parent": parent, "title": [text("New")]}))
    fits(world.call("PATCH", f"/databases/{made['database']}", {"title": [text("Renamed")]}))
    fits(world.call("PATCH", f"/data_sources/{made['source']}", {"properties": {"More": {"number": {}}}}))
    body = {"parent": {"data_source_id": made["source"]}, "properties": {"Name": title("x")}}
    page = fits(world.call("POST", "/pages", body))
    fits(world.call("PATCH", f"/pages/{page['id']}", {"icon": {"emoji": "\N{ROCKET}"}}))
    appended = fits(world.call("PATCH", f"/blocks/{page['id']}/children", {"children": every_block()}))
    fits(world.call("DELETE", f"/blocks/{appended['results'][0]['id']}"))
    content = {"type": "replace_content", "replace_content": {"new_str": "# New"}}
    fits(world.call("PATCH", f"/pages/{page['id']}/markdown", content))
    fits(world.call("POST", "/comments", {"parent": {"page_id": page["id"]}, "rich_text": [text("said")]}))
    fits(world.call("PATCH", f"/pages/{page['id']}", {"in_trash": True}))


def test_errors_fit_the_description(world: World) -> None:
    fits(world.call("GET", "/pages/nonsense"))
    fits(world.call("GET", "/pages/7855b161-f63e-4683-b7c7-8ca6e97ee266"))
    fits(world.call("GET", "/users/me", Authorization="Bearer invalid"))
    fits(world.call("GET", "/users/me", **{"Notion-Version": ""}))
    fits(world.call("POST", "/search", {"unknown": 1}))
    for kind in ("409", "429", "500", "503", "504"):
        world.fault(kind)
        assert fits(world.call("POST", "/search", {}))["status"] == int(kind)


def recorded(kind: str) -> set[str]:
    """The keys that every recorded object of a kind has, request_id aside."""
    exchanges = json.loads((Path(FOLDER) / "exchanges.json").read_text())
    answers = [e["response"] for e in exchanges if e["notion_version"] == "2026-03-11" and e["response"]]
    objects = [item for answer in answers for item in [answer, *answer.get("results", [])]]
    keys = [set(item) for item in objects if item.get("object") == kind and "created_time" in item]
    return set.intersection(*keys) - {"request_id", "cover"}


def test_our_objects_have_every_key_of_the_recorded_ones(world: World, made: dict[str, str]) -> None:
    children = world.call("GET", f"/blocks/{made['page']}/children").json()["results"]
    body = {"parent": {"page_id": made["page"]}, "rich_text": [text("said")]}
    ours = {
        "page": world.call("GET", f"/pages/{made['page']}").json(),
        "data_source": world.call("GET", f"/data_sources/{made['source']}").json(),
        "database": world.call("GET", f"/databases/{made['database']}").json(),
        "block": children[0],
        "comment": world.call("POST", "/comments", body).json(),
    }
    for kind, shown in ours.items():
        assert len(recorded(kind)) > 5
        assert recorded(kind) - set(shown) == set(), kind


def test_the_recorded_error_of_a_missing_page_reads_like_ours(world: World) -> None:
    exchanges = json.loads((Path(FOLDER) / "exchanges.json").read_text())
    recorded = next(e for e in exchanges if e["status"] == 404 and "/v1/pages/" in e["path"])
    path = recorded["path"].removeprefix("/v1")
    ours, theirs = world.call("GET", path).json(), recorded["response"]
    assert ours.keys() == theirs.keys()
    assert ours["message"].partition('"')[0] == theirs["message"].partition('"')[0]


def test_views_data_sources_and_blocks_fit(world: World, made: dict[str, str]) -> None:
    root = world.call("GET", "/blocks/d0000000-0000-4000-8000-000000000001/children").json()["results"]
    assert root
    where = {"parent": {"type": "page_id", "page_id": "d0000000-0000-4000-8000-000000000001"}}
    wanted = {"data_source_id": made["source"], "name": "Chosen", "type": "table", "create_database": where}
    chosen = {"property": "Choice", "select": {"equals": "A"}}
    view = fits(world.call("POST", "/views", {**wanted, "filter": chosen}))
    fits(world.call("GET", f"/views/{view['id']}"))
    listed = fits(world.call("GET", f"/views?data_source_id={made['source']}"))["results"]
    assert [one["id"] for one in listed][1:] == [view["id"]]  # the first is the database's own
    second = {"parent": {"type": "database_id", "database_id": made["database"]}, "properties": {"N": {"title": {}}}}
    fits(world.call("POST", "/data_sources", {**second, "title": [text("Second")]}))
    assert len(fits(world.call("GET", f"/databases/{made['database']}"))["data_sources"]) == 2
    callout = world.call("GET", f"/blocks/{made['page']}/children").json()["results"][0]
    kind = callout["type"]
    fits(world.call("PATCH", f"/blocks/{callout['id']}", {kind: {"rich_text": [text("new")]}}))


def test_what_the_integration_may_not_do_is_refused_and_a_plan_has_an_end(world: World, made: dict[str, str]) -> None:
    world.control("faults", kind="lacking", capabilities=["user information", "read comments"])
    assert fits(world.call("GET", "/users"))["code"] == "restricted_resource"
    assert fits(world.call("GET", f"/comments?block_id={made['page']}"))["code"] == "restricted_resource"
    assert world.call("GET", "/users/me").is_success
    world.control("faults", kind="block_limit", blocks=1)
    page = {"parent": {"page_id": made["page"]}, "properties": {}}
    assert "block_limit" in fits(world.call("POST", "/pages", page))["additional_data"]
    assert world.call("PATCH", f"/pages/{made['page']}", {"properties": {"Flag": {"checkbox": False}}}).is_success
