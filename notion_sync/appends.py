"""The rest of a long page: what the request that made it could not carry is appended, request by request.

An append is not idempotent, so the entry keeps the ids of the blocks that we know on the page. After a lost answer the page is
read, and what is new there and ours is what was applied: only what is still missing is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Now

from emm.jobs import Later, Never
from notion_sync import client, lost_answers
from notion_sync.document import requests
from notion_sync.mirror import bot_id
from notion_sync.models import OutboxEntry


def write_rest(entry: OutboxEntry) -> None:
    """Append what the page of `entry` lacks of its body. Raises what outbox.deliver raises."""
    if entry.placed is None and len(list(requests(entry.children))) > 1:
        _count(entry, _ours(entry))  # made before this database was: nobody knows how far it came
    elif entry.sent_at is not None and entry.placed is not None:
        _settle(entry)
    while entry.placed is not None and entry.placed < len(entry.children):
        _append(entry, next(requests(entry.children[entry.placed :])))


def _append(entry: OutboxEntry, blocks: list[dict[str, Any]]) -> None:
    placed = entry.placed or 0
    if placed and not entry.child_ids:
        entry.keep(child_ids=[block["id"] for block in _ours(entry)])
    entry.keep(sent_at=Now(), misses=0)
    after = entry.child_ids[-1] if entry.child_ids else None
    try:
        answer = client.append_children(str(entry.page_id), blocks, after)
        new = [block["id"] for block in answer[: len(blocks)]]
    except client.Committed as committed:
        new = list(committed.child_ids)
        if not new:
            raise client.Ambiguous(str(committed)) from committed
    except Later:
        entry.keep(sent_at=None)
        raise
    except Never:
        entry.keep(sent_at=None)
        live = [block["id"] for block in _ours(entry)]
        if after is None or after in live:
            raise
        entry.keep(child_ids=live)  # a person removed the block that we wanted to go on behind
        return
    entry.keep(sent_at=None, placed=placed + len(new), child_ids=[*entry.child_ids, *new])


def _settle(entry: OutboxEntry) -> None:
    """After a lost answer: find out what was applied. Raises Later until two looks have found nothing."""
    lost_answers.wait(entry)
    new = [block for block in _ours(entry) if block["id"] not in entry.child_ids]
    if not new:
        lost_answers.note_miss(entry)
    _count(entry, new)


def _count(entry: OutboxEntry, new: Sequence[dict[str, Any]]) -> None:
    placed = entry.placed or 0
    expected = [block["type"] for block in entry.children[placed : placed + len(new)]]
    if [block["type"] for block in new] != expected:
        raise Never(
            f"After a lost answer the page holds {len(new)} blocks of ours that are not the next ones of its text. "
            f"It has {placed} of {len(entry.children)} blocks for certain: delete what follows them in Notion, then queue it again."
        )
    entry.keep(sent_at=None, placed=placed + len(new), child_ids=[*entry.child_ids, *(block["id"] for block in new)])


def _ours(entry: OutboxEntry) -> list[dict[str, Any]]:
    """Our live blocks right under the page, in order."""
    bot = bot_id()
    return [block for block in client.block_children(str(entry.page_id)) if block["created_by"]["id"] == bot]
