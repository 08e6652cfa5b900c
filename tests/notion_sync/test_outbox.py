"""Promises to Notion: kept exactly once in effect, in order, and never over a person's edit."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from notion_sync import doubles, outbox
from notion_sync.models import DataSource, InboxItem, Intent, NotionCall, OutboxEntry, Task
from tests.world import Sandbox, add_item, poll_everything, poll_now, run, run_stage, text

SUBJECT = "0123456789abcdef0123456789abcdef"


def promise_task(values: dict[str, Any] | None = None) -> Task:
    emm_id = outbox.emm_id_for(SUBJECT, "task")
    task = outbox.create_page(Task, emm_id, {"Name": "Call the bank", **(values or {})}, purpose="a task", item=None)
    assert isinstance(task, Task)
    return task


def entry_of(task: Task) -> OutboxEntry:
    assert task.emm_id is not None
    return OutboxEntry.objects.get(emm_id=task.emm_id, kind="create")


def make_due() -> None:
    """Let the waits of all entries be over."""
    OutboxEntry.objects.filter(status="waiting").update(due_at=Now(), sent_at=Now() - timedelta(hours=1))


def deliver_all(rounds: int = 10) -> None:
    for _ in range(rounds):
        OutboxEntry.objects.filter(status="waiting").update(due_at=Now())
        run_stage("deliver")


def fault(sandbox: Sandbox, kind: str, method: str = "POST", path: str = "/v1/pages$", **more: Any) -> None:
    sandbox.control("faults", {"match": {"method": method, "path_regex": path}, "kind": kind, "times": 1, **more})


def pages_with(sandbox: Sandbox, key: str, emm_id: uuid.UUID | None) -> list[Any]:
    source = DataSource.objects.get(key=key)
    query = {"filter": {"property": "EMM_ID", "rich_text": {"equals": str(emm_id)}}}
    return list(sandbox.as_person("POST", f"/data_sources/{source.data_source_id}/query", query)["results"])


def test_a_promised_page_is_made_and_its_row_learns_the_page(workspace: Sandbox) -> None:
    task = promise_task()
    assert task.page_id is None
    run(["deliver"])
    made = Task.objects.get(pk=task.pk)
    assert made.page_id is not None
    assert made.ours is True
    assert len(pages_with(workspace, "tasks", task.emm_id)) == 1


def test_promising_twice_makes_one_page(workspace: Sandbox) -> None:
    assert promise_task().pk == promise_task().pk
    run(["deliver"])
    assert len(pages_with(workspace, "tasks", Task.objects.get().emm_id)) == 1


def test_a_creation_costs_one_call(workspace: Sandbox) -> None:
    before = NotionCall.objects.count()
    promise_task()
    run(["deliver"])
    assert NotionCall.objects.count() - before == 1


@pytest.mark.parametrize("kind", ["drop_after", "500", "502", "503", "504", "409", "half", "drop_before", "529", "429"])
def test_whatever_happens_to_the_answer_there_is_one_page(workspace: Sandbox, kind: str) -> None:
    fault(workspace, kind)
    task = promise_task()
    for _ in range(6):
        make_due_keeping_unsent()
        run_stage("deliver")
    assert entry_of(task).status == "done"
    assert len(pages_with(workspace, "tasks", task.emm_id)) == 1


def make_due_keeping_unsent() -> None:
    waiting = OutboxEntry.objects.filter(status="waiting")
    waiting.update(due_at=Now())
    waiting.exclude(sent_at=None).update(sent_at=Now() - timedelta(hours=1))


def test_a_committed_id_is_adopted_and_nothing_sent_again(workspace: Sandbox) -> None:
    creations = NotionCall.objects.filter(method="POST", route="/v1/pages")
    before = creations.count()
    fault(workspace, "503_committed")
    task = promise_task()
    run(["deliver"])
    assert entry_of(task).status == "done"
    assert creations.count() - before == 1


def test_a_lost_answer_is_not_looked_up_before_its_quarantine_ends(workspace: Sandbox, settings: Any) -> None:
    settings.OUTBOX_QUARANTINE = timedelta(seconds=90)
    fault(workspace, "drop_after")
    task = promise_task()
    run_stage("deliver")
    OutboxEntry.objects.update(due_at=Now())
    before = NotionCall.objects.count()
    run_stage("deliver")
    assert NotionCall.objects.count() == before
    assert "looked up" in entry_of(task).last_error


def test_a_worker_whose_clock_is_fast_waits_out_the_quarantine_all_the_same(
    workspace: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTBOX_QUARANTINE = timedelta(seconds=90)
    fault(workspace, "drop_after")
    task = promise_task()
    run_stage("deliver")
    OutboxEntry.objects.update(due_at=Now())
    fast = timezone.now() + timedelta(minutes=5)
    monkeypatch.setattr(timezone, "now", lambda: fast)
    run_stage("deliver")
    assert (entry_of(task).misses, "looked up" in entry_of(task).last_error) == (0, True)


def test_a_page_is_made_again_only_after_two_looks(workspace: Sandbox) -> None:
    fault(workspace, "504")
    task = promise_task()
    lookups = NotionCall.objects.filter(route__contains="query")
    before = lookups.count()
    for _ in range(4):
        make_due_keeping_unsent()
        run_stage("deliver")
    assert entry_of(task).status == "done"
    assert lookups.count() - before == 3  # twice among the live pages, then once in the trash


def test_a_page_that_the_poll_saw_first_is_not_made_again(workspace: Sandbox) -> None:
    fault(workspace, "drop_after")
    task = promise_task()
    run_stage("deliver")
    poll_now()
    before = NotionCall.objects.filter(method="POST", route="/v1/pages").count()
    make_due_keeping_unsent()
    run_stage("deliver")
    assert entry_of(task).status == "done"
    assert NotionCall.objects.filter(method="POST", route="/v1/pages").count() == before


def test_nothing_is_created_before_the_first_full_mirror(workspace: Sandbox) -> None:
    DataSource.objects.filter(key="tasks").update(mirrored_at=None)
    task = promise_task()
    run_stage("deliver")
    assert "first full mirror" in entry_of(task).last_error
    assert pages_with(workspace, "tasks", task.emm_id) == []
    poll_everything()
    run_stage("deliver")
    assert entry_of(task).status == "done", "it was woken, not left to its minute"


def test_a_page_waits_for_the_page_that_it_refers_to(workspace: Sandbox) -> None:
    intent = outbox.create_page(
        Intent, outbox.emm_id_for(SUBJECT, "intent"), {"Name": "Decide"}, purpose="an intent", item=None
    )
    task = promise_task({"Source Intent": [outbox.ref(intent)]})
    assert OutboxEntry.claim(entry_of(task).pk) is None
    run(["deliver"])
    (page,) = pages_with(workspace, "tasks", task.emm_id)
    intent.refresh_from_db()
    assert page["properties"]["Source Intent"]["relation"] == [{"id": str(intent.page_id)}]


def test_an_update_costs_one_call_and_is_idempotent(workspace: Sandbox) -> None:
    task = promise_task()
    run(["deliver"])
    task.refresh_from_db()
    before = NotionCall.objects.count()
    assert outbox.update_page(task, {"Priority": "P1"}, purpose="priority", item=None) is not None
    run(["deliver"])
    task.refresh_from_db()
    assert outbox.update_page(task, {"Priority": "P1"}, purpose="priority", item=None) is None
    assert task.values["Priority"] == "P1"
    assert NotionCall.objects.count() - before == 1


def test_a_persons_edit_is_never_written_over(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "An item", "first")
    poll_now()
    item = InboxItem.objects.get()
    outbox.update_page(item, {"Status": "Processing"}, purpose="status", item=item)
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Status": {"select": {"name": "Skipped"}}}})
    poll_now()
    run(["deliver"])
    entry = OutboxEntry.objects.get()
    assert entry.status == "never"
    assert "Skipped" in entry.last_error
    page = workspace.as_person("GET", f"/pages/{page_id}")
    assert page["properties"]["Status"]["select"]["name"] == "Skipped"


def test_a_lost_answer_to_an_update_is_settled_by_reading_the_page(workspace: Sandbox) -> None:
    add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    before = NotionCall.objects.filter(method="PATCH").count()
    fault(workspace, "drop_after", "PATCH", "/v1/pages/")
    outbox.update_page(item, {"Status": "Processing"}, purpose="status", item=item)
    for _ in range(2):
        OutboxEntry.objects.update(due_at=Now())
        run_stage("deliver")
    assert OutboxEntry.objects.get().status == "done"
    assert NotionCall.objects.filter(method="PATCH").count() - before == 1


def test_a_person_who_edits_between_our_attempts_wins(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    fault(workspace, "drop_before", "PATCH", "/v1/pages/")
    outbox.update_page(item, {"Status": "Processing"}, purpose="status", item=item)
    run_stage("deliver")
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Status": {"select": {"name": "Skipped"}}}})
    OutboxEntry.objects.update(due_at=Now())
    run_stage("deliver")
    assert OutboxEntry.objects.get().status == "never"


def test_changes_of_one_page_keep_their_order(workspace: Sandbox) -> None:
    add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    outbox.update_page(item, {"Status": "Processing"}, purpose="first", item=item)
    outbox.update_page(item, {"Status": "Triaged_to_Task"}, purpose="second", item=item)
    assert OutboxEntry.claim(OutboxEntry.objects.get(purpose="second").pk) is None
    run(["deliver"])
    item.refresh_from_db()
    assert item.values["Status"] == "Triaged_to_Task"


@pytest.mark.parametrize("fresh", [timedelta(0), timedelta(hours=1)])
def test_a_trashed_page_ends_the_promise_and_once_restored_it_is_kept(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch, fresh: timedelta
) -> None:
    monkeypatch.setattr(outbox, "FRESH", fresh)
    page_id = add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    workspace.as_person("PATCH", f"/pages/{page_id}", {"in_trash": True})
    outbox.update_page(item, {"Status": "Processing"}, purpose="status", item=item)
    run(["deliver"])
    entry = OutboxEntry.objects.get()
    assert entry.status == "never"
    assert entry.last_error.startswith("The page An item is in Notion's trash. Restore it there")
    poll_now()
    assert OutboxEntry.objects.get().status == "never"

    workspace.as_person("PATCH", f"/pages/{page_id}", {"in_trash": False})
    poll_now()
    run(["deliver"])
    assert OutboxEntry.objects.get().status == "done"
    item.refresh_from_db()
    assert item.values["Status"] == "Processing"


def test_a_page_that_people_duplicated_is_not_taken_for_ours(workspace: Sandbox) -> None:
    task = promise_task()
    run(["deliver"])
    source = DataSource.objects.get(key="tasks")
    body = {
        "parent": {"data_source_id": str(source.data_source_id)},
        "properties": {"Name": {"title": [{"text": {"content": "Copy"}}]}, "EMM_ID": text(str(task.emm_id))},
    }
    workspace.as_person("POST", "/pages", body)
    poll_everything()
    assert Task.objects.filter(emm_id=task.emm_id, ours=True).count() == 1
    assert Task.objects.filter(emm_id=task.emm_id).count() == 2
    assert doubles.found() == {}


def test_two_pages_of_ours_with_one_key_are_counted(workspace: Sandbox) -> None:
    task = promise_task()
    run(["deliver"])
    Task.objects.create(emm_id=task.emm_id, page_id=uuid.uuid4(), ours=True, title="double")
    assert list(doubles.found()) == [task.emm_id]


def test_an_emm_id_is_the_same_on_every_database() -> None:
    assert str(outbox.emm_id_for(SUBJECT, "task")) == "f5509a07-6ed5-5f33-9ab3-3939c58586f4"
    assert len({outbox.emm_id_for(SUBJECT, "task", r, o) for r in range(3) for o in range(3)}) == 9


def test_a_page_whose_parent_cannot_be_made_is_held_by_name(workspace: Sandbox) -> None:
    emm_id = outbox.emm_id_for(SUBJECT, "intent")
    intent = outbox.create_page(Intent, emm_id, {"Name": "Decide"}, purpose="an intent", item=None)
    task = promise_task({"Source Intent": [outbox.ref(intent)]})
    OutboxEntry.objects.filter(emm_id=emm_id).update(status="dead", last_error="It failed too often")
    run_stage("deliver")
    held = entry_of(task)
    assert held.status == "waiting"
    assert "an intent. It failed too often" in held.last_error
    OutboxEntry.objects.get(emm_id=emm_id).queue_again()
    run(["deliver"])
    assert entry_of(task).status == "done"


@pytest.mark.parametrize(
    ("kind", "more", "fix"),
    [
        ("block_limit", {"blocks": 1}, "free plan allows a workspace of several members 1,000 blocks"),
        ("lacking", {"capabilities": ["insert content"]}, "switch on the capability Insert content"),
    ],
)
def test_a_limit_of_the_workspace_is_explained_and_the_page_is_made_once_it_is_lifted(
    workspace: Sandbox, kind: str, more: dict[str, Any], fix: str
) -> None:
    workspace.control("faults", {"kind": kind, **more})
    task = promise_task()
    run_stage("deliver")
    entry = entry_of(task)
    assert (entry.status, fix in entry.last_error) == ("waiting", True), entry.last_error
    workspace.control("faults/clear")
    deliver_all(1)
    assert entry_of(task).status == "done"
    assert len(pages_with(workspace, "tasks", task.emm_id)) == 1
