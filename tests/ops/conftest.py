"""A release, the commit that runs, and servers to look at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import HTTPServer
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django.live_server_helper import LiveServer

from ops import signoff
from ops.models import Channel, Release
from tests.factories import make_channel
from tests.ops.rows import COMMIT, Serve, all_pass


@pytest.fixture
def our_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host says which commit runs."""
    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", COMMIT)


@pytest.fixture
def well(our_commit: None) -> Release:
    """A release that everything is well with."""
    release = signoff.open_release("1.4.0", COMMIT, by="ci")
    all_pass(release)
    return release


@pytest.fixture
def outside(live_server: LiveServer, settings: Any) -> LiveServer:
    """This product behind a real address, where nobody has called in the last minute."""
    settings.PUBLIC_URL = live_server.url
    cache.clear()
    return live_server


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Run a server in a thread; its port."""
    running: list[HTTPServer] = []

    def start(server: HTTPServer) -> int:
        running.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server.server_port

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def channel() -> Channel:
    return make_channel()
