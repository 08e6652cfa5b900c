"""The content of an inbox page, read after the poll that saw the page."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from emm import schedule
from emm.jobs import Never
from notion_sync import client, pace, properties
from notion_sync.models import BodyRead, InboxItem


def read(job: BodyRead) -> None:
    """Store the page's content as markdown. Raises Never where Notion leaves a part of it out: half a text is no text."""
    item = job.item
    edited, began = item.last_edited_time, timezone.now()
    with pace.background():
        body = client.page_markdown(str(item.page_id))
    if body.truncated:
        raise Never("The page is too long for Notion to give it whole. Split it into several items.")
    text = properties.clean(body.markdown)
    if body.unknown_block_ids:
        text += (
            f"\n\n[{len(body.unknown_block_ids)} blocks of kinds that Notion does not give as text are left out here.]"
        )
    with transaction.atomic():
        InboxItem.objects.filter(pk=item.pk).update(body=text, body_of=edited, body_read_at=began)
        job.finish()
        schedule.nudge("triage")
