"""Whether a database in Notion still has what we need of it: compared daily, when Notion says so, and when a page differs.

A property that was renamed is none of it: we know it by its id. One that was removed, or has another type, puts the source
on hold with the fix named. Reads and writes of a held source wait; it is compared again every two minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from emm import schedule
from emm.jobs import Later
from notion_sync import client, names
from notion_sync.failures import NotShared
from notion_sync.models import DataSource, OutboxEntry, PageRead, PollCycle, SchemaCheck, Window
from notion_sync.rich_text import plain
from notion_sync.workspace import DATABASES

DAILY = timedelta(days=1)
WHILE_HELD = timedelta(minutes=2)


def open_checks() -> None:
    """Open the comparison of each source whose time has come."""
    due = Q(schema_checked_at=None) | Q(schema_checked_at__lte=Now() - DAILY)
    due |= Q(schema_wanted_at__gt=F("schema_checked_at"))
    due |= ~Q(hold="") & Q(schema_checked_at__lte=Now() - WHILE_HELD)
    for source in DataSource.objects.filter(due):
        _open(source)


def _open(source: DataSource) -> None:
    check, made = SchemaCheck.objects.get_or_create(source=source)
    stopped = (SchemaCheck.Status.DONE, SchemaCheck.Status.NEVER, SchemaCheck.Status.DEAD)
    again = SchemaCheck.objects.filter(pk=check.pk, status__in=stopped)
    if made or again.update(status=SchemaCheck.Status.WAITING, status_since=Now(), due_at=Now(), failures=0):
        schedule.nudge("drift", check.pk)


def want(source: DataSource) -> None:
    """Have the source compared soon: something says that its properties changed."""
    DataSource.objects.filter(pk=source.pk).update(schema_wanted_at=timezone.now())
    _open(source)


def check(job: SchemaCheck) -> None:
    """Stage drift."""
    compare(job.source)


def compare(source: DataSource) -> str:
    """Compare with Notion, and hold or release the source. Returns why it is held; empty where it is not.

    Raises what client.retrieve_data_source raises, but for what is no longer shared: that is a reason to hold it.
    """
    began = timezone.now()
    try:
        live = client.retrieve_data_source(str(source.data_source_id))
    except NotShared as error:
        problems, ids = [f"{error.what} {error.fix}"], source.property_ids
    else:
        ids = _followed(source, live["properties"])
        problems = _problems(source, ids, live)
        if live["in_trash"]:
            problems = [f"{_name(source, live)} is in Notion's trash: restore it there."]
    hold = "\n".join(problems)
    with transaction.atomic():
        row = DataSource.objects.select_for_update().get(pk=source.pk)
        DataSource.objects.filter(pk=source.pk).update(hold=hold, property_ids=ids, schema_checked_at=began)
        if row.hold and not hold:
            _resume(row)
    source.refresh_from_db()
    return hold


def refuse(source: DataSource) -> None:
    """Raises Later while the source is held. Asks the database: another process may have held it since it was read."""
    hold = DataSource.objects.filter(pk=source.pk).values_list("hold", flat=True).first()
    if hold:
        raise Later(WHILE_HELD, hold)


def look_at(source: DataSource, pages: Iterable[Mapping[str, Any]]) -> None:
    """Raises Later, with the source on hold, where a page of it shows that a property is gone or has another type."""
    types = {declared.name: declared.type for declared in DATABASES[source.key].properties}
    wanted = {(id, types[name]) for name, id in source.property_ids.items() if name in types}
    for page in pages:
        shown = {(prop["id"], prop["type"]) for prop in page["properties"].values()}
        if not wanted <= shown:
            if compare(source):
                raise Later(WHILE_HELD, source.hold)
            return


def differences(source: DataSource) -> list[str]:
    """What is missing or of another type, each with its fix. Changes nothing.

    Raises what client.retrieve_data_source raises.
    """
    live = client.retrieve_data_source(str(source.data_source_id))
    return _problems(source, _followed(source, live["properties"]), live)


def _name(source: DataSource, live: Mapping[str, Any]) -> str:
    return names.both(DATABASES[source.key].title, plain(live.get("title", [])))


def _followed(source: DataSource, live: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Our names to Notion's ids; one whose id is gone is found by its name, where a person made it anew."""
    there = {prop["id"] for prop in live.values()}
    ids = dict(source.property_ids)
    for declared in DATABASES[source.key].properties:
        if ids.get(declared.name) not in there and declared.name in live:
            ids[declared.name] = str(live[declared.name]["id"])
    return ids


def _problems(source: DataSource, ids: Mapping[str, str], live: Mapping[str, Any]) -> list[str]:
    name = _name(source, live)
    types = {prop["id"]: prop["type"] for prop in live["properties"].values()}
    problems = []
    for declared in DATABASES[source.key].properties:
        found = types.get(ids.get(declared.name, ""))
        if found is None:
            problems.append(
                f"{name} has no property {declared.name} ({declared.type}): restore it in Notion, "
                "or run set-up again, which adds it."
            )
        elif found != declared.type:
            problems.append(
                f"{declared.name} in {name} is of type {found} instead of {declared.type}: change it back in Notion."
            )
    return problems


def _resume(source: DataSource) -> None:
    """What waited for the source is due now."""
    waiting = {"status": SchemaCheck.Status.WAITING}
    PollCycle.objects.filter(source=source, **waiting).update(due_at=Now())
    PageRead.objects.filter(source=source, **waiting).update(due_at=Now())
    Window.objects.filter(source=source, **waiting).update(due_at=Now())
    OutboxEntry.objects.filter(source_key=source.key, last_error=source.hold, **waiting).update(due_at=Now())
    for stage in ("poll", "page", "window", "deliver"):
        schedule.nudge(stage)
