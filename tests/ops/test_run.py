"""`manage.py run` as a newcomer meets it: what it refuses, what it serves, what it survives, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from django.core.management import CommandError
from pytest_django.fixtures import Settings

from ops.management.commands import run
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 180.0  # seconds that a busy machine may take; a quiet one needs a tenth


def environ(state: Path, port: int, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "EMM_STATE_DIR": str(state), "PORT": str(port), "CI": "true", "XDG_RUNTIME_DIR": "/tmp", **more}


def wait(until: Callable[[], Any], account: Callable[[], Any] = lambda: "") -> Any:
    """What `until` answers, as soon as that is true. `account` tells how far it came where that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := until()):
        assert time.monotonic() < deadline, f"it took too long {account()}"
        threading.Event().wait(0.2)
    return answer


def status(address: str) -> int:
    try:
        return httpx.get(address, timeout=5, follow_redirects=True).status_code
    except httpx.TransportError:
        return 0


def engines_of(state: Path) -> list[int]:
    """The pids of PostgreSQL and Valkey that keep their data for `state`."""
    asked = subprocess.run(
        [sys.executable, "-c", "from emm import engines; print(engines.data_dir())"],
        cwd=ROOT, env=environ(state, 8000), capture_output=True, text=True, check=True,
    )  # fmt: skip
    data = Path(asked.stdout.strip())
    with redis.Redis(**json.loads((data / "valkey.json").read_text())) as client:
        valkey = int(client.info("server")["process_id"])
    return [int((data / "postgres" / "postmaster.pid").read_text().split()[0]), valkey]


def children(pid: int) -> dict[int, str]:
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == pid and "-m " in row[2]}


def running(pids: Iterable[int]) -> set[int]:
    """Those of `pids` that still run. One that has ended and that init has yet to clear away (Z) does not."""
    listed = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    states = dict(line.split() for line in listed.splitlines())
    return {pid for pid in pids if not states.get(str(pid), "Z").startswith("Z")}


class Product:
    """`manage.py run` in a process of its own."""

    def __init__(self, state: Path, port: int) -> None:
        self.state, self.port = state, port
        self.log = state.with_suffix(".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run"],
                cwd=ROOT, env=environ(state, port), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        return status(f"{self.address}/health") == 200

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run") / "state"
    yield folder
    subprocess.run([sys.executable, "scripts/reset.py"], cwd=ROOT, env=environ(folder, 8000), check=True)


@pytest.fixture
def product(state: Path) -> Iterator[Product]:
    started = Product(state, free_port())
    try:
        wait(started.is_up)
        yield started
    finally:
        if started.process.poll() is None:
            started.stop()


def test_a_taken_port_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    servers = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = subprocess.run(
            [sys.executable, "manage.py", "run"],
            cwd=ROOT, env=environ(tmp_path, port, HOST="127.0.0.1", **servers), check=False, capture_output=True,
            text=True,
        )  # fmt: skip
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert f"Port {port}" in refused.stderr
    assert not (tmp_path / "run.pid").exists()


def test_the_port_of_the_sandbox_must_be_free_too(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PORT = free_port()
    port = settings.PORT + 1
    with socket.create_server(("127.0.0.1", port)):
        settings.SANDBOX_URL = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("HOST", "127.0.0.1")
        settings.NOTION_BASE_URL = f"{settings.SANDBOX_URL}/notion"
        with pytest.raises(CommandError, match=f"Port {port} "):
            run.check_ports()
        settings.NOTION_BASE_URL = settings.ANTHROPIC_BASE_URL = "https://elsewhere.example"
        run.check_ports()


def test_one_state_folder_serves_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMM_STATE_DIR", str(tmp_path))
    with run.only_one(), pytest.raises(CommandError, match=f"as process {os.getpid()}"), run.only_one():
        pass
    with run.only_one():
        pass


def test_it_refuses_production(settings: Settings) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="not for production"):
        run.Command().handle()


@pytest.mark.faults
def test_it_serves_survives_kills_and_leaves_nothing_behind(product: Product) -> None:
    workspace = f"http://127.0.0.1:{product.port + 1}"
    assert status(f"{product.address}/admin/") == 200
    assert status(f"{workspace}/") == 200
    wait(lambda: "Ctrl-C stops everything" in product.log.read_text())
    assert len(re.findall(r"password: \S{12,}", product.log.read_text())) <= 2

    killed = children(product.process.pid)
    assert len(killed) == 6
    for pid in (*killed, *engines_of(product.state)):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: len(children(product.process.pid).keys() - killed.keys()) == 6)
    wait(product.is_up)

    left = {*children(product.process.pid), *engines_of(product.state)}
    assert running(left) == left
    assert product.stop(signal.SIGINT) == 0
    assert running(left) == set()
    assert not {"run.pid", "supervisord.pid"} & {path.name for path in product.state.iterdir()}


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_the_children_of_a_killed_run_stop_by_themselves(product: Product) -> None:
    orphans = [*children(product.process.pid), *engines_of(product.state)]
    assert len(orphans) == 8
    product.process.kill()
    product.process.wait(10)
    wait(lambda: not running(orphans))


@pytest.mark.faults
def test_a_dead_server_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    dead = {"DATABASE_URL": "postgres://emm:hunter2@127.0.0.1:1/emm", "REDIS_URL": "redis://127.0.0.1:1"}
    refused = subprocess.run(
        [sys.executable, "manage.py", "run"],
        cwd=ROOT, env=environ(tmp_path, free_port(), **dead), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stderr.startswith("CommandError: PostgreSQL does not answer")
    assert "hunter2" not in refused.stderr


@pytest.mark.faults
def test_uvicorn_serves_the_product_by_itself(state: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--log-level", "warning"],
        cwd=ROOT, env=environ(state, port),
    )  # fmt: skip
    try:
        wait(lambda: status(f"http://127.0.0.1:{port}/"))
        root = httpx.get(f"http://127.0.0.1:{port}/", headers={"Accept": "*/*"}).json()
        health = httpx.get(f"http://127.0.0.1:{port}/health").json()
    finally:
        server.terminate()
        server.wait(PATIENCE)
    assert isinstance(root["poller_running"], bool)
    assert health["components"]["database"]["state"] == "ok"


def test_whoever_has_not_set_up_notion_is_led_there() -> None:
    out = StringIO()
    command = run.Command(stdout=out)
    command.greet()
    assert "Set up" not in out.getvalue()
    command.set_up_page = "/admin/notion_sync/setuprun/"
    command.greet()
    assert re.search(r"Set up +http://127.0.0.1:\d+/admin/notion_sync/setuprun/", out.getvalue())
