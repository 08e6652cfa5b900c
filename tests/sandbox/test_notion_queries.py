"""Queries: filters, sorts, cursors and the cap."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import Refused, World, options, text, title

BY_EDIT = [{"timestamp": "last_edited_time", "direction": "ascending"}]


def names(world: World, source: str, **query: Any) -> list[str]:
    """The titles that a query finds, page by page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer: Any = world.notion.data_sources.query(source, **query, **cursor)
        found += [page["properties"]["Name"]["title"][0]["plain_text"] for page in answer["results"]]
        if not answer["has_more"]:
            assert answer["next_cursor"] is None
            return found
        cursor = {"start_cursor": answer["next_cursor"]}


@pytest.fixture
def library(world: World) -> str:
    """Three pages with values of every filterable kind; the last one is empty."""
    source = world.source(
        Text={"rich_text": {}}, Count={"number": {}}, Choice=options("Low", "High"), Tags={"multi_select": {}},
        State={"status": {}}, Day={"date": {}}, Owner={"people": {}}, Flag={"checkbox": {}}, Link={"url": {}},
        Number={"unique_id": {"prefix": "LIB"}}, Made={"created_time": {}}, By={"created_by": {}},
    )  # fmt: skip
    me: Any = world.person.users.me()
    world.page(
        source, "one", Text={"rich_text": [text("Hello World")]}, Count={"number": 1},
        Choice={"select": {"name": "High"}}, Tags={"multi_select": [{"name": "red"}, {"name": "blue"}]},
        State={"status": {"name": "Done"}}, Day={"date": {"start": "2026-03-01"}}, Flag={"checkbox": True},
        Owner={"people": [{"id": me["id"]}]}, Link={"url": "https://example.com/one"},
    )  # fmt: skip
    world.page(
        source, "two", Text={"rich_text": [text("goodbye world")]}, Count={"number": 2.5},
        Choice={"select": {"name": "Low"}}, Tags={"multi_select": [{"name": "red"}]},
        State={"status": {"name": "In progress"}}, Day={"date": {"start": "2026-03-02T10:00:00Z"}},
    )  # fmt: skip
    world.person.pages.create(parent={"data_source_id": source}, properties={"Name": title("three")})
    return source


FOUND: list[tuple[str, dict[str, Any], set[str]]] = [
    ("Text", {"rich_text": {"contains": "WORLD"}}, {"one", "two"}),
    ("Text", {"rich_text": {"equals": "hello world"}}, {"one"}),
    ("Text", {"rich_text": {"does_not_equal": "hello world"}}, {"two", "three"}),
    ("Text", {"rich_text": {"does_not_contain": "good"}}, {"one", "three"}),
    ("Text", {"rich_text": {"starts_with": "Good"}}, {"two"}),
    ("Text", {"rich_text": {"ends_with": "world"}}, {"one", "two"}),
    ("Text", {"rich_text": {"is_empty": True}}, {"three"}),
    ("Name", {"title": {"equals": "one"}}, {"one"}),
    ("Link", {"url": {"is_not_empty": True}}, {"one"}),
    ("Count", {"number": {"greater_than": 1}}, {"two"}),
    ("Count", {"number": {"does_not_equal": 1}}, {"two", "three"}),
    ("Count", {"number": {"is_empty": True}}, {"three"}),
    ("Choice", {"select": {"equals": "High"}}, {"one"}),
    ("Choice", {"select": {"does_not_equal": "High"}}, {"two", "three"}),
    ("Tags", {"multi_select": {"contains": "blue"}}, {"one"}),
    ("Tags", {"multi_select": {"does_not_contain": "blue"}}, {"two", "three"}),
    ("State", {"status": {"equals": "Done"}}, {"one"}),
    ("Day", {"date": {"equals": "2026-03-02"}}, {"two"}),
    ("Day", {"date": {"on_or_before": "2026-03-01"}}, {"one"}),
    ("Day", {"date": {"after": "2026-03-02T09:59:00+00:00"}}, {"two"}),
    ("Day", {"date": {"is_not_empty": True}}, {"one", "two"}),
    ("Flag", {"checkbox": {"equals": False}}, {"two", "three"}),
    ("Number", {"unique_id": {"greater_than_or_equal_to": 2}}, {"two", "three"}),
    ("Owner", {"people": {"is_not_empty": True}}, {"one"}),
    ("Made", {"created_time": {"past_week": {}}}, {"one", "two", "three"}),
]


@pytest.mark.parametrize(("name", "condition", "expected"), FOUND)
def test_a_filter_finds_what_notion_would(
    world: World, library: str, name: str, condition: dict[str, Any], expected: set[str]
) -> None:
    assert set(names(world, library, filter={"property": name, **condition})) == expected


def test_people_filters_find_who_made_a_page(world: World, library: str) -> None:
    me: Any = world.person.users.me()
    assert names(world, library, filter={"property": "By", "created_by": {"contains": me["id"]}}) == ["three"]


def test_compounds_nest_two_levels_and_no_deeper(world: World, library: str, refused: Refused) -> None:
    one = {"property": "Count", "number": {"equals": 1}}
    three = {"property": "Count", "number": {"is_empty": True}}
    text_is_there = {"property": "Text", "rich_text": {"is_not_empty": True}}
    either = {"or": [one, three]}
    assert set(names(world, library, filter={"and": [either, text_is_there]})) == {"one"}
    deep = {"and": [{"or": [{"and": [one]}]}]}
    refused(400, "validation_error", "POST", f"/data_sources/{library}/query", {"filter": deep})


BAD_QUERIES: list[dict[str, Any]] = [
    {"page_size": 101},
    {"page_size": 0},
    {"start_cursor": "7855b161-f63e-4683-b7c7-8ca6e97ee266"},
    {"filter": {"property": "Nope", "number": {"equals": 1}}},
    {"filter": {"property": "Count", "rich_text": {"equals": "1"}}},
    {"filter": {"property": "Count", "number": {"contains": 1}}},
    {"filter": {"property": "Day", "date": {"equals": "soon"}}},
    {"filter": {"and": [{"property": "Count", "number": {"equals": 1}}] * 101}},
    {"filter": {"timestamp": "edited", "edited": {"after": "2026-01-01"}}},
    {"sorts": [{"property": "Nope", "direction": "ascending"}]},
    {"sorts": [{"property": "Count", "direction": "up"}]},
]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_it_refuses_queries_that_make_no_sense(
    world: World, library: str, refused: Refused, query: dict[str, Any]
) -> None:
    refused(400, "validation_error", "POST", f"/data_sources/{library}/query", query)


def test_a_cursor_is_good_for_its_own_query_only(world: World, library: str, refused: Refused) -> None:
    answer: Any = world.notion.data_sources.query(library, page_size=1, sorts=BY_EDIT)
    body = {"start_cursor": answer["next_cursor"]}
    refused(400, "validation_error", "POST", f"/data_sources/{library}/query", body)


def test_pages_are_sorted_with_empty_values_last(world: World, library: str) -> None:
    assert names(world, library, sorts=[{"property": "Count", "direction": "descending"}]) == ["two", "one", "three"]
    assert names(world, library, sorts=[{"property": "Choice", "direction": "ascending"}]) == ["two", "one", "three"]


def test_cursors_walk_through_all_pages_once(world: World) -> None:
    source = world.source()
    made = world.control("bulk", data_source_id=source, count=25, spread_seconds=60)
    assert len(made["ids"]) == 25
    in_order = [f"Item {number}" for number in range(1, 26)]
    assert names(world, source, sorts=BY_EDIT, page_size=7) == in_order
    by_name = [{"property": "Name", "direction": "descending"}]
    assert names(world, source, sorts=by_name, page_size=7) == sorted(in_order, reverse=True)


def test_a_page_edited_while_paging_is_met_again_at_the_end(world: World) -> None:
    source = world.source()
    ids = world.control("bulk", data_source_id=source, count=6, spread_seconds=60)["ids"]
    world.control("age", seconds=3600)
    first: Any = world.notion.data_sources.query(source, sorts=BY_EDIT, page_size=3)
    world.notion.pages.update(ids[0], properties={"Name": title("Edited")})
    rest: Any = world.notion.data_sources.query(source, sorts=BY_EDIT, start_cursor=first["next_cursor"])
    assert [page["id"] for page in first["results"]] == ids[:3]
    assert [page["id"] for page in rest["results"]] == [*ids[3:], ids[0]]


def test_timestamp_bounds_are_inclusive_to_the_minute(world: World) -> None:
    source = world.source()
    world.control("bulk", data_source_id=source, count=5, spread_seconds=60)
    everything: Any = world.notion.data_sources.query(source, sorts=BY_EDIT)
    third = everything["results"][2]["last_edited_time"]
    minute_after = (datetime.fromisoformat(third) + timedelta(seconds=30)).astimezone(UTC).isoformat()

    def found(**condition: str) -> int:
        query = {"timestamp": "last_edited_time", "last_edited_time": condition}
        both = {"and": [query, {"property": "Name", "title": {"contains": "Item"}}]}
        assert len(names(world, source, filter=query)) == len(names(world, source, filter=both))
        return len(names(world, source, filter=query))

    assert found(on_or_after=third) == 3
    assert found(after=third) == 2
    assert found(on_or_before=third) == 3
    assert found(before=third) == 2
    assert found(on_or_after=minute_after) == 2
    assert found(equals=third) == 1
    assert found(on_or_after=third, before=minute_after) == 1


def test_the_trash_is_left_out_unless_asked_for(world: World, library: str) -> None:
    answer: Any = world.notion.data_sources.query(library)
    world.notion.pages.update(answer["results"][0]["id"], in_trash=True)
    assert set(names(world, library)) == {"one", "two"}
    assert names(world, library, in_trash=True) == ["three"]


def test_filter_properties_choose_what_is_shown(world: World, library: str) -> None:
    schema: Any = world.notion.data_sources.retrieve(library)
    wanted = schema["properties"]["Count"]["id"]
    answer: Any = world.notion.data_sources.query(library, filter_properties=["title", wanted])
    assert {tuple(sorted(page["properties"])) for page in answer["results"]} == {("Count", "Name")}


def test_a_page_shows_25_rich_text_items_and_the_property_shows_all(world: World) -> None:
    source = world.source(Text={"rich_text": {}})
    items = [text(str(number), bold=bool(number % 2)) for number in range(40)]
    page = world.page(source, Text={"rich_text": items})
    shown = page["properties"]["Text"]
    assert len(shown["rich_text"]) == 25
    whole: Any = world.notion.pages.properties.retrieve(page["id"], shown["id"])
    assert len(whole["results"]) == 40


def test_a_query_ends_at_ten_thousand_results_and_says_so(world: World) -> None:
    source = world.source()
    started = time.monotonic()
    world.control("bulk", data_source_id=source, count=10_050)
    assert time.monotonic() - started < 10
    cursor: dict[str, str] = {}
    pages, answer = 0, {"has_more": True, "results": []}
    while answer["has_more"]:
        found: Any = world.notion.data_sources.query(source, sorts=BY_EDIT, filter_properties=["title"], **cursor)
        answer, pages, cursor = found, pages + 1, {"start_cursor": found["next_cursor"]}
        assert ("request_status" in found) == (pages == 100)
    assert pages == 100
    assert answer["next_cursor"] is None
    incomplete = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
    assert answer["request_status"] == incomplete


def test_new_pages_can_be_late_in_queries(world: World) -> None:
    source = world.source()
    world.fault("query_lag", seconds=3600)
    page = world.page(source)
    assert names(world, source) == []
    found: Any = world.notion.pages.retrieve(page["id"])
    assert found["id"] == page["id"]
    world.control("reset")
