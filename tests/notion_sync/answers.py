"""What Notion answers, and what is asked of it, where a test speaks to the client alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from notion_sync import client

PAGE = "d0000000-0000-4000-8000-000000000001"
TOKEN = "ntn_0123456789abcdefghijklmnopqrstuvwxyz"
TITLE = {"title": {"title": [{"type": "text", "text": {"content": "A page"}}]}}
Answer = Callable[[httpx.Request], httpx.Response]


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
