"""Stage 1: mirror what changed in Notion since the cursor.

Notion floors its times to the minute and its queries may lag, so every poll reads again what was edited in the two minutes
before the last one began, and the digest tells what is new. The cursor moves only when a poll has read to its end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from emm import schedule
from emm.jobs import Later, Never
from notion_sync import client, workspace
from notion_sync.mirror import Seen, absorb, complete
from notion_sync.models import BodyRead, DataSource, InboxItem, PollCycle, Poller

OVERLAP = timedelta(minutes=2)
MINUTE = timedelta(minutes=1)
SLOW_SOURCES_EVERY = 10  # polls of the inbox for one of the databases where nobody waits for us


def poller() -> Poller:
    """The one row, made from POLLING_INTERVAL_SECONDS the first time."""
    return Poller.objects.get_or_create(pk=1, defaults={"interval_seconds": settings.POLLING_INTERVAL_SECONDS})[0]


def open_cycles() -> None:
    """Open a poll for each source whose time has come. None while the poller is paused."""
    row = poller()
    if row.status == Poller.Status.PAUSED:
        return
    for source in DataSource.objects.filter(hold=""):
        every = row.interval * (1 if workspace.DATABASES[source.key].each_cycle else SLOW_SOURCES_EVERY)
        if source.polled_at is None or source.polled_at + every <= timezone.now():
            _open(source, PollCycle.Trigger.INTERVAL)


def ask() -> int:
    """Poll all sources now, whatever the interval and also while paused. Returns how many polls were opened."""
    Poller.objects.filter(pk=poller().pk).update(asked_at=Now())
    return sum(_open(source, PollCycle.Trigger.PERSON) for source in DataSource.objects.filter(hold=""))


@transaction.atomic
def _open(source: DataSource, trigger: PollCycle.Trigger) -> bool:
    if PollCycle.objects.unfinished().filter(source=source).exists():
        return False
    PollCycle.objects.bulk_create([PollCycle(source=source, trigger=trigger)], ignore_conflicts=True)
    schedule.nudge("poll")
    return True


def poll(cycle: PollCycle) -> None:
    """Mirror the source of `cycle` from its cursor on, page of results by page of results.

    Resumes where an interrupted poll stopped. Raises what `client.query` raises.
    """
    source = cycle.source
    if cycle.trigger != PollCycle.Trigger.PERSON and poller().status == Poller.Status.PAUSED:
        return
    if source.reading_from is None:
        _begin(source)
    while source.reading_from is not None:
        try:
            answer = client.query(
                str(source.data_source_id), edited_since=source.reading_since, start_cursor=source.next_page or None
            )
        except Never:
            if not source.next_page:
                raise
            _begin(source)  # Notion forgets its cursors after a while
            raise Later(
                timedelta(), "Notion no longer knows where the last poll stopped: reading from its start."
            ) from None
        pages = complete(source, answer.pages)
        with transaction.atomic():
            seen = absorb(source, pages)
            _wake(source, seen)
            cycle.keep(
                seen=cycle.seen + len(answer.pages),
                changed=cycle.changed + sum(one.woke for one in seen),
                requests=cycle.requests + 1,
            )
            _advance(source, answer)


def _begin(source: DataSource) -> None:
    source.reading_from = timezone.now()
    source.reading_since = _floored(source.cursor - OVERLAP) if source.cursor else None
    source.next_page = ""
    source.save(update_fields=["reading_from", "reading_since", "next_page"])


def _floored(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


def _advance(source: DataSource, answer: client.QueryPage) -> None:
    """Store how far the poll has come. Beyond 10,000 rows Notion stops: the query goes on from the last time it gave."""
    source.next_page = answer.next_cursor or ""
    if answer.capped:
        last = datetime.fromisoformat(answer.pages[-1]["last_edited_time"])
        if last == source.reading_since:
            raise Never("More than 10,000 pages were edited in one minute: Notion gives no way to read them all.")
        source.reading_since = last
    elif not answer.next_cursor:
        source.cursor = source.polled_at = source.reading_from
        source.mirrored_at = source.mirrored_at or source.reading_from
        source.reading_from = None
    source.save(
        update_fields=["next_page", "reading_since", "reading_from", "cursor", "polled_at", "mirrored_at"],
    )


def _wake(source: DataSource, seen: list[Seen]) -> None:
    if source.key == "inbox":
        _ask_for_bodies(seen)
        if any(one.woke for one in seen):
            schedule.nudge("triage")
    elif source.key == "actions":
        schedule.nudge("settle")


def _ask_for_bodies(seen: list[Seen]) -> None:
    wanted = [
        one.mirror for one in seen if isinstance(one.mirror, InboxItem) and _needs_body(one.mirror, one.edited_by_us)
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


def _needs_body(item: InboxItem, edited_by_us: bool) -> bool:
    """Never read, or edited by someone else since; a page read within the minute of its edit is read again when that closes."""
    if item.in_trash:
        return False
    if item.body_of is None or item.body_read_at is None or item.last_edited_time is None:
        return True
    closes = item.last_edited_time + MINUTE
    stale = item.last_edited_time > item.body_of or item.body_read_at < closes
    return stale and not edited_by_us and timezone.now() >= closes
