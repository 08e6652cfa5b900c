"""What follows from what was seen: bodies are read, items triaged, decisions settled, waiting writes sent."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from emm import schedule
from emm.jobs import LostLease
from notion_sync import backlog
from notion_sync.mirror import Seen
from notion_sync.models import BodyRead, DataSource, InboxItem, Mirror, OutboxEntry

MINUTE = timedelta(minutes=1)
ONCE_RESTORED = "Restore it there, and this is written once a poll has seen it."  # how the reason of such a write ends
CONCLUDED = (InboxItem.State.DECIDED, InboxItem.State.DONE, InboxItem.State.SKIPPED)


def wake(source: DataSource, seen: list[Seen]) -> None:
    """Have what was seen looked at: bodies, triage, decisions, writes. Call it in the transaction that mirrored it."""
    _write_to_restored([one.mirror for one in seen if one.woke and not one.new and not one.mirror.in_trash])
    if source.key == "inbox":
        passed = backlog.hold(source, [one.mirror for one in seen if isinstance(one.mirror, InboxItem)])
        seen = [one for one in seen if one.mirror.pk not in passed and getattr(one.mirror, "backlog", "") != "held"]
        _ask_for_bodies(source, seen)
        if any(one.woke for one in seen):
            schedule.nudge("triage")
    elif source.key == "actions":
        schedule.nudge("settle")


def wake_writes(source: DataSource) -> None:
    """Have what was promised to this database sent now. Call it in the transaction that ends its first mirror."""
    # One that was sent before is in its quarantine.
    unsent = OutboxEntry.objects.filter(source_key=source.key, status=OutboxEntry.Status.WAITING, sent_at=None)
    unsent.update(due_at=Now())
    schedule.nudge("deliver")


def _write_to_restored(pages: list[Mirror]) -> None:
    """Queue again what could not be written to one of `pages` because it was in the trash."""
    stuck = OutboxEntry.objects.filter(status=OutboxEntry.Status.NEVER, last_error__endswith=ONCE_RESTORED)
    named = Q(page_id__in=[page.page_id for page in pages])
    ours = Q(emm_id__in=[page.emm_id for page in pages if page.ours and page.emm_id])
    for entry in stuck.filter(named | ours).order_by("pk"):
        with suppress(LostLease):
            entry.queue_again()


def _ask_for_bodies(source: DataSource, seen: list[Seen]) -> None:
    closed = InboxItem.objects.filter(
        pk__in=[one.mirror.pk for one in seen], last_edited_time__lte=Now() + (source.clock_ahead - MINUTE)
    )
    settled = set(closed.values_list("pk", flat=True))
    wanted = [
        one.mirror
        for one in seen
        if isinstance(one.mirror, InboxItem)
        and _needs_body(one.mirror, one.edited_by_us, source.clock_ahead, settled=one.mirror.pk in settled)
    ]
    jobs = {job.item_id: job for job in BodyRead.objects.filter(item__in=wanted)}
    for item in wanted:
        job = jobs.get(item.pk)
        if job is None:
            job = BodyRead.objects.create(item=item)
        elif not BodyRead.objects.filter(pk=job.pk, status=BodyRead.Status.DONE).update(
            status=BodyRead.Status.WAITING, status_since=Now(), due_at=Now()
        ):
            continue
        schedule.nudge("body", job.pk)


def _needs_body(item: InboxItem, edited_by_us: bool, clock_ahead: timedelta, *, settled: bool) -> bool:
    """Never read, or edited since; a page read within the minute of its edit is read again when that closes (`settled`).

    Our own edit hides that of a person in the same minute. So it counts too, while there is anything left to decide.
    """
    if item.in_trash or (edited_by_us and item.state in CONCLUDED):
        return False
    if item.body_of is None or item.body_read_at is None or item.last_edited_time is None:
        return True
    read_at = item.body_read_at + clock_ahead  # by Notion's clock, like the time of the edit
    stale = item.last_edited_time > item.body_of or read_at < item.last_edited_time + MINUTE
    return stale and settled
