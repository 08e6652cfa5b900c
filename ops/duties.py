"""What comes back every day, week, month and quarter: when it is due, and who forgot it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from ops import checklist, notices
from ops.checklist import Item
from ops.health import database_now
from ops.models import Channel, Confirmation, DutyReminder


@dataclass(frozen=True)
class Duty:
    """One duty now. `last`: when and by whom it was done. `due_at`: when it has to be done again."""

    item: Item
    every: timedelta
    last: Confirmation | None
    due_at: datetime
    overdue: bool


def all_duties() -> list[Duty]:
    """Every duty, the longest overdue first. One that was never done was due when the checklist was last updated."""
    now = database_now()
    installed = installed_at(now)
    wanted = [(item, area.every) for area in checklist.load().areas if area.every is not None for item in area.items]
    said = Confirmation.objects.filter(key__in=[item.key for item, _ in wanted], withdrawn_at=None)
    newest = {one.key: one for one in said.order_by("key", "-pk").distinct("key").select_related("by")}
    found = []
    for item, every in wanted:
        last = newest.get(item.key)
        due = (last.at if last is not None else installed) + every
        found.append(Duty(item, every, last, due, due < now))
    return sorted(found, key=lambda duty: duty.due_at)


def installed_at(now: datetime) -> datetime:
    """When this installation first looked at its checklist: from then on its duties count."""
    first = DutyReminder.objects.filter(key="").first()
    return first.due_at if first is not None else now


def overdue() -> list[Duty]:
    """The duties that somebody forgot."""
    return [duty for duty in all_duties() if duty.overdue]


def remind() -> None:
    """Stage duties, every hour: one message about all that has become overdue since the last."""
    now = database_now()
    with transaction.atomic():
        DutyReminder.objects.get_or_create(key="", defaults={"due_at": now})
        fresh = []
        for duty in overdue():
            _, made = DutyReminder.objects.get_or_create(key=duty.item.key, due_at=duty.due_at)
            if made:
                fresh.append(duty)
        if fresh:
            lines = [f"{d.item.title} ({d.item.owner}), due {d.due_at:%Y-%m-%d}" for d in fresh]
            notices.tell(
                f"{len(fresh)} duties are overdue" if len(fresh) > 1 else f"Overdue: {fresh[0].item.title}",
                "\n".join(lines),
                about="duty",
                channels=Channel.objects.filter(enabled=True),
            )
