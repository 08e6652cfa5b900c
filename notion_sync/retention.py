"""How long we keep what is written at every poll."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from notion_sync.models import NotionCall, PollCycle

IDLE_POLLS = timedelta(days=7)
CALLS = timedelta(days=90)


def prune() -> None:
    """Delete polls that found nothing after a week, and calls after 90 days. What decided anything is kept."""
    PollCycle.objects.filter(status=PollCycle.Status.DONE, changed=0, opened_at__lt=Now() - IDLE_POLLS).delete()
    NotionCall.objects.filter(at__lt=Now() - CALLS).delete()
