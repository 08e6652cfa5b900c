"""The sandbox in this process: its application is called without sockets, one request after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
from starlette.routing import Mount

from sandbox.app import create_app
from sandbox.notion.faults import Gate
from tests.world import VERSION, Sandbox

ADDRESS = "http://sandbox"


class Inside(httpx.BaseTransport):
    """Calls an ASGI application whose endpoints never wait for anything, and cuts answers as a network does."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(request.read())
        target = request.url.raw_path.decode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": target.partition("?")[0].encode(),
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(key.lower(), value) for key, value in request.headers.raw],
            "client": ("127.0.0.1", 1),
            "server": ("sandbox", 80),
        }
        _finish(self.app(scope, exchange.receive, exchange.send))
        if exchange.status == 0:
            raise httpx.ReadError("The connection was closed before an answer.", request=request)
        if exchange.cut:
            raise httpx.RemoteProtocolError("The connection was closed within the answer.", request=request)
        return httpx.Response(exchange.status, headers=exchange.headers, content=exchange.body, request=request)


class _Exchange:
    """One request and its answer. The sandbox hangs up by closing `transport`."""

    def __init__(self, body: bytes) -> None:
        self.incoming: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.cut = False
        self.transport = self

    def close(self) -> None:
        self.cut = True

    async def receive(self) -> dict[str, Any]:
        return self.incoming.pop(0) if self.incoming else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        else:
            self.body += message.get("body", b"")


def _finish(coroutine: Any) -> None:
    """Run it to its end without an event loop: it only waits for what is there."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return


class InsideSandbox(Sandbox):
    """The sandbox of tests.world, without a process of its own."""

    def __init__(self) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)
        super().__init__(ADDRESS)
        self.http.close()
        self.app = create_app(":memory:", ADDRESS)
        self.http = httpx.Client(transport=Inside(self.app), base_url=ADDRESS)
        mounted = [route.app for route in self.app.routes if isinstance(route, Mount)]
        gate = next(app for app in mounted if isinstance(app, Gate))
        self.spared = httpx.Client(transport=Inside(gate.inside), base_url=ADDRESS)

    def as_person(self, method: str, path: str, json: Any = None) -> Any:
        """One call of Notion's API, made as a person: the weather is not for them."""
        headers = {"Authorization": "Bearer person", "Notion-Version": VERSION}
        answer = self.spared.request(method, f"/v1{path}", json=json, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def client(self, watch: Callable[[httpx.Request], None]) -> httpx.Client:
        """What the product speaks to Notion with; `watch` sees each request before it is answered, and after."""
        return httpx.Client(transport=_Watched(self.app, watch))


class _Watched(Inside):
    def __init__(self, app: Any, watch: Callable[[httpx.Request], None]) -> None:
        super().__init__(app)
        self.watch = watch

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.watch(request)
        answer = super().handle_request(request)
        self.watch(request)
        return answer
