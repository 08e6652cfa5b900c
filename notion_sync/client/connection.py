"""The connection to Notion: one client for each token, each HTTP attempt paced, noted and sorted."""

from __future__ import annotations

import functools
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import notion_client
import structlog
from django.conf import settings
from django.db import transaction
from notion_client.errors import HTTPResponseError, InvalidPathParameterError, RequestTimeoutError
from structlog.contextvars import get_contextvars

from emm import credentials
from emm.jobs import Misconfigured, Never
from notion_sync import names, pace, standstill
from notion_sync.failures import Failure, clipped, read_refusal, sort
from notion_sync.models import NotionCall

VERSION = "2026-03-11"
TOKEN = "NOTION_API_KEY"  # noqa: S105  # its name, not itself
TIMEOUT_MS = 60_000
NO_ID = "An id in it is none of Notion's: copy the link of the page or database in Notion, and enter that."
log = structlog.get_logger(__name__)

Id = str | uuid.UUID
Send = Callable[[notion_client.Client], Any]


def http_client() -> httpx.Client:
    """The HTTP client below Notion's SDK: the one seam that tests replace, to look at requests or to break them."""
    return httpx.Client()


def disconnect() -> None:
    """Close all connections and forget the clients; the next call opens new ones."""
    with _opening:
        while _clients:
            _clients.popitem()[1].close()


_clients: dict[tuple[str, str], notion_client.Client] = {}
_opening = threading.Lock()
_answered_at: ContextVar[datetime | None] = ContextVar("answered_at", default=None)


def answered_at() -> datetime | None:
    """When Notion sent its last answer in this thread, by its own clock, to the second; None: the answer does not say."""
    return _answered_at.get()


def _note_date(response: httpx.Response) -> None:
    try:
        _answered_at.set(parsedate_to_datetime(response.headers["date"]))
    except (KeyError, ValueError):
        _answered_at.set(None)


def access() -> tuple[str, str]:
    """The token and the address in use: the environment's token, else the console's, else what stands in for Notion.

    Raises Misconfigured where there is no token, and what credentials.get raises.
    """
    token, base_url = settings.NOTION_API_KEY, settings.NOTION_BASE_URL
    if (settings.NOTION_IS_SANDBOX or not token) and (kept := credentials.get(TOKEN)):
        token, base_url = kept, settings.NOTION_ADDRESS
    if not token:
        raise credentials.missing(TOKEN)
    return token, base_url.rstrip("/")


def is_sandbox() -> bool:
    """Whether the sandbox stands in for Notion, because no token was set or entered."""
    return settings.NOTION_IS_SANDBOX and not credentials.is_set(TOKEN)


def _notion() -> notion_client.Client:
    token, base_url = access()
    # A header refuses other characters with an error that quotes the token.
    if not re.fullmatch(r"[!-~]+", token):
        raise Misconfigured("NOTION_API_KEY holds characters that no token has.", "Copy the integration's token again.")
    with _opening:
        if (token, base_url) not in _clients:
            http = http_client()
            http.event_hooks = {**http.event_hooks, "response": [*http.event_hooks["response"], _note_date]}
            _clients[token, base_url] = notion_client.Client(
                client=http,
                auth=token,
                base_url=base_url,
                notion_version=VERSION,
                timeout_ms=TIMEOUT_MS,
                retry=False,
                logger=logging.getLogger("notion_client"),
                log_level=logging.ERROR,
            )
        return _clients[token, base_url]


# What the SDK raises, and what it lets through: connection errors, and answers that are not JSON.
FAILURES = (HTTPResponseError, RequestTimeoutError, httpx.RequestError, json.JSONDecodeError, UnicodeDecodeError)


def call(method: str, route: str, send: Send, page_id: Id | None = None, *, write: bool = False) -> dict[str, Any]:
    """One attempt: Notion's answer, or what `notion_sync.client` says is raised in its place."""
    with transaction.atomic(durable=True):
        pass  # a durable block refuses to be nested: no network inside a transaction
    standstill.check()
    notion = _notion()
    attempt = NotionCall(method=method, route=route, page_id=page_id, item_id=get_contextvars().get("item"))
    attempt.waited_ms = round(pace.wait() * 1000)
    started = time.monotonic()
    try:
        answer = send(notion)
        if not isinstance(answer, dict):
            raise json.JSONDecodeError("an object was expected", "", 0)
    except InvalidPathParameterError as error:
        raise Never(f"{route} cannot be asked for: {error}. {NO_ID}") from error
    except FAILURES as error:
        failure = _read(error)
        attempt.status, attempt.error, attempt.request_id = failure.status, failure.text, failure.request_id
        _keep(attempt, started)
        log.warning("notion_call_failed", method=method, route=route, status=failure.status, error=failure.text)
        raise sort(names.explain(failure), write, f"{method} {route}") from error
    attempt.status, attempt.request_id = 200, str(answer.get("request_id") or "")[:64]
    _keep(attempt, started)
    return answer


def _read(error: Exception) -> Failure:
    if isinstance(error, HTTPResponseError):
        return read_refusal(error.status, error.body, error.headers)
    cause = error.__context__ if isinstance(error, RequestTimeoutError) and error.__context__ else error
    sent = not isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    timed_out = sent and isinstance(error, RequestTimeoutError)
    return Failure(clipped(f"No answer from Notion. {type(cause).__name__}: {cause}"), sent=sent, timed_out=timed_out)


def all_pages(route: str, send: Callable[..., Any], page_id: Id | None = None) -> Iterator[dict[str, Any]]:
    """The results of a listing, page by page; an answer that is no listing as it is. `send` takes `cursor` as well."""
    cursor: str | None = None
    while True:
        answer = call("GET", route, functools.partial(send, cursor=cursor), page_id)
        if answer["object"] != "list":
            yield answer
            return
        yield from answer["results"]
        cursor = answer["next_cursor"]
        if not answer["has_more"] or cursor is None:
            return


def _keep(attempt: NotionCall, started: float) -> None:
    attempt.duration_ms = round((time.monotonic() - started) * 1000)
    attempt.save(force_insert=True)
