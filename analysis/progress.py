"""Where items stand once what was promised for them is written: no other room calls us, so we look."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from analysis import ledger
from analysis.models import Analysis, Settlement
from emm import schedule
from emm.jobs import JobQuerySet
from notion_sync import outbox
from notion_sync.models import Action, DataSource, InboxItem, OutboxEntry, PageRead, Poller

State = InboxItem.State
NOT_WRITTEN = "Not written to Notion:"
PROCESSING = "show that we are at it"
LONG = timedelta(seconds=30)
LOOK = timedelta(hours=1)
KEPT_IN_TRASH = timedelta(days=30)  # by Notion
AT_ONCE = 50  # looks that one sweep opens
GONE = (
    "The page of its plan is in Notion's trash, or was moved away, so nobody is asked to decide. Bring it back there."
)


def advance_items() -> None:
    """Move the items whose writes are done or stuck, show in Notion what takes long, and close calls that were lost.

    What waits for a decision is looked at every hour, whether it is still there.
    """
    ledger.close_lost()
    _hold_stuck()
    _let_go_on()
    _close_written()
    _show_long_work()
    _look_at_proposals()
    _explain_what_is_gone()


def _hold_stuck() -> None:
    for item in InboxItem.objects.filter(_stuck(), state=State.WRITING):
        _move(item, State.WRITING, State.HELD, _why_stuck(item))


def _let_go_on() -> None:
    """Items that were held for a stuck write which a person has queued again."""
    for item in InboxItem.objects.filter(~_stuck(), state=State.HELD, state_reason__startswith=NOT_WRITTEN):
        _move(item, State.HELD, State.WRITING)


def _close_written() -> None:
    for item in _written():
        analysis = item.analyses.filter(superseded="", action__isnull=False).order_by("-revision").first()
        if analysis is None or Settlement.objects.filter(synthesis__analysis=analysis).exists():
            _move(item, State.WRITING, State.DONE)
        else:
            _move(item, State.WRITING, State.PROPOSED)


def _written() -> QuerySet[InboxItem]:
    return InboxItem.objects.filter(~_stuck(), ~Exists(_entries().unfinished()), state=State.WRITING)


def _show_long_work() -> None:
    """Write Processing once, and only for items that a person would otherwise see unchanged for long."""
    said = Exists(_entries().filter(purpose=PROCESSING))
    for item in InboxItem.objects.filter(
        ~said, state__in=(State.TRIAGING, State.ANALYSING), state_since__lt=Now() - LONG, in_trash=False
    ):
        with transaction.atomic():
            outbox.update_page(item, {"Status": "Processing"}, purpose=PROCESSING, item=item)


def _proposals() -> QuerySet[Analysis]:
    """What waits for a decision, also where its page is gone."""
    return Analysis.objects.filter(item__state=State.PROPOSED, superseded="", action__settlement=None)


def _look_at_proposals() -> None:
    """Have the pages of what waits for a decision read by their ids once an hour: no query tells of the trash, nor of what
    came back from it as it was."""
    waiting = _proposals().filter(item__state_since__lt=Now() - LOOK)
    if not waiting.exists() or Poller.objects.filter(status=Poller.Status.PAUSED).exists():
        return
    lately = PageRead.objects.filter(page_id=OuterRef("page_id"), opened_at__gt=Now() - LOOK)
    for source in DataSource.objects.filter(key__in=(InboxItem.key, Action.key), hold=""):
        pages = (
            InboxItem.objects.filter(analyses__in=waiting)
            if source.key == InboxItem.key
            else Action.objects.filter(analysis__in=waiting)
        )
        there = Q(in_trash=False) | Q(last_edited_time__gt=Now() - KEPT_IN_TRASH)  # or it may come back
        due = pages.filter(there, ~Exists(lately), page_id__isnull=False)
        ids = due.values_list("page_id", flat=True)[:AT_ONCE]
        reads = [PageRead(source=source, page_id=id, in_background=True) for id in ids if id]
        if reads:
            PageRead.objects.bulk_create(reads, ignore_conflicts=True)
            schedule.nudge("page")


def _explain_what_is_gone() -> None:
    """Say on the item that its proposal is in the trash, until it is back."""
    gone = Exists(_proposals().filter(item=OuterRef("pk"), action__in_trash=True))
    for item in InboxItem.objects.filter(gone, state=State.PROPOSED, state_reason=""):
        _move(item, State.PROPOSED, State.PROPOSED, GONE)
    for item in InboxItem.objects.filter(~gone, state=State.PROPOSED, state_reason=GONE):
        _move(item, State.PROPOSED, State.PROPOSED)


def _move(item: InboxItem, seen: State, state: State, why: str = "") -> None:
    """Move the item, unless somebody else has moved it since we looked."""
    with transaction.atomic():
        if InboxItem.objects.select_for_update().filter(pk=item.pk, state=seen).exists():
            item.enter(state, why)


def _why_stuck(item: InboxItem) -> str:
    stuck = item.outbox.filter(status__in=(OutboxEntry.Status.NEVER, OutboxEntry.Status.DEAD)).order_by("pk")
    return f"{NOT_WRITTEN} " + " ".join(f"{entry.purpose} ({entry.last_error})" for entry in stuck)


def _stuck() -> Exists:
    return Exists(_entries().stuck())


def _entries() -> JobQuerySet:
    return OutboxEntry.objects.filter(item=OuterRef("pk"))
