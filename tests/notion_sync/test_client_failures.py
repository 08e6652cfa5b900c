"""How each failure of a request to Notion is sorted, and what it says to whoever can act."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.core.exceptions import ValidationError

from emm.jobs import Later, Misconfigured, Never
from notion_sync import client, pace, standstill
from notion_sync.failures import NotShared
from notion_sync.models import Standstill
from tests.notion_sync.answers import PAGE, Answer, change, create, error, raising, read

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_pace")]


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
