"""Signs of life: beat sends one message to each queue every few seconds, and the worker that takes it notes both."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

PERIOD = timedelta(seconds=15)
BEAT = "beat"


class Heartbeat(models.Model):
    """When a process was last known to live."""

    process = models.CharField(max_length=40, unique=True, help_text="beat, or worker: and its queue.")
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.process


def worker(queue: str) -> str:
    """The name under which the workers of `queue` are noted."""
    return f"worker:{queue}"


def note(*processes: str) -> None:
    """These processes live now."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(process=process, at=Now()) for process in processes],
        update_conflicts=True, unique_fields=["process"], update_fields=["at"],
    )  # fmt: skip
