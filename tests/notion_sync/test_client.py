"""What the product asks Notion, what it leaves behind, and how each failure is sorted."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import structlog
from django.core.exceptions import ValidationError
from django.db import transaction

from emm.jobs import Later, Misconfigured, Never
from notion_sync import client, pace, standstill
from notion_sync.failures import NotShared
from notion_sync.models import InboxItem, NotionCall, Standstill
from tests.world import Sandbox

pytestmark = pytest.mark.django_db
PAGE = "d0000000-0000-4000-8000-000000000001"
TOKEN = "ntn_0123456789abcdefghijklmnopqrstuvwxyz"
TITLE = {"title": {"title": [{"type": "text", "text": {"content": "A page"}}]}}
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def own_pace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pace, "KEY", f"test:pace:{uuid.uuid4()}")
    yield
    client.disconnect()


@pytest.fixture
def notion(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[Answer], list[httpx.Request]]:
    """Put an answering function in Notion's place; returns the requests that come to it."""
    settings.NOTION_API_KEY, settings.NOTION_BASE_URL = TOKEN, "http://127.0.0.1:1/notion"

    def answer_with(answer: Answer) -> list[httpx.Request]:
        seen: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return answer(request)

        monkeypatch.setattr(
            client.connection, "http_client", lambda: httpx.Client(transport=httpx.MockTransport(handle))
        )
        client.disconnect()
        return seen

    return answer_with


def error(
    status: int, code: str, message: str = "why", headers: dict[str, str] | None = None, **details: Any
) -> Answer:
    body = {"object": "error", "status": status, "code": code, "message": message, "request_id": "r-1"}
    return lambda request: httpx.Response(status, json={**body, "additional_data": details}, headers=headers)


def raising(failure: Exception) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise failure

    return answer


def read() -> Any:
    return client.retrieve_page(PAGE)


def create() -> Any:
    return client.create_page(TITLE, parent_page_id=PAGE)


def change() -> Any:
    return client.update_page(PAGE, in_trash=True)


AMBIGUOUS = {
    "500": error(500, "internal_server_error"),
    "502 of a gateway": lambda request: httpx.Response(502, text="<h1>Bad Gateway</h1>"),
    "503": error(503, "service_unavailable"),
    "503 with an id that is none": error(503, "service_unavailable", committed_resource_id="x"),
    "504": error(504, "gateway_timeout"),
    "409": error(409, "conflict_error"),
    "a timeout": raising(httpx.ReadTimeout("slow")),
    "a slow write": raising(httpx.WriteTimeout("slow")),
    "a reset": raising(httpx.ReadError("reset")),
    "a closed connection": raising(httpx.RemoteProtocolError("disconnected")),
    "half an answer": lambda request: httpx.Response(200, text='{"object": "pa'),
    "an answer that is no text": lambda request: httpx.Response(200, content=b"\xff\xfe\xff"),
    "an answer that is no object": lambda request: httpx.Response(200, text="[]"),
}
UNSENT = {
    "refused": raising(httpx.ConnectError("refused")),
    "no route": raising(httpx.ConnectTimeout("slow")),
    "no free connection": raising(httpx.PoolTimeout("full")),
}


@pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("write", [create, change])
def test_a_write_that_may_have_been_applied_is_ambiguous(notion: Any, answer: Answer, write: Callable[[], Any]) -> None:
    seen = notion(answer)
    with pytest.raises(client.Ambiguous):
        write()
    assert len(seen) == 1


@pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_read_that_lost_its_answer_is_tried_later(notion: Any, answer: Answer) -> None:
    seen = notion(answer)
    with pytest.raises(Later) as caught:
        read()
    assert caught.value.until == timedelta(seconds=10)
    assert len(seen) == 1


@pytest.mark.parametrize("answer", UNSENT.values(), ids=UNSENT)
def test_a_write_of_which_no_byte_left_is_tried_later(notion: Any, answer: Answer) -> None:
    notion(answer)
    with pytest.raises(Later):
        create()


def test_a_write_saved_behind_an_error_names_what_it_made(notion: Any) -> None:
    notion(error(503, "service_unavailable", committed_resource_id=PAGE))
    with pytest.raises(client.Committed) as caught:
        create()
    assert caught.value.resource_id == uuid.UUID(PAGE)


@pytest.mark.parametrize("call", [read, create, change])
def test_a_request_that_notion_refuses_is_never(notion: Any, call: Callable[[], Any]) -> None:
    notion(error(400, "validation_error", "title is not a property that exists."))
    with pytest.raises(Never, match="title is not a property"):
        call()


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        (error(400, "validation_error", "body.children.length should be at most 100."), "Mend in Notion what it names"),
        (error(400, "invalid_json"), "The fault is ours"),
        (error(400, "invalid_json"), "(r-1)"),
        (lambda request: httpx.Response(413, text="<h1>Too large</h1>"), "NOTION_BASE_URL"),
    ],
)
def test_a_refusal_says_what_can_be_done(notion: Any, answer: Answer, fix: str) -> None:
    notion(answer)
    with pytest.raises(client.Refused, match=r"Notion answered 400|The answer was 413") as caught:
        create()
    assert fix in caught.value.why


def test_an_id_that_is_none_is_said_with_where_to_find_one(notion: Any) -> None:
    notion(error(500, "internal_server_error"))
    with pytest.raises(Never, match="copy the link"):
        client.retrieve_page("../users")


@pytest.mark.parametrize(
    ("answer", "what", "fix"),
    [
        (error(401, "unauthorized", "API token is invalid."), "API token is invalid", "NOTION_API_KEY"),
        (error(403, "restricted_resource", "Insufficient permissions."), "Insufficient", "Insert content"),
        (error(403, "restricted_resource", "Block limit reached."), "limit", "plan"),
        (error(400, "validation_error", "This workspace cannot grow.", block_limit="1000"), "cannot grow", "plan"),
        (error(404, "object_not_found", f"Could not find page with ID: {PAGE}."), PAGE, "Connections"),
        (lambda request: httpx.Response(404, text="<h1>Not found</h1>"), "404", "NOTION_BASE_URL"),
        (lambda request: httpx.Response(301, headers={"location": "https://elsewhere"}), "301", "NOTION_BASE_URL"),
    ],
)
def test_what_a_person_must_mend_says_what_and_how(notion: Any, answer: Answer, what: str, fix: str) -> None:
    notion(answer)
    with pytest.raises(Misconfigured) as caught:
        create()
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_what_is_not_shared_can_be_told_from_other_settings(notion: Any) -> None:
    notion(error(404, "object_not_found"))
    with pytest.raises(NotShared):
        read()


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (error(429, "rate_limited", headers={"Retry-After": "33"}), 33),
        (error(429, "rate_limited", retry_after="44"), 44),
        (error(429, "rate_limited"), 60),
        (error(429, "rate_limited", headers={"Retry-After": "soon"}), 60),
        (error(429, "rate_limited", headers={"Retry-After": "999999999"}), 3600),
        (error(529, "service_overload", headers={"Retry-After": "33"}), 33),
    ],
)
def test_a_refusal_for_too_many_requests_pauses_everybody(notion: Any, answer: Answer, seconds: int) -> None:
    seen = notion(answer)
    with pytest.raises(Later) as caught:
        create()
    assert caught.value.until == timedelta(seconds=seconds)
    until = pace.closed_until()
    assert until is not None
    assert abs((until - datetime.now(UTC)).total_seconds() - seconds) < 5
    with pytest.raises(Later, match="pause"):
        read()
    assert len(seen) == 1


def test_once_notion_blocks_us_nobody_asks_until_a_person_lifts_it(notion: Any) -> None:
    seen = notion(
        error(429, "rate_limited", headers={"Retry-After": "1"}, rate_limit_reason="public_api_request_blocked"),
    )
    for _ in range(3):
        with pytest.raises(Misconfigured, match="blocks") as caught:
            read()
    assert "Standstills" in caught.value.fix
    assert len(seen) == 1
    held = Standstill.objects.get(lifted_at=None)
    with pytest.raises(ValidationError):
        standstill.lift(held, by="Ana", reason=" ")
    standstill.lift(held, by="Ana", reason="The abuse report was a mistake.")
    with pytest.raises(Misconfigured):
        read()
    assert len(seen) == 2
    assert Standstill.objects.filter(lifted_at=None).count() == 1


@pytest.mark.parametrize(("answer", "halves"), [
    (error(504, "gateway_timeout"), True),
    (error(503, "service_unavailable", retry_guidance=["Reduce page_size"]), True),
    (error(503, "service_unavailable"), False),
    (error(502, "bad_gateway"), False),
    (raising(httpx.ReadTimeout("slow")), True),
    (raising(httpx.ConnectTimeout("far")), False),
    (raising(httpx.ReadError("cut")), False),
])  # fmt: skip
def test_a_reading_that_takes_notion_too_long_is_told_apart(notion: Any, answer: Answer, halves: bool) -> None:
    notion(answer)
    with pytest.raises(Later) as caught:
        read()
    assert isinstance(caught.value, client.TooSlow) is halves


@pytest.mark.parametrize(("answer", "limit"), [
    (error(429, "rate_limited"), 90),
    (error(429, "rate_limited", rate_limit_reason="public_api_request_rate_limit"), 90),
    (error(429, "rate_limited", rate_limit_reason="public_api_space_request_rate_limit"), 180),
    (error(529, "service_overload"), 180),
])  # fmt: skip
def test_only_a_refusal_for_our_own_count_lowers_our_limit(
    notion: Any, settings: Any, answer: Answer, limit: int
) -> None:
    settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST = 180, 8
    notion(answer)
    with pytest.raises(Later):
        read()
    assert pace.spent()[1] == limit


def test_a_pause_names_notions_reason(notion: Any) -> None:
    reason = "public_api_space_request_rate_limit"
    notion(error(429, "rate_limited", headers={"Retry-After": "30"}, rate_limit_reason=reason))
    with pytest.raises(Later, match=reason):
        read()


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
