"""What the sandbox refuses, in Notion's words, so that the product meets here what it would meet there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Refused, World, block, options, text, title

UNKNOWN = "7855b161-f63e-4683-b7c7-8ca6e97ee266"


def test_it_wants_a_version(refused: Refused) -> None:
    headers = {"Notion-Version": ""}
    assert "Notion-Version should be defined" in refused(400, "missing_version", "GET", "/users/me", **headers)


def test_it_refuses_another_version(refused: Refused) -> None:
    refused(400, "missing_version", "GET", "/users/me", **{"Notion-Version": "2022-06-28"})


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer invalid", "Basic abc"])
def test_it_refuses_a_missing_or_invalid_token(refused: Refused, header: str) -> None:
    assert refused(401, "unauthorized", "GET", "/users/me", Authorization=header) == "API token is invalid."


def test_a_person_token_acts_as_the_person(world: World) -> None:
    me: Any = world.person.users.me()
    assert me["type"] == "person"
    source = world.source()
    page: Any = world.person.pages.create(parent={"data_source_id": source}, properties={"Name": title("Mine")})
    assert page["created_by"]["id"] == me["id"]
    edited: Any = world.notion.pages.update(page["id"], properties={"Name": title("Ours")})
    bot: Any = world.notion.users.me()
    assert (edited["created_by"]["id"], edited["last_edited_by"]["id"]) == (me["id"], bot["id"])


def test_it_refuses_an_address_that_is_none(refused: Refused) -> None:
    assert refused(400, "invalid_request_url", "GET", "/invalid") == "Invalid request URL."


def test_it_refuses_an_id_that_is_no_uuid(refused: Refused) -> None:
    message = refused(400, "validation_error", "GET", "/pages/12345678-1234-1234-1234-123456789abc")
    assert message.startswith("path failed validation: path.page_id should be a valid uuid")


@pytest.mark.parametrize("path", ["pages", "databases", "data_sources"])
def test_it_does_not_find_what_is_not_there(refused: Refused, path: str) -> None:
    message = refused(404, "object_not_found", "GET", f"/{path}/{UNKNOWN}")
    assert f"with ID: {UNKNOWN}. Make sure the relevant pages and databases are shared" in message


def test_it_does_not_find_what_is_not_shared(world: World, refused: Refused) -> None:
    database, source = world.database("Private")
    page = world.page(source)
    world.control("faults", kind="unshare", id=database)
    refused(404, "object_not_found", "GET", f"/pages/{page['id']}")
    refused(404, "object_not_found", "GET", f"/databases/{database}")
    refused(404, "object_not_found", "POST", f"/data_sources/{source}/query", {})
    refused(404, "object_not_found", "GET", f"/blocks/{page['id']}/children")


def test_it_takes_ids_without_dashes(world: World) -> None:
    page = world.page(world.source())
    found: Any = world.notion.pages.retrieve(page["id"].replace("-", ""))
    assert found["id"] == page["id"]


def test_it_refuses_a_body_that_is_no_json(world: World) -> None:
    headers = {"Authorization": "Bearer bot", "Notion-Version": "2026-03-11"}
    answer = world.http.post("/notion/v1/search", content=b"{not json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")


def test_it_refuses_unknown_keys(world: World, refused: Refused) -> None:
    message = refused(400, "validation_error", "POST", f"/data_sources/{world.source()}/query", {"pagesize": 5})
    assert message == "body failed validation: body.pagesize should be not present, instead was `5`."


@pytest.mark.parametrize("content", ["a\0b", "half a pair \ud83d"])
def test_it_refuses_text_that_no_database_holds(world: World, content: str) -> None:
    page = world.page(world.source())
    raw = b'{"properties": {"Name": {"title": [{"text": {"content": "%s"}}]}}}'
    escaped = "".join(f"\\u{ord(char):04x}" if char == "\0" or ord(char) > 127 else char for char in content)
    headers = {"Authorization": "Bearer bot", "Notion-Version": "2026-03-11"}
    url = f"/notion/v1/pages/{page['id']}"
    answer = world.http.patch(url, content=raw % escaped.encode(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


WRONG: list[tuple[str, Any]] = [
    ("Missing", {"number": 1}),
    ("Count", {"rich_text": []}),
    ("Count", {"number": "1"}),
    ("Count", {"number": True}),
    ("Flag", {"checkbox": "yes"}),
    ("Choice", {"select": "A"}),
    ("Choice", {"select": {"name": "a, b"}}),
    ("Tags", {"multi_select": [{"name": "x"}] * 101}),
    ("State", {"status": {"name": "Invented"}}),
    ("Day", {"date": {"start": "tomorrow"}}),
    ("Day", {"date": {"start": "2026-02-30"}}),
    ("Day", {"date": {"start": "2026-03-02", "end": "2026-03-01"}}),
    ("Day", {"date": {"start": "2026-03-02", "time_zone": "Mars/Olympus"}}),
    ("Link", {"url": ""}),
    ("Link", {"url": "https://example.com/" + "x" * 2000}),
    ("Owner", {"people": [{"id": UNKNOWN}]}),
    ("Owner", {"people": [{"id": "nobody"}]}),
    ("Made", {"created_time": "2026-01-01T00:00:00.000Z"}),
    ("Number", {"unique_id": {"number": 7}}),
    ("Text", {"rich_text": [text("x" * 2001)]}),
    ("Text", {"rich_text": [text("\N{GRINNING FACE}" * 1001)]}),
    ("Text", {"rich_text": [text("x")] * 101}),
    ("Text", {"rich_text": "plain"}),
    ("Text", {"rich_text": [{"text": {"content": "x", "link": {"url": "no address"}}}]}),
    ("Text", {"rich_text": [text("x", colour="red")]}),
    ("Text", {"rich_text": [text("x", color="ultraviolet")]}),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_it_refuses_values_that_do_not_fit(world: World, refused: Refused, name: str, value: Any) -> None:
    source = world.source(
        Count={"number": {}}, Flag={"checkbox": {}}, Choice=options("A"), Tags={"multi_select": {}},
        State={"status": {}}, Day={"date": {}}, Link={"url": {}}, Owner={"people": {}}, Made={"created_time": {}},
        Number={"unique_id": {"prefix": None}}, Text={"rich_text": {}},
    )  # fmt: skip
    body = {"parent": {"data_source_id": source}, "properties": {"Name": title("x"), name: value}}
    refused(400, "validation_error", "POST", "/pages", body)


def test_it_names_the_unknown_property_and_the_expected_type(world: World, refused: Refused) -> None:
    page = world.page(world.source(Count={"number": {}}))
    path = f"/pages/{page['id']}"
    message = refused(400, "validation_error", "PATCH", path, {"properties": {"Nope": {"number": 1}}})
    assert message == "Nope is not a property that exists."
    message = refused(400, "validation_error", "PATCH", path, {"properties": {"Count": {"checkbox": True}}})
    assert message == "Count is expected to be number."


def test_it_counts_text_in_utf16_units(world: World) -> None:
    page = world.page(world.source(Text={"rich_text": {}}), Text={"rich_text": [text("\N{GRINNING FACE}" * 1000)]})
    assert len(page["properties"]["Text"]["rich_text"][0]["plain_text"]) == 1000


def test_it_drops_empty_rich_text_items(world: World) -> None:
    page = world.page(world.source(Text={"rich_text": {}}), Text={"rich_text": [text(""), text("kept")]})
    assert [item["plain_text"] for item in page["properties"]["Text"]["rich_text"]] == ["kept"]


def test_a_select_makes_the_option_that_it_is_given(world: World) -> None:
    source = world.source(Choice=options("A"))
    page = world.page(source, Choice={"select": {"name": "B"}})
    schema: Any = world.notion.data_sources.retrieve(source)
    assert page["properties"]["Choice"]["select"]["name"] == "B"
    assert [option["name"] for option in schema["properties"]["Choice"]["select"]["options"]] == ["A", "B"]


def test_a_moment_is_cut_to_its_minute_with_its_zone_worked_in(world: World) -> None:
    start = {"start": "2026-06-27T17:57:32.424991", "time_zone": "Europe/London"}
    page = world.page(world.source(Day={"date": {}}), Day={"date": start})
    wanted = {"start": "2026-06-27T17:57:00.000+01:00", "end": None, "time_zone": None}
    assert page["properties"]["Day"]["date"] == wanted


def test_times_are_floored_to_the_minute_except_on_databases(world: World) -> None:
    database, source = world.database("Things")
    page = world.page(source, children=[block("paragraph", "x")])
    schema: Any = world.notion.data_sources.retrieve(source)
    held: Any = world.notion.databases.retrieve(database)
    body: Any = world.notion.blocks.children.list(page["id"])
    for stamp in (page["created_time"], schema["last_edited_time"], body["results"][0]["created_time"]):
        assert stamp.endswith(":00.000Z")
    assert held["created_time"].endswith("+00:00")


def nested(levels: int) -> dict[str, Any]:
    found = block("toggle", "deep")
    for _ in range(levels):
        found = block("toggle", "around", children=[found])
    return found


TOO_MUCH: list[list[dict[str, Any]]] = [
    [block("paragraph")] * 101,
    [nested(3)],
    [block("toggle", "x", children=[block("paragraph")] * 100)] * 10,
    [block("paragraph", "x" * 2001)],
    [block("divider", "x")],
    [{"type": "unknown", "unknown": {}}],
    [block("heading_1", "x", children=[block("paragraph")])],
    [{"type": "table", "table": {"table_width": 2, "children": [{"type": "table_row", "table_row": {"cells": [[]]}}]}}],
    [{"type": "table", "table": {"table_width": 2}}],
    [{"type": "column_list", "column_list": {"children": []}}],
    [{**block("paragraph"), "children": []}],
]


@pytest.mark.parametrize("children", TOO_MUCH)
def test_it_refuses_bodies_beyond_the_limits(world: World, refused: Refused, children: list[Any]) -> None:
    body = {"parent": {"page_id": world.root}, "properties": {"title": title("x")}, "children": children}
    refused(400, "validation_error", "POST", "/pages", body)
    counts = world.http.get("/control/counts").json()
    assert (counts["pages"], counts["blocks"]) == (1, 0)


def test_it_takes_two_nesting_levels_in_one_request(world: World) -> None:
    page = world.page(world.source(), children=[nested(2)])
    found, depth = page["id"], 0
    while True:
        listing: Any = world.notion.blocks.children.list(found)
        if not listing["results"]:
            break
        found, depth = listing["results"][0]["id"], depth + 1
    assert depth == 3


def test_it_refuses_more_than_500_kilobytes(world: World, refused: Refused) -> None:
    many = [block("paragraph", "x" * 2000, color="default") for _ in range(10)]
    children = [{**block("toggle", "y"), "toggle": {"rich_text": [], "children": many * 9}}] * 3
    body = {"parent": {"page_id": world.root}, "properties": {"title": title("x")}, "children": children}
    assert "body.length" in refused(400, "validation_error", "POST", "/pages", body)


def test_a_page_in_the_trash_takes_nothing_but_its_way_out(world: World, refused: Refused) -> None:
    page = world.page(world.source())
    path = f"/pages/{page['id']}"
    world.notion.pages.update(page["id"], in_trash=True)
    message = refused(400, "validation_error", "PATCH", path, {"properties": {"Name": title("y")}})
    assert message.startswith("Can't edit block that is archived.")
    children = {"children": [block("paragraph", "x")]}
    refused(400, "validation_error", "PATCH", f"/blocks/{page['id']}/children", children)
    restored: Any = world.notion.pages.update(page["id"], in_trash=False)
    assert restored["in_trash"] is False
    world.notion.pages.update(page["id"], properties={"Name": title("y")})


def test_a_refused_write_leaves_nothing_behind(world: World, refused: Refused) -> None:
    source, other = world.source(), world.source("Other")
    dual = {"data_source_id": other, "type": "dual_property", "dual_property": {}}
    properties = {"Fine": {"relation": dual}, "Not fine": {"number": {"format": "furlongs"}}}
    refused(400, "validation_error", "PATCH", f"/data_sources/{source}", {"properties": properties})
    for untouched in (source, other):
        schema: Any = world.notion.data_sources.retrieve(untouched)
        assert list(schema["properties"]) == ["Name"]


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_it_serves_no_operation_that_the_product_does_not_call(refused: Refused, method: str) -> None:
    refused(400, "invalid_request_url", method, f"/comments/{UNKNOWN}", {})
