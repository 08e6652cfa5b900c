"""The content of an inbox page, read after the poll that saw the page."""

from __future__ import annotations

from django.db import transaction

from emm import schedule
from emm.jobs import Never
from notion_sync import client, looks, pace, properties
from notion_sync.models import BodyRead, DataSource, InboxItem


def read(job: BodyRead) -> None:
    """Store the page's content as markdown. A page that is not there any more is noted as trashed.

    Raises Never where Notion leaves a part of it out: half a text is no text.
    """
    item = job.item
    edited, began = item.last_edited_time, job.status_since
    with pace.background():
        try:
            body = client.page_markdown(str(item.page_id))
        except (client.NotShared, client.Refused):
            if not _is_gone(job):
                raise
            return
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


def _is_gone(job: BodyRead) -> bool:
    """Whether the page is in the trash, moved away or no longer shared. Then that is mirrored, and triage is told."""
    source, page_id = DataSource.objects.get(key=InboxItem.key), job.item.page_id
    assert page_id is not None, "only pages that are there are read"
    found, pages = looks.ask(source, page_id)
    if found == looks.Found.THERE:
        return False
    with transaction.atomic():
        looks.note(source, page_id, pages)
        job.finish()
        schedule.nudge("triage")
    return True
