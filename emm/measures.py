"""What each process does and uses, minute by minute, as rows: requests, errors, processor, memory, disk.

A thread of the process writes its own row every few seconds, whole totals each time, so nothing is counted twice.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import psutil
import structlog
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, InterfaceError, connection, models

from emm.meter import METER

PERIOD_SECONDS = 15
CGROUP = Path("/sys/fs/cgroup")
log = structlog.get_logger(__name__)


class ProcessMinute(models.Model):
    """One minute of one process. A minute with a row of a web process is a minute in which we served."""

    minute = models.DateTimeField()
    kind = models.CharField(max_length=20, help_text="web, worker or beat.")
    process = models.CharField(max_length=100, help_text="Host and process id.")
    requests = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0, help_text="Requests that were answered with 500 or more.")
    buckets = ArrayField(models.PositiveIntegerField(), help_text="Requests by response time, see BOUNDS_MS.")
    errors_logged = models.PositiveIntegerField(default=0)
    critical_logged = models.PositiveIntegerField(default=0)
    memory_bytes = models.PositiveBigIntegerField(help_text="Resident memory of the process.")
    cpu_percent = models.FloatField(help_text="Of the machine or container.")
    memory_percent = models.FloatField(help_text="Of the machine or container.")
    disk_percent = models.FloatField(help_text="Of the file system that we run on.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["minute", "process"], name="processminute_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.process} at {self.minute:%H:%M}"


def flush(kind: str) -> None:
    """Write what this process has counted. Raises DatabaseError where that cannot be."""
    wanted = METER.unwritten()
    used = usage()
    name = f"{socket.gethostname()}:{os.getpid()}"[:100]
    rows = [
        ProcessMinute(
            minute=tally.minute, kind=kind, process=name, requests=tally.requests, failed=tally.failed,
            buckets=list(tally.buckets), errors_logged=tally.errors, critical_logged=tally.critical,
            memory_bytes=psutil.Process().memory_info().rss, **used,
        )
        for tally in wanted
    ]  # fmt: skip
    ProcessMinute.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["minute", "process"],
        update_fields=[
            "requests", "failed", "buckets", "errors_logged", "critical_logged", "memory_bytes", "cpu_percent",
            "memory_percent", "disk_percent",
        ],
    )  # fmt: skip
    METER.forget(wanted)


def start(kind: str) -> None:
    """Measure this process from now on. `kind`: web, worker or beat. Call it after the process has forked."""
    threading.Thread(target=_measure, args=(kind,), name="measures", daemon=True).start()


def usage() -> dict[str, float]:
    """Percent of processor, memory and disk that are used: the container's where it has limits, else the machine's."""
    return {
        "cpu_percent": psutil.cpu_percent(),
        "memory_percent": _memory_percent(),
        "disk_percent": psutil.disk_usage(str(settings.BASE_DIR)).percent,
    }


def memory_limit() -> int:
    """Bytes that this container may use: its own limit, else the machine's memory."""
    machine = int(psutil.virtual_memory().total)
    try:
        return min(int((CGROUP / "memory.max").read_text()), machine)
    except (OSError, ValueError):  # no such container, or no limit
        return machine


def _memory_percent() -> float:
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return float(psutil.virtual_memory().percent)
    return 100 * used / limit


def _measure(kind: str) -> None:
    psutil.cpu_percent()  # the first reading is the start of the measurement
    while True:
        time.sleep(PERIOD_SECONDS)
        try:
            flush(kind)
        except (DatabaseError, InterfaceError, OSError) as error:
            log.warning("measures_not_written", error=type(error).__name__)
        finally:
            connection.close()
