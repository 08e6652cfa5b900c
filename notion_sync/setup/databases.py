"""Makes the databases that are missing, and adds the properties that are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from emm.jobs import Never
from notion_sync import client, workspace
from notion_sync.setup.survey import Found, Survey, match
from notion_sync.workspace import DATABASES, Database


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
            answer = _write_with_free_prefix(missing, partial(change, found.data_source_id))
            found.properties, found.ids = answer["properties"], match(database, answer["properties"], found.ids)
        yield f"{database.title}: {'made' if found.made else 'found'}{added}."
    yield from _name_other_sides(survey.found)


def _make(database: Database, parent_id: str, schema: Mapping[str, Any]) -> Found:
    def write(properties: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return client.create_database(parent_id, database.title, database.help, properties)
        except client.Committed as committed:
            return client.retrieve_database(committed.resource_id)

    there = _write_with_free_prefix(schema, write)
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
    """Learn the ids of the other sides of two-way relations, and name those that Notion named itself."""
    renames: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in found.values():
        by_id = {prop["id"]: prop for prop in one.properties.values()}
        for declared in one.database.properties:
            if declared.to is None or declared.other_side is None:
                continue
            target, side = found[declared.to], by_id[one.ids[declared.name]]["relation"]["dual_property"]
            target.ids[declared.other_side] = side["synced_property_id"]
            if side["synced_property_name"].startswith("Related to ") and declared.other_side not in target.properties:
                renames[target.database.key][side["synced_property_id"]] = {"name": declared.other_side}
    for key, changes in renames.items():
        change(found[key].data_source_id, changes)
        yield f"{found[key].database.title}: named {', '.join(one['name'] for one in changes.values())}."
