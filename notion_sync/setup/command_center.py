"""The Command Center page: our mark, the callout that is kept current, links to the databases, and linked views."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from django.template.defaultfilters import pluralize

from emm.jobs import Misconfigured, Never
from notion_sync import client, installation
from notion_sync.document import Block, Callout, Heading, blocks
from notion_sync.installation import TITLE
from notion_sync.models import DataSource, Workspace
from notion_sync.setup.survey import Found, Survey

STATUS = Callout("What happens here shows up in this box within 15 minutes.", "📊")
VIEWS = {  # the linked views, by name: of which database
    "Inbox: not processed yet": "inbox",
    "Waiting for a decision": "actions",
    "Decided this week": "actions",
}
BY_HAND = "docs/NOTION_DASHBOARD_SETUP.md says how to make them by hand."


def occupy(survey: Survey, *, take_over: bool) -> str:
    """Put our mark on the workspace before anything else, and store where its page is. Returns a line about it."""
    center, ours = survey.center, installation.installation_id()
    said = "found"
    if center.page_id is None:
        title = {"title": {"title": [{"text": {"content": TITLE}}]}}
        text: list[Block] = [installation.mark(ours), STATUS]
        try:
            made = client.create_page(title, parent_page_id=survey.parent_id, children=blocks(text))
            center.page_id = made["id"]
        except client.Committed as committed:  # saved, whatever the answer says
            center.page_id = str(committed.resource_id)
        center.blocks, center.made, said = client.block_children(center.page_id), True, "made"
    elif center.foreign and take_over:
        assert center.mark_id is not None
        [callout] = blocks([installation.mark(ours)])
        client.update_block(center.mark_id, "callout", callout["callout"])
        said = "taken over"
    elif center.mark_id is None:
        client.append_children(center.page_id, blocks([installation.mark(ours)]))
        said = "found, and marked again"
    center.block_id = _status_block(center)
    row = Workspace.objects.get(pk=1)
    Workspace.objects.filter(pk=1).update(
        command_center_page_id=center.page_id,
        command_center_block_id=center.block_id,
        view_ids=row.view_ids if str(row.command_center_page_id) == center.page_id else {},  # of that page only
    )
    return f"{TITLE}: {said}."


def _status_block(center: installation.Center) -> str:
    """The callout that is kept current: the stored one while it is there, else the first that is not our mark."""
    stored = str(Workspace.objects.get(pk=1).command_center_block_id)
    callouts = [b["id"] for b in center.blocks if b["type"] == "callout" and not installation.marked(b)]
    if stored in callouts:
        return stored
    if callouts:
        return str(callouts[0])
    assert center.page_id is not None
    made = client.append_children(center.page_id, blocks([STATUS]))
    return str(made[0]["id"])


def furnish(survey: Survey) -> Iterator[str]:
    """Put links to the databases on the page, and views of them where Notion offers any. Yields a line for each step."""
    page_id = survey.center.page_id
    assert page_id is not None
    missing = not_linked(survey)
    if missing:
        heading = [] if _linked(survey) else blocks([Heading("The databases")])
        links = [
            {"type": "link_to_page", "link_to_page": {"type": "database_id", "database_id": one}} for one in missing
        ]
        with suppress(client.Committed):  # saved all the same
            client.append_children(page_id, heading + links)
    yield f"{TITLE}: {len(missing)} link{pluralize(missing)} made, {len(survey.found) - len(missing)} there before."
    try:
        wanted = _filters(survey.found)
        made = sum(_view(survey, name, survey.found[key], wanted[name]) for name, key in VIEWS.items())
        yield f"{TITLE}: {made} view{pluralize(made)} made."
    except (Misconfigured, Never) as refusal:
        yield f"{TITLE}: Notion made no view here. {BY_HAND} ({refusal})"


def not_linked(survey: Survey) -> list[str]:
    """Ids of the databases there are to which no link on the page leads."""
    linked = _linked(survey)
    return [one.database_id for one in survey.found.values() if one.database_id not in linked]


def _linked(survey: Survey) -> set[str]:
    return {b["link_to_page"].get("database_id") for b in survey.center.blocks if b["type"] == "link_to_page"}


def absent_views(survey: Survey) -> list[str]:
    """Names of the linked views that the page never had, or that show a database which is another one now. Asks Notion."""
    row = Workspace.objects.filter(pk=1).first()
    made = row.view_ids if row and str(row.command_center_page_id) == survey.center.page_id else {}
    stored = {key: str(id) for key, id in DataSource.objects.values_list("key", "data_source_id")}
    there = {key for key, one in survey.found.items() if stored.get(key) == one.data_source_id}
    unknown = [(name, key) for name, key in VIEWS.items() if name not in made or key not in there]
    return [name for name, key in unknown if not _is_shown(survey, name, key)]


def _is_shown(survey: Survey, name: str, key: str) -> bool:
    """Whether the page has that view, from an interrupted run or another installation. False where Notion offers none."""
    with suppress(Misconfigured, Never):
        return key in survey.found and _existing_view(survey.center, name, survey.found[key]) is not None
    return False


def _filters(found: Mapping[str, Found]) -> dict[str, dict[str, Any]]:
    """What each linked view shows."""
    inbox, actions = found["inbox"].ids, found["actions"].ids
    untouched = [
        {"property": inbox["Status"], "select": how} for how in ({"is_empty": True}, {"equals": "Unprocessed"})
    ]
    return {
        "Inbox: not processed yet": {"or": untouched},
        "Waiting for a decision": {"property": actions["Approval_Status"], "select": {"equals": "Pending"}},
        "Decided this week": {"property": actions["Approved_Date"], "date": {"this_week": {}}},
    }


def forget_views(replaced: Collection[str]) -> None:
    """Let the views of the databases with these keys be made again: those that there are show what was there before."""
    row = Workspace.objects.get(pk=1)
    kept = {name: view_id for name, view_id in row.view_ids.items() if VIEWS[name] not in replaced}
    Workspace.objects.filter(pk=1).update(view_ids=kept)


def _view(survey: Survey, name: str, found: Found, wanted: Mapping[str, Any]) -> bool:
    """Make the view unless it was made before; one that a person deleted since is not made again. True: made now."""
    row = Workspace.objects.get(pk=1)
    center = survey.center
    assert center.page_id is not None
    if name in row.view_ids:
        return False
    view_id = None if center.made else _existing_view(center, name, found)
    made = view_id is None
    if view_id is None:
        try:
            view_id = client.create_view(center.page_id, found.data_source_id, name, wanted)["id"]
        except client.Committed as committed:
            view_id = str(committed.resource_id)
    Workspace.objects.filter(pk=1).update(view_ids={**row.view_ids, name: view_id})
    return made


def _existing_view(center: installation.Center, name: str, found: Found) -> str | None:
    """The id of the view of that name on our page, which an interrupted run or another installation has made."""
    here = {block["id"] for block in center.blocks if block["type"] == "child_database"}
    for reference in client.views(found.data_source_id) if here else []:
        view = client.retrieve_view(reference["id"])
        if view["name"] == name and view["parent"]["database_id"] in here:
            return str(view["id"])
    return None
