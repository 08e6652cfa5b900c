"""A workspace that people made is adopted without harm: looked at, added to, never renamed in, and refused where it is served."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from emm.jobs import Misconfigured, Never
from notion_sync import client, setup
from notion_sync.models import DataSource, InboxItem, Task, Workspace
from tests.notion_sync.workspaces import prepare, schema
from tests.world import Sandbox, add_item, poll_everything, poll_now, work

pytestmark = pytest.mark.django_db


def database(sandbox: Sandbox, title: str, *, parent: str = "", **properties: Any) -> dict[str, Any]:
    """A database as a person makes it."""
    body = {
        "parent": {"type": "page_id", "page_id": parent or sandbox.root_page_id},
        "title": [{"type": "text", "text": {"content": title}}],
        "initial_data_source": {"properties": {"Name": {"title": {}}, **properties}},
    }
    return dict(sandbox.as_person("POST", "/databases", body))


def adopt(sandbox: Sandbox, **wishes: Any) -> list[str]:
    lines: list[str] = []
    setup.prepare(sandbox.root_page_id, lines.append, setup.Wishes(adopt=True, **wishes))
    return lines


def writes(sandbox: Sandbox) -> list[str]:
    """What was asked of Notion that is no reading."""
    asked = [(one["method"], one["path"]) for one in sandbox.requests()]
    return [f"{method} {path}" for method, path in asked if method != "GET" and not path.endswith(("query", "search"))]


def test_a_persons_database_is_not_used_unasked(sandbox: Sandbox) -> None:
    database(sandbox, "Tasks")
    with pytest.raises(
        Misconfigured, match=r"Tasks on this page was made by a person.*Tick Adopt in the console.*--adopt"
    ):
        prepare(sandbox)


def test_all_that_differs_is_told_at_once_each_with_its_fix(sandbox: Sandbox) -> None:
    database(sandbox, "Areas", Vision={"number": {}})
    database(sandbox, "Nodes", Content={"url": {}}, URL={"checkbox": {}})
    sandbox.control("log/clear")
    with pytest.raises(setup.Unfit) as caught:
        adopt(sandbox)
    said = str(caught.value)
    for what in ("Vision in Areas is of type number", "Content in Nodes is of type url", "URL in Nodes"):
        assert what in said
    assert said.count("Rename that property in Notion") == 3
    assert writes(sandbox) == []


def test_an_adopted_workspace_is_only_added_to_and_its_backlog_waits(sandbox: Sandbox) -> None:
    elsewhere = sandbox.as_person(
        "POST", "/pages", {"parent": {"page_id": sandbox.root_page_id}, "properties": {"title": {"title": []}}}
    )["id"]
    mine = database(sandbox, "My box", parent=elsewhere, Content={"rich_text": {}}, Mood={"select": {"options": []}})
    tasks = database(sandbox, "Tasks", parent=elsewhere)
    source = mine["data_sources"][0]["id"]
    old = {"parent": {"data_source_id": source}, "properties": {"Name": {"title": [{"text": {"content": "Old"}}]}}}
    sandbox.as_person("POST", "/pages", old)
    lines = adopt(sandbox, databases={"inbox": "my box"})
    inbox = DataSource.objects.get(key="inbox")
    assert str(inbox.database_id) == mine["id"]
    assert inbox.backlog_until is not None
    assert str(DataSource.objects.get(key="tasks").database_id) == tasks["id"]  # by its name, wherever it stands
    assert {"Name", "Content", "Mood", "Status", "Owner"} <= set(schema(sandbox, "inbox"))
    assert "Found 2 of the 10 databases: System Inbox (called My box), Tasks." in lines
    assert next(line for line in lines if line.startswith("System Inbox: found, added"))
    adopt(sandbox)
    assert DataSource.objects.get(key="inbox").backlog_until == inbox.backlog_until


def test_one_of_several_data_sources_is_chosen_explicitly(sandbox: Sandbox) -> None:
    mine = database(sandbox, "Areas")
    second = {"parent": {"type": "database_id", "database_id": mine["id"]}, "properties": {"N": {"title": {}}}}
    made = sandbox.as_person("POST", "/data_sources", {**second, "title": [{"text": {"content": "Second"}}]})
    with pytest.raises(
        Misconfigured, match=r"Second \(.*Databases of other names in the console.*--data-source areas=ID"
    ):
        adopt(sandbox)
    adopt(sandbox, data_sources={"areas": "Second"})
    assert str(DataSource.objects.get(key="areas").data_source_id) == made["id"]
    prepare(sandbox)  # the choice is kept


def test_a_dry_run_says_every_change_and_makes_none(sandbox: Sandbox) -> None:
    mine = database(sandbox, "Areas")
    health = {"Name": {"title": [{"text": {"content": "health"}}]}}
    sandbox.as_person(
        "POST", "/pages", {"parent": {"data_source_id": mine["data_sources"][0]["id"]}, "properties": health}
    )
    sandbox.control("log/clear")
    out = StringIO()
    call_command("setup_notion", parent=sandbox.root_page_id, adopt=True, dry_run=True, stdout=out)
    assert "Areas: would get Status, Vision, EMM_ID." in out.getvalue()
    assert "System Inbox: would be made, with 14 properties." in out.getvalue()
    assert "Areas: would get the pages Career, Finance, Relationships, " in out.getvalue()
    assert "Agent Registry: would get the pages The Entrepreneur, The Quant, The Auditor." in out.getvalue()
    assert "Command Center: would get 10 links to databases." in out.getvalue()
    assert "Command Center: would get the linked views Inbox: not processed yet, Waiting" in out.getvalue()
    assert writes(sandbox) == []
    assert not Workspace.objects.exists()
    assert not DataSource.objects.exists()


def test_after_set_up_a_dry_run_foresees_nothing_and_a_database_that_must_be_chosen_is_not_said_to_be_made(
    sandbox: Sandbox,
) -> None:
    prepare(sandbox)
    lines = foreseen(sandbox).splitlines()[2:-1]
    assert {line.partition(": ")[2] for line in lines} == {"its properties stay as they are."}
    second = {"parent": {"type": "database_id", "database_id": str(DataSource.objects.get(key="areas").database_id)}}
    sandbox.as_person("POST", "/data_sources", {**second, "properties": {"N": {"title": {}}}})
    DataSource.objects.all().delete()
    said = foreseen(sandbox)
    assert "To mend first: Areas has these data sources" in said
    assert "\nAreas: " not in said


THEIRS = "Related to Executive Intents (Source)"  # as Notion names the other side of a relation that a person makes


def relate(sandbox: Sandbox, intents: str, inbox: str) -> None:
    """A two-way relation as a person makes it."""
    both_ways = {"data_source_id": inbox, "type": "dual_property", "dual_property": {}}
    sandbox.as_person("PATCH", f"/data_sources/{intents}", {"properties": {"Source": {"relation": both_ways}}})


def inbox_and_intents(sandbox: Sandbox) -> list[str]:
    """Two data sources that people made."""
    return [str(database(sandbox, name)["data_sources"][0]["id"]) for name in ("System Inbox", "Executive Intents")]


def foreseen(sandbox: Sandbox) -> str:
    out = StringIO()
    call_command("setup_notion", parent=sandbox.root_page_id, adopt=True, dry_run=True, stdout=out)
    return out.getvalue()


def test_a_relation_that_people_made_keeps_the_names_of_both_its_sides(sandbox: Sandbox) -> None:
    inbox, intents = inbox_and_intents(sandbox)
    relate(sandbox, intents, inbox)
    theirs = sandbox.as_person("GET", f"/data_sources/{inbox}")["properties"][THEIRS]["id"]
    said = foreseen(sandbox)
    assert "System Inbox: would show Routed_to_Node, Routed_to_Task, the other sides" in said
    assert "Executive Intents: would show Related_Actions, Spawned_Project, Spawned_Tasks, Execution_Record" in said
    adopt(sandbox)
    assert schema(sandbox, "inbox")[THEIRS]["id"] == theirs
    assert DataSource.objects.get(key="inbox").property_ids["Routed_to_Intent"] == theirs
    assert {"Routed_to_Task", "Routed_to_Node"} <= set(schema(sandbox, "inbox"))
    assert "System Inbox: its properties stay as they are." in foreseen(sandbox)


def test_only_what_an_interrupted_run_added_is_named_by_the_next(sandbox: Sandbox) -> None:
    inbox, intents = inbox_and_intents(sandbox)
    relate(sandbox, intents, inbox)
    last = {"method": "POST", "path_regex": "/databases$", "body_contains": "Execution Log"}
    sandbox.control("faults", {"kind": "drop_after", "match": last})
    with pytest.raises(client.Ambiguous):
        adopt(sandbox)
    assert "Related to Tasks (DB_System_Inbox) to Routed_to_Task" in foreseen(sandbox)
    adopt(sandbox)
    assert {THEIRS, "Routed_to_Task", "Routed_to_Node"} <= set(schema(sandbox, "inbox"))
    assert "rename" not in foreseen(sandbox)


def test_a_relation_that_notion_refused_us_and_a_person_then_made_is_theirs(sandbox: Sandbox) -> None:
    inbox, intents = inbox_and_intents(sandbox)
    refused = {"method": "PATCH", "path_regex": "/data_sources/", "body_contains": "Agent_Persona"}
    sandbox.control("faults", {"kind": "refuse", "match": refused})
    with pytest.raises(Never):
        adopt(sandbox)
    relate(sandbox, intents, inbox)
    adopt(sandbox)
    assert THEIRS in schema(sandbox, "inbox")


def test_an_option_that_people_choose_and_we_act_on_is_asked_for_when_a_database_is_taken_in(sandbox: Sandbox) -> None:
    options = [{"name": name} for name in ("Pending", "approved", "Rejected", "On ice")]
    mine = database(sandbox, "Action Pipes", Approval_Status={"select": {"options": options}})
    with pytest.raises(
        Misconfigured, match=r"Approval_Status in Action Pipes cannot be set to Approved, Needs_Revision"
    ):
        adopt(sandbox)
    path = f"/data_sources/{mine['data_sources'][0]['id']}"
    options = [{"name": name} for name in ("Pending", "Approved", "Rejected", "Needs_Revision", "On ice")]
    sandbox.as_person("PATCH", path, {"properties": {"Approval_Status": {"select": {"options": options}}}})
    adopt(sandbox)
    sandbox.as_person("PATCH", path, {"properties": {"Approval_Status": {"select": {"options": options[:3]}}}})
    adopt(sandbox)  # it is ours to serve by now: people may do without an option


@pytest.mark.parametrize("how", ["adopted", "named", "in a variable"])
def test_databases_that_another_installation_serves_are_not_used_from_another_page(
    sandbox: Sandbox, settings: Any, how: str
) -> None:
    prepare(sandbox)
    inbox = str(DataSource.objects.get(key="inbox").database_id)
    named = {} if how == "in a variable" else {"inbox": inbox}
    settings.NOTION_DATABASES = {} if named else {"NOTION_DB_SYSTEM_INBOX": inbox}
    Workspace.objects.all().delete()
    DataSource.objects.all().delete()
    other = {"parent": {"page_id": sandbox.root_page_id}, "properties": {"title": {"title": []}}}
    page = sandbox.as_person("POST", "/pages", other)["id"]
    with pytest.raises(Misconfigured, match="Another installation"):
        setup.prepare(page, lambda line: None, setup.Wishes(adopt=how == "adopted", databases=named))


def test_a_task_is_made_whatever_states_the_adopted_database_knows(sandbox: Sandbox) -> None:
    states = [{"name": name} for name in ("Offen", "In Arbeit", "Erledigt")]
    database(sandbox, "Tasks", Status={"status": {"options": states}})
    adopt(sandbox)
    poll_everything()
    add_item(sandbox, "Call the bank about the overdraft on Monday")
    poll_now()
    work()
    assert InboxItem.objects.get().state == "done"
    assert Task.objects.get().page_id is not None
