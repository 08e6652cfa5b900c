"""The product as processes: a sandbox, workers for each queue and a beat, stopped at the end whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench import engine
from tests.world import Sandbox

WORKERS = {"sync": 12, "llm": 12, "write": 6}


@contextlib.contextmanager
def sandbox() -> Iterator[Sandbox]:
    """An empty sandbox where the settings expect it."""
    with started("-m", "sandbox", "--port", str(engine.PORT + 1), "--db", ":memory:"):
        server = Sandbox(f"http://127.0.0.1:{engine.PORT + 1}")
        wait_for(server.is_up, 30, "the sandbox")
        yield server
        server.http.close()


@contextlib.contextmanager
def product(**environment: str) -> Iterator[None]:
    """Workers and beat, with more variables than the bench's own."""
    celery = ("-m", "celery", "-q", "-A", "emm.celery")
    with contextlib.ExitStack() as stack:
        for queue, threads in WORKERS.items():
            options = ("-P", "threads", "-Q", queue, "-c", str(threads), "-n", f"{queue}@%h")
            stack.enter_context(
                started(*celery, "worker", *options, "--without-gossip", "--without-mingle", **environment)
            )
        stack.enter_context(started(*celery, "beat", "--pidfile=", **environment))
        yield


@contextlib.contextmanager
def started(*arguments: str, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> bool:
    """Look five times a second until `condition` holds. False, and a line that says so, when it does not in time."""
    deadline, tick = time.monotonic() + seconds, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            print(f"  {what} did not happen within {seconds:.0f} s")
            return False
        tick.wait(0.2)
    return True
