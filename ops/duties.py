"""What comes back every day, week, month and quarter: when it is due, and who forgot it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.db import transaction

from ops import checklist, notices
from ops.checklist import Item
from ops.health import database_now
from ops.models import Channel, Confirmation, DutyReminder, FollowUp


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


def overdue_follow_ups() -> list[FollowUp]:
    """What incidents asked for and nobody did in time (UTC days)."""
    return list(FollowUp.objects.filter(done_at=None, due__lt=database_now().date()).select_related("incident"))


def remind() -> None:
    """Stage duties, every hour: one message about all duties and follow-ups that are overdue since the last."""
    now = database_now()
    with transaction.atomic():
        DutyReminder.objects.get_or_create(key="", defaults={"due_at": now})
        late = [(duty.item.key, duty.due_at, duty.item.title, duty.item.owner) for duty in overdue()]
        for one in overdue_follow_ups():
            due_at = datetime.combine(one.due, time.min, UTC)
            late.append((f"follow_up.{one.pk}", due_at, f"{one.text} (incident: {one.incident})", one.owner))
        fresh = []
        for key, due_at, title, owner in late:
            if DutyReminder.objects.get_or_create(key=key, due_at=due_at)[1]:
                fresh.append((title, f"{title} ({owner}), due {due_at:%Y-%m-%d}"))
        if fresh:
            notices.tell(
                f"{len(fresh)} duties are overdue" if len(fresh) > 1 else f"Overdue: {fresh[0][0]}",
                "\n".join(line for _, line in fresh),
                about="duty",
                channels=Channel.objects.filter(enabled=True),
            )
