"""What set-up would do, said before it does it."""

from __future__ import annotations

from collections import defaultdict

from notion_sync.installation import TITLE
from notion_sync.models.setting_up import TO_MEND
from notion_sync.setup import command_center, seeds
from notion_sync.setup.databases import to_name
from notion_sync.setup.survey import Survey
from notion_sync.workspace import DATABASES


def changes(survey: Survey) -> list[str]:
    """What set-up would do, in its order: a line for each change, and for each thing that must be mended first.

    Reads the pages of the databases that get some; raises as client does.
    """
    lines = [f"{TO_MEND}{what} {fix}" for what, fix in survey.problems]
    lines += _center(survey) + _properties(survey)
    if not survey.problems:
        for key, names in to_name(survey.found).items():
            renamed = ", ".join(f"{now} to {name}" for now, name in names.values())
            lines.append(f"{DATABASES[key].title}: would rename what an interrupted run added: {renamed}.")
    return lines + _pages(survey) + _on_the_page(survey)


def _center(survey: Survey) -> list[str]:
    if survey.center.page_id is None:
        return [f"{TITLE}: would be made."]
    if survey.center.foreign:
        return [f"{TITLE}: would be taken over."]
    return [] if survey.center.mark_id else [f"{TITLE}: would be marked again."]


def _properties(survey: Survey) -> list[str]:
    """A line or two for each database, but for those of which a person must say first which they are."""
    lines = []
    appearing = _appearing(survey)
    for key, database in DATABASES.items():
        found = survey.found.get(key)
        if key in survey.unclear:
            continue
        if found is None:
            lines.append(f"{database.title}: would be made, with {len(database.properties)} properties.")
            continue
        if found.missing:
            lines.append(f"{found.name}: would get {', '.join(found.missing)}.")
        if appearing[key]:
            lines.append(
                f"{found.name}: would show {', '.join(appearing[key])}, the other sides of relations added elsewhere."
            )
        if not found.missing and not appearing[key]:
            lines.append(f"{found.name}: its properties stay as they are.")
    return lines


def _pages(survey: Survey) -> list[str]:
    """The pages that set-up would make, by name."""
    lines = []
    for key, (kind, pages) in seeds.wanted().items():
        found = survey.found.get(key)
        missing = seeds.missing(found, kind, pages) if found else pages
        if missing and key not in survey.unclear:
            lines.append(f"{found.name if found else DATABASES[key].title}: would get the pages {', '.join(missing)}.")
    return lines


def _on_the_page(survey: Survey) -> list[str]:
    """What would be put on the Command Center page."""
    lines = []
    links = len(DATABASES) - len(survey.found) + len(command_center.not_linked(survey))
    if links:
        lines.append(f"{TITLE}: would get {links} links to databases.")
    if views := command_center.absent_views(survey):
        lines.append(f"{TITLE}: would get the linked views {', '.join(views)}, where Notion offers any.")
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
