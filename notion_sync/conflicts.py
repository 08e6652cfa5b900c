"""Where a person's edit stands in the way of a write: found by value, shown, and settled by a person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from emm.audit import Actor, record
from emm.jobs import Never
from notion_sync import properties, workspace
from notion_sync.models import Mirror, OutboxEntry

OURS, THEIRS = "ours", "theirs"
PAGE = "the page"  # in place of a property, where the whole page is to be trashed
BODY = "its content"
Row = dict[str, Any]  # property, base (what we knew), ours (what we want), theirs (what stands there)


def empty(key: str, name: str) -> Any:
    """The canonical value of a property that nobody has filled in."""
    return properties.canonical(properties.write(workspace.DATABASES[key].property(name).type, None))


def has_default(key: str, name: str) -> bool:
    """Whether Notion itself gives a new page a value there."""
    return workspace.DATABASES[key].property(name).type == "status"


def against(entry: OutboxEntry, targets: Mapping[str, Any], current: Mapping[str, Any]) -> list[Row]:
    """The properties whose value in Notion is neither what we knew nor what we want. Values are canonical."""
    rows = []
    for name, target in targets.items():
        if name not in current or (name not in entry.base and has_default(entry.source_key, name)):
            continue
        base = entry.base.get(name, empty(entry.source_key, name))
        if current[name] not in (base, target):
            rows.append({"property": name, "base": base, "ours": target, "theirs": current[name]})
    return rows


def stop(entry: OutboxEntry, rows: Sequence[Row], mirror: Mirror) -> None:
    """Keep what was found on the entry. Raises Never with it in words."""
    entry.keep(conflict=list(rows))
    what = "; ".join(
        f"{row['property']} of {mirror} was changed in Notion to {_shown(row['theirs'])} while we wanted {_shown(row['ours'])}"
        for row in rows
    )
    raise Never(f"Conflict: {what}. Choose on the page of this outbox entry in the console, or queue it again.")


def fingerprint(page: Mapping[str, Any]) -> str:
    """Of a page as a person saw it when they chose: another edit changes it."""
    said = {name: properties.canonical(prop) for name, prop in page["properties"].items()}
    text = json.dumps([said, page["last_edited_time"]], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_open(entry: OutboxEntry) -> bool:
    """Whether the entry waits for a person to choose."""
    return entry.status == OutboxEntry.Status.NEVER and any("choice" not in row for row in entry.conflict)


def settle(entry: OutboxEntry, choices: Mapping[str, str], *, by: Actor, reason: str) -> None:
    """Do what a person chose: for each property in conflict OURS or THEIRS.

    OURS is written only over what the person saw: another edit is another conflict. Raises ValidationError where there is
    nothing to choose, or not for all of it.
    """
    with transaction.atomic():
        entry = OutboxEntry.objects.select_for_update().get(pk=entry.pk)
        if not is_open(entry):
            raise ValidationError("Nothing is to be decided here any more.")
        rows = [row for row in entry.conflict if "choice" not in row]
        if any(choices.get(row["property"]) not in (OURS, THEIRS) for row in rows):
            raise ValidationError("Choose for each property whose value shall stand.")
        before = {"values": dict(entry.values), "status": entry.status, "conflict": [dict(row) for row in rows]}
        for row in rows:
            row["choice"] = choices[row["property"]]
            if row["choice"] == THEIRS:
                entry.values.pop(row["property"], None)
            elif entry.kind != OutboxEntry.Kind.TRASH:
                entry.base[row["property"]] = row["theirs"]
        if entry.kind == OutboxEntry.Kind.TRASH:
            entry.base["seen"] = entry.base.get("shown")
        entry.save(update_fields=["conflict", "values", "base"])
        if entry.kind == OutboxEntry.Kind.TRASH and any(row["choice"] == THEIRS for row in rows):
            _let_stand(entry)
        else:
            entry.queue_again()
        record("outboxentry.choose", entry, by=by, before=before, after={"choices": dict(choices)}, reason=reason)


def _let_stand(entry: OutboxEntry) -> None:
    """End an entry that a person does not want done, so that what waits for it goes on."""
    OutboxEntry.objects.filter(pk=entry.pk).update(status=OutboxEntry.Status.DONE, status_since=Now(), last_error="")
    entry.refresh_from_db(fields=["status", "status_since", "last_error"])
    entry.moved()


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}… ({len(text)} characters)"
