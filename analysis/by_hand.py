"""What a person starts: an argument about an intent that they made in Notion, and another depth for one item."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from analysis import prompts
from analysis.models import Depth, IntentRun
from emm.audit import Actor, record
from notion_sync import outbox
from notion_sync.document import Paragraph, blocks
from notion_sync.models import InboxItem, Intent, OutboxEntry


def argue_intent(intent: Intent, depth: Depth, *, by: Actor, reason: str) -> IntentRun:
    """Have an intent argued that no item stands behind: its title and Description become an inbox item of its own.

    The item is triaged like any other, but its route and depth are the person's, and what comes of it is written on
    action pages for this intent. Raises ValidationError with the reason where that cannot be.
    """
    with transaction.atomic():
        intent = Intent.objects.select_for_update().get(pk=intent.pk)
        if why := why_not(intent):
            raise ValidationError(why)
        emm_id = outbox.emm_id_for(str(intent.page_id), "run by hand")
        item = outbox.create_page(
            InboxItem,
            emm_id,
            {
                "Input_Title": intent.title,
                "Source": "Manual",
                "Triage_Destination": "Strategic (Intent)",
                "Depth": depth.value.capitalize(),
            },
            purpose="put an intent into the inbox, to have it argued",
            item=None,
            children=_text(intent),
        )
        assert isinstance(item, InboxItem)
        OutboxEntry.objects.filter(emm_id=emm_id).update(item=item)
        if not intent.values.get("Source"):
            link = {"Source": [outbox.ref(item)]}
            outbox.update_page(intent, link, purpose="link the intent to its inbox item", item=None)
        run = IntentRun.objects.create(intent=intent, item=item, asked_by=str(by)[:150])
        record("intent.argue", intent, by=by, after={"depth": str(depth)}, reason=reason)
    return run


def why_not(intent: Intent) -> str:
    """Why this intent cannot get its first argument now, in words; "" where it can."""
    if intent.page_id is None or intent.in_trash:
        return "Its page is not in Notion."
    if intent.analyses.exists():
        return "It was argued before: open its latest analysis and argue that again."
    if IntentRun.objects.filter(intent=intent).exists():
        return "Its argument has been asked for, and is on its way."
    if not intent.title.strip():
        return "It has no title: write the question there first."
    return ""


def set_depth(item: InboxItem, depth: Depth, *, by: Actor, reason: str) -> None:
    """Choose how long an item is argued, before it is. Raises ValidationError once the argument was opened."""
    with transaction.atomic():
        item = InboxItem.objects.select_for_update().get(pk=item.pk)
        if item.analyses.exists():
            raise ValidationError("Its argument was opened already: argue it again at another depth.")
        before = wished_depth(item)
        wanted = {"Depth": depth.value.capitalize()}
        outbox.update_page(item, wanted, purpose="show the depth that a person chose", item=None)
        record("item.set_depth", item, by=by, before={"depth": before}, after={"depth": str(depth)}, reason=reason)


def wished_depth(item: InboxItem) -> str:
    """The depth that a person wants, as Notion says it or will once our own write is there; "" for none."""
    on_its_way = OutboxEntry.objects.filter(page_id=item.page_id, values__has_key="Depth").unfinished()
    promised = on_its_way.order_by("-sequence").first() if item.page_id else None
    return str((promised.values if promised else item.values).get("Depth") or "")


def _text(intent: Intent) -> list[dict[str, object]]:
    description = str(intent.values.get("Description") or "").strip()
    if len(description) > prompts.LONGEST_TEXT:
        raise ValidationError(
            f"Its Description is too long to be read at once: {len(description):,} characters, at most "
            f"{prompts.LONGEST_TEXT:,} are."
        )
    return blocks([Paragraph(description)]) if description else []
