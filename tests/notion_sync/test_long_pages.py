"""Long texts arrive whole: in the creation what fits, and the rest appended, once, whatever happens on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from notion_sync import outbox
from notion_sync.document import Bullet, Document, Paragraph, blocks
from notion_sync.models import DataSource, NotionCall, OutboxEntry, Task
from tests.notion_sync.test_outbox import SUBJECT, entry_of
from tests.world import Sandbox, run_stage

APPEND = "/v1/blocks/[^/]+/children$"


def promise(document: Document, **values: Any) -> Task:
    task = outbox.create_page(
        Task,
        outbox.emm_id_for(SUBJECT, "task"),
        {"Name": "Read it", **values},
        purpose="a long page",
        item=None,
        children=blocks(document),
    )
    assert isinstance(task, Task)
    return task


def on_append(sandbox: Sandbox, kind: str, nth: int = 1, **more: Any) -> None:
    match = {"method": "PATCH", "path_regex": APPEND, "nth": nth}
    sandbox.control("faults", {"match": match, "kind": kind, **more})


def bullets(count: int) -> Document:
    return [Bullet(f"{number};") for number in range(count)]


def deliver(rounds: int = 8) -> None:
    for _ in range(rounds):
        OutboxEntry.objects.filter(status="waiting").update(due_at=Now())
        OutboxEntry.objects.exclude(sent_at=None).update(sent_at=Now() - timedelta(hours=1))
        run_stage("deliver")


def text_of(sandbox: Sandbox, task: Task) -> str:
    """What stands on the page, block by block."""
    task.refresh_from_db()
    found, cursor = [], ""
    while True:
        answer = sandbox.as_person("GET", f"/blocks/{task.page_id}/children?page_size=100{cursor}")
        for block in answer["results"]:
            found += [part["plain_text"] for part in block[block["type"]].get("rich_text", [])]
        if not answer["has_more"]:
            return "".join(found)
        cursor = f"&start_cursor={answer['next_cursor']}"


def numbers(count: int) -> str:
    return "".join(f"{number};" for number in range(count))


def test_what_one_request_carries_costs_one_call(workspace: Sandbox) -> None:
    before = NotionCall.objects.count()
    task = promise(bullets(100))
    run_stage("deliver")
    assert NotionCall.objects.count() - before == 1
    assert text_of(workspace, task) == numbers(100)


def test_350_blocks_arrive_in_order_with_three_appends(workspace: Sandbox) -> None:
    before = NotionCall.objects.count()
    task = promise(bullets(350))
    run_stage("deliver")
    assert entry_of(task).status == "done"
    assert text_of(workspace, task) == numbers(350)
    assert NotionCall.objects.count() - before == 1 + 1 + 3  # the page, its blocks' ids, the appends


def test_a_text_of_three_megabytes_arrives_whole(workspace: Sandbox) -> None:
    text = "0123456789 abcdef\n" * 170_000
    task = promise([Paragraph(text)])
    run_stage("deliver")
    assert entry_of(task).status == "done"
    assert text_of(workspace, task) == text


def test_long_properties_leave_the_body_less_room_in_the_first_request(workspace: Sandbox) -> None:
    text = "x" * 440_000
    source = DataSource.objects.get(key="projects")
    assert "Context" in source.property_ids
    entry = OutboxEntry.objects.create(
        kind="create", source_key="projects", emm_id=outbox.emm_id_for(SUBJECT, "project"), purpose="wide",
        values={"Name": "Wide", "Context": "y" * 190_000}, children=blocks([Paragraph(text)]),
    )  # fmt: skip
    run_stage("deliver")
    entry.refresh_from_db()
    assert entry.status == "done", entry.last_error
    assert entry.placed == len(entry.children)


@pytest.mark.parametrize(
    "kind", ["drop_before", "drop_after", "409", "429", "500", "502", "503", "503_committed", "504", "529", "half"]
)
def test_whatever_happens_to_an_append_every_block_is_there_once(workspace: Sandbox, kind: str) -> None:
    on_append(workspace, kind, nth=2)
    task = promise(bullets(250))
    deliver()
    assert entry_of(task).status == "done", entry_of(task).last_error
    assert text_of(workspace, task) == numbers(250)


@pytest.mark.parametrize("kind", ["500", "504"])
def test_an_append_that_was_applied_although_it_failed_is_not_repeated(workspace: Sandbox, kind: str) -> None:
    on_append(workspace, kind, applied=True)
    task = promise(bullets(250))
    deliver()
    assert text_of(workspace, task) == numbers(250)


def test_half_an_append_is_completed(workspace: Sandbox) -> None:
    on_append(workspace, "504")
    task = promise(bullets(250))
    run_stage("deliver")
    entry = entry_of(task)
    assert entry.placed == 100
    headers = {"Authorization": "Bearer bot", "Notion-Version": "2026-03-11"}
    address = f"/notion/v1/blocks/{entry.page_id}/children"
    sent = {"children": entry.children[100:130]}
    assert workspace.http.patch(address, json=sent, headers=headers).is_success
    deliver()
    assert text_of(workspace, task) == numbers(250)


def test_a_persons_words_between_the_appends_stay_and_nothing_is_doubled(workspace: Sandbox) -> None:
    on_append(workspace, "drop_after")
    task = promise(bullets(150))
    run_stage("deliver")
    page_id = entry_of(task).page_id
    note = {"children": [{"type": "paragraph", "paragraph": {"rich_text": [{"text": {"content": "MINE"}}]}}]}
    workspace.as_person("PATCH", f"/blocks/{page_id}/children", note)
    deliver()
    assert text_of(workspace, task) == numbers(150) + "MINE"


def test_it_goes_on_where_a_person_removed_the_last_block(workspace: Sandbox) -> None:
    on_append(workspace, "429", nth=2)
    task = promise(bullets(250))
    run_stage("deliver")
    entry = entry_of(task)
    assert entry.placed == 200
    workspace.as_person("DELETE", f"/blocks/{entry.child_ids[-1]}")
    deliver()
    assert text_of(workspace, task) == numbers(250).replace("199;", "")


def test_blocks_that_are_not_the_next_ones_are_left_to_a_person(workspace: Sandbox) -> None:
    on_append(workspace, "504")
    task = promise(bullets(150))
    run_stage("deliver")
    headers = {"Authorization": "Bearer bot", "Notion-Version": "2026-03-11"}
    strange = {"children": [{"type": "divider", "divider": {}}]}
    workspace.http.patch(f"/notion/v1/blocks/{entry_of(task).page_id}/children", json=strange, headers=headers)
    deliver()
    entry = entry_of(task)
    assert entry.status == "never"
    assert "100 of 150 blocks" in entry.last_error


def test_a_page_that_the_mirror_knows_from_an_earlier_life_is_completed(workspace: Sandbox) -> None:
    on_append(workspace, "504")
    task = promise(bullets(150))
    run_stage("deliver")
    OutboxEntry.objects.update(placed=None, child_ids=[], page_id=None, sent_at=None)
    Task.objects.filter(pk=task.pk).update(page_id=entry_page(workspace, task), ours=True)
    deliver()
    assert text_of(workspace, task) == numbers(150)


def test_a_page_from_an_earlier_life_that_holds_something_else_gets_no_second_text(workspace: Sandbox) -> None:
    on_append(workspace, "504")
    task = promise(bullets(150))
    run_stage("deliver")
    headers = {"Authorization": "Bearer bot", "Notion-Version": "2026-03-11"}
    strange = {"children": [{"type": "divider", "divider": {}}]}
    page_id = entry_page(workspace, task)
    workspace.http.patch(f"/notion/v1/blocks/{page_id}/children", json=strange, headers=headers)
    OutboxEntry.objects.update(placed=None, child_ids=[], page_id=None, sent_at=None)
    Task.objects.filter(pk=task.pk).update(page_id=page_id, ours=True)
    before = text_of(workspace, task)
    deliver()
    entry = entry_of(task)
    assert "It has 0 of 150 blocks for certain: delete what follows them" in entry.last_error
    entry.queue_again()
    deliver()
    assert entry_of(task).status == "never"
    assert text_of(workspace, task) == before


def entry_page(sandbox: Sandbox, task: Task) -> str:
    source = DataSource.objects.get(key="tasks")
    query = {"filter": {"property": "EMM_ID", "rich_text": {"equals": str(task.emm_id)}}}
    (page,) = sandbox.as_person("POST", f"/data_sources/{source.data_source_id}/query", query)["results"]
    return str(page["id"])
