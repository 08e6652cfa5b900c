"""What the product asks Notion, and what each request leaves behind."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import structlog
from django.db import transaction

from emm.jobs import Later, Misconfigured, Never
from notion_sync import client
from notion_sync.models import InboxItem, NotionCall
from tests.notion_sync.answers import PAGE, TITLE, TOKEN, create, error, raising, read
from tests.world import Sandbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_pace")]


def test_each_attempt_leaves_a_row(notion: Any) -> None:
    notion(lambda request: httpx.Response(200, json={"object": "page", "request_id": "r-9"}))
    read()
    row = NotionCall.objects.get()
    assert (row.method, row.route, row.status, row.request_id) == ("GET", "/v1/pages/{page_id}", 200, "r-9")
    assert row.page_id == uuid.UUID(PAGE)
    assert row.error == ""


def test_a_failed_attempt_leaves_a_row_too(notion: Any) -> None:
    notion(error(400, "validation_error", "no\x00good " + "x" * 3000))
    with pytest.raises(Never):
        create()
    row = NotionCall.objects.get()
    assert (row.status, row.request_id) == (400, "r-1")
    assert "validation_error: no\ufffdgood" in row.error
    assert row.error.endswith("[cut]")


def test_an_attempt_without_an_answer_has_no_status(notion: Any) -> None:
    notion(raising(httpx.ReadTimeout("slow")))
    with pytest.raises(Later):
        read()
    row = NotionCall.objects.get()
    assert row.status is None
    assert "ReadTimeout" in row.error


def test_the_row_names_the_item_that_is_worked_on(notion: Any) -> None:
    notion(lambda request: httpx.Response(200, json={"object": "page"}))
    item = InboxItem.objects.create(title="An item")
    with structlog.contextvars.bound_contextvars(item=item.pk):
        read()
    assert NotionCall.objects.get().item == item


def test_no_call_is_made_inside_a_transaction(notion: Any) -> None:
    seen = notion(lambda request: httpx.Response(200, json={"object": "page"}))
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        read()
    assert seen == []


def test_the_token_is_in_no_row_and_no_log(notion: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    notion(error(401, "unauthorized"))
    with structlog.testing.capture_logs() as events, pytest.raises(Misconfigured) as caught:
        read()
    told = [caplog.text, json.dumps(events), str(caught.value), NotionCall.objects.get().error]
    assert not any(TOKEN in text for text in told)
    assert events


@pytest.mark.parametrize("token", ["", f"{TOKEN}\n", f"{TOKEN} ", "clé"])
def test_a_token_that_cannot_be_one_is_refused_without_showing_it(notion: Any, settings: Any, token: str) -> None:
    seen = notion(lambda request: httpx.Response(200, json={}))
    settings.NOTION_API_KEY = token
    with pytest.raises(Misconfigured) as caught:
        read()
    assert TOKEN not in str(caught.value)
    assert seen == []


def test_it_speaks_the_version_that_we_know_and_never_retries(notion: Any) -> None:
    seen = notion(error(503, "service_unavailable"))
    with pytest.raises(Later):
        read()
    assert [request.headers["Notion-Version"] for request in seen] == ["2026-03-11"]
    assert seen[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert seen[0].extensions["timeout"]["read"] == 60


def test_every_field_of_a_write_is_sent(notion: Any) -> None:
    seen = notion(lambda request: httpx.Response(200, json={"object": "page"}))
    icon = {"type": "emoji", "emoji": "⚖"}
    block = {"type": "divider", "divider": {}}
    client.create_page(TITLE, parent_data_source_id=PAGE, children=[block], icon=icon)
    client.update_page(PAGE, {"x": {"checkbox": True}}, in_trash=False)
    client.create_database(PAGE, "Tasks", "To do.", {"Name": {"title": {}}})
    client.update_data_source(PAGE, {"x": {"name": "y"}})
    bodies = [json.loads(request.content) for request in seen]
    parent = {"type": "data_source_id", "data_source_id": PAGE}
    assert bodies[0] == {"parent": parent, "properties": TITLE, "children": [block], "icon": icon}
    assert bodies[1] == {"properties": {"x": {"checkbox": True}}, "in_trash": False}
    assert bodies[2]["initial_data_source"] == {"properties": {"Name": {"title": {}}}}
    assert bodies[2]["title"][0]["text"]["content"] == "Tasks"
    assert bodies[3] == {"properties": {"x": {"name": "y"}}}


def test_a_query_asks_from_a_moment_on_oldest_edit_first(notion: Any) -> None:
    answer = {"object": "list", "results": [], "has_more": False, "next_cursor": None}
    seen = notion(lambda request: httpx.Response(200, json=answer))
    since = datetime(2026, 11, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    client.query(PAGE, edited_since=since, start_cursor="c", filter={"property": "a", "checkbox": {"equals": True}})
    assert json.loads(seen[0].content) == {
        "sorts": [{"timestamp": "last_edited_time", "direction": "ascending"}],
        "page_size": 100,
        "start_cursor": "c",
        "filter": {
            "and": [
                {"property": "a", "checkbox": {"equals": True}},
                {"timestamp": "last_edited_time", "last_edited_time": {"on_or_after": "2026-11-01T10:30:00.000+00:00"}},
            ]
        },
    }


def test_a_query_that_notion_cut_short_says_so(notion: Any) -> None:
    answer = {"object": "list", "results": [], "has_more": False, "next_cursor": None}
    cut = {"request_status": {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}}
    notion(lambda request: httpx.Response(200, json={**answer, **cut}))
    assert client.query(PAGE).capped is True
    notion(lambda request: httpx.Response(200, json=answer))
    assert client.query(PAGE) == client.QueryPage([], None, False)


def test_a_long_property_is_read_to_its_end(notion: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        second = "start_cursor" in request.url.params
        page = {"object": "list", "results": [{"n": int(second)}], "has_more": not second}
        return httpx.Response(200, json={**page, "next_cursor": None if second else "more"})

    seen = notion(answer)
    assert client.page_property(PAGE, "%3FbA") == [{"n": 0}, {"n": 1}]
    assert seen[0].url.raw_path.startswith(f"/notion/v1/pages/{PAGE}/properties/%3FbA?".encode())
    assert NotionCall.objects.count() == 2


def test_a_property_of_one_value_is_one_item(notion: Any) -> None:
    notion(lambda request: httpx.Response(200, json={"object": "property_item", "checkbox": True}))
    assert client.page_property(PAGE, "abcd") == [{"object": "property_item", "checkbox": True}]


def test_a_property_id_that_would_leave_its_path_is_never_asked_for(notion: Any) -> None:
    seen = notion(lambda request: httpx.Response(200, json={}))
    with pytest.raises(Never):
        client.page_property(PAGE, "..")
    assert seen == []


def test_a_page_has_exactly_one_parent() -> None:
    with pytest.raises(ValueError, match="one parent"):
        client.create_page(TITLE, parent_page_id=PAGE, parent_data_source_id=PAGE)


def test_it_works_with_a_workspace(sandbox: Sandbox) -> None:
    assert client.me()["type"] == "bot"
    paragraph = {"type": "paragraph", "paragraph": {"rich_text": [{"type": "text", "text": {"content": "Hello"}}]}}
    page = client.create_page(TITLE, parent_page_id=sandbox.root_page_id, children=[paragraph])
    assert client.page_markdown(page["id"]).markdown.strip() == "Hello"
    assert client.page_markdown(page["id"]).truncated is False
    assert [block["type"] for block in client.block_children(page["id"])] == ["paragraph"]
    properties: dict[str, Any] = {"Name": {"title": {}}, "EMM_ID": {"rich_text": {}}}
    database = client.create_database(sandbox.root_page_id, "Things", "Some things.", properties)
    assert client.retrieve_database(database["id"])["title"][0]["plain_text"] == "Things"
    source = database["data_sources"][0]["id"]
    key = client.retrieve_data_source(source)["properties"]["EMM_ID"]["id"]
    client.update_data_source(source, {"Done": {"checkbox": {}}})
    assert "Done" in client.retrieve_data_source(source)["properties"]
    emm_id = uuid.uuid4()
    row = client.create_page(
        {key: {"rich_text": [{"type": "text", "text": {"content": str(emm_id)}}]}}, parent_data_source_id=source
    )
    assert [found["id"] for found in client.find_by_emm_id(source, key, emm_id)] == [row["id"]]
    assert client.update_page(row["id"], in_trash=True)["in_trash"] is True
    assert client.find_by_emm_id(source, key, emm_id) == []
    assert client.query(source, edited_since=datetime.now(UTC) - timedelta(hours=1)).pages == []
