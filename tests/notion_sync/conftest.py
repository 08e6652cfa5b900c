"""A Notion that answers as a test says, and a pace that no other test spends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from notion_sync import client, pace
from tests.notion_sync.answers import TOKEN, Answer


@pytest.fixture
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
