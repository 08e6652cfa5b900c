"""How long we keep what is written at every poll."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from notion_sync.models import DoublesCheck, NotionCall, PageRead, PollCycle, Reconciliation, WebhookDelivery

IDLE_POLLS = timedelta(days=7)
CALLS = timedelta(days=90)
EVENTS = timedelta(days=30)


def prune() -> None:
    """Delete polls that found nothing after a week, calls and reconciliations after 90 days. What decided anything is kept."""
    PollCycle.objects.filter(status=PollCycle.Status.DONE, changed=0, opened_at__lt=Now() - IDLE_POLLS).delete()
    WebhookDelivery.objects.filter(received_at__lt=Now() - EVENTS).delete()
    PageRead.objects.filter(status=PageRead.Status.DONE, opened_at__lt=Now() - IDLE_POLLS).delete()
    Reconciliation.objects.filter(opened_at__lt=Now() - CALLS).delete()
    DoublesCheck.objects.filter(status=DoublesCheck.Status.DONE, doubled=0, opened_at__lt=Now() - CALLS).delete()
    NotionCall.objects.filter(at__lt=Now() - CALLS).delete()
