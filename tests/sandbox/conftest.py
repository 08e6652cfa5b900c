"""A sandbox process of its own for these tests, the SDK talking to it, and short words for what tests write."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from notion_client import Client

VERSION = "2026-03-11"


def start_sandbox(db: str = ":memory:", **environment: str) -> tuple[subprocess.Popen[bytes], str]:
    """A sandbox process on a free port, and its address, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "error", "-m", "sandbox", "--port", str(port), "--db", db]
    root = Path(__file__).resolve().parent.parent.parent
    process = subprocess.Popen(command, cwd=root, env={**os.environ, **environment})
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{address}/control/info")
        except httpx.TransportError:
            assert process.poll() is None, "the sandbox ended at once"
            assert time.monotonic() < deadline, "the sandbox did not start"
        else:
            return process, address


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of a running sandbox, shared by the session."""
    process, address = start_sandbox()
    yield address
    process.terminate()
    process.wait(10)


def text(content: str, **annotations: Any) -> dict[str, Any]:
    """A rich text item of a request."""
    item: dict[str, Any] = {"type": "text", "text": {"content": content}}
    return {**item, "annotations": annotations} if annotations else item


def title(content: str) -> dict[str, Any]:
    """A title value."""
    return {"title": [text(content)]}


def block(kind: str, content: str = "", **more: Any) -> dict[str, Any]:
    """A text block."""
    return {"type": kind, kind: {"rich_text": [text(content)] if content else [], **more}}


def options(*names: str) -> dict[str, Any]:
    """A select configuration."""
    return {"select": {"options": [{"name": name} for name in names]}}


@dataclass
class World:
    """The workspace under test: the bot's client, a person's, plain HTTP, and the levers."""

    address: str
    http: httpx.Client
    notion: Client
    person: Client

    @property
    def root(self) -> str:
        return str(self.http.get("/control/info").json()["root_page_id"])

    def control(self, lever: str, **body: Any) -> Any:
        return self.http.post(f"/control/{lever}", json=body).raise_for_status().json()

    def fault(self, kind: str, match: dict[str, Any] | None = None, **more: Any) -> None:
        self.control("faults", kind=kind, match=match or {}, **more)

    def database(self, name: str, **properties: Any) -> tuple[str, str]:
        """(database id, data source id) of a new database; Name is its title unless another one is given."""
        if not any("title" in config for config in properties.values()):
            properties = {"Name": {"title": {}}, **properties}
        made: Any = self.notion.databases.create(
            parent={"type": "page_id", "page_id": self.root},
            title=[text(name)],
            initial_data_source={"properties": properties},
        )
        return made["id"], made["data_sources"][0]["id"]

    def source(self, name: str = "Things", **properties: Any) -> str:
        """The data source id of a new database."""
        return self.database(name, **properties)[1]

    def page(self, source_id: str, name: str = "A page", children: list[Any] | None = None, **properties: Any) -> Any:
        """A new page in a data source."""
        return self.notion.pages.create(
            parent={"data_source_id": source_id},
            properties={"Name": title(name), **properties},
            children=children or [],
        )

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        """One plain call of Notion's API; headers may replace the usual ones, an empty one is left out."""
        usual = {"Authorization": "Bearer bot", "Notion-Version": VERSION}
        sent = {key: value for key, value in {**usual, **headers}.items() if value}
        return self.http.request(method, f"/notion/v1{path}", json=json, headers=sent)

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        return list(self.http.get("/control/log", params={"since": since}).json()["requests"])


@pytest.fixture(scope="session")
def lasting_world(address: str) -> Iterator[World]:
    """The clients of the session: opening one takes longer than most tests."""

    def client(token: str) -> Client:
        return Client(auth=token, base_url=f"{address}/notion", notion_version=VERSION, retry=False)

    with httpx.Client(base_url=address, timeout=30) as http, client("bot") as bot, client("person") as person:
        yield World(address, http, bot, person)


@pytest.fixture
def world(lasting_world: World) -> World:
    """An empty workspace in fair weather."""
    lasting_world.control("reset")
    return lasting_world


Refused = Callable[..., str]


@pytest.fixture
def refused(world: World) -> Refused:
    """Makes a plain call that must be refused, and returns Notion's message."""

    def call(status: int, code: str, method: str, path: str, json: Any = None, **headers: str) -> str:
        answer = world.call(method, path, json, **headers)
        body = answer.json()
        assert (answer.status_code, body["object"], body["code"]) == (status, "error", code), body
        assert body["status"] == status
        assert body["request_id"]
        return str(body["message"])

    return call
