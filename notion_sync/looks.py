"""A look at one page by its id: queries never give pages that were trashed, archived, moved away or deleted."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from notion_sync import client, drift
from notion_sync.alarm import wake
from notion_sync.mirror import absorb, complete, is_put_away, model_of
from notion_sync.models import DataSource


class Found(StrEnum):
    """Where the page is."""

    THERE = "there"
    TRASHED = "trashed"  # or archived
    MOVED = "moved_away"
    UNSHARED = "unshared"  # deleted for good, or no longer shared with us: Notion tells no difference


def ask(source: DataSource, page_id: uuid.UUID) -> tuple[Found, list[Mapping[str, Any]]]:
    """Where a page of `source` is, and the page itself where it is still the source's. Raises what the client raises."""
    try:
        page = client.retrieve_page(page_id)
    except client.NotShared:
        return Found.UNSHARED, []
    if str(page.get("parent", {}).get("data_source_id")) != str(source.data_source_id):
        return Found.MOVED, []
    drift.look_at(source, [page])
    return Found.TRASHED if is_put_away(page) else Found.THERE, complete(source, [page])


def note(source: DataSource, page_id: uuid.UUID, pages: list[Mapping[str, Any]]) -> None:
    """Mirror what `ask` gave, in the caller's transaction.

    A page that left our database is as good as trashed to us; without a digest it wakes us when it comes back.
    """
    if pages:
        wake(source, absorb(source, pages))
    else:
        model_of(source.key)._default_manager.filter(page_id=page_id).update(in_trash=True, digest="")
