"""A delivered write can be taken back, once: a change to the values from before, a page that we made to the trash.

Taking back is an outbox entry itself, so a person's edit since is a conflict that a person settles.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from emm import schedule
from emm.audit import Actor, record
from notion_sync import client, conflicts, properties, workspace
from notion_sync.conflicts import BODY, PAGE, Row
from notion_sync.mirror import absorb, bot_id, complete, model_of
from notion_sync.models import DataSource, Mirror, OutboxEntry
from notion_sync.workspace import Writer

Kind = OutboxEntry.Kind
MOST_LISTS = 50  # of blocks that one look at a page reads, each a call or more


def why_not(entry: OutboxEntry) -> str:
    """Why the write cannot be taken back, in words; "" where it can."""
    others = OutboxEntry.objects.filter(emm_id=entry.emm_id).exclude(pk=entry.pk)
    trashed = others.filter(kind=Kind.TRASH, status=OutboxEntry.Status.DONE)
    if entry.undoes_id is not None:
        return "It takes back another write itself. Change the page in Notion."
    if OutboxEntry.objects.filter(undoes=entry).exists():
        return "It was taken back before."
    if entry.status != OutboxEntry.Status.DONE or entry.page_id is None:
        return "It is not delivered."
    if entry.kind == Kind.UPDATE and not before(entry):
        return "It wrote nothing: Notion said so already, or a person kept theirs."
    if trashed.exclude(conflict__contains=[{"choice": conflicts.THEIRS}]).exists():
        return "Its page was taken back."
    pending = others.exclude(status=OutboxEntry.Status.DONE).first()
    if pending is not None:
        return f"Another write to its page is not delivered yet: {pending.purpose}."
    if entry.kind == Kind.UPDATE:
        for later in others.filter(kind=Kind.UPDATE, sequence__gt=entry.sequence).exclude(undoes__isnull=False):
            if before(later).keys() & before(entry).keys() and not OutboxEntry.objects.filter(undoes=later).exists():
                return f"A later write of ours changed the same: take that back first ({later.purpose})."
        return _unwritable(entry)
    return ""


def _unwritable(entry: OutboxEntry) -> str:
    for name, value in before(entry).items():
        try:
            properties.write(workspace.DATABASES[entry.source_key].property(name).type, value)
        except ValueError as error:
            return f"What stood in {name} cannot be written back: {error}"
    return ""


def before(entry: OutboxEntry) -> dict[str, Any]:
    """Property name to what stood there before, for each that the change gave another value."""
    stood = {name: entry.base.get(name) for name in entry.values}
    return {name: value for name, value in stood.items() if value != _written(entry, name)}


def related(entry: OutboxEntry) -> list[OutboxEntry]:
    """Delivered writes that name the page which `entry` made, or changed it since: they stay as they are."""
    if entry.kind != Kind.CREATE:
        return []
    done = OutboxEntry.objects.filter(status=OutboxEntry.Status.DONE).exclude(pk=entry.pk)
    found = done.filter(needs__contains=[entry.emm_id]) | done.filter(emm_id=entry.emm_id, undoes=None)
    return list(found.order_by("pk")[:50])


def take_back(entry: OutboxEntry, *, by: Actor, reason: str) -> OutboxEntry:
    """Promise that the write is taken back. Raises ValidationError, with why, where that cannot be."""
    with transaction.atomic():
        # The page first, as update_page does: else two writes to it could get one number.
        model_of(entry.source_key)._default_manager.select_for_update().filter(page_id=entry.page_id).first()
        entry = OutboxEntry.objects.select_for_update().get(pk=entry.pk)
        if why := why_not(entry):
            raise ValidationError(why)
        change = entry.kind == Kind.UPDATE
        last = OutboxEntry.objects.filter(emm_id=entry.emm_id).aggregate(last=Max("sequence"))["last"]
        undo = OutboxEntry.objects.create(
            kind=Kind.UPDATE if change else Kind.TRASH,
            source_key=entry.source_key,
            emm_id=entry.emm_id,
            page_id=entry.page_id,
            sequence=last + 1,
            item=entry.item,
            purpose=f"take back: {entry.purpose}"[:120],
            values=before(entry) if change else {},
            base={name: _written(entry, name) for name in before(entry)} if change else {},
            undoes=entry,
        )
        record(
            "outboxentry.take_back",
            entry,
            by=by,
            before={"values": entry.values},
            after={"values": undo.values, "kind": undo.kind, "entry": undo.pk},
            reason=reason,
        )
        schedule.nudge("deliver", undo.pk)
    return undo


def _written(entry: OutboxEntry, name: str) -> Any:
    kind = workspace.DATABASES[entry.source_key].property(name).type
    return properties.canonical(properties.write(kind, entry.values[name]))


def given(source: DataSource, page: dict[str, Any]) -> dict[str, Any]:
    """Property name to the value that Notion itself gave there to a page that we made."""
    live = {prop["id"]: prop for prop in page["properties"].values()}
    names = [one.name for one in workspace.DATABASES[source.key].properties]
    ids = {name: source.property_ids.get(name) for name in names if conflicts.has_default(source.key, name)}
    return {name: properties.canonical(live[id]) for name, id in ids.items() if id in live}


def trash(entry: OutboxEntry, source: DataSource) -> dict[str, Any]:
    """Move the page of `entry` to the trash, unless somebody else has edited it. Returns the page as it is then.

    Raises Never with the difference, which a person settles. Done twice it is done once.
    """
    page = client.retrieve_page(str(entry.page_id))
    if page["in_trash"]:
        return page
    pages = complete(source, [page])
    with transaction.atomic():
        absorb(source, pages)
    mirror = model_of(source.key)._default_manager.get(page_id=entry.page_id)
    shown = conflicts.fingerprint(page)
    if entry.base.get("seen") != shown:
        rows = _edits(entry, mirror, page)
        if rows:
            entry.keep(base={**entry.base, "shown": shown})
            conflicts.stop(entry, rows, mirror)
    return client.update_page(str(entry.page_id), in_trash=True)


def _edits(entry: OutboxEntry, mirror: Mirror, page: dict[str, Any]) -> list[Row]:
    """What people made of the page: by value, because our own last edit hides theirs."""
    bot = bot_id()
    expected = _as_we_left_it(entry)
    rows = []
    for declared in workspace.DATABASES[entry.source_key].properties:
        name = declared.name
        if declared.writer == Writer.NOTION or name not in mirror.properties:
            continue
        stands = properties.canonical(mirror.properties[name])
        if name in expected:
            ours = expected[name]
        elif conflicts.has_default(entry.source_key, name) or declared.writer == Writer.US:
            continue
        else:
            ours = conflicts.empty(entry.source_key, name)
        if stands != ours:
            rows.append({"property": name, "base": ours, "ours": "in the trash", "theirs": stands})
    if theirs := _body_edit(entry, bot):
        rows.append({"property": BODY, "base": "as we wrote it", "ours": "in the trash", "theirs": theirs})
    if not rows and (page["last_edited_by"]["id"] != bot or page["created_by"]["id"] != bot):
        theirs = "last edited by someone else"
        rows.append({"property": PAGE, "base": "as we wrote it", "ours": "in the trash", "theirs": theirs})
    return rows


def _body_edit(entry: OutboxEntry, bot: str) -> str:
    """The first edit of somebody else in the blocks of the page, on all levels, in words; "" where there is none.

    It reads no more than we wrote: what it finds beyond that is somebody else's.
    """
    made = OutboxEntry.objects.filter(kind=Kind.CREATE, emm_id=entry.emm_id).first()
    lists = [(str(entry.page_id), made.children if made else [])]
    for looks, (parent, written) in enumerate(lists):  # it grows by the blocks that hold others
        if looks == MOST_LISTS:
            return f"more than {MOST_LISTS} tables and toggles: look whether somebody has edited them"
        entry.keep()  # a lease for each
        live = []
        for block in client.each_block(parent):
            if {block["created_by"]["id"], block["last_edited_by"]["id"]} != {bot}:
                return "a block edited by someone else"
            live.append(block)
        if len(live) < len(written):
            return f"{len(written) - len(live)} of {len(written)} blocks removed"
        for block, ours in zip_longest(live, written):
            inside = ours[ours["type"]].get("children", []) if ours else []
            if inside or block["has_children"]:
                lists.append((block["id"], inside))
    return ""


def _as_we_left_it(entry: OutboxEntry) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for one in OutboxEntry.objects.filter(
        emm_id=entry.emm_id, status=OutboxEntry.Status.DONE, sequence__lt=entry.sequence
    ).order_by("sequence"):
        given_by_notion = one.base if one.kind == Kind.CREATE else {}
        left |= given_by_notion | {name: _written(one, name) for name in one.values}
    return left
