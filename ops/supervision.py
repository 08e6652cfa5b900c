"""Supervisor, as `make run` uses it: in our own process, with three habits of ours.

Children write to our standard output, whatever that is (supervisor would open /dev/stdout, which a socket refuses and a
file answers with overlapping lines). On Linux they end when we are killed. And `each_tick` runs about once a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from supervisor import loggers
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1


class _Output(loggers.StreamHandler):  # type: ignore[misc]  # the package has no types
    def handleError(self) -> None:  # noqa: N802  # supervisor's name
        """Nobody reads us any more: the work goes on."""


class _Options(ServerOptions):  # type: ignore[misc]  # the package has no types
    def getLogger(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # supervisor's name
        logger = super().getLogger(*args, **kwargs)
        output = _Output(sys.stdout.buffer)
        output.setFormat("%(message)s")
        output.setLevel(logger.level)
        logger.addHandler(output)
        return logger

    def set_uid_or_exit(self) -> None:
        """We stay who we are: supervisor would warn a root user that it does."""

    def setpgrp(self) -> None:
        """Called in the child between fork and exec: a group of its own, which Ctrl-C does not reach."""
        os.setpgrp()
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class _Supervisor(Supervisor):  # type: ignore[misc]  # the package has no types
    def __init__(self, options: _Options, each_tick: Callable[[], None]) -> None:
        super().__init__(options)
        self.each_tick = each_tick

    def tick(self, now: float | None = None) -> None:
        super().tick(now)
        self.each_tick()


def supervise(configuration: str, each_tick: Callable[[], None]) -> None:
    """Run the programs of the file `configuration` until SIGTERM, SIGINT or SIGHUP; return when all have stopped."""
    options = _Options()
    options.realize(["-n", "-c", configuration])
    options.first, options.test = True, False
    try:
        _Supervisor(options, each_tick).main()
    except ExitNow:
        options.close_logger()
