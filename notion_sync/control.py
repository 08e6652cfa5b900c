"""What people may ask of the poller. Each wish is one transaction and one audit entry."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from emm.audit import Actor, record
from notion_sync import polling
from notion_sync.models import Poller

LONGEST_INTERVAL = 24 * 3600


def pause(reason: str, *, by: Actor) -> Poller:
    """Stop asking Notion. Raises ValidationError without a reason. A poller that is paused already stays as it is."""
    if not reason.strip():
        raise ValidationError({"reason": ["Say why, for whoever wonders later."]})
    return _change("poller.pause", {"status": Poller.Status.PAUSED}, reason, by)


def resume(*, by: Actor, reason: str = "") -> Poller:
    """Ask Notion again. A poller that runs already stays as it is."""
    return _change("poller.resume", {"status": Poller.Status.RUNNING}, reason, by)


def set_interval(seconds: int, reason: str, *, by: Actor) -> Poller:
    """Ask every `seconds` from now on. Raises ValidationError without a reason or out of bounds."""
    check_interval(seconds)
    if not reason.strip():
        raise ValidationError({"reason": ["Say why, for whoever wonders later."]})
    return _change("poller.interval", {"interval_seconds": seconds}, reason, by)


def check_interval(seconds: int) -> None:
    """Raises ValidationError unless we may ask every `seconds`."""
    least = settings.POLLING_INTERVAL_MINIMUM
    if not least <= seconds <= LONGEST_INTERVAL:
        raise ValidationError({"interval_seconds": [f"From {least} to {LONGEST_INTERVAL} seconds."]})


def poll_now(*, by: Actor) -> int:
    """Poll all sources at once, also while paused. Returns how many polls were opened."""
    with transaction.atomic():
        opened = polling.ask()
        record("poller.poll_now", polling.poller(), by=by, after={"polls": opened})
    return opened


def _change(action: str, wanted: dict[str, Any], reason: str, by: Actor) -> Poller:
    with transaction.atomic():
        row = Poller.objects.select_for_update().get(pk=polling.poller().pk)
        before = {name: getattr(row, name) for name in wanted}
        if before != wanted:
            since = {"status_since": Now()} if "status" in wanted else {}
            Poller.objects.filter(pk=row.pk).update(**wanted, **since)
            record(action, row, by=by, before=before, after=wanted, reason=reason.strip())
            row.refresh_from_db()
    return row
