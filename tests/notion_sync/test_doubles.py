"""Pages of ours that exist twice: one is kept, another goes to the trash only where nobody but us has touched it."""

from __future__ import annotations

from typing import Any

import pytest

from notion_sync import doubles, outbox
from notion_sync.models import DataSource, Double, DoublesCheck, InboxItem, Mirror, OutboxEntry, Task
from tests.notion_sync.test_outbox import fault, promise_task
from tests.world import VERSION, Sandbox, poll_everything, run, run_stage, text, work


def twin(sandbox: Sandbox, task: Mirror, by: str = "bot") -> str:
    """A second page with the key of `task`, as Notion makes it of a request that it applies too late."""
    source = DataSource.objects.get(key=task.key)
    title = "Input_Title" if task.key == "inbox" else "Name"
    body = {
        "parent": {"data_source_id": str(source.data_source_id)},
        "properties": {title: {"title": [{"text": {"content": "Twin"}}]}, "EMM_ID": text(str(task.emm_id))},
    }
    headers = {"Authorization": f"Bearer {by}", "Notion-Version": VERSION}
    return str(sandbox.http.post("/notion/v1/pages", json=body, headers=headers).raise_for_status().json()["id"])


@pytest.fixture
def task(workspace: Sandbox) -> Task:
    made = promise_task()
    run(["deliver"])
    made.refresh_from_db()
    return made


def make_older(page_id: str) -> None:
    Task.objects.filter(page_id=page_id).update(created_time="2026-01-01T00:00Z")


def trashed(sandbox: Sandbox, page_id: Any) -> bool:
    return bool(sandbox.as_person("GET", f"/pages/{page_id}")["in_trash"])


def reconcile() -> DoublesCheck:
    run(["doubles"])
    return DoublesCheck.objects.latest("pk")


def test_the_page_that_the_outbox_recorded_is_kept(task: Task, workspace: Sandbox) -> None:
    second = twin(workspace, task)
    poll_everything()
    make_older(second)  # and kept all the same
    found = reconcile()
    assert (found.doubled, found.trashed, found.left) == (1, 1, 0)
    assert found.pages > 1
    assert (trashed(workspace, second), trashed(workspace, task.page_id)) == (True, False)
    assert doubles.found() == {}


def test_without_a_record_the_oldest_is_kept(task: Task, workspace: Sandbox) -> None:
    second = twin(workspace, task)
    OutboxEntry.objects.all().delete()
    poll_everything()
    make_older(second)
    reconcile()
    assert (trashed(workspace, second), trashed(workspace, task.page_id)) == (False, True)


def test_of_two_made_in_one_minute_the_smaller_id_is_kept(task: Task, workspace: Sandbox) -> None:
    second = twin(workspace, task)
    OutboxEntry.objects.all().delete()
    poll_everything()
    Task.objects.update(created_time=task.created_time)
    reconcile()
    kept, other = sorted([second, str(task.page_id)])
    assert (trashed(workspace, kept), trashed(workspace, other)) == (False, True)


def test_a_double_that_somebody_edited_is_reported_and_left(task: Task, workspace: Sandbox) -> None:
    second = twin(workspace, task)
    poll_everything()
    workspace.as_person("PATCH", f"/pages/{second}", {"properties": {"Priority": {"select": {"name": "P0"}}}})
    found = reconcile()
    assert (found.trashed, found.left) == (0, 1)
    assert trashed(workspace, second) is False
    assert "Somebody has edited it" in Double.objects.get().why
    run_stage("doubles")
    assert DoublesCheck.objects.count() == 1  # it is no news, until somebody edits it again


def test_what_people_duplicated_is_theirs(task: Task, workspace: Sandbox) -> None:
    second = twin(workspace, task, by="person")
    poll_everything()
    found = reconcile()
    assert (found.doubled, found.trashed, found.left) == (0, 0, 0)
    assert trashed(workspace, second) is False


def test_a_person_who_deleted_one_of_two_keeps_the_other(task: Task, workspace: Sandbox) -> None:
    second = twin(workspace, task)
    poll_everything()
    workspace.as_person("PATCH", f"/pages/{task.page_id}", {"in_trash": True})
    reconcile()
    assert trashed(workspace, second) is False
    assert Double.objects.get().outcome == "gone"


def test_a_key_that_a_person_changed_is_no_double(task: Task, workspace: Sandbox) -> None:
    second = twin(workspace, task)
    poll_everything()
    workspace.as_person("PATCH", f"/pages/{second}", {"properties": {"EMM_ID": text("mine")}})
    assert reconcile().trashed == 0
    assert trashed(workspace, second) is False


@pytest.mark.parametrize("kind", ["drop_after", "429", "500"])
def test_it_is_repaired_although_answers_are_lost(task: Task, workspace: Sandbox, kind: str) -> None:
    second = twin(workspace, task)
    poll_everything()
    fault(workspace, kind, "PATCH", "/v1/pages/")
    run_stage("doubles")
    for _ in range(3):
        DoublesCheck.objects.filter(status="waiting").update(due_at="2020-01-01T00:00Z")
        run_stage("doubles")
    assert trashed(workspace, second) is True
    assert DoublesCheck.objects.latest("pk").status == "done"


def test_a_check_is_opened_once_a_day(workspace: Sandbox) -> None:
    run(["doubles"])
    assert run_stage("doubles") == 0
    DoublesCheck.objects.update(opened_at="2020-01-01T00:00Z")
    assert run_stage("doubles") == 1


def test_the_double_of_an_item_is_not_thought_about(workspace: Sandbox) -> None:
    emm_id = outbox.emm_id_for("mail:1", "intake")
    item = outbox.create_page(
        InboxItem, emm_id, {"Input_Title": "Call the bank today"}, purpose="take it in", item=None
    )
    assert isinstance(item, InboxItem)
    OutboxEntry.objects.update(item=item)
    run(["deliver"])
    item.refresh_from_db()
    twin(workspace, item)
    poll_everything()
    work()
    run_stage("doubles")
    double = InboxItem.objects.exclude(pk=item.pk).get()
    assert (double.state, double.in_trash) == ("skipped", True)
    assert OutboxEntry.objects.filter(item=double).count() == 0
