"""What was in the inbox when the workspace was adopted: it waits until a person releases it, since it may cost."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from emm import schedule
from emm.audit import Actor, record
from notion_sync.models import Backlog, BodyRead, DataSource, InboxItem

State = InboxItem.State
HELD = "It was here when the workspace was adopted. Release it in the console, under Backlog, or leave it."
AT_ONCE = 500  # rows of one transaction


def hold(source: DataSource, items: Sequence[InboxItem]) -> set[int]:
    """Hold those of the items that were there at adoption; the ids of those that nothing shall be done about.

    Call it in the transaction that mirrored them. Those that say that they were dealt with before are passed over.
    """
    until = source.backlog_until
    passed: set[int] = set()
    for item in items:
        new = item.state == State.WAITING and not item.backlog
        if until is None or not new or item.created_time is None or item.created_time > until:
            continue
        status = item.values.get("Status") or "Unprocessed"
        if status == "Unprocessed":
            InboxItem.objects.filter(pk=item.pk).update(backlog=InboxItem.Backlog.HELD)
            item.enter(State.HELD, HELD)
        else:
            why = f"It was here when the workspace was adopted, with the Status {status}. Set it to Unprocessed to have it triaged."
            item.enter(State.SKIPPED, why)
        passed.add(item.pk)
    return passed


def held() -> QuerySet[Backlog]:
    """What waits for a release, oldest first."""
    return Backlog.objects.filter(backlog=InboxItem.Backlog.HELD, in_trash=False).order_by("created_time", "pk")


def release(items: QuerySet[Backlog], *, by: Actor, reason: str) -> int:
    """Let these items of the backlog be worked on. Returns how many; those that are not held are passed over.

    Raises ValidationError without a reason.
    """
    if not reason.strip():
        raise ValidationError({"reason": ["Say why, for whoever wonders later."]})
    ids = list(items.filter(backlog=InboxItem.Backlog.HELD).values_list("pk", flat=True))
    return sum(_release(ids[start : start + AT_ONCE], by, reason) for start in range(0, len(ids), AT_ONCE))


@transaction.atomic
def _release(ids: Sequence[int], by: Actor, reason: str) -> int:
    rows = InboxItem.objects.select_for_update().filter(pk__in=ids, backlog=InboxItem.Backlog.HELD)
    found = list(rows.order_by("pk"))
    chosen = [row.pk for row in found]
    InboxItem.objects.filter(pk__in=chosen).update(
        backlog=InboxItem.Backlog.RELEASED, state=State.WAITING, state_reason="", state_since=Now()
    )
    BodyRead.objects.bulk_create([BodyRead(item=row) for row in found], ignore_conflicts=True)
    for row in found:
        record(
            "backlog.release", row, by=by, before={"state": row.state}, after={"state": State.WAITING}, reason=reason
        )
    schedule.nudge("body")
    return len(found)
