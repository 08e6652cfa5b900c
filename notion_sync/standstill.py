"""The circuit that Notion opens: once it blocks our requests, nobody asks again until a person has mended why.

https://developers.notion.com/reference/request-limits: `public_api_request_blocked` is not to be retried.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from emm import audit, tasks
from emm.jobs import Misconfigured
from notion_sync.models import Standstill

log = structlog.get_logger(__name__)

LOOK_AGAIN = timedelta(minutes=5)  # of waiting jobs, at the row, not at Notion
BLOCKED = "Notion blocks this integration's requests, so none is sent."
FIX = "Ask Notion's support why. Once it is mended press Ask Notion again, on the row under Standstills in the console."


def begin(why: str) -> Misconfigured:
    """Let nobody ask Notion any more. Returns the exception for the request that learnt of it."""
    Standstill.objects.bulk_create([Standstill(why=why)], ignore_conflicts=True)
    log.error("notion_blocks_us", why=why)
    return _blocked(why)


def check() -> None:
    """Raises Misconfigured while Notion blocks us."""
    why = Standstill.objects.filter(lifted_at=None).values_list("why", flat=True).first()
    if why is not None:
        raise _blocked(why)


def lift(standstill: Standstill, *, by: audit.Actor, reason: str) -> None:
    """Ask Notion again, and at once for all that waited for it.

    Raises ValidationError without a reason, or where it was lifted before.
    """
    if not reason.strip():
        raise ValidationError("Say what was mended.")
    with transaction.atomic():
        if not Standstill.objects.filter(pk=standstill.pk, lifted_at=None).update(lifted_at=Now()):
            raise ValidationError("It was lifted before.")
        audit.record("standstill.lift", standstill, by=by, reason=reason.strip())
        tasks.wake(BLOCKED)


def _blocked(why: str) -> Misconfigured:
    return Misconfigured(f"{BLOCKED} {why}", FIX, LOOK_AGAIN)
