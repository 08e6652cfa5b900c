"""Set-up finds what is there, makes what is not, and makes nothing twice, wherever it is cut off."""

from __future__ import annotations

import uuid
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from emm.audit import AuditEntry
from emm.jobs import Later, Misconfigured, Never
from notion_sync import client, setup, workspace
from notion_sync.models import DataSource, Workspace
from notion_sync.outbox import emm_id_for
from notion_sync.setup import seeds
from tests.notion_sync.workspaces import pages, prepare, schema, titles
from tests.world import Sandbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_pace")]
ELSEWHERE = "d0000000-0000-4000-8000-00000000ffff"


def fail_nth(sandbox: Sandbox, kind: str, n: int) -> None:
    sandbox.control("faults", {"kind": kind, "match": {"nth": n}, "times": 1})


ALL = sorted(database.title for database in workspace.DATABASES.values())


def test_each_persona_is_registered_with_the_model_that_it_argues_with() -> None:
    planted = seeds.personas({"persona": "claude-sonnet-5-5", "quant": "claude-opus-5-5"})
    models = {name: values["API_Model"] for name, values in planted.items()}
    assert models["The Quant"] == "claude-opus-5-5"
    assert models["The Auditor"] == models["The Entrepreneur"] == "claude-sonnet-5-5"


def test_an_empty_page_becomes_a_whole_workspace(sandbox: Sandbox) -> None:
    prepare(sandbox)
    assert titles(sandbox) == ALL
    for database in workspace.DATABASES.values():
        found = schema(sandbox, database.key)
        assert {name: prop["type"] for name, prop in found.items()} == {p.name: p.type for p in database.properties}
        ids = DataSource.objects.get(key=database.key).property_ids
        assert ids == {name: prop["id"] for name, prop in found.items()}


def test_it_seeds_ten_areas_and_three_personas_with_keys_that_are_always_the_same(sandbox: Sandbox) -> None:
    prepare(sandbox)
    areas, agents = pages(sandbox, "areas"), pages(sandbox, "agents")
    assert sorted(page["properties"]["Name"]["title"][0]["plain_text"] for page in areas) == sorted(workspace.AREAS)
    assert len(agents) == 3
    keys = {page["properties"]["EMM_ID"]["rich_text"][0]["plain_text"] for page in agents}
    assert keys == {str(emm_id_for(name, "persona")) for name in workspace.PERSONAS}
    assert all(page["properties"]["Active"]["checkbox"] for page in agents)


def test_it_stores_who_we_are_and_keeps_the_installation_id(sandbox: Sandbox) -> None:
    prepare(sandbox)
    first = Workspace.objects.get(pk=1)
    assert str(first.bot_id) == sandbox.info()["bot_id"]
    assert str(first.parent_page_id) == sandbox.root_page_id
    prepare(sandbox)
    assert Workspace.objects.get(pk=1).installation_id == first.installation_id


def test_a_second_run_writes_nothing(sandbox: Sandbox) -> None:
    prepare(sandbox)
    since = sandbox.requests()[-1]["n"]
    lines = prepare(sandbox)
    written = [
        asked for asked in sandbox.requests(since) if asked["method"] != "GET" and not asked["path"].endswith("/query")
    ]
    assert written == []
    assert "System Inbox: found." in lines


def everything(sandbox: Sandbox) -> dict[str, Any]:
    """What a person sees of the workspace, without ids and times."""
    blocks = sandbox.as_person("GET", f"/blocks/{sandbox.root_page_id}/children?page_size=100")["results"]
    center = [b["id"] for b in blocks if b.get("child_page", {}).get("title") == "Command Center"]
    on_it = sandbox.as_person("GET", f"/blocks/{center[0]}/children?page_size=100")["results"]
    names = []
    for key in ("inbox", "actions"):
        listed = sandbox.as_person("GET", f"/views?data_source_id={DataSource.objects.get(key=key).data_source_id}")
        names += [sandbox.as_person("GET", f"/views/{one['id']}")["name"] for one in listed["results"]]
    return {
        "under the parent": sorted(str(b.get("child_page") or b["child_database"]) for b in blocks),
        "on the page": [b["type"] for b in on_it],
        "views": sorted(names),
        "properties": {key: sorted(schema(sandbox, key)) for key in workspace.DATABASES},
        "seeds": sorted(str(emm_id) for key in ("areas", "agents") for emm_id in emm_ids(sandbox, key)),
    }


def emm_ids(sandbox: Sandbox, key: str) -> list[str]:
    return [page["properties"]["EMM_ID"]["rich_text"][0]["plain_text"] for page in pages(sandbox, key)]


@pytest.fixture(scope="session")
def uninterrupted() -> dict[str, Any]:
    """What a run leaves that nothing has cut: filled by the first test that makes one."""
    return {}


def finish_after_cut(sandbox: Sandbox, n: int, kind: str, whole: dict[str, Any], settings: Any) -> None:
    """Cut the n-th call of a first run off, run again, and compare with a run that was never cut."""
    if not whole:
        prepare(sandbox)
        whole |= everything(sandbox)
        sandbox.reset()
        Workspace.objects.all().delete()
        DataSource.objects.all().delete()
    settings.OUTBOX_QUARANTINE = timedelta(0)
    fail_nth(sandbox, kind, n)
    with pytest.raises((Later, client.Ambiguous)):
        prepare(sandbox)
    prepare(sandbox)
    assert everything(sandbox) == whole


CALLS = 48  # of a first run


def test_a_first_run_is_as_many_calls_as_the_cuts_below_cover(sandbox: Sandbox) -> None:
    prepare(sandbox)
    assert len(sandbox.requests()) == CALLS


@pytest.mark.parametrize(
    ("n", "kind"), [(6, "drop_after"), (26, "drop_after"), (40, "drop_before"), (CALLS, "drop_after")]
)
def test_cut_off_it_is_finished_by_the_next_run(
    sandbox: Sandbox, n: int, kind: str, uninterrupted: dict[str, Any], settings: Any
) -> None:
    finish_after_cut(sandbox, n, kind, uninterrupted, settings)


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("n", range(1, CALLS + 1))
def test_cut_off_at_any_call_it_is_finished_by_the_next_run(
    sandbox: Sandbox, n: int, kind: str, uninterrupted: dict[str, Any], settings: Any
) -> None:
    finish_after_cut(sandbox, n, kind, uninterrupted, settings)


def test_a_page_whose_answer_was_lost_is_waited_for_before_it_is_made_again(sandbox: Sandbox, settings: Any) -> None:
    settings.OUTBOX_QUARANTINE = timedelta(seconds=90)
    sandbox.control("faults", {"kind": "query_lag", "seconds": 30})
    fail_nth(sandbox, "drop_after", 33)
    with pytest.raises(client.Ambiguous):
        prepare(sandbox)
    with pytest.raises(Later, match="was lost"):
        prepare(sandbox)


def test_what_was_saved_behind_a_503_is_not_made_again(sandbox: Sandbox) -> None:
    sandbox.control(
        "faults", {"kind": "503_committed", "match": {"method": "POST", "path_regex": "/databases$|/pages$"}}
    )
    prepare(sandbox)
    assert titles(sandbox) == ALL


def test_a_property_that_a_person_renamed_keeps_its_name_and_stays_known(sandbox: Sandbox) -> None:
    prepare(sandbox)
    inbox = DataSource.objects.get(key="inbox")
    for name, new in (("Content", "Text"), ("Routed_to_Task", "My tasks"), ("Input_Title", "What")):
        path = f"/data_sources/{inbox.data_source_id}"
        sandbox.as_person("PATCH", path, {"properties": {inbox.property_ids[name]: {"name": new}}})
    prepare(sandbox)
    assert {"Text", "My tasks", "What"} <= set(schema(sandbox, "inbox"))
    assert DataSource.objects.get(key="inbox").property_ids == inbox.property_ids


def test_a_property_that_is_missing_is_added(sandbox: Sandbox) -> None:
    prepare(sandbox)
    nodes = DataSource.objects.get(key="nodes")
    path = f"/data_sources/{nodes.data_source_id}"
    sandbox.as_person("PATCH", path, {"properties": {"Source_Inbox": None, "URL": None}})
    lines = prepare(sandbox)
    assert {"Source_Inbox", "URL"} <= set(schema(sandbox, "nodes"))
    assert "Routed_to_Node" in schema(sandbox, "inbox")
    assert "Nodes: found, added Source_Inbox, URL." in lines


def test_a_persons_own_command_center_is_left_alone(sandbox: Sandbox) -> None:
    title = {"title": {"title": [{"text": {"content": "Command Center"}}]}}
    theirs = sandbox.as_person("POST", "/pages", {"parent": {"page_id": sandbox.root_page_id}, "properties": title})
    assert "Command Center: made." in prepare(sandbox)
    assert "Command Center: found." in prepare(sandbox)
    assert sandbox.as_person("GET", f"/pages/{theirs['id']}")["in_trash"] is False
    assert sandbox.as_person("GET", f"/blocks/{theirs['id']}/children")["results"] == []


def test_what_is_kept_current_is_a_block_of_its_own(sandbox: Sandbox) -> None:
    prepare(sandbox)
    row = Workspace.objects.get(pk=1)
    assert row.command_center_block_id is not None
    before = everything(sandbox)
    client.update_block(row.command_center_block_id, "callout", {"rich_text": [{"text": {"content": "3 wait."}}]})
    assert "Command Center: found." in prepare(sandbox)
    assert everything(sandbox) == before
    assert Workspace.objects.get(pk=1).command_center_block_id == row.command_center_block_id


def test_a_linked_view_of_a_database_is_not_taken_for_it(sandbox: Sandbox) -> None:
    prepare(sandbox)
    training = DataSource.objects.get(key="training")
    place = {"parent": {"type": "page_id", "page_id": sandbox.root_page_id}}
    linked = {"data_source_id": str(training.data_source_id), "name": "Mine", "type": "table", "create_database": place}
    sandbox.as_person("POST", "/views", linked)
    sandbox.as_person("PATCH", f"/databases/{training.database_id}", {"title": [{"text": {"content": "Box"}}]})
    assert "Training Data: found." in prepare(sandbox)
    Workspace.objects.update(parent_page_id=None)  # as a fresh database, that knows the page by its title only
    assert "Training Data: made." in prepare(sandbox)


def test_where_notion_offers_no_views_the_links_lead_there(sandbox: Sandbox, settings: Any) -> None:
    sandbox.control("faults", {"kind": "refuse", "match": {"path_regex": "/v1/views"}, "times": None})
    lines = prepare(sandbox)
    assert "Command Center: 10 links made, 0 there before." in lines
    assert any("docs/NOTION_DASHBOARD_SETUP.md says how to make them by hand" in line for line in lines)
    assert lines[-1] == "The workspace is ready."


def test_missing_capabilities_are_told_and_kept_with_their_fix(sandbox: Sandbox) -> None:
    sandbox.control("faults", {"kind": "lacking", "capabilities": ["user information", "read comments"]})
    lines = prepare(sandbox)
    assert lines[-1] == "The workspace is ready."
    lacks = Workspace.objects.get(pk=1).lacks
    assert [line for line in lines if line in lacks] == lacks
    assert "switch on the capability Read user information" in lacks[0]
    assert "switch on the capability Read comments" in lacks[1]


def test_a_plan_without_room_is_explained(sandbox: Sandbox) -> None:
    sandbox.control("faults", {"kind": "block_limit", "blocks": 4})
    with pytest.raises(Misconfigured, match=r"1,000 blocks for all time.*Upgrade"):
        prepare(sandbox)


def test_a_taken_prefix_gets_a_number_then_none(sandbox: Sandbox) -> None:
    for prefix in ("inbox", "LOG", "LOG2"):
        body = {
            "parent": {"type": "page_id", "page_id": sandbox.root_page_id},
            "title": [{"type": "text", "text": {"content": f"Old {prefix}"}}],
            "initial_data_source": {"properties": {"Name": {"title": {}}, "Number": {"unique_id": {"prefix": prefix}}}},
        }
        sandbox.as_person("POST", "/databases", body)
    prepare(sandbox)
    assert schema(sandbox, "inbox")["Inbox_ID"]["unique_id"]["prefix"] == "INBOX2"
    assert schema(sandbox, "log")["Log_ID"]["unique_id"]["prefix"] is None


def test_a_configured_database_is_used_by_id_or_address_whatever_its_title(sandbox: Sandbox, settings: Any) -> None:
    body = {
        "parent": {"type": "page_id", "page_id": sandbox.root_page_id},
        "title": [{"type": "text", "text": {"content": "My areas"}}],
        "initial_data_source": {"properties": {"Area": {"title": {}}}},
    }
    made = sandbox.as_person("POST", "/databases", body)
    bare = made["id"].replace("-", "")
    settings.NOTION_DATABASES = {"NOTION_DB_AREAS": f"https://www.notion.so/team/My-areas-{bare}?v={'a' * 32}&pvs=4"}
    prepare(sandbox)
    assert str(DataSource.objects.get(key="areas").database_id) == made["id"]
    assert "Areas" not in titles(sandbox)


def test_a_configured_database_that_is_not_shared_is_named_by_its_variable(sandbox: Sandbox, settings: Any) -> None:
    settings.NOTION_DATABASES = {"NOTION_DB_AREAS": ELSEWHERE}
    with pytest.raises(Misconfigured, match="NOTION_DB_AREAS"):
        prepare(sandbox)


def test_a_database_that_a_person_trashed_is_made_anew_unless_others_lead_to_it(sandbox: Sandbox) -> None:
    prepare(sandbox)
    training, areas = DataSource.objects.get(key="training"), DataSource.objects.get(key="areas")
    sandbox.as_person("PATCH", f"/databases/{training.database_id}", {"in_trash": True})
    lines = prepare(sandbox)
    assert "Training Data: the one we knew is in Notion's trash, or no longer shared." in lines
    assert DataSource.objects.get(key="training").pk != training.pk
    sandbox.as_person("PATCH", f"/databases/{areas.database_id}", {"in_trash": True})
    with pytest.raises(Misconfigured, match=r"Area in Tasks leads to the Areas that we knew.*Restore Areas, or add"):
        prepare(sandbox)


def test_an_area_that_people_made_before_is_not_doubled(sandbox: Sandbox) -> None:
    prepare(sandbox)
    career = next(p for p in pages(sandbox, "areas") if p["properties"]["Name"]["title"][0]["plain_text"] == "Career")
    title = [{"type": "text", "text": {"content": "career"}}]
    values = {"Name": {"title": title}, "EMM_ID": {"rich_text": []}}
    sandbox.as_person("PATCH", f"/pages/{career['id']}", {"properties": values})
    prepare(sandbox)
    assert len(pages(sandbox, "areas")) == 10


@pytest.mark.parametrize(
    "text",
    [
        "d0000000-0000-4000-8000-000000000001",
        "D0000000000040008000000000000001",
        "https://www.notion.so/Mind-Matrix-d0000000000040008000000000000001?v=0123456789abcdef0123456789abcdef",
        " https://app.notion.com/p/d0000000000040008000000000000001/#top",
    ],
)
def test_a_page_is_named_by_id_or_address(text: str) -> None:
    assert setup.notion_id(text, "The parent page") == "d0000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize("text", ["", "Mind Matrix", "https://www.notion.so/?v=0123456789abcdef0123456789abcdef"])
def test_what_names_no_page_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="The parent page is not named"):
        setup.notion_id(text, "The parent page")


def test_the_command_says_in_one_line_that_the_parent_is_not_shared(sandbox: Sandbox) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("setup_notion", parent=ELSEWHERE, stdout=StringIO())
    assert ELSEWHERE in str(caught.value)
    assert "Shared with it are: Executive Mind Matrix." in str(caught.value)
    assert "Connections" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.returncode == 1


def test_the_command_tells_each_step(sandbox: Sandbox) -> None:
    out = StringIO()
    call_command("setup_notion", parent=sandbox.root_page_id, stdout=out)
    assert out.getvalue().splitlines()[-1] == "The workspace is ready."
    assert "Execution Log: made." in out.getvalue()


def test_the_command_asks_for_a_parent_page(sandbox: Sandbox) -> None:
    with pytest.raises(CommandError, match="NOTION_PARENT_PAGE"):
        call_command("setup_notion", parent="", stdout=StringIO())


def test_a_refusal_that_is_not_about_a_prefix_is_not_tried_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(parent: str, title: str, description: str, properties: Any) -> dict[str, Any]:
        if title != "System Inbox":
            return original(parent, title, description, properties)
        asked.append(title)
        raise Never("Notion answered 400 validation_error: something else")

    original = client.create_database
    monkeypatch.setattr(client, "create_database", refuse)
    with pytest.raises(Never, match="something else"):
        prepare(sandbox)
    assert asked == ["System Inbox"]


def test_taking_over_in_a_terminal_asks_for_a_reason_and_is_audited(sandbox: Sandbox) -> None:
    setup.prepare(sandbox.root_page_id, lambda line: None)
    Workspace.objects.update(installation_id=uuid.uuid4())
    words = {"parent": sandbox.root_page_id, "take_over": True, "stdout": StringIO()}
    with pytest.raises(CommandError, match="--reason"):
        call_command("setup_notion", **words)
    call_command("setup_notion", reason="The old host is gone.", **words)
    entry = AuditEntry.objects.get(action="setup.take_over")
    assert (entry.reason, entry.after) == ("The old host is gone.", {"parent": sandbox.root_page_id})


def test_a_workspace_that_another_installation_serves_is_refused(sandbox: Sandbox) -> None:
    prepare(sandbox)
    Workspace.objects.update(installation_id=uuid.uuid4())
    with pytest.raises(Misconfigured, match="Another installation"):
        prepare(sandbox)


def test_a_person_may_take_a_workspace_over(sandbox: Sandbox) -> None:
    prepare(sandbox)
    Workspace.objects.update(installation_id=uuid.uuid4())
    lines: list[str] = []
    setup.prepare(sandbox.root_page_id, lines.append, setup.Wishes(take_over=True))
    assert "Command Center: taken over." in lines
    assert "Command Center: found." in prepare(sandbox)


def test_a_run_that_was_cut_off_knows_its_own_mark(sandbox: Sandbox) -> None:
    fail_nth(sandbox, "500", 8)
    with pytest.raises((Later, Never, client.Ambiguous)):
        prepare(sandbox)
    assert "Command Center: found." in prepare(sandbox)
