"""What set-up would do, said before it does it."""

from __future__ import annotations

from collections import defaultdict

from notion_sync.installation import TITLE
from notion_sync.setup.databases import to_name
from notion_sync.setup.survey import Survey
from notion_sync.workspace import DATABASES


def changes(survey: Survey) -> list[str]:
    """What set-up would do, in its order: a line for each change, and for each thing that must be mended first."""
    lines = [f"To mend first: {what} {fix}" for what, fix in survey.problems]
    if survey.center.page_id is None:
        lines.append(f"{TITLE}: would be made.")
    elif survey.center.foreign:
        lines.append(f"{TITLE}: would be taken over.")
    appearing = _appearing(survey)
    for key, database in DATABASES.items():
        found = survey.found.get(key)
        if found is None:
            lines.append(f"{database.title}: would be made, with {len(database.properties)} properties.")
            continue
        if found.missing:
            lines.append(f"{database.title}: would get {', '.join(found.missing)}.")
        if appearing[key]:
            lines.append(
                f"{database.title}: would show {', '.join(appearing[key])}, the other sides of relations added elsewhere."
            )
        if not found.missing and not appearing[key]:
            lines.append(f"{database.title}: stays as it is.")
    if not survey.problems:
        for key, names in to_name(survey.found).items():
            renamed = ", ".join(f"{now} to {name}" for now, name in names.values())
            lines.append(f"{DATABASES[key].title}: would rename what an interrupted run added: {renamed}.")
    lines.append("Areas and personas that are missing would be made, and what leads to the databases put on the page.")
    return lines


def _appearing(survey: Survey) -> dict[str, list[str]]:
    """The properties that appear by themselves in databases that are there, by key: other sides of relations to be added."""
    names: dict[str, list[str]] = defaultdict(list)
    for key, database in DATABASES.items():
        found = survey.found.get(key)
        for declared in database.properties:
            added = declared.other_side and (found is None or declared.name in found.missing)
            if added and declared.to in survey.found:
                taken = declared.other_side in survey.found[declared.to].properties
                names[declared.to].append(f"{declared.other_side}{' (numbered: that name is taken)' if taken else ''}")
    return names
