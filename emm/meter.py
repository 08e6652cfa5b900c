"""What one process counts as it goes: requests, response times, and the lines of its log that are errors."""

from __future__ import annotations

import bisect
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse

# Upper bounds of the buckets of response times, in milliseconds; one more bucket holds what took longer.
BOUNDS_MS = (10, 25, 50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000)
MOST_UNWRITTEN = 60  # minutes that are kept while the database is away


@dataclass
class Tally:
    """What was counted in the minute that runs."""

    minute: datetime
    requests: int = 0
    failed: int = 0
    errors: int = 0
    critical: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))


def _this_minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


class Meter:
    """Counts for one process. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tally = Tally(_this_minute())
        self._over: list[Tally] = []

    def request(self, milliseconds: float, failed: bool) -> None:
        """A request was answered."""
        with self._lock:
            tally = self._current()
            tally.requests += 1
            tally.failed += failed
            tally.buckets[bisect.bisect_left(BOUNDS_MS, milliseconds)] += 1

    def line(self, level: int) -> None:
        """A line was logged at ERROR or above."""
        with self._lock:
            tally = self._current()
            tally.errors += 1
            tally.critical += level >= logging.CRITICAL

    def unwritten(self) -> list[Tally]:
        """The minutes that are over and not yet written, and the one that runs."""
        with self._lock:
            self._current()
            # Copies: a tally that goes on counting meanwhile is not the one that was written.
            return [replace(tally, buckets=list(tally.buckets)) for tally in (*self._over, self._tally)]

    def forget(self, written: list[Tally]) -> None:
        """These are written: those that are over are not needed any more."""
        with self._lock:
            self._over = [tally for tally in self._over if tally not in written]

    def _current(self) -> Tally:
        """The tally of this minute; the one before waits to be written."""
        minute = _this_minute()
        if self._tally.minute != minute:
            self._over = [*self._over, self._tally][-MOST_UNWRITTEN:]
            self._tally = Tally(minute)
        return self._tally


METER = Meter()


class MeasureRequests:
    """Middleware: counts every request and the time it took, up to the answer's first byte."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        response = self.get_response(request)
        # Probes of our own health answer 503 on purpose: that is a state of the parts, no failed request.
        failed = response.status_code >= 500 and not request.path.startswith("/health")
        METER.request((time.monotonic() - started) * 1_000, failed)
        return response


class CountErrors(logging.Handler):
    """A log handler that counts what is an error."""

    def emit(self, record: logging.LogRecord) -> None:
        METER.line(record.levelno)
