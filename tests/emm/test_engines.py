"""The embedded engines, as processes really use them: shared, started again when dead, stopped by the last one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from emm import engines

ROOT = Path(__file__).resolve().parent.parent.parent
USER = """
import os, sys
from emm import engines
engines.ENV_FILE = os.devnull
engines.start()
print(os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL"), flush=True)
for line in sys.stdin:
    for name in engines.embedded:
        os.environ.pop(name, None)
    try:
        engines.start()
    except engines.EngineDown:
        pass
    print(os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL"), flush=True)
"""


class User:
    """A process that uses the engines of one state folder until it is told to leave."""

    def __init__(self, state: Path, **environ: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "EMM_STATE_DIR": str(state), "XDG_RUNTIME_DIR": "/tmp", **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.database_url, self.redis_url = self._answer()

    def _answer(self) -> list[str]:
        assert self.process.stdout is not None
        line: str = self.process.stdout.readline()
        return line.split()

    def start_again(self) -> list[str]:
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return self._answer()

    def leave(self) -> None:
        assert self.process.stdout is not None
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


Join = Callable[..., User]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of its own, made once; `make reset` removes it and the data."""
    state = tmp_path_factory.mktemp("state")
    yield state
    environ = {"PATH": os.environ["PATH"], "EMM_STATE_DIR": str(state)}
    subprocess.run([sys.executable, "scripts/reset.py"], cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
    assert not state.exists()


@pytest.fixture
def join(made: Path) -> Iterator[Join]:
    """Starts a process that uses the engines of that folder. One that a failed test left is killed."""
    users: list[User] = []

    def start(**environ: str) -> User:
        users.append(User(made, **environ))
        return users[-1]

    yield start
    for user in users:
        if user.process.poll() is None:
            user.kill()


def database_answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def redis_answers(url: str) -> bool:
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def engine_pids(url: str) -> tuple[int, int]:
    with psycopg.connect(url) as connection:
        row = connection.execute("show data_directory").fetchone()
    assert row is not None
    data = Path(row[0])
    with redis.Redis(**json.loads((data.parent / "valkey.json").read_text())) as client:
        valkey = int(client.info("server")["process_id"])
    return int((data / "postmaster.pid").read_text().split()[0]), valkey


def test_a_server_that_refuses_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        assert not engines._answers({"port": taken.getsockname()[1], "password": "any"})
    assert waits == []


def test_the_last_process_stops_the_engines_that_the_first_one_started(join: Join) -> None:
    first = join()
    second = join()
    assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)
    first.leave()
    assert database_answers(second.database_url)
    assert redis_answers(second.redis_url)
    second.leave()
    assert not database_answers(second.database_url)
    assert not redis_answers(second.redis_url)


@pytest.mark.faults
def test_a_killed_process_leaves_no_lock_behind(join: Join) -> None:
    killed = join()
    killed.kill()
    assert database_answers(killed.database_url)
    join().leave()
    assert not database_answers(killed.database_url)
    assert not redis_answers(killed.redis_url)


@pytest.mark.faults
def test_what_was_stored_is_there_again_after_a_stop(join: Join) -> None:
    user = join()
    with psycopg.connect(user.database_url) as connection:
        connection.execute("create table if not exists kept (text text)")
        connection.execute("insert into kept values ('here')")
    with redis.Redis.from_url(user.redis_url) as client:
        client.set("kept", "here")
    user.leave()
    user = join()
    with psycopg.connect(user.database_url) as connection:
        assert connection.execute("select text from kept limit 1").fetchone() == ("here",)
    with redis.Redis.from_url(user.redis_url) as client:
        assert client.get("kept") == b"here"
    user.leave()


@pytest.mark.faults
def test_a_killed_engine_is_started_again_at_the_same_address(join: Join) -> None:
    user = join()
    for pid in engine_pids(user.database_url):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while user.start_again() != [user.database_url, user.redis_url]:
        assert time.monotonic() < deadline
    assert database_answers(user.database_url)
    assert redis_answers(user.redis_url)
    user.leave()


def test_a_server_that_is_named_is_left_alone(join: Join) -> None:
    user = join(DATABASE_URL="postgres://elsewhere/emm", REDIS_URL="redis://elsewhere")
    assert (user.database_url, user.redis_url) == ("postgres://elsewhere/emm", "redis://elsewhere")
    user.leave()


def test_production_starts_no_engine(join: Join) -> None:
    user = join(ENVIRONMENT="production")
    assert (user.database_url, user.redis_url) == ("None", "None")
    user.leave()


@pytest.mark.faults
def test_reset_refuses_while_somebody_works_with_the_engines(join: Join, made: Path) -> None:
    user = join()
    environ = {"PATH": os.environ["PATH"], "EMM_STATE_DIR": str(made)}
    refused = subprocess.run(
        [sys.executable, "scripts/reset.py"], cwd=ROOT, env=environ, check=False, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert database_answers(user.database_url)
    user.leave()
