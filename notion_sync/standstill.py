"""The circuit: once Notion blocks our requests, or another installation has taken its workspace over, nobody asks Notion again
until a person has mended why.

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
from notion_sync.models.calls import ASK_SUPPORT

log = structlog.get_logger(__name__)

LOOK_AGAIN = timedelta(minutes=5)  # of waiting jobs, at the row, not at Notion
SILENT = "Nothing is sent to Notion."
BLOCKED = "Notion blocks this integration's requests: {}"


def begin(why: str, fix: str = ASK_SUPPORT) -> Misconfigured:
    """Let nobody ask Notion any more. Returns the exception for the request that learnt of it."""
    Standstill.objects.bulk_create([Standstill(why=why, fix=fix)], ignore_conflicts=True)
    log.error("notion_standstill", why=why)
    return _silent(why, fix)


def check() -> None:
    """Raises Misconfigured while nobody may ask Notion."""
    row = Standstill.objects.filter(lifted_at=None).first()
    if row is not None:
        raise _silent(row.why, row.fix)


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
        tasks.wake(SILENT)


def _silent(why: str, fix: str) -> Misconfigured:
    return Misconfigured(f"{SILENT} {why}", fix, LOOK_AGAIN)
