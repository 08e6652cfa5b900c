"""What the real API answered, played back to the product's client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from emm.jobs import Later, Misconfigured, Never
from notion_sync import client
from notion_sync.client import Ambiguous, Committed

pytestmark = pytest.mark.django_db
Recorded = list[dict[str, Any]]
Replay = Callable[[dict[str, Any]], None]


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replay]:
    """The next calls of the client are given the answer of this exchange."""
    answer: dict[str, Any] = {}

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(answer["status"], json=answer["response"])

    monkeypatch.setattr(client.connection, "http_client", lambda: httpx.Client(transport=httpx.MockTransport(handle)))
    client.disconnect()
    yield lambda exchange: answer.update(exchange)
    client.disconnect()


def recorded(exchanges: Recorded, object_type: str) -> Iterator[dict[str, Any]]:
    return (e for e in exchanges if isinstance(e["response"], dict) and e["response"].get("object") == object_type)


def test_every_recorded_query_answer_is_read(exchanges: Recorded, replay: Replay, counts: Counter[str]) -> None:
    for exchange in recorded(exchanges, "list"):
        if exchange["path"].split("?")[0].endswith("/query"):
            replay(exchange)
            page = client.query("0" * 32)
            assert page.pages == exchange["response"]["results"]
            assert page.next_cursor == exchange["response"]["next_cursor"]
            assert page.capped is ("request_status" in exchange["response"])
            counts["recorded query answers read"] += 1
    assert counts["recorded query answers read"] > 100


def test_every_recorded_data_source_is_read(exchanges: Recorded, replay: Replay, counts: Counter[str]) -> None:
    for exchange in recorded(exchanges, "data_source"):
        replay(exchange)
        assert client.retrieve_data_source("0" * 32)["properties"] == exchange["response"]["properties"]
        counts["recorded data sources read"] += 1
    assert counts["recorded data sources read"]


def test_every_recorded_error_is_sorted(exchanges: Recorded, replay: Replay, counts: Counter[str]) -> None:
    for exchange in recorded(exchanges, "error"):
        replay(exchange)
        with pytest.raises((Later, Misconfigured, Never, Ambiguous, Committed)) as caught:
            client.update_page("0" * 32, {})
        assert exchange["response"]["message"][:40] in str(caught.value)
        counts["recorded errors sorted"] += 1
    assert counts["recorded errors sorted"]
