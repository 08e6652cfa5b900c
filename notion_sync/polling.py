"""Stage 1: mirror what changed in Notion since the cursor.

Notion floors its times to the minute and its queries may lag, so every poll reads again what was edited in the two minutes
before the last one began, and the digest tells what is new. The cursor moves only when a poll has read to its end. It is
a time of Notion's clock, which its answers tell: no difference between that and ours hides an edit.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum, Value
from django.db.models.functions import Now

from emm.jobs import Later, Never
from emm.schedule import STAGES
from notion_sync import alarm, client, drift, pace, workspace
from notion_sync.mirror import absorb, complete
from notion_sync.models import DataSource, PollCycle, Poller, Window
from notion_sync.windows import GROWS_AFTER, OVERLAP, grow_pages, open_for, page_ids, query

WINDOWS = timedelta(seconds=30)  # the last window wakes the poll; this is for the case that its nudge is lost
PROGRESS = ["next_page", "reading_since", "reading_from", "cursor", "polled_at", "mirrored_at"]
SWEEP = STAGES["poll"].period
AT_ONCE = 10  # pages of results that a poll reads before others go first, where a person or Notion asked for it
SLOW_SOURCES_EVERY = 10  # polls of the inbox for one of the databases where nobody waits for us


def poller() -> Poller:
    """The one row, made from POLLING_INTERVAL_SECONDS the first time."""
    return Poller.objects.get_or_create(pk=1, defaults={"interval_seconds": settings.POLLING_INTERVAL_SECONDS})[0]


def open_cycles() -> None:
    """Open a poll for each source whose time has come. None while the poller is paused."""
    row = poller()
    if row.status == Poller.Status.PAUSED:
        return
    for source in DataSource.objects.filter(hold="").annotate(now=Now()):
        every = row.interval * (1 if workspace.DATABASES[source.key].each_cycle else SLOW_SOURCES_EVERY)
        early = (
            SWEEP / 2 if every > SWEEP else timedelta(0)
        )  # the sweep nearest to the interval's end, not the one after it
        if source.polled_at is None or source.polled_at + every - early <= source.now:
            PollCycle.open(source, PollCycle.Trigger.INTERVAL)
        elif source.wanted_at is not None and source.wanted_at > source.polled_at:
            PollCycle.open(source, PollCycle.Trigger.WEBHOOK)


def ask() -> int:
    """Poll all sources now, whatever the interval and also while paused. Returns how many polls were opened."""
    Poller.objects.filter(pk=poller().pk).update(asked_at=Now())
    return sum(PollCycle.open(source, PollCycle.Trigger.PERSON) for source in DataSource.objects.filter(hold=""))


def poll(cycle: PollCycle) -> None:
    """Mirror the source of `cycle` from its cursor on, page of results by page of results.

    Resumes where an interrupted poll stopped. What is too much for one query is read in windows: the poll waits for them.
    Raises what `client.query` raises.
    """
    asked_for = cycle.trigger == PollCycle.Trigger.PERSON
    if not asked_for and poller().status == Poller.Status.PAUSED:
        return
    source = cycle.source
    drift.refuse(source)
    if source.reading_from is None:
        _begin(source)
    while source.reading_from is not None and not _is_shared_out(source):
        with pace.background() if _can_wait(cycle) else nullcontext():
            _read_on(cycle, source)
        if cycle.requests % GROWS_AFTER == 0:
            grow_pages(source)
    if source.reading_from is not None:
        _take_in(cycle, source)
    grow_pages(source)


def _can_wait(cycle: PollCycle) -> bool:
    """Whether whoever else calls Notion goes first: also once it turns out that there is more than somebody waits for.

    Not for a first mirror: all writes to its database wait for it.
    """
    asked_for = cycle.trigger != PollCycle.Trigger.INTERVAL and cycle.requests < AT_ONCE
    return not asked_for and cycle.source.mirrored_at is not None


def _read_on(cycle: PollCycle, source: DataSource) -> None:
    """Mirror the next page of results."""
    try:
        answer = query(source, edited_since=source.reading_since, start_cursor=source.next_page or None)
    except Never:
        if not source.next_page:
            raise
        _begin(source)  # Notion forgets its cursors after a while
        raise Later(
            timedelta(), "Notion no longer knows where the last poll stopped: reading from its start."
        ) from None
    if answer.answered_at is not None:
        _compare_clocks(source, answer.answered_at)
    drift.look_at(source, answer.pages)
    pages = complete(source, answer.pages)
    with transaction.atomic():
        seen = absorb(source, pages)
        alarm.wake(source, seen)
        cycle.keep(
            seen=cycle.seen + len(answer.pages),
            changed=cycle.changed + sum(one.woke for one in seen),
            requests=cycle.requests + 1,
        )
        _advance(source, answer)


def _is_shared_out(source: DataSource) -> bool:
    return Window.objects.filter(source=source, reconciliation=None).exists()


def _take_in(cycle: PollCycle, source: DataSource) -> None:
    """End the poll once all its windows were read. Raises Later until then: the cursor stays where it was."""
    windows = Window.objects.filter(source=source, reconciliation=None)
    left = windows.exclude(status=Window.Status.DONE)
    if stuck := windows.filter(status__in=(Window.Status.NEVER, Window.Status.DEAD)).first():
        raise Later(
            WINDOWS, f"A window of this poll could not be read: queue it again under Windows. {stuck.last_error}"
        )
    if count := left.count():
        raise Later(WINDOWS, f"Too much for one query: {count} windows are still being read.")
    with transaction.atomic():
        found = windows.aggregate(changed=Sum("changed"), requests=Sum("requests"))
        cycle.keep(
            seen=page_ids(windows).count(),
            changed=cycle.changed + found["changed"],
            requests=cycle.requests + found["requests"],
        )
        windows.delete()
        _end(source)
        source.save(update_fields=PROGRESS)


def _begin(source: DataSource) -> None:
    source.reading_from = Now()
    source.reading_since = _floored(source.cursor - OVERLAP) if source.cursor else None
    source.next_page = ""
    source.save(update_fields=["reading_from", "reading_since", "next_page"])
    source.refresh_from_db(fields=["reading_from"])


def _compare_clocks(source: DataSource, by_notion: datetime) -> None:
    """Store how far Notion's clock is ahead: rather a second too little, since the cursor must not be late."""
    DataSource.objects.filter(pk=source.pk).update(clock_ahead=Value(by_notion) - Now())
    source.refresh_from_db(fields=["clock_ahead"])


def _floored(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


def _advance(source: DataSource, answer: client.QueryPage) -> None:
    """Store how far the poll has come. A first mirror of several pages of results, and what Notion cuts, is shared out."""
    source.next_page = answer.next_cursor or ""
    if answer.capped or (answer.next_cursor and source.cursor is None):
        source.next_page = ""
        open_for(source, source.reading_since)
    elif not answer.next_cursor:
        _end(source)
    source.save(update_fields=PROGRESS)


def _end(source: DataSource) -> None:
    assert source.reading_from is not None, "only what began ends"
    source.polled_at = source.reading_from
    source.cursor = source.reading_from + source.clock_ahead
    if source.mirrored_at is None:
        source.mirrored_at = source.reading_from
        alarm.wake_writes(source)
    source.reading_from = None
