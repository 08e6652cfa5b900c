"""Readings of more than one query can give: a data source is shared out by creation time.

Notion ends a query at 10,000 results, and its cursors can only be followed one after the other
(https://developers.notion.com/guides/data-apis/query-large-data-sources). So a reading begins as one window without
bounds; a window that has read some pages of results and is not at its end gives the later half of what is left to another
worker, and so on. All of them spend the one request budget, as background work.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from emm import schedule
from emm.jobs import Later, Never
from notion_sync import client, drift, pace
from notion_sync.alarm import MINUTE, wake
from notion_sync.mirror import Seen, absorb, complete
from notion_sync.models import DataSource, ListedPage, Poller, Reconciliation, Window

OVERLAP = timedelta(minutes=2)  # of two polls: see `polling`
SHARED_OUT_AFTER = 10  # pages of results that one worker reads before it gives half of the rest away
LARGEST, SMALLEST = 100, 10  # results on a page
GROWS_AFTER = 10  # pages of results that came in time
PAUSED = timedelta(seconds=30)


def query(source: DataSource, **wanted: Any) -> client.QueryPage:
    """One page of results, as `client.query` gives it. Where Notion ran out of time the next one asks for half as many."""
    try:
        return client.query(str(source.data_source_id), page_size=source.page_size, **wanted)
    except client.TooSlow:
        DataSource.objects.filter(pk=source.pk).update(page_size=max(source.page_size // 2, SMALLEST))
        raise
    except client.NotShared:
        drift.want(source)
        raise


def grow_pages(source: DataSource) -> None:
    """After a reading to its end, and on the way of a long one: ask for twice as many results again, until the page is full."""
    if source.page_size < LARGEST:
        DataSource.objects.filter(pk=source.pk).update(page_size=Least(F("page_size") * 2, LARGEST))
        source.refresh_from_db(fields=["page_size"])


def open_for(source: DataSource, edited_since: datetime | None, reconciliation: Reconciliation | None = None) -> None:
    """Begin a reading, in the caller's transaction: of all pages, or of those edited since."""
    window = Window.objects.create(source=source, edited_since=edited_since, reconciliation=reconciliation)
    schedule.nudge("window", window.pk)


def read(window: Window) -> None:
    """Stage window: mirror one window to its end, page of results by page of results.

    Resumes where it was interrupted. Raises what `client.query` raises.
    """
    with pace.background():
        while window.status == Window.Status.RUNNING:
            source = DataSource.objects.get(pk=window.source_id)
            if source.hold:
                raise Later(MINUTE, source.hold)
            if Poller.objects.filter(status=Poller.Status.PAUSED).exists():
                raise Later(PAUSED, "Polling is paused: resume it under Poller.")
            answer = _ask(window, source)
            drift.look_at(source, answer.pages)
            pages = complete(source, answer.pages)
            with transaction.atomic():
                seen = absorb(source, pages)
                wake(source, seen)
                _count(window, source, seen)
                _advance(window, answer)
            if window.requests % GROWS_AFTER == 0:
                grow_pages(source)


def _ask(window: Window, source: DataSource) -> client.QueryPage:
    try:
        return query(
            source,
            edited_since=window.edited_since,
            created_since=window.since,
            created_before=window.until,
            by_creation=True,
            start_cursor=window.next_page or None,
        )
    except Never:
        if not window.next_page:
            raise
        window.keep(next_page="", since=window.reached)  # Notion forgets its cursors after a while
        raise Later(timedelta(), "Notion no longer knows where this window stopped: reading on by time.") from None


def _count(window: Window, source: DataSource, seen: list[Seen]) -> None:
    """Add up what was seen. A page that a poll should have brought before is a difference that is repaired by now."""
    listed = [ListedPage(window=window, page_id=id) for one in seen if (id := one.mirror.page_id)]
    ListedPage.objects.bulk_create(listed, ignore_conflicts=True)
    window.keep(
        changed=window.changed + sum(one.woke for one in seen),
        requests=window.requests + 1,
    )
    if window.reconciliation_id is None or source.cursor is None:
        return
    settled = source.cursor - OVERLAP
    late = [one for one in seen if one.woke and _edited(one) < settled]
    missing = sum(one.new for one in late)
    Reconciliation.objects.filter(pk=window.reconciliation_id).update(
        missing=F("missing") + missing, stale=F("stale") + len(late) - missing, repaired=F("repaired") + len(late)
    )


def _edited(one: Seen) -> datetime:
    assert one.mirror.last_edited_time is not None
    return one.mirror.last_edited_time


def _advance(window: Window, answer: client.QueryPage) -> None:
    """Store how far it has come; at its end, finish. Beyond 10,000 results go on from the last creation time."""
    if answer.next_cursor is None and not answer.capped:
        window.finish()
        grow_pages(window.source)
        return
    last = datetime.fromisoformat(answer.pages[-1]["created_time"])
    got_on = window.since is None or last > window.since
    window.keep(reached=last, next_page=answer.next_cursor or "")
    if answer.capped and not got_on:
        raise Never(
            "More than 10,000 pages were created in one minute: Notion gives no way to read them all. Copy those that "
            "matter, in smaller lots, and trash the rest; then queue it again."
        )
    if answer.capped:
        window.keep(since=last)
    if got_on and window.requests % SHARED_OUT_AFTER == 0:
        _share_out(window, last)


def _share_out(window: Window, last: datetime) -> None:
    """Give the later half of what is left to another worker; the query begins anew at `last`, with its new bounds."""
    middle = last + ((window.until or timezone.now()) - last) / 2
    middle = middle.replace(second=0, microsecond=0)
    open_windows = window.siblings.filter(status__in=(Window.Status.WAITING, Window.Status.RUNNING)).count()
    if middle < last + MINUTE or open_windows >= Window.SIDE_BY_SIDE:
        return
    other = Window.objects.create(
        source=window.source,
        reconciliation=window.reconciliation,
        edited_since=window.edited_since,
        since=middle,
        until=window.until,
    )
    window.keep(since=last, until=middle, next_page="")
    schedule.nudge("window", other.pk)


def page_ids(windows: QuerySet[Window]) -> QuerySet[ListedPage, uuid.UUID]:
    """The ids of all pages that the windows have read, each once."""
    return ListedPage.objects.filter(window__in=windows).values_list("page_id", flat=True).distinct()
