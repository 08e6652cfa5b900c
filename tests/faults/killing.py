"""Runs a stage in a child process that ends itself with SIGKILL at its n-th step: an SQL statement, or one side of a request."""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
from celery import current_app
from django.db import connection, connections

from notion_sync import client


def survives(work: Callable[[], object], step: int) -> bool:
    """Fork, do `work` in the child and kill it before its `step`-th step. True: it ended before that step came."""
    client.disconnect()
    connections.close_all()
    child = os.fork()
    if child == 0:
        _run_until(work, step)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed"
    return True


def _run_until(work: Callable[[], object], step: int) -> None:
    code = 1
    faulthandler.dump_traceback_later(30, exit=True)
    current_app._after_fork()  # type: ignore[attr-defined]  # untyped; what Celery calls in a forked child: the parent's sockets are not ours
    try:
        steps = itertools.count(1)

        def count() -> None:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        _count_requests(count)
        with connection.execute_wrapper(_counting(count)):
            work()
        code = 0
    finally:
        os._exit(code)


def _counting(count: Callable[[], None]) -> Callable[..., Any]:
    def wrapper(execute: Callable[..., Any], *arguments: Any) -> Any:
        count()
        return execute(*arguments)

    return wrapper


def _count_requests(count: Callable[[], None]) -> None:
    for transport in (httpx.HTTPTransport, httpx2.HTTPTransport):
        _count_on(transport, count)


def _count_on(transport: Any, count: Callable[[], None]) -> None:
    send = transport.handle_request

    def counted(self: Any, request: Any) -> Any:
        count()
        answer = send(self, request)
        answer.read()
        count()
        return answer

    transport.handle_request = counted


def steps() -> Iterator[int]:
    """1, 2, 3, ... with an end, so that a stage which never survives fails the test."""
    return iter(range(1, 400))
