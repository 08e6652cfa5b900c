"""Rows that the tests of the thinking stages start from."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from analysis.models import Triage
from notion_sync.models import InboxItem

MINUTE = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


TITLE, BODY = "Open an office in Lisbon?", "It would cost 400,000 EUR a year."


def an_item(title: str = TITLE, body: str = BODY, **more: Any) -> InboxItem:
    """An inbox page that was mirrored and read."""
    read = {"last_edited_time": MINUTE, "body_of": MINUTE, "body_read_at": timezone.now()}
    columns = {"page_id": uuid.uuid4(), "values": {"Status": None}, **read, **more}
    item: InboxItem = InboxItem.objects.create(title=title, body=body, **columns)
    return item


def a_job(item: InboxItem | None = None) -> Triage:
    job: Triage = Triage.objects.create(item=item or an_item())
    return job
