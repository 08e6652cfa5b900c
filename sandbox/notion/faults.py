"""The weather: a request budget, planned faults, and the log of what was asked. Wraps the Notion routes.

`README.md` of the sandbox describes each kind of fault from the side of who plans it.
"""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.notion.errors import NotionError
from sandbox.notion.ids import new_id
from sandbox.notion.times import clock

KINDS = frozenset([
    "drop_before", "drop_after", "409", "429", "500", "502", "503", "503_committed", "504", "529", "half", "delay", "refuse",
])  # fmt: skip
LOG_SIZE = 200_000
HANG_UP = "sandbox.hang_up"
GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
HangUp = Callable[[], Awaitable[None]]


@dataclass
class Fault:
    """A planned fault. `nth`: only the nth matching request, counted from when it was planned; `times`: how often it
    strikes, None for ever; `applied`: whether a 500, 504 or 529 does its work first; `seconds`: the delay."""

    kind: str
    method: str | None = None
    path_regex: str | None = None
    body_contains: str | None = None
    nth: int | None = None
    times: int | None = 1
    applied: bool = False
    retry_after: int = 1
    reason: str = "public_api_request_rate_limit"
    seconds: float = 0.0
    seen: int = 0
    struck: int = 0

    def strikes(self, method: str, path: str, body: bytes) -> bool:
        """Whether this request is hit; counts it where it matches."""
        if self.times is not None and self.struck >= self.times:
            return False
        if self.method and self.method.upper() != method:
            return False
        if self.path_regex and not re.search(self.path_regex, path):
            return False
        if self.body_contains and self.body_contains.encode() not in body:
            return False
        self.seen += 1
        if self.nth is not None and self.seen != self.nth:
            return False
        self.struck += 1
        return True


@dataclass
class Budget:
    """`limit` requests per `window_seconds`: a fixed window or, with `burst`, a bucket of that size."""

    limit: int
    window_seconds: float = 60.0
    burst: int | None = None
    started: float = field(default_factory=time.monotonic)
    used: int = 0
    tokens: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = float(self.burst or 0)

    def wait(self) -> float:
        """Takes one request: 0 where it fits, else the seconds until one would."""
        now = time.monotonic()
        if self.burst is None:
            if now - self.started >= self.window_seconds:
                self.started, self.used = now, 0
            self.used += 1
            return 0.0 if self.used <= self.limit else self.window_seconds - (now - self.started)
        rate = self.limit / self.window_seconds
        self.tokens = min(float(self.burst), self.tokens + (now - self.started) * rate)
        self.started = now
        if self.tokens < 1:
            return (1 - self.tokens) / rate
        self.tokens -= 1
        return 0.0


@dataclass(frozen=True)
class Asked:
    """One request in the log; `status` is 0 where no answer was sent."""

    n: int
    method: str
    path: str
    query: str
    status: int
    at: int
    ms: float
    fault: str | None


@dataclass
class Answer:
    """What the routes answered, held back until the gate has decided what the asker sees."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def of(cls, error: NotionError) -> "Answer":
        """A Notion error as an answer."""
        headers = [(b"content-type", b"application/json")]
        headers += [(key.lower().encode(), value.encode()) for key, value in error.headers.items()]
        return cls(error.status, headers, json.dumps(error.body(new_id())).encode())


def rate_limited(retry_after: int, reason: str) -> NotionError:
    """429 as Notion sends it."""
    additional = {"rate_limit_reason": reason, "retry_after": str(retry_after)}
    message = "You have been rate limited. Please try again in a few minutes."
    return NotionError(429, "rate_limited", message, additional, {"Retry-After": str(retry_after)})


PLAIN_FAULTS = {
    "refuse": (400, "invalid_request_url", "Invalid request URL."),
    "409": (409, "conflict_error", "Conflict occurred while saving. Please try again."),
    "500": (500, "internal_server_error", "Unexpected error occurred."),
    "503": (503, "service_unavailable", "Public API service is temporarily unavailable, please try again later."),
    "504": (504, "gateway_timeout", "Notion took too long to answer this request."),
    "529": (529, "service_overload", "Notion is overloaded. Please try again later."),
}


def committed(answer: Answer, path: str) -> NotionError:
    """503 for a write that was saved: names what it made, as Notion does."""
    made = json.loads(answer.body)
    additional: dict[str, Any] = {
        "deadline_ms": 55000,
        "retry_guidance": ["Do not repeat the write: it was saved. Read the resource to see its state."],
        "committed_resource_id": made.get("id"),
    }
    if made.get("object") == "list":
        additional["committed_resource_id"] = path.split("/blocks/")[-1].split("/")[0]
        additional["committed_child_ids"] = [block["id"] for block in made["results"]]
    return NotionError(503, "service_unavailable", "The request took too long to answer.", additional)


class Gate:
    """The ASGI application in front of Notion's routes. One budget and one log for all who ask."""

    def __init__(self, inside: ASGIApp) -> None:
        self.inside = inside
        self.faults: list[Fault] = []
        self.budget: Budget | None = None
        self.log: deque[Asked] = deque(maxlen=LOG_SIZE)
        self.count = 0

    def clear(self) -> None:
        """Fair weather and an empty log; numbers start again."""
        self.faults.clear()
        self.budget = None
        self.log.clear()
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inside(scope, receive, send)
            return
        started, at = time.monotonic(), int(time.time() * 1000)
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        self.count += 1
        n, body = self.count, await read_all(receive)
        if body is None:
            return
        fault = next((f for f in self.faults if f.strikes(method, path, body)), None)
        wait = self.budget.wait() if self.budget else 0.0
        answer: Answer | None
        cut: Literal["nothing", "half", ""] = ""
        if wait:
            answer = Answer.of(rate_limited(max(1, int(wait + 0.999)), "public_api_request_rate_limit"))
        else:
            answer, cut = await self.weather(fault, scope, body, path)
        status = 0 if cut == "nothing" else answer.status
        query, ms = scope.get("query_string", b"").decode(), round((time.monotonic() - started) * 1000, 1)
        self.log.append(Asked(n, method, path, query, status, at, ms, fault.kind if fault else None))
        await deliver(answer, cut, send, scope[HANG_UP])

    async def weather(
        self, fault: Fault | None, scope: Scope, body: bytes, path: str
    ) -> tuple[Answer, Literal["nothing", "half", ""]]:
        """The answer under the fault, and how much of it is sent."""
        if fault is None:
            return await self.ask(scope, body), ""
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            return await self.ask(scope, body), ""
        if fault.kind == "drop_before":
            return Answer(), "nothing"
        if fault.kind == "drop_after":
            return await self.ask(scope, body), "nothing"
        if fault.kind == "half":
            return await self.ask(scope, body), "half"
        if fault.kind == "429":
            return Answer.of(rate_limited(fault.retry_after, fault.reason)), ""
        if fault.kind == "503_committed":
            answer = await self.ask(scope, body)
            return (Answer.of(committed(answer, path)) if answer.status < 300 else answer), ""
        if fault.applied:
            await self.ask(scope, body)
        if fault.kind == "502":
            return Answer(502, [(b"content-type", b"text/html")], GATEWAY_PAGE), ""
        status, code, message = PLAIN_FAULTS[fault.kind]
        headers = {"Retry-After": str(fault.retry_after)} if status == 529 else {}
        return Answer.of(NotionError(status, code, message, headers=headers)), ""

    async def ask(self, scope: Scope, body: bytes) -> Answer:
        """Runs the routes with the body that was read, and holds what they answer."""
        answer = Answer()

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message.get("headers", []))
            elif message["type"] == "http.response.body":
                answer.body += message.get("body", b"")

        await self.inside(scope, replay, hold)
        return answer


async def read_all(receive: Receive) -> bytes | None:
    """The whole body of a request; None where the asker hung up before its end."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def deliver(answer: Answer, cut: Literal["nothing", "half", ""], send: Send, hang_up: HangUp) -> None:
    """Sends the answer; cut in half, the connection closes in the middle of the body; cut to nothing, before it."""
    if cut == "nothing":
        await hang_up()
        return
    headers = [pair for pair in answer.headers if pair[0].lower() != b"content-length"]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    headers.append((b"date", format_datetime(clock.now(), usegmt=True).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if cut == "half":
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        await hang_up()
        return
    await send({"type": "http.response.body", "body": answer.body})


def hang_up_of(receive: Receive, send: Send) -> HangUp:
    """What closes a request's connection as a broken network does; made from the server's own receive and send.

    ASGI has no word for it, so uvicorn's transport is closed, and the server's notice of that awaited.
    """

    async def hang_up() -> None:
        transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]  # uvicorn's cycle
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            continue

    return hang_up
