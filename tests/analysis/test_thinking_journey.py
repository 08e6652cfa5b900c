"""From a page in the inbox to what stands in Notion afterwards, over real HTTP, and how many calls that takes."""

from __future__ import annotations

from typing import Any

import pytest

from notion_sync.models import Action, DataSource, InboxItem, Intent, Node, Task
from tests.world import Sandbox, poll_now, work

pytestmark = pytest.mark.django_db


def goes_through(sandbox: Sandbox, title: str, content: str = "") -> tuple[InboxItem, list[str]]:
    """A person writes a page; it goes as far as it goes by itself. Returns it and the requests made for it."""
    source = DataSource.objects.get(key="inbox")
    properties: dict[str, Any] = {"Input_Title": {"title": [{"text": {"content": title}}]}}
    if content:
        properties["Content"] = {"rich_text": [{"text": {"content": content}}]}
    parent = {"type": "data_source_id", "data_source_id": str(source.data_source_id)}
    sandbox.as_person("POST", "/pages", {"parent": parent, "properties": properties})
    sandbox.control("log/clear")
    poll_now()
    work()
    made = [f"{one['method']} {one['path']}" for one in sandbox.requests()]
    return InboxItem.objects.get(title=title), [one for one in made if not one.endswith("/query")]


def test_an_operational_item_becomes_a_task_in_four_calls(workspace: Sandbox) -> None:
    item, calls = goes_through(workspace, "Call the plumber about the kitchen tap")
    assert (item.state, item.values["Status"]) == ("done", "Triaged_to_Task")
    assert item.values["Triage_Destination"] == "Operational (Task)"
    task = Task.objects.get()
    assert task.values["DB_System_Inbox"] == [str(item.page_id)]
    assert len(calls) == 4


def test_a_strategic_item_awaits_a_person_after_five_calls(workspace: Sandbox) -> None:
    item, calls = goes_through(workspace, "Acquire Brightside Analytics for $400k?", "An answer is due.")
    assert (item.state, item.values["Status"]) == ("proposed", "Triaged_to_Intent")
    intent, action = Intent.objects.get(), Action.objects.get()
    assert intent.values["Status"] == "Pending_Approval"
    assert action.values["Approval_Status"] == "Pending"
    assert action.values["Intent"] == [str(intent.page_id)]
    assert len(calls) == 5


def test_a_reference_with_new_and_known_names_takes_six_calls_at_most(workspace: Sandbox) -> None:
    item, calls = goes_through(
        workspace, "Note: who runs Vantor Ltd", "Met with Dana Brightside and Robin Vale of Vantor Ltd."
    )
    assert (item.state, item.values["Status"]) == ("done", "Triaged_to_Node")
    made = Node.objects.count()
    assert made == 3
    assert len(calls) <= 6
    again, calls = goes_through(
        workspace, "Note: Vantor Ltd moves", "Met with Dana Brightside and Robin Vale: Vantor Ltd moves."
    )
    assert again.state == "done"
    assert Node.objects.count() == made + 1  # the new text has a node of its own, linked with those it names
    assert len(again.values["Routed_to_Node"]) == made + 1
    assert len(calls) == 4
