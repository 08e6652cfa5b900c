"""What people do to the databases' properties: renamed ones are followed, others stop what needs them until mended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from emm.jobs import Later
from notion_sync import drift, outbox, webhooks
from notion_sync.models import DataSource, InboxItem, OutboxEntry, PollCycle, SchemaCheck, Task
from tests.world import Sandbox, add_item, poll_everything, poll_now, run, run_stage

SUBJECT = "0123456789abcdef0123456789abcdef"


def change(sandbox: Sandbox, key: str, properties: dict[str, Any]) -> None:
    """Change the properties of a data source as a person, by name."""
    source = DataSource.objects.get(key=key)
    sandbox.as_person("PATCH", f"/data_sources/{source.data_source_id}", {"properties": properties})


def a_day_passes() -> None:
    DataSource.objects.update(schema_checked_at=Now() - timedelta(days=2))
    run(["drift"])


def hold_of(key: str) -> str:
    return DataSource.objects.get(key=key).hold


def make_due() -> None:
    OutboxEntry.objects.filter(status="waiting").update(due_at=Now())


def test_sources_are_compared_daily_and_a_rename_is_no_difference(workspace: Sandbox) -> None:
    change(workspace, "tasks", {"Date": {"name": "When"}})
    a_day_passes()
    assert SchemaCheck.objects.filter(status="done").count() == 10
    assert hold_of("tasks") == ""
    since = workspace.requests()[-1]["n"]
    run(["drift"])
    assert workspace.requests(since) == []


def test_a_hold_names_the_database_as_people_call_it(workspace: Sandbox) -> None:
    source = DataSource.objects.get(key="tasks")
    called = {"title": [{"type": "text", "text": {"content": "To do"}}], "properties": {"Priority": None}}
    workspace.as_person("PATCH", f"/data_sources/{source.data_source_id}", called)
    a_day_passes()
    assert hold_of("tasks").startswith("Tasks (called To do) has no property Priority")


def test_what_was_removed_holds_the_source_with_the_fix_and_its_writes_wait_and_resume(workspace: Sandbox) -> None:
    task = outbox.create_page(Task, outbox.emm_id_for(SUBJECT, "task"), {"Name": "Call"}, purpose="a task", item=None)
    change(workspace, "tasks", {"Priority": None})
    a_day_passes()
    assert "Tasks has no property Priority (select): restore it in Notion, or run set-up again" in hold_of("tasks")
    run_stage("deliver")
    entry = OutboxEntry.objects.get()
    assert (entry.status, entry.last_error) == ("waiting", hold_of("tasks"))
    change(workspace, "tasks", {"Priority": {"select": {"options": [{"name": "P0"}]}}})
    DataSource.objects.update(schema_checked_at=Now() - timedelta(minutes=3))
    run(["drift", "deliver"])
    assert hold_of("tasks") == ""
    assert Task.objects.get(pk=task.pk).page_id is not None
    live = workspace.as_person("GET", f"/data_sources/{DataSource.objects.get(key='tasks').data_source_id}")
    assert DataSource.objects.get(key="tasks").property_ids["Priority"] == live["properties"]["Priority"]["id"]


def test_a_write_that_meets_a_retyped_property_waits_instead_of_being_given_up(workspace: Sandbox) -> None:
    emm_id = outbox.emm_id_for(SUBJECT, "task")
    outbox.create_page(Task, emm_id, {"Name": "Call", "Priority": "P0"}, purpose="a task", item=None)
    change(workspace, "tasks", {"Priority": {"type": "checkbox", "checkbox": {}}})
    run_stage("deliver")
    assert OutboxEntry.objects.get().status == "waiting"
    assert "Priority in Tasks is of type checkbox instead of select: change it back in Notion." in hold_of("tasks")
    change(workspace, "tasks", {"Priority": {"type": "select", "select": {"options": [{"name": "P0"}]}}})
    DataSource.objects.update(schema_checked_at=Now() - timedelta(minutes=3))
    run(["drift", "deliver"])
    assert OutboxEntry.objects.get().status == "done"


def test_a_poll_that_meets_a_difference_mirrors_nothing_of_it(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "One", content="Said.")
    poll_now()
    change(workspace, "inbox", {"Content": None})
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Urgent": {"checkbox": True}}})
    poll_now()
    assert "System Inbox has no property Content" in hold_of("inbox")
    assert InboxItem.objects.get().values["Content"] == "Said."
    cycle = PollCycle.objects.filter(source__key="inbox").latest("pk")
    assert (cycle.status, cycle.last_error) == ("waiting", hold_of("inbox"))
    change(workspace, "inbox", {"Content": {"rich_text": {}}})
    DataSource.objects.update(schema_checked_at=Now() - timedelta(minutes=3))
    run(["drift", "poll", "body"])
    assert InboxItem.objects.get().values["Urgent"] is True


def test_an_event_about_properties_has_the_source_compared_at_once(workspace: Sandbox) -> None:
    run(["drift"])
    source = DataSource.objects.get(key="actions")
    change(workspace, "actions", {"User_Notes": None})
    event = {
        "id": "e1",
        "type": "data_source.schema_updated",
        "entity": {"id": str(source.data_source_id), "type": "data_source"},
        "authors": [{"id": workspace.info()["person_id"], "type": "person"}],
    }
    assert webhooks.take(event) == "compares the properties of actions"
    run(["drift"])
    assert "User_Notes" in hold_of("actions")
    assert webhooks.take({**event, "id": "e2", "type": "data_source.content_updated"}) == "polls actions"


def test_a_source_that_is_no_longer_shared_is_held_by_its_name(workspace: Sandbox) -> None:
    source = DataSource.objects.get(key="log")
    workspace.control("faults", {"kind": "unshare", "id": str(source.data_source_id)})
    poll_everything()
    run(["drift"])
    assert "The database Execution Log is not in Notion, or not shared with the integration." in hold_of("log")
    assert "Connections" in hold_of("log")
    workspace.control("faults/clear")
    DataSource.objects.update(schema_checked_at=Now() - timedelta(minutes=3))
    run(["drift"])
    assert hold_of("log") == ""


@pytest.mark.parametrize("kind", ["500", "drop_before"])
def test_a_comparison_that_fails_is_tried_again_and_holds_nothing(workspace: Sandbox, kind: str) -> None:
    workspace.control("faults", {"kind": kind, "times": 1})
    a_day_passes()
    assert not DataSource.objects.exclude(hold="").exists()
    SchemaCheck.objects.update(due_at=Now())
    run(["drift"])
    assert SchemaCheck.objects.filter(status="done").count() == 10


def test_a_hold_that_another_process_set_is_seen(workspace: Sandbox) -> None:
    source = DataSource.objects.get(key="inbox")
    DataSource.objects.filter(pk=source.pk).update(hold="Mend it.")
    with pytest.raises(Later, match="Mend it"):
        drift.refuse(source)
