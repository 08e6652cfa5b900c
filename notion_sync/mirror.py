"""From Notion's answers to mirror rows: the one place that writes what is copied."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models.functions import Now

from notion_sync import client, properties, workspace
from notion_sync.models import Action, DataSource, Mirror, Workspace

COPIED = (
    "page_id", "emm_id", "title", "values", "properties", "digest", "url", "ours", "in_trash", "created_time", "last_edited_time",
    "seen_at",
)  # fmt: skip
UNSTORABLE = re.compile(r"\\u0000|\\ud[89a-f]", re.I)  # as json.dumps spells NUL and surrogates


@dataclass(frozen=True)
class Seen:
    """One page of an answer beside its row. `woke`: it is new, or something that people may change has changed."""

    mirror: Mirror
    woke: bool
    edited_by_us: bool
    new: bool = False


def model_of(key: str) -> type[Mirror]:
    """The mirror model of a database, by the database's key. Raises StopIteration for a key that is not declared."""
    return next(m for m in apps.get_app_config("notion_sync").get_models() if issubclass(m, Mirror) and m.key == key)


def bot_id() -> str:
    """Notion's id of this integration's own user. Raises Workspace.DoesNotExist before set-up."""
    return str(Workspace.objects.get(pk=1).bot_id)


def complete(source: DataSource, pages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The pages with the values that Notion cut at 25 entries fetched whole: all that we know by name.

    They are asked for each time. The time of the edit tells nothing: a second one in its minute looks the same, and
    a relation that was changed from its other side keeps its page's time.
    """
    named = set(source.property_ids.values())
    return [_complete(page, named) for page in pages]


def _complete(page: Mapping[str, Any], named: Set[str]) -> Mapping[str, Any]:
    whole = {
        name: properties.whole(prop, client.page_property(page["id"], prop["id"]))
        for name, prop in page["properties"].items()
        if prop["id"] in named and properties.cut(prop)
    }
    return {**page, "properties": {**page["properties"], **whole}}


def absorb(source: DataSource, pages: Sequence[Mapping[str, Any]]) -> list[Seen]:
    """Copy page objects of Notion into the mirror of `source`, in the caller's transaction.

    A page is attached to the row that was promised for it, by EMM_ID, only when our bot created the page. An answer that is
    older than the row is passed over. What is ours on the rows (state, body) is never touched.
    """
    if not pages:
        return []
    model = model_of(source.key)
    bot = bot_id()
    fresh = {uuid.UUID(page["id"]): (_row(model, source, page, bot), page) for page in pages}
    known = {row.page_id: row for row in model._default_manager.filter(page_id__in=list(fresh))}
    ours = [row.emm_id for row, _ in fresh.values() if row.ours and row.emm_id]
    promised = {row.emm_id: row for row in model._default_manager.filter(page_id=None, emm_id__in=ours)}
    seen: list[Seen] = []
    new: list[Mirror] = []
    changed: list[Mirror] = []
    for page_id, (row, page) in fresh.items():
        before = known.get(page_id) or (promised.pop(row.emm_id, None) if row.ours else None)
        edited_by_us = page.get("last_edited_by", {}).get("id") == bot
        if before is None:
            new.append(row)
            seen.append(Seen(row, True, edited_by_us, new=True))
        elif not _is_older(row, before):
            seen.append(Seen(before, before.digest != row.digest, edited_by_us))
            if _differs(row, before):
                _copy(row, before)
                changed.append(before)
    model._default_manager.bulk_create(new)
    if changed:
        model._default_manager.bulk_update(changed, _columns(model))
    return seen


def _columns(model: type[Mirror]) -> list[str]:
    return [*COPIED, "approval_status"] if model is Action else [*COPIED]


def _is_older(row: Mirror, before: Mirror) -> bool:
    return bool(before.last_edited_time and row.last_edited_time and row.last_edited_time < before.last_edited_time)


def _differs(row: Mirror, before: Mirror) -> bool:
    return any(getattr(row, name) != getattr(before, name) for name in COPIED if name != "seen_at")


def _copy(row: Mirror, before: Mirror) -> None:
    for name in _columns(type(before)):
        setattr(before, name, getattr(row, name))


def _row(model: type[Mirror], source: DataSource, page: Mapping[str, Any], bot: str) -> Mirror:
    page = _storable(page)
    database = workspace.DATABASES[source.key]
    by_id = {prop["id"]: prop for prop in page["properties"].values()}
    named = {name: by_id[key] for name, key in source.property_ids.items() if key in by_id}
    values = {name: properties.read(prop) for name, prop in named.items()}
    row = model(
        page_id=uuid.UUID(page["id"]),
        emm_id=_uuid(values.get(workspace.EMM_ID)),
        title=next((values[p.name] or "" for p in database.properties if p.type == "title" and p.name in values), ""),
        values=values,
        properties=named,
        digest=workspace.digest(named, source.property_ids, database, in_trash=is_put_away(page)),
        url=page.get("url") or "",
        ours=page.get("created_by", {}).get("id") == bot,
        in_trash=is_put_away(page),
        created_time=datetime.fromisoformat(page["created_time"]),
        last_edited_time=datetime.fromisoformat(page["last_edited_time"]),
        seen_at=Now(),
    )
    if isinstance(row, Action):
        row.approval_status = values.get("Approval_Status") or ""
    return row


def is_put_away(page: Mapping[str, Any]) -> bool:
    """Whether the page is in the trash or archived: no query gives either, and both can be taken back."""
    return bool(page.get("in_trash") or page.get("is_archived"))


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None  # a person wrote into our key: the page is then nobody's promise


def _storable(page: Mapping[str, Any]) -> Mapping[str, Any]:
    """The page without what PostgreSQL cannot store. Most pages have none of it and are passed through."""
    if not UNSTORABLE.search(json.dumps(page)):
        return page
    cleaned: Mapping[str, Any] = _clean(page)
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return properties.clean(value)
    if isinstance(value, Mapping):
        return {key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value
