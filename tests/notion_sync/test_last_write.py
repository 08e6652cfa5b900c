"""The last write for an item says that all is there, so it goes out when all is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from emm import tasks
from notion_sync import conflicts, outbox
from notion_sync.models import InboxItem, NotionCall, OutboxEntry, Task
from tests.notion_sync.test_conflicts import select, stands
from tests.notion_sync.test_outbox import SUBJECT, deliver_all, fault
from tests.world import Sandbox, add_item, poll_now, run, run_stage


@pytest.fixture
def item(workspace: Sandbox) -> InboxItem:
    add_item(workspace, "Call the bank")
    poll_now()
    return InboxItem.objects.get()


def promise(item: InboxItem, ordinal: int = 0) -> OutboxEntry:
    emm_id = outbox.emm_id_for(SUBJECT, "task", ordinal=ordinal)
    outbox.create_page(Task, emm_id, {"Name": "Call the bank"}, purpose="make the task", item=item)
    return OutboxEntry.objects.get(emm_id=emm_id)


def close(item: InboxItem) -> OutboxEntry:
    entry = outbox.update_page(item, {"Status": "Triaged_to_Task"}, purpose="close it", item=item, last=True)
    assert entry is not None
    return entry


def status(sandbox: Sandbox, item: InboxItem) -> object:
    return stands(sandbox, str(item.page_id), "Status")


def test_it_waits_until_a_page_that_notion_refused_for_now_is_made(item: InboxItem, workspace: Sandbox) -> None:
    promise(item)
    close(item)
    fault(workspace, "429")
    run(["deliver"])
    assert (status(workspace, item), Task.objects.get().page_id) == (None, None)
    OutboxEntry.objects.filter(kind="create").update(due_at=Now())
    run(["deliver"])
    assert (status(workspace, item), Task.objects.get().page_id is None) == ("Triaged_to_Task", False)


@pytest.mark.parametrize("stuck", ["never", "dead"])
def test_it_says_what_it_waits_for_and_goes_out_by_itself_once_a_person_has_seen_to_that(
    item: InboxItem, workspace: Sandbox, stuck: str
) -> None:
    task, last = promise(item), close(item)
    OutboxEntry.objects.filter(pk=task.pk).update(status=stuck, last_error="Refused.")
    deliver_all(2)
    last.refresh_from_db()
    assert (status(workspace, item), last.status) == (None, "waiting")
    assert last.last_error == "Waits for: create tasks: make the task. Refused."
    OutboxEntry.objects.get(pk=task.pk).queue_again()
    run(["deliver"])
    assert status(workspace, item) == "Triaged_to_Task"


def test_it_follows_a_change_whose_conflict_a_person_settled(item: InboxItem, workspace: Sandbox) -> None:
    outbox.update_page(item, {"Depth": "Deep"}, purpose="show the depth", item=item)
    select(workspace, str(item.page_id), Depth="Quick")
    poll_now()
    close(item)
    run(["deliver"])
    (conflict,) = OutboxEntry.objects.stuck()
    assert status(workspace, item) is None
    conflicts.settle(conflict, {"Depth": conflicts.THEIRS}, by="Ana", reason="Quick is enough")
    run(["deliver"])
    assert status(workspace, item) == "Triaged_to_Task"


def test_it_waits_for_no_other_item_and_for_nothing_that_was_promised_later(
    item: InboxItem, workspace: Sandbox
) -> None:
    add_item(workspace, "Another")
    poll_now()
    other = promise(InboxItem.objects.exclude(pk=item.pk).get(), 1)
    close(item)
    later = promise(item, 2)
    OutboxEntry.objects.filter(pk__in=(other.pk, later.pk)).update(due_at=Now() + timedelta(hours=1))
    run(["deliver"])
    assert status(workspace, item) == "Triaged_to_Task"


def test_a_sweep_is_not_filled_by_what_waits_for_others(
    item: InboxItem, workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 1)
    sent: list[str] = []
    monkeypatch.setattr(tasks.run, "apply_async", lambda args, queue: sent.append(args[1]))
    task, last = promise(item), close(item)
    OutboxEntry.objects.filter(pk=last.pk).update(due_at=Now() - timedelta(hours=1))
    for _ in range(2):
        tasks.sweep("deliver")
        if OutboxEntry.claim(sent[-1]) is not None:
            break
    assert sent == [str(last.pk), str(task.pk)]


def test_what_waited_is_due_at_once_when_the_last_of_the_others_is_done(item: InboxItem, workspace: Sandbox) -> None:
    task, last = promise(item), close(item)
    assert OutboxEntry.claim(last.pk) is None
    assert not OutboxEntry.objects.due().filter(pk=last.pk).exists()
    run_stage("deliver")
    assert OutboxEntry.objects.get(pk=task.pk).status == "done"
    assert OutboxEntry.claim(last.pk) is not None
    assert NotionCall.objects.filter(method="PATCH").count() == 0
