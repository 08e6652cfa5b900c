"""Looks for pages of ours that exist twice."""

from __future__ import annotations

import uuid
from collections import defaultdict

from notion_sync import workspace
from notion_sync.mirror import model_of


def doubles() -> dict[uuid.UUID, list[uuid.UUID]]:
    """EMM_ID to page ids, oldest first, for each key that several live pages made by our bot carry. Pages that people
    duplicated carry a key of ours too, and are not counted."""
    pages: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for key, database in workspace.DATABASES.items():
        if database.we_create:
            rows = (
                model_of(key)
                ._default_manager.filter(ours=True, in_trash=False)
                .exclude(page_id=None)
                .exclude(emm_id=None)
            )
            for emm_id, page_id in rows.order_by("created_time", "page_id").values_list("emm_id", "page_id"):
                assert emm_id is not None
                assert page_id is not None
                pages[emm_id].append(page_id)
    return {emm_id: found for emm_id, found in pages.items() if len(found) > 1}
