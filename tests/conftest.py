"""What every test may ask for: the sandbox over real HTTP, and the stages run to a standstill in this process."""

from __future__ import annotations

import copy
import json
import os
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.conf import settings
from django.db import connections
from django.db.models import Model
from django.test import override_settings
from pytest_django import DjangoDbBlocker, Settings

from notion_sync import client, pace, setup
from notion_sync.mirror import model_of
from notion_sync.models import DataSource, NotionCall, PollCycle, Poller, Workspace
from notion_sync.workspace import DATABASES
from tests.contract.openapi import RequestContract
from tests.ports import free_port
from tests.world import Sandbox, poll_everything


def pytest_configure() -> None:
    """Passwords of tests need no protection: the real hasher takes most of a second for each user."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A test database for each run and worker, so that two runs at once on one engine don't meet."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[-8:]
    name = f"test_{run}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    connections["default"].settings_dict["TEST"]["NAME"] = name


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    """The sandbox as a process of its own, on a free port, with an empty workspace in memory."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", str(port), "--db", ":memory:"],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
    )
    server = Sandbox(f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + 20
    while not server.is_up():
        assert process.poll() is None, "the sandbox did not start"
        assert time.monotonic() < deadline, "the sandbox did not answer"
    yield server
    server.http.close()
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="session")
def built(sandbox_server: Sandbox, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> list[Model]:
    """The rows of a workspace that set-up has built and the poller mirrored; the sandbox keeps its half for `restore`."""
    with django_db_blocker.unblock(), override_settings(**addresses(sandbox_server)):
        sandbox_server.reset()
        setup.prepare(sandbox_server.root_page_id, lambda line: None)
        poll_everything()
        models: list[type[Model]] = [Workspace, DataSource, Poller, *(model_of(key) for key in DATABASES)]
        rows: list[Model] = [row for model in models for row in model._default_manager.all()]
        leavings: list[type[Model]] = [NotionCall, PollCycle, *models]
        for model in leavings:
            model._default_manager.all().delete()
    client.disconnect()
    sandbox_server.control("save")
    return rows


@pytest.fixture
def sandbox(sandbox_server: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """An empty sandbox that the product's clients talk to; every request to Notion is held against its description."""
    sandbox_server.reset()
    for name, value in addresses(sandbox_server).items():
        setattr(settings, name, value)
    client.disconnect()
    monkeypatch.setattr(pace, "KEY", f"pace:{uuid4()}")
    monkeypatch.setattr(client.connection, "http_client", checked_client)
    yield sandbox_server
    client.disconnect()


@pytest.fixture
def workspace(built: list[Model], sandbox: Sandbox, db: None) -> Sandbox:
    """A sandbox in which set-up has built the ten databases, mirrored once."""
    sandbox.control("restore")
    for row in copy.deepcopy(built):
        row.save(force_insert=True)
    return sandbox


def addresses(server: Sandbox) -> dict[str, str]:
    return {
        "NOTION_BASE_URL": server.notion_url,
        "ANTHROPIC_BASE_URL": server.claude_url,
        "NOTION_PARENT_PAGE": server.root_page_id,
    }


COUNTS: Counter[str] = Counter()
NO_TLS = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # the sandbox has none: reading the authorities for each client takes long


@cache
def notion_contract() -> RequestContract | None:
    """Notion's description of its API; None where NOTION_CONTRACT_DIR is unset."""
    folder = os.environ.get("NOTION_CONTRACT_DIR")
    return RequestContract(Path(folder)) if folder else None


def checked_client() -> httpx.Client:
    """The product's HTTP client, which fails the test that sends what Notion's description forbids."""
    return httpx.Client(event_hooks={"request": [check_request]}, verify=NO_TLS)


def check_request(request: httpx.Request) -> None:
    contract = notion_contract()
    if contract is not None:
        path = request.url.path.removeprefix("/notion")
        body = json.loads(request.content) if request.content else None
        assert contract.errors(request.method, path, dict(request.url.params), body) == []
        COUNTS["requests to Notion that its description allows"] += 1


@pytest.fixture
def counts() -> Counter[str]:
    """Figures that the run reports at its end, summed over all workers."""
    return COUNTS


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counts"] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    COUNTS.update(getattr(node, "workeroutput", {}).get("counts", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "NOTION_CONTRACT_DIR" not in os.environ:
        terminalreporter.write_line("NOTION_CONTRACT_DIR is unset: nothing was held against Notion's own description.")
    for name, count in sorted(COUNTS.items()):
        terminalreporter.write_line(f"{count:,} {name}")
