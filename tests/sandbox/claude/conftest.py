"""The local Claude over real HTTP, apart from the rest of the sandbox."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import anthropic
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.claude import routes


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """The local Claude on a free port, served from a thread."""
    app = Starlette(routes=[Mount("/claude", routes=routes)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/claude"
        server.should_exit = True
        thread.join()


@pytest.fixture
def claude(address: str) -> Iterator[httpx.Client]:
    """The local Claude without a script, and a client for its levers."""
    with httpx.Client(base_url=address) as http:
        http.post("/control/reset").raise_for_status()
        yield http


@pytest.fixture
def client(claude: httpx.Client) -> Iterator[anthropic.Anthropic]:
    """The real SDK; its own retries are off, as in the product."""
    with anthropic.Anthropic(api_key="test", base_url=str(claude.base_url), max_retries=0) as client:
        yield client
