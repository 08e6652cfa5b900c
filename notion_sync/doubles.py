"""Looks for pages of ours that exist twice, and repairs what only we have touched.

The outbox makes a page once unless Notion applies a request later, or shows a page later, than we wait. Then one is kept: the
one that the outbox recorded, else the oldest. People who duplicate a page copy its EMM_ID: their pages are theirs.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from notion_sync import client, workspace
from notion_sync.mirror import absorb, bot_id, complete, model_of
from notion_sync.models import DataSource, Double, DoublesCheck, Mirror, OutboxEntry
from notion_sync.rich_text import plain

EVERY = timedelta(days=1)  # and at once where the mirror shows a double that nobody has looked at


def found() -> dict[uuid.UUID, list[uuid.UUID]]:
    """EMM_ID to page ids, oldest first, for each key that several live pages made by our bot carry. Pages that people
    duplicated carry a key of ours too, and are not counted."""
    found: dict[uuid.UUID, list[uuid.UUID]] = {}
    for key in _keys():
        found |= _doubles_in(key)
    return found


def _keys() -> list[str]:
    return [key for key, database in workspace.DATABASES.items() if database.we_create]


def _live(key: str) -> QuerySet[Mirror]:
    rows = model_of(key)._default_manager.filter(ours=True, in_trash=False)
    return rows.exclude(page_id=None).exclude(emm_id=None)


def _doubles_in(key: str) -> dict[uuid.UUID, list[uuid.UUID]]:
    several = _live(key).values("emm_id").annotate(pages=Count("pk")).filter(pages__gt=1).order_by()
    pages: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    rows = _live(key).filter(emm_id__in=several.values("emm_id")).order_by("created_time", "page_id")
    for emm_id, page_id in rows.values_list("emm_id", "page_id"):
        assert emm_id is not None
        assert page_id is not None
        pages[emm_id].append(page_id)
    return dict(pages)


def open_checks() -> None:
    """Open a check once a day, and where a double is new or was edited since it was left."""
    if DoublesCheck.objects.unfinished().exists():
        return
    recent = DoublesCheck.objects.filter(opened_at__gt=Now() - EVERY).exists()
    if not recent or any(_is_news(key) for key in _keys()):
        DoublesCheck.objects.create()


def _is_news(key: str) -> bool:
    for emm_id, pages in _doubles_in(key).items():
        for page_id in pages:
            if page_id == _kept(emm_id, pages):
                continue
            edited = model_of(key)._default_manager.get(page_id=page_id).last_edited_time
            if not Double.objects.filter(page_id=page_id, edited=edited).exists():
                return True
    return False


def _kept(emm_id: uuid.UUID, pages: list[uuid.UUID]) -> uuid.UUID:
    made = OutboxEntry.objects.filter(kind=OutboxEntry.Kind.CREATE, emm_id=emm_id, page_id__in=pages).first()
    return made.page_id if made and made.page_id else pages[0]


def check(job: DoublesCheck) -> None:
    """Look at each double afresh, move it to the trash where that harms nobody, and report the rest."""
    pages = doubled = 0
    for source in DataSource.objects.filter(key__in=_keys(), hold=""):
        pages += _live(source.key).count()
        for emm_id, found in _doubles_in(source.key).items():
            doubled += 1
            kept = _kept(emm_id, found)
            for page_id in found:
                if page_id != kept and not job.doubles.filter(page_id=page_id).exists():
                    _repair(job, source, emm_id, kept, page_id)
    outcomes = list(job.doubles.values_list("outcome", flat=True))
    with transaction.atomic():
        job.keep(
            pages=pages,
            doubled=doubled,
            trashed=outcomes.count(Double.Outcome.TRASHED),
            left=outcomes.count(Double.Outcome.LEFT),
        )
        job.finish()


def _repair(job: DoublesCheck, source: DataSource, emm_id: uuid.UUID, kept: uuid.UUID, page_id: uuid.UUID) -> None:
    job.keep()  # a lease for each page
    try:
        page, stays = client.retrieve_page(str(page_id)), client.retrieve_page(str(kept))
    except client.NotShared as error:
        _note(job, source, emm_id, kept, page_id, Double.Outcome.LEFT, f"One of the two is not there. {error.why}")
        return
    seen = [page, stays]
    outcome, why = _judged(source, emm_id, page, stays)
    if outcome == Double.Outcome.TRASHED:
        seen[0] = page = client.update_page(str(page_id), in_trash=True)
    seen = [dict(one) for one in complete(source, seen)]
    with transaction.atomic():
        absorb(source, seen)
        _note(job, source, emm_id, kept, page_id, outcome, why)


def _judged(
    source: DataSource, emm_id: uuid.UUID, page: dict[str, Any], stays: dict[str, Any]
) -> tuple[Double.Outcome, str]:
    """What to do with the page, and why. `stays`: the page that is kept."""
    bot, key = bot_id(), source.property_ids[workspace.EMM_ID]
    carried = [plain(p["rich_text"]) for p in page["properties"].values() if p["id"] == key]
    if page["in_trash"] or carried != [str(emm_id)]:
        return Double.Outcome.GONE, "A person has deleted it or changed its EMM_ID."
    if stays["in_trash"]:
        return Double.Outcome.GONE, "A person has deleted the other one, so this one stays."
    if page["created_by"]["id"] != bot or page["last_edited_by"]["id"] != bot:
        return Double.Outcome.LEFT, "Somebody has edited it: keep what you need of it, then delete one of the two."
    return Double.Outcome.TRASHED, "Made twice, and nobody but us has touched it."


def _note(
    job: DoublesCheck,
    source: DataSource,
    emm_id: uuid.UUID,
    kept: uuid.UUID,
    page_id: uuid.UUID,
    outcome: Double.Outcome,
    why: str,
) -> None:
    edited = model_of(source.key)._default_manager.get(page_id=page_id).last_edited_time
    Double.objects.create(
        check_run=job, source_key=source.key, emm_id=emm_id, page_id=page_id, kept_page_id=kept, outcome=outcome, why=why,
        edited=edited,
    )  # fmt: skip
