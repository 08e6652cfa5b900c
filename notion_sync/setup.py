"""The ten databases of a workspace: found where they exist, made where they don't, and seeded once.

Every step looks before it writes, so a run that was cut off at any call is simply run again: it finds what it made.
What exists is only added to. Nothing of a person's is renamed or removed.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from emm.jobs import Misconfigured, Never
from notion_sync import client, installation, properties, workspace
from notion_sync.failures import NotShared
from notion_sync.mirror import model_of
from notion_sync.models import DataSource, Workspace
from notion_sync.outbox import emm_id_for
from notion_sync.workspace import DATABASES, EMM_ID, Database

Report = Callable[[str], None]

AREAS = {name: {"Status": "Active"} for name in workspace.AREAS}
PERSONAS = {
    "The Entrepreneur": {
        "Risk_Tolerance": "Aggressive",
        "Focus_Area": "What this could become: reach, timing, leverage, and the price of standing still.",
        "System_Prompt": "Argue for the boldest option that one could survive, and say what has to go right.",
    },
    "The Quant": {
        "Risk_Tolerance": "Moderate",
        "Focus_Area": "What the numbers say: base rates, ranges, expected value, and which one would turn the choice.",
        "System_Prompt": "Put numbers and ranges on every option, name where each comes from, and say what is a guess.",
    },
    "The Auditor": {
        "Risk_Tolerance": "Conservative",
        "Focus_Area": "What can go wrong: duties, rules, hidden costs, and what could not be undone.",
        "System_Prompt": "Look for what breaks, whom it hurts and whether it can be undone; name a safeguard for each.",
    },
}


@dataclass
class Found:
    """One of the ten, as it stands in Notion. `ids`: our property name to Notion's id. `made`: in this run."""

    database: Database
    database_id: str
    data_source_id: str
    url: str
    made: bool
    properties: dict[str, Any]
    ids: dict[str, str]


def prepare(parent: str, report: Report, *, take_over: bool = False) -> None:
    """Make the workspace below the page `parent` (id or address) ready, and store where everything is.

    `report` is given a line for each step. `take_over`: serve it although another installation has. Raises
    Misconfigured where a person must act first, Later and Never as Notion answers, client.Ambiguous where a write's
    fate is unknown. Run it again then: nothing is made twice.
    """
    bot = client.me()
    report(f"Connected to {properties.clean(bot['bot']['workspace_name'] or 'Notion')}.")
    parent_id = notion_id(parent, "The parent page")
    if client.retrieve_page(parent_id)["in_trash"]:
        raise Misconfigured("The parent page is in Notion's trash.", "Restore it, or name another one.")
    children = client.block_children(parent_id)
    report(installation.occupy(parent_id, children, take_over=take_over))
    under = _databases_among(children)
    found: dict[str, Found] = {}
    for database in DATABASES.values():
        sources = {key: other.data_source_id for key, other in found.items()}
        found[database.key] = _find_or_make(database, parent_id, under, sources, report)
    _name_other_sides(found, report)
    _store(bot, parent_id, found)
    _seed(found["areas"], "area", AREAS, report)
    model = settings.ANTHROPIC_MODELS["persona"]
    personas = {name: {**values, "Active": True, "API_Model": model} for name, values in PERSONAS.items()}
    _seed(found["agents"], "persona", personas, report)
    report("The workspace is ready.")


def notion_id(text: str, what: str) -> str:
    """The id, with dashes, in an id or a Notion address. Raises Misconfigured about `what` where there is none."""
    path = re.split(r"[?#]", text.strip())[0].rstrip("/")
    match = re.search(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$", path, re.IGNORECASE)
    if match is None:
        raise Misconfigured(f"{what} is not named by a Notion id or address.", "Copy its link in Notion and use that.")
    return str(uuid.UUID(match[0]))


def _databases_among(children: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    blocks = [block for block in children if block["type"] == "child_database"]
    return {block["child_database"]["title"]: block["id"] for block in reversed(blocks) if not block["in_trash"]}


def _find_or_make(
    database: Database, parent_id: str, under: Mapping[str, str], sources: Mapping[str, str], report: Report
) -> Found:
    stored = DataSource.objects.filter(key=database.key).first()
    if not Workspace.objects.filter(pk=1, parent_page_id=parent_id).exists():
        stored = None  # of another place
    there = _configured(database) or _stored(database, stored, report)
    if there is None and database.title in under:
        there = client.retrieve_database(under[database.title])
    schema = workspace.creation_schema(database, sources)
    made = there is None
    if there is None:
        there = _make(database, parent_id, schema)
    data_source_id = _data_source_id(database, there)
    answer = client.retrieve_data_source(data_source_id)
    ids = _match(database, answer["properties"], stored.property_ids if stored else {})
    missing = {name: configuration for name, configuration in schema.items() if name not in ids}
    if missing:
        answer = _write_with_free_prefix(missing, lambda added: _change(data_source_id, added))
        ids = _match(database, answer["properties"], ids)
    added = f", added {', '.join(missing)}" if missing else ""
    report(f"{database.title}: {'made' if made else 'found'}{added}.")
    return Found(database, there["id"], data_source_id, there["url"], made, answer["properties"], ids)


def _configured(database: Database) -> dict[str, Any] | None:
    value = settings.NOTION_DATABASES.get(database.variable)
    if not value:
        return None
    try:
        there = client.retrieve_database(notion_id(value, database.variable))
    except NotShared as error:
        raise NotShared(f"{database.variable}: {error.what}", error.fix) from error
    if there["in_trash"]:
        raise Misconfigured(f"{database.variable} names a database in Notion's trash.", "Restore it, or unset this.")
    return there


def _stored(database: Database, stored: DataSource | None, report: Report) -> dict[str, Any] | None:
    if stored is None:
        return None
    try:
        there = client.retrieve_database(stored.database_id)
    except NotShared:
        report(f"{database.title}: the one we knew is gone from Notion.")
        return None
    if there["in_trash"]:
        report(f"{database.title}: the one we knew is in Notion's trash.")
        return None
    return there


def _make(database: Database, parent_id: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    def write(properties: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return client.create_database(parent_id, database.title, database.help, properties)
        except client.Committed as committed:
            return client.retrieve_database(committed.resource_id)

    return _write_with_free_prefix(schema, write)


def _change(data_source_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return client.update_data_source(data_source_id, changes)
    except client.Committed:
        return client.retrieve_data_source(data_source_id)


def _write_with_free_prefix(
    schema: Mapping[str, Any], write: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Write the properties. A unique id's prefix that the workspace has, trash included, gets a 2, or is left out."""
    numbered = next((name for name, configuration in schema.items() if configuration["type"] == "unique_id"), None)
    if numbered is None:
        return write(schema)
    prefix = schema[numbered]["unique_id"]["prefix"]
    for candidate in (prefix, f"{prefix}2"):
        try:
            return write({**schema, numbered: {"type": "unique_id", "unique_id": {"prefix": candidate}}})
        except Never as never:
            if "prefix" not in never.why.lower():
                raise
    return write({**schema, numbered: {"type": "unique_id", "unique_id": {"prefix": None}}})


def _data_source_id(database: Database, there: Mapping[str, Any]) -> str:
    """Of a database with several data sources, the one that carries its name, else the first."""
    sources = there["data_sources"]
    if not sources:
        raise Misconfigured(f"{database.title} has no data source.", "Delete the database, then run set-up again.")
    named = next((source for source in sources if source["name"] == database.title), sources[0])
    return str(named["id"])


def _match(database: Database, existing: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Our property names to Notion's ids: the id we knew, else the name; a title, whatever its name."""
    by_id = {prop["id"]: prop for prop in existing.values()}
    title = next(prop for prop in existing.values() if prop["type"] == "title")
    ids = {}
    for declared in database.properties:
        prop = by_id.get(known.get(declared.name, "")) or existing.get(declared.name)
        if declared.type == "title":
            prop = title
        if prop is None:
            continue
        if prop["type"] != declared.type:
            raise Misconfigured(
                f"{declared.name} in {database.title} is of type {prop['type']}; we need {declared.type}.",
                "Rename that property in Notion, then run set-up again: it adds its own.",
            )
        ids[declared.name] = str(prop["id"])
    return ids


def _name_other_sides(found: Mapping[str, Found], report: Report) -> None:
    """Learn the ids of the other sides of two-way relations, and name those that Notion named itself."""
    renames: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in found.values():
        by_id = {prop["id"]: prop for prop in one.properties.values()}
        for declared in one.database.properties:
            if declared.to is None or declared.other_side is None:
                continue
            target, relation = found[declared.to], by_id[one.ids[declared.name]]["relation"]
            if relation["type"] != "dual_property" or relation["data_source_id"] != target.data_source_id:
                report(f"{one.database.title}: {declared.name} does not show in {target.database.title}; left so.")
                continue
            side = relation["dual_property"]
            target.ids[declared.other_side] = side["synced_property_id"]
            if side["synced_property_name"].startswith("Related to ") and declared.other_side not in target.properties:
                renames[target.database.key][side["synced_property_id"]] = {"name": declared.other_side}
    for key, changes in renames.items():
        _change(found[key].data_source_id, changes)
        report(f"{found[key].database.title}: named {', '.join(change['name'] for change in changes.values())}.")


@transaction.atomic
def _store(bot: Mapping[str, Any], parent_id: str, found: Mapping[str, Found]) -> None:
    facts = {
        "bot_id": bot["id"],
        "workspace_id": bot["bot"].get("workspace_id") or "",
        "name": properties.clean(bot["bot"]["workspace_name"] or ""),
        "parent_page_id": parent_id,
    }
    Workspace.objects.filter(pk=1).update(**facts)
    for key, one in found.items():
        # Another data source under the same key is another mirror, which starts from nothing.
        DataSource.objects.filter(key=key).exclude(data_source_id=one.data_source_id).delete()
        DataSource.objects.update_or_create(
            key=key,
            defaults={
                "database_id": one.database_id,
                "data_source_id": one.data_source_id,
                "url": one.url,
                "property_ids": one.ids,
                "hold": "",
            },
        )


def _seed(found: Found, kind: str, pages: Mapping[str, Mapping[str, Any]], report: Report) -> None:
    """Make the pages that were never there: neither our key nor the title is in Notion, nor our key in the mirror."""
    title = next(declared.name for declared in found.database.properties if declared.type == "title")
    keys, titles = (set(), set()) if found.made else _present(found, title)
    made = 0
    for name, values in pages.items():
        emm_id = str(emm_id_for(name, kind))
        if emm_id in keys or name.casefold() in titles:
            continue
        written = {title: name, EMM_ID: emm_id, **values}
        body = {
            found.ids[key]: properties.write(found.database.property(key).type, value) for key, value in written.items()
        }
        with suppress(client.Committed):  # saved all the same
            client.create_page(body, parent_data_source_id=found.data_source_id)
        made += 1
    report(f"{found.database.title}: {made} pages made, {len(pages) - made} were there.")


def _present(found: Found, title: str) -> tuple[set[str], set[str]]:
    """EMM_IDs and titles (case folded) of the pages in Notion, and the EMM_IDs of pages that once were."""
    mirrored = model_of(found.database.key)._default_manager.exclude(emm_id=None).values_list("emm_id", flat=True)
    keys, titles = {str(emm_id) for emm_id in mirrored}, set()
    cursor = None
    while True:
        answer = client.query(found.data_source_id, start_cursor=cursor)
        for page in answer.pages:
            by_id = {prop["id"]: properties.read(prop) for prop in page["properties"].values()}
            keys.add(by_id.get(found.ids[EMM_ID]) or "")
            titles.add((by_id.get(found.ids[title]) or "").casefold())
        cursor = answer.next_cursor
        if cursor is None:
            return keys, titles
