"""Makes the databases that are missing, and adds the properties that are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from django.db import transaction

from emm.jobs import Later, Never
from notion_sync import client, workspace
from notion_sync.models import Workspace
from notion_sync.setup.survey import Found, Survey, match
from notion_sync.workspace import DATABASES, Database, Property


def complete(survey: Survey) -> Iterator[str]:
    """Make every database whole, in the order in which they refer to each other. Yields a line for each."""
    for database in DATABASES.values():
        sources = {key: other.data_source_id for key, other in survey.found.items()}
        schema = workspace.creation_schema(database, sources | dict.fromkeys(DATABASES.keys() - sources.keys(), ""))
        found = survey.found.get(database.key)
        if found is None:
            found = survey.found[database.key] = _make(database, survey.parent_id, schema)
        added = f", added {', '.join(found.missing)}" if found.missing else ""
        if found.missing:
            missing = {name: schema[name] for name in found.missing}
            answer = _write(database, found.data_source_id, missing, partial(change, found.data_source_id))
            found.properties, found.ids = answer["properties"], match(database, answer["properties"], found.ids)
        yield f"{database.title}: {'made' if found.made else 'found'}{added}."
    yield from _name_other_sides(survey.found)


def _make(database: Database, parent_id: str, schema: Mapping[str, Any]) -> Found:
    def write(properties: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return client.create_database(parent_id, database.title, database.help, properties)
        except client.Committed as committed:
            return client.retrieve_database(committed.resource_id)

    there = _write(database, "", schema, write)
    source_id = str(there["data_sources"][0]["id"])
    properties = client.retrieve_data_source(source_id)["properties"]
    ids = match(database, properties, {})
    return Found(database, there["id"], source_id, there["url"], properties, ids, by_us=True, made=True)


def change(data_source_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change the properties of a data source; returns it."""
    try:
        return client.update_data_source(data_source_id, changes)
    except client.Committed:
        return client.retrieve_data_source(data_source_id)


def _write(
    database: Database,
    source_id: str,
    schema: Mapping[str, Any],
    write: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """Write the properties, and keep before which two-way relations among them are ours: a run that is cut off here is
    followed by one that finds them, and it must not take a person's for one of them."""
    ours = [p.name for p in database.properties if p.other_side and p.name in schema]
    _keep_other_sides(database, dict.fromkeys(ours, source_id))
    try:
        return _write_with_free_prefix(schema, write)
    except (Later, Never):  # not applied: a relation of that name that is there later was made by a person
        _keep_other_sides(database, dict.fromkeys(ours))
        raise


@transaction.atomic
def _keep_other_sides(database: Database, sources: Mapping[str, str | None]) -> None:
    """Keep where each of these relations is being added; None: forget it."""
    if sources:
        row = Workspace.objects.select_for_update().get(pk=1)
        noted = row.other_sides | {f"{database.key}.{name}": source for name, source in sources.items()}
        row.other_sides = {name: source for name, source in noted.items() if source is not None}
        row.save(update_fields=["other_sides"])


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


def _name_other_sides(found: Mapping[str, Found]) -> Iterator[str]:
    """Learn the ids of the other sides of two-way relations, and name those of ours that Notion named itself."""
    for one in found.values():
        for declared, side in _other_sides(one):
            assert declared.to is not None
            assert declared.other_side is not None
            found[declared.to].ids[declared.other_side] = side["synced_property_id"]
    for key, names in to_name(found).items():
        change(found[key].data_source_id, {id: {"name": name} for id, (_, name) in names.items()})
        yield f"{found[key].database.title}: named {', '.join(name for _, name in names.values())}."
    Workspace.objects.filter(pk=1).update(other_sides={})


def to_name(found: Mapping[str, Found]) -> dict[str, dict[str, tuple[str, str]]]:
    """The other sides of relations that set-up added whose names are Notion's own: for each database that they are in,
    id to the name now and ours. What was there before us is none of them, whatever it is called."""
    ours = Workspace.objects.filter(pk=1).values_list("other_sides", flat=True).first() or {}
    names: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for one in found.values():
        for declared, side in _other_sides(one):
            assert declared.to is not None
            assert declared.other_side is not None
            source = ours.get(f"{one.database.key}.{declared.name}")
            added = source == one.data_source_id or (source == "" and one.by_us)
            called, target = side["synced_property_name"], found[declared.to]
            if added and called.startswith("Related to ") and declared.other_side not in target.properties:
                names[declared.to][side["synced_property_id"]] = (called, declared.other_side)
    return names


def _other_sides(one: Found) -> Iterator[tuple[Property, Mapping[str, str]]]:
    """Each two-way relation that the database has, and what Notion says of its other side."""
    by_id = {prop["id"]: prop for prop in one.properties.values()}
    for declared in one.database.properties:
        if declared.other_side is not None and declared.name in one.ids:
            yield declared, by_id[one.ids[declared.name]]["relation"]["dual_property"]
