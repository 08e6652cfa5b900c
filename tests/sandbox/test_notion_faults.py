"""Bad weather on demand: what the asker sees, and what was done all the same."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from notion_client import APIResponseError, Client
from notion_client.errors import UnknownHTTPResponseError

from tests.sandbox.conftest import VERSION, World, block, start_sandbox, title

CREATION = {"method": "POST", "path_regex": "^/v1/pages$"}


def live(world: World, source: str) -> int:
    answer: Any = world.notion.data_sources.query(source)
    return len(answer["results"])


@pytest.mark.parametrize(("kind", "done"), [("drop_before", 0), ("drop_after", 1), ("half", 1)])
def test_a_cut_connection_reaches_the_client_as_a_transport_error(world: World, kind: str, done: int) -> None:
    source = world.source()
    world.fault(kind, CREATION)
    with pytest.raises(httpx.RemoteProtocolError):
        world.page(source)
    assert live(world, source) == done
    world.page(source)
    statuses = [r["status"] for r in world.requests() if r["path"] == "/v1/pages"]
    assert statuses == [200 if kind == "half" else 0, 200]


ERRORS = [
    ("409", 409, "conflict_error"),
    ("500", 500, "internal_server_error"),
    ("503", 503, "service_unavailable"),
    ("504", 504, "gateway_timeout"),
]


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize(("kind", "status", "code"), ERRORS)
def test_an_error_may_or_may_not_have_done_the_work(
    world: World, kind: str, status: int, code: str, applied: bool
) -> None:
    source = world.source()
    world.fault(kind, CREATION, applied=applied)
    with pytest.raises(APIResponseError) as caught:
        world.page(source)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert live(world, source) == int(applied)


def test_a_502_is_a_gateways_page(world: World) -> None:
    world.fault("502")
    with pytest.raises(UnknownHTTPResponseError) as caught:
        world.notion.users.me()
    assert caught.value.status == 502
    assert caught.value.body.startswith("<html>")


def test_a_committed_503_names_the_page_that_was_saved(world: World) -> None:
    source = world.source()
    world.fault("503_committed", CREATION)
    with pytest.raises(APIResponseError) as caught:
        world.page(source)
    answer: Any = world.notion.data_sources.query(source)
    additional = caught.value.additional_data or {}
    assert additional["committed_resource_id"] == answer["results"][0]["id"]
    assert "Do not repeat the write" in additional["retry_guidance"][0]


def test_a_committed_503_names_the_blocks_that_were_appended(world: World) -> None:
    page = world.page(world.source())
    world.fault("503_committed", {"method": "PATCH"})
    with pytest.raises(APIResponseError) as caught:
        world.notion.blocks.children.append(page["id"], children=[block("paragraph", "x")])
    listing: Any = world.notion.blocks.children.list(page["id"])
    additional = caught.value.additional_data or {}
    assert additional["committed_resource_id"] == page["id"]
    assert additional["committed_child_ids"] == [listing["results"][0]["id"]]


def test_a_429_carries_its_reason_and_wait(world: World) -> None:
    world.fault("429", retry_after=7, reason="public_api_request_blocked")
    answer = world.call("GET", "/users/me")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    wanted = {"rate_limit_reason": "public_api_request_blocked", "retry_after": "7"}
    assert answer.json()["additional_data"] == wanted


def test_an_overload_carries_its_wait(world: World) -> None:
    world.fault("529", retry_after=3)
    answer = world.call("GET", "/users/me")
    assert (answer.status_code, answer.json()["code"]) == (529, "service_overload")
    assert answer.headers["Retry-After"] == "3"


def test_a_delay_holds_the_answer_back(world: World) -> None:
    world.fault("delay", seconds=0.1)
    world.call("GET", "/users/me")
    assert world.requests()[-1]["ms"] >= 100
    world.call("GET", "/users/me")
    assert world.requests()[-1]["ms"] < 100


def test_a_fault_strikes_the_nth_match_or_so_many_times(world: World) -> None:
    world.fault("500", {"path_regex": "/users", "nth": 2})
    assert [world.call("GET", "/users/me").status_code for _ in range(3)] == [200, 500, 200]
    world.control("faults/clear")
    world.fault("500", {"method": "GET"}, times=2)
    assert [world.call("GET", "/users/me").status_code for _ in range(3)] == [500, 500, 200]
    world.control("faults/clear")
    world.fault("500", times=None)
    assert [world.call("GET", "/users/me").status_code for _ in range(3)] == [500, 500, 500]


def test_a_fault_can_look_into_the_body(world: World) -> None:
    source = world.source()
    world.fault("500", {"body_contains": "unlucky"})
    world.page(source, "lucky")
    with pytest.raises(APIResponseError):
        world.page(source, "unlucky")


def test_a_fault_that_makes_no_sense_is_refused(world: World) -> None:
    for body in ({"kind": "meteor"}, {"kind": "500", "match": {"colour": "red"}}, {"kind": "500", "often": 2}):
        answer = world.http.post("/control/faults", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]


def test_a_window_lets_its_limit_through(world: World) -> None:
    world.control("budget", limit=3, window_seconds=60)
    statuses = [world.call("GET", "/users/me").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    answer = world.call("GET", "/users/me")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["additional_data"]["rate_limit_reason"] == "public_api_request_rate_limit"
    assert len(world.requests()) == 6


def test_a_bucket_lets_a_burst_through_and_refills(world: World) -> None:
    world.control("budget", limit=60, window_seconds=0.6, burst=2)
    statuses = [world.call("GET", "/users/me").status_code for _ in range(3)]
    assert statuses[:2] == [200, 200]
    world.control("budget", limit=1, window_seconds=3600, burst=2)
    assert [world.call("GET", "/users/me").status_code for _ in range(4)] == [200, 200, 429, 429]
    world.control("budget", limit=None)
    assert world.call("GET", "/users/me").status_code == 200


def test_the_log_says_who_asked_what(world: World) -> None:
    world.call("GET", "/users/me")
    world.call("GET", "/pages/nonsense")
    first, second = world.requests()
    assert (first["n"], first["method"], first["path"], first["status"]) == (1, "GET", "/v1/users/me", 200)
    assert second["status"] == 400
    assert world.requests(since=1) == [second]
    counts = world.http.get("/control/counts").json()
    assert counts["requests"] == 2


def test_ageing_moves_a_page_with_its_blocks(world: World) -> None:
    source = world.source()
    page, other = world.page(source, "old", [block("paragraph", "x")]), world.page(source, "young")
    world.control("age", page_id=page["id"], seconds=7200)
    aged: Any = world.notion.pages.retrieve(page["id"])
    listing: Any = world.notion.blocks.children.list(page["id"])
    young: Any = world.notion.pages.retrieve(other["id"])
    assert aged["last_edited_time"] < page["last_edited_time"] <= young["last_edited_time"]
    assert listing["results"][0]["last_edited_time"] == aged["last_edited_time"]


def test_the_levers_are_for_this_machine_and_no_other_site(world: World) -> None:
    answer = world.http.post("/control/reset", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_seed_is_written_by_a_person_once(world: World) -> None:
    assert world.http.post("/control/seed").status_code == 404
    source = world.source("System Inbox", Content={"rich_text": {}}, Urgent={"checkbox": {}})
    assert world.control("seed") == {"created": 13}
    assert world.control("seed") == {"created": 0}
    answer: Any = world.notion.data_sources.query(source)
    me: Any = world.person.users.me()
    assert {page["created_by"]["id"] for page in answer["results"]} == {me["id"]}


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    file = str(tmp_path / "sandbox.db")
    process, address = start_sandbox(file)
    with Client(auth="bot", base_url=f"{address}/notion", notion_version=VERSION, retry=False) as notion:
        root = httpx.get(f"{address}/control/info").json()["root_page_id"]
        page: Any = notion.pages.create(parent={"page_id": root}, properties={"title": title("Kept")})
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process, address = start_sandbox(file)
    with Client(auth="bot", base_url=f"{address}/notion", notion_version=VERSION, retry=False) as notion:
        found: Any = notion.pages.retrieve(page["id"])
    process.terminate()
    process.wait(10)
    assert found["properties"]["title"]["title"][0]["plain_text"] == "Kept"
