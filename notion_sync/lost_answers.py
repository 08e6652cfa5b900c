"""What to wait for after a write whose answer was lost: it may be applied late, and be seen later still."""

from __future__ import annotations

from django.conf import settings
from django.db.models.functions import Now

from emm.jobs import Later
from notion_sync.models import OutboxEntry


def wait(entry: OutboxEntry) -> None:
    """Raises Later until what was sent is applied and can be seen, if it ever is."""
    assert entry.sent_at is not None
    if OutboxEntry.objects.filter(pk=entry.pk, sent_at__gt=Now() - settings.OUTBOX_QUARANTINE).exists():
        until = entry.sent_at + settings.OUTBOX_QUARANTINE
        raise Later(until, "An answer was lost: what it wrote is looked up before it is written again.")


def note_miss(entry: OutboxEntry) -> None:
    """Nothing was found. Raises Later the first time: only two looks are believed."""
    if entry.misses == 0:
        entry.keep(misses=1)
        raise Later(settings.OUTBOX_SECOND_LOOK, "An answer was lost and nothing found of it: looks once more.")
