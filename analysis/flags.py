"""What in an item reads like an order to a model, shown to people where they look. It never changes the way of an item."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from analysis import orders
from analysis.pages import SYSTEM, log_values, warning
from analysis.phrases import WORDS
from analysis.prompts import words_of
from notion_sync import outbox
from notion_sync.models import InboxItem, LogEntry


def flag(item: InboxItem) -> None:
    """Look the item's words through, and store what was found in place of what was found before. The first time that
    there is something, a log entry about it is promised: one for each item. Call it whenever models are given the words."""
    found = [
        {"kind": sign.kind.value, "means": WORDS[sign.kind], "quote": sign.quote}
        for sign in orders.signs(*words_of(item))
    ]
    with transaction.atomic():
        InboxItem.objects.filter(pk=item.pk).update(orders=found)
        if found:
            outbox.create_page(
                LogEntry,
                outbox.emm_id_for(str(item.page_id), "orders log"),
                log_values(
                    f"Reads like orders to a model: {item.title}",
                    warning(found),
                    SYSTEM,
                    timezone.now(),
                    inbox=outbox.ref(item),
                ),
                purpose="show what reads like orders to a model",
                item=item,
            )
    item.orders = found
