"""Where items stand once what was promised for them is written: no other room calls us, so we look."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from analysis import ledger
from analysis.models import Settlement
from emm.jobs import JobQuerySet
from notion_sync import outbox
from notion_sync.models import InboxItem, OutboxEntry

State = InboxItem.State
NOT_WRITTEN = "Not written to Notion:"
PROCESSING = "show that we are at it"
LONG = timedelta(seconds=30)


def advance_items() -> None:
    """Move the items whose writes are done or stuck, show in Notion what takes long, and close calls that were lost."""
    ledger.close_lost()
    _hold_stuck()
    _let_go_on()
    _close_written()
    _show_long_work()


def _hold_stuck() -> None:
    for item in InboxItem.objects.filter(_stuck(), state=State.WRITING):
        _move(item, State.WRITING, State.HELD, _why_stuck(item))


def _let_go_on() -> None:
    """Items that were held for a stuck write which a person has queued again."""
    for item in InboxItem.objects.filter(~_stuck(), state=State.HELD, state_reason__startswith=NOT_WRITTEN):
        _move(item, State.HELD, State.WRITING)


def _close_written() -> None:
    for item in _written():
        analysis = item.analyses.filter(superseded="").order_by("-revision").first()
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
