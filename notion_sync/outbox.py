"""What we owe Notion: promised in the transaction that decided it, then delivered, exactly once in effect.

Notion has no idempotency keys, and a write may be saved although its answer was lost. So every page that we create carries an
EMM_ID, a uuid5 over what the page is about, and a creation whose fate is unknown is looked up, twice and after a quarantine,
before it is sent again. A change stores what was there and what shall be; a value that is neither is a person's edit.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Now

from emm import schedule
from emm.jobs import Later, Misconfigured, Never
from notion_sync import appends, client, conflicts, drift, lost_answers, properties, undo, workspace
from notion_sync.alarm import ONCE_RESTORED
from notion_sync.document import requests
from notion_sync.mirror import absorb, bot_id, complete, model_of
from notion_sync.models import DataSource, InboxItem, Mirror, OutboxEntry
from notion_sync.workspace import Writer

LONG_WAIT = timedelta(minutes=1)  # for a person, or for what wakes it before
FRESH = timedelta(seconds=5)  # how long what the mirror shows of a page counts as what stands there
ENVELOPE = 2_000  # bytes of a creation besides properties and children, with much to spare
IN_TRASH = f"The page {{}} is in Notion's trash. {ONCE_RESTORED}"
NAMESPACE = uuid.UUID("5f0f2b53-6a51-5c0e-9d3a-3d6d7f6c2a10")


def emm_id_for(subject: uuid.UUID | str, kind: str, revision: int = 0, ordinal: int = 0) -> uuid.UUID:
    """The EMM_ID of a page about `subject`: the inbox page's Notion id, or a fixed name. Equal on every database."""
    return uuid.uuid5(NAMESPACE, f"{subject}|{kind}|{revision}|{ordinal}")


def ref(mirror: Mirror) -> str | dict[str, str]:
    """How a relation value names a page that may not exist yet."""
    return str(mirror.page_id) if mirror.page_id else {"ref": str(mirror.emm_id)}


def create_page(
    model: type[Mirror],
    emm_id: uuid.UUID,
    values: Mapping[str, Any],
    *,
    purpose: str,
    item: InboxItem | None,
    children: Sequence[Mapping[str, Any]] = (),
) -> Mirror:
    """Promise a page, in the caller's transaction. Returns its mirror row, whose page id is empty until it is delivered.

    `values`: Python values by property name, as properties.write takes them. Promising the same EMM_ID again changes nothing.
    """
    entry, made = OutboxEntry.objects.get_or_create(
        kind=OutboxEntry.Kind.CREATE,
        emm_id=emm_id,
        defaults={
            "source_key": model.key,
            "item": item,
            "purpose": purpose,
            "values": {**values, workspace.EMM_ID: str(emm_id)},
            "children": list(children),
            "needs": _refs(values),
        },
    )
    mirror: Mirror | None = _own(model, emm_id).first()
    if mirror is None:
        title = next(p.name for p in workspace.DATABASES[model.key].properties if p.type == "title")
        mirror = model._default_manager.create(emm_id=emm_id, title=values.get(title) or "", values=entry.values)
    if made:
        schedule.nudge("deliver", entry.pk)
    return mirror


def update_page(
    mirror: Mirror, values: Mapping[str, Any], *, purpose: str, item: InboxItem | None, last: bool = False
) -> OutboxEntry | None:
    """Promise a change of a page, in the caller's transaction. None: everything stands there, or is promised, already.

    `last`: it goes out when all that was promised for `item` before is delivered.
    """
    mirror = type(mirror)._default_manager.select_for_update().get(pk=mirror.pk)
    emm_id = mirror.emm_id if mirror.ours or mirror.page_id is None else None
    emm_id = emm_id or emm_id_for(str(mirror.page_id), "page")
    earlier = OutboxEntry.objects.filter(emm_id=emm_id)
    expected = _canonical(mirror)
    for pending in earlier.unfinished().order_by("sequence"):
        expected |= {name: _target(mirror.key, name, value) for name, value in pending.values.items()}
    wanted = {n: v for n, v in values.items() if n not in expected or expected[n] != _target(mirror.key, n, v)}
    if not wanted:
        return None
    entry = OutboxEntry.objects.create(
        kind=OutboxEntry.Kind.UPDATE,
        source_key=mirror.key,
        emm_id=emm_id,
        page_id=mirror.page_id,
        sequence=1 + (earlier.aggregate(last=Max("sequence"))["last"] or 0),
        item=item,
        purpose=purpose,
        values=wanted,
        base={name: expected[name] for name in wanted if name in expected},
        needs=_refs(wanted),
        last=last,
    )
    schedule.nudge("deliver", entry.pk)
    return entry


def refresh(mirror: Mirror) -> None:
    """Ask Notion for one page now and mirror it, `mirror` included. Raises what the client raises, and Later on hold."""
    source = _source(mirror.key)
    pages = complete(source, [client.retrieve_page(str(mirror.page_id))])
    with transaction.atomic():
        absorb(source, pages)
        type(mirror)._default_manager.filter(pk=mirror.pk).update(seen_at=Now())
    mirror.refresh_from_db()


def _own(model: type[Mirror], emm_id: uuid.UUID) -> Any:
    """Our rows with that EMM_ID: people who duplicate a page copy its key, and theirs is another page."""
    return model._default_manager.filter(Q(ours=True) | Q(page_id=None), emm_id=emm_id).order_by(
        "in_trash", "created_time", "page_id"
    )


def _refs(values: Mapping[str, Any]) -> list[uuid.UUID]:
    parts = [part for value in values.values() if isinstance(value, list) for part in value]
    return sorted({uuid.UUID(part["ref"]) for part in parts if isinstance(part, dict) and "ref" in part})


def _type_of(key: str, name: str) -> str:
    return workspace.DATABASES[key].property(name).type


def _target(key: str, name: str, value: Any) -> Any:
    """The canonical form of a value that we want; one with pages that do not exist yet equals nothing."""
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return value
    return properties.canonical(properties.write(_type_of(key, name), value))


def _canonical(mirror: Mirror) -> dict[str, Any]:
    return {name: properties.canonical(prop) for name, prop in mirror.properties.items()}


def deliver(entry: OutboxEntry) -> None:
    """Keep one promise. Raises Later while it has to wait, Never with the reason, and client.Ambiguous when an answer is lost."""
    source = _source(entry.source_key)
    _wait_for_turn(entry)
    values = {name: _resolved(value) for name, value in entry.values.items()}
    _wait_for_properties(source, values)
    written = {
        source.property_ids[name]: properties.write(_type_of(source.key, name), value) for name, value in values.items()
    }
    targets = {name: properties.canonical(written[source.property_ids[name]]) for name in values}
    try:
        page = _write(entry, source, targets, written)
    except client.Refused as refused:
        # Notion names a property that is gone or has another type: then the promise waits until that is mended.
        if drift.compare(source):
            raise Later(LONG_WAIT, source.hold) from refused
        raise
    pages = complete(source, [page]) if page is not None else []
    with transaction.atomic():
        if page is not None:
            absorb(source, pages)
            OutboxEntry.objects.filter(pk=entry.pk).update(page_id=page["id"], sent_at=None)
        OutboxEntry.objects.filter(pk=entry.pk).update(values=values)  # without references: what undo compares with
        entry.finish()


def _write(
    entry: OutboxEntry, source: DataSource, targets: dict[str, Any], written: dict[str, Any]
) -> dict[str, Any] | None:
    """The page as the answer shows it. None: nothing had to be written."""
    match entry.kind:
        case OutboxEntry.Kind.CREATE:
            page = _create(entry, source, written)
            appends.write_rest(entry)
            return page
        case OutboxEntry.Kind.TRASH:
            return undo.trash(entry, source)
    return _update(entry, source, targets, written)


def _source(key: str) -> DataSource:
    source = DataSource.objects.filter(key=key).first()
    if source is None:
        raise Misconfigured(
            f"The database {workspace.DATABASES[key].title} is not set up.",
            "Open Set up Notion in the console, or run manage.py setup_notion.",
        )
    if source.hold:
        raise Later(LONG_WAIT, source.hold)
    return source


def _wait_for_properties(source: DataSource, values: Mapping[str, Any]) -> None:
    """Raises Later, with the source on hold, where a property that we write was never found in it."""
    if not values.keys() <= source.property_ids.keys() and drift.compare(source):
        raise Later(LONG_WAIT, source.hold)


def _wait_for_turn(entry: OutboxEntry) -> None:
    earlier = OutboxEntry.objects.filter(entry.ahead()).exclude(status=OutboxEntry.Status.DONE).first()
    if earlier is not None:
        raise Later(LONG_WAIT, f"Waits for: {_state_of(earlier)}.")


def _resolved(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [_page_id(part["ref"]) if isinstance(part, dict) and "ref" in part else part for part in value]


def _state_of(entry: OutboxEntry) -> str:
    return f"{entry}. {entry.last_error}".strip().removesuffix(".")


def _page_id(emm_id: str) -> str:
    parent = OutboxEntry.objects.filter(kind=OutboxEntry.Kind.CREATE, emm_id=emm_id).first()
    if parent is None or parent.page_id is None:
        raise Later(LONG_WAIT, f"Waits for the page that it refers to: {_state_of(parent) if parent else emm_id}.")
    return str(parent.page_id)


def _create(entry: OutboxEntry, source: DataSource, written: dict[str, Any]) -> dict[str, Any] | None:
    """The page, found or made. None: the mirror had it already."""
    if source.mirrored_at is None:
        raise Later(LONG_WAIT, f"Waits for the first full mirror of {workspace.DATABASES[source.key].title}.")
    if entry.page_id is not None:
        return client.retrieve_page(str(entry.page_id))
    mirrored = _own(model_of(source.key), entry.emm_id).exclude(page_id=None).first()
    if mirrored is not None:
        entry.keep(page_id=mirrored.page_id, sent_at=None)
        return None
    found = _look_up(entry, source) if entry.sent_at else None
    if found is None:
        found = _send(entry, source, written)
    entry.keep(page_id=found["id"], sent_at=None, base=undo.given(source, found))
    return found


def _send(entry: OutboxEntry, source: DataSource, written: dict[str, Any]) -> dict[str, Any]:
    """Make the page with as much of its body as one request carries."""
    around = len(json.dumps(written, ensure_ascii=False).encode()) + ENVELOPE
    first = next(requests(entry.children, around), [])
    entry.keep(sent_at=Now(), misses=0, placed=len(first))
    try:
        return client.create_page(properties=written, parent_data_source_id=str(source.data_source_id), children=first)
    except client.Committed as committed:
        entry.keep(page_id=committed.resource_id, sent_at=None)
        return client.retrieve_page(committed.resource_id)
    except (Later, Never):
        entry.keep(sent_at=None)
        raise


def _look_up(entry: OutboxEntry, source: DataSource) -> dict[str, Any] | None:
    """The page that an earlier attempt made, if it did. Raises Later until two looks have missed it."""
    lost_answers.wait(entry)
    if page := _found(entry, source, in_trash=False):
        return page
    lost_answers.note_miss(entry)
    return _found(entry, source, in_trash=True)  # a person may have deleted it already


def _found(entry: OutboxEntry, source: DataSource, *, in_trash: bool) -> dict[str, Any] | None:
    key, bot = source.property_ids[workspace.EMM_ID], bot_id()
    pages = client.find_by_emm_id(str(source.data_source_id), key, str(entry.emm_id), in_trash=in_trash)
    ours = sorted((p for p in pages if p["created_by"]["id"] == bot), key=lambda p: (p["created_time"], p["id"]))
    return ours[0] if ours else None


def _update(
    entry: OutboxEntry, source: DataSource, targets: dict[str, Any], written: dict[str, Any]
) -> dict[str, Any] | None:
    """The page after the change. None: everything stood there already."""
    mirror = _mirror_of(entry)
    _refuse_trashed(mirror)
    if entry.sent_at is not None or (_people_may_change(entry) and not _is_fresh(mirror)):
        refresh(mirror)
        _refuse_trashed(mirror)
    current = _canonical(mirror)
    stood = {name: target for name, target in targets.items() if current.get(name) == target}
    if stood and entry.sent_at is None:  # else it may be our own write, whose answer was lost
        entry.keep(base={**entry.base, **stood}, page_id=mirror.page_id)
    if stood == targets:
        return None
    if rows := conflicts.against(entry, targets, current):
        conflicts.stop(entry, rows, mirror)
    before = {name: current[name] for name in targets if name in current}
    entry.keep(sent_at=Now(), page_id=mirror.page_id, base={**before, **entry.base})
    try:
        return client.update_page(str(mirror.page_id), properties=written)
    except (Later, Never) as refusal:
        entry.keep(sent_at=None)
        if isinstance(refusal, Never):
            refresh(mirror)
            _refuse_trashed(mirror)
        raise


def _refuse_trashed(mirror: Mirror) -> None:
    """Raises Never while the page is in the trash, where nothing is written."""
    if mirror.in_trash:
        raise Never(IN_TRASH.format(mirror))


def _is_fresh(mirror: Mirror) -> bool:
    """Whether Notion showed us the page a moment ago: a person's edit since then is hardly possible."""
    return type(mirror)._default_manager.filter(pk=mirror.pk, seen_at__gt=Now() - FRESH).exists()


def _people_may_change(entry: OutboxEntry) -> bool:
    """Whether the mirror may lag behind a person: then the page is read before it is written."""
    declared = workspace.DATABASES[entry.source_key]
    return any(declared.property(name).writer in (Writer.PEOPLE, Writer.BOTH) for name in entry.values)


def _mirror_of(entry: OutboxEntry) -> Mirror:
    """The row of the page that it changes: with two pages of one key the one that the outbox made."""
    model = model_of(entry.source_key)
    made = OutboxEntry.objects.filter(kind=OutboxEntry.Kind.CREATE, emm_id=entry.emm_id).first()
    page_id = entry.page_id or (made.page_id if made else None)
    mirror = model._default_manager.filter(page_id=page_id).first() if page_id else _own(model, entry.emm_id).first()
    if mirror is None or mirror.page_id is None:
        raise Never(
            f"The page that it changes is not in the mirror: {entry.page_id or entry.emm_id}. Press Poll now, then queue it again."
        )
    return mirror
