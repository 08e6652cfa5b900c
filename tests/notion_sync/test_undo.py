"""A delivered write is taken back once, by a person who says why, and never over somebody's edit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from emm import schedule
from emm.audit import AuditEntry
from notion_sync import conflicts, outbox, undo
from notion_sync.document import Bullet, Columns, Document, Paragraph, Table, Toggle, blocks
from notion_sync.models import DataSource, InboxItem, Intent, NotionCall, OutboxEntry, Task
from tests.factories import make_item
from tests.notion_sync.test_conflicts import select, stands
from tests.notion_sync.test_outbox import SUBJECT, deliver_all, entry_of, fault, promise_task
from tests.world import Sandbox, add_item, poll_now, run, someone_waits_for_us, text


@pytest.fixture(autouse=True)
def nothing_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """People edit later than what counts as a moment ago."""
    monkeypatch.setattr(outbox, "FRESH", timedelta(0))


def take_back(entry: OutboxEntry) -> OutboxEntry:
    undone = undo.take_back(OutboxEntry.objects.get(pk=entry.pk), by="Ana", reason="A mistake")
    deliver_all(3)
    undone.refresh_from_db()
    return undone


def page(sandbox: Sandbox, page_id: Any) -> Any:
    return sandbox.as_person("GET", f"/pages/{page_id}")


def changed(sandbox: Sandbox, **values: Any) -> tuple[InboxItem, OutboxEntry]:
    """An item with one delivered change of ours."""
    formatted = [{"text": {"content": "plain "}}, {"text": {"content": "bold"}, "annotations": {"bold": True}}]
    add_item(sandbox, "An item", Content={"rich_text": formatted})
    poll_now()
    item = InboxItem.objects.get()
    entry = outbox.update_page(item, values or {"Status": "Skipped", "Content": "ours"}, purpose="change", item=None)
    assert entry is not None
    run(["deliver"])
    return item, entry


def test_a_change_goes_back_to_what_stood_there_with_its_formatting(workspace: Sandbox) -> None:
    item, entry = changed(workspace)
    assert take_back(entry).status == "done"
    found = page(workspace, item.page_id)["properties"]
    assert found["Status"]["select"] is None
    assert [(p["plain_text"], p["annotations"]["bold"]) for p in found["Content"]["rich_text"]] == [
        ("plain ", False),
        ("bold", True),
    ]
    told = AuditEntry.objects.get(action="outboxentry.take_back")
    assert (told.label, told.reason, told.object_id) == ("Ana", "A mistake", str(entry.pk))


def test_it_is_taken_back_once(workspace: Sandbox) -> None:
    _, entry = changed(workspace)
    again = take_back(entry)
    with pytest.raises(ValidationError, match="taken back before"):
        undo.take_back(entry, by="Ben", reason="Me too")
    with pytest.raises(ValidationError, match="takes back another write"):
        undo.take_back(again, by="Ben", reason="Back again")


@pytest.mark.django_db(transaction=True)
def test_a_write_to_the_same_page_at_the_same_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_send", lambda *_: None)
    item = make_item(properties={"Status": {"type": "select", "select": None}})
    with transaction.atomic():
        entry = outbox.update_page(item, {"Status": "Skipped"}, purpose="skip it", item=None)
    assert entry is not None
    OutboxEntry.objects.update(status=OutboxEntry.Status.DONE)

    def deed() -> str:
        try:
            undo.take_back(entry, by="Ana", reason="A mistake")
        except ValidationError as refusal:
            return str(refusal.messages[0])
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(1) as workers:
        with transaction.atomic():
            outbox.update_page(item, {"Depth": "Deep"}, purpose="a later word", item=None)
            said = workers.submit(deed)
            while not (said.done() or someone_waits_for_us()):
                pass
        assert said.result() == "Another write to its page is not delivered yet: a later word."


def test_what_a_person_changed_since_is_a_conflict(workspace: Sandbox) -> None:
    item, entry = changed(workspace)
    choice = {"properties": {"Status": {"select": {"name": "Needs_Review"}}}}
    workspace.as_person("PATCH", f"/pages/{item.page_id}", choice)
    undone = take_back(entry)
    assert conflicts.is_open(undone)
    assert page(workspace, item.page_id)["properties"]["Status"]["select"]["name"] == "Needs_Review"


def test_an_earlier_change_waits_for_the_later_one(workspace: Sandbox) -> None:
    item, first = changed(workspace)
    item.refresh_from_db()
    later = outbox.update_page(item, {"Status": "Needs_Review"}, purpose="a later word", item=None)
    assert later is not None
    with pytest.raises(ValidationError, match="not delivered yet: a later word"):
        undo.take_back(first, by="Ana", reason="?")
    run(["deliver"])
    with pytest.raises(ValidationError, match=r"take that back first \(a later word\)"):
        undo.take_back(first, by="Ana", reason="?")
    take_back(later)
    assert take_back(first).status == "done"
    assert page(workspace, item.page_id)["properties"]["Status"]["select"] is None


def test_what_a_person_had_set_before_us_is_not_taken_back(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    entry = outbox.update_page(item, {"Status": "Skipped"}, purpose="skip it", item=None)
    assert entry is not None
    select(workspace, page_id, Status="Skipped")
    run(["deliver"])
    with pytest.raises(ValidationError, match="It wrote nothing: Notion said so already"):
        undo.take_back(entry, by="Ana", reason="?")
    assert stands(workspace, page_id, "Status") == "Skipped"


def test_only_what_the_write_changed_goes_back(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    entry = outbox.update_page(item, {"Status": "Skipped", "Depth": "Deep"}, purpose="skip it", item=None)
    assert entry is not None
    select(workspace, page_id, Status="Skipped")
    run(["deliver"])
    select(workspace, page_id, Status="Needs_Review")
    assert take_back(entry).status == "done"
    assert (stands(workspace, page_id, "Status"), stands(workspace, page_id, "Depth")) == ("Needs_Review", None)


def test_a_write_whose_answer_was_lost_is_taken_back_like_any_other(workspace: Sandbox) -> None:
    fault(workspace, "drop_after", "PATCH", "/v1/pages/")
    item, entry = changed(workspace)
    deliver_all(1)
    assert take_back(entry).status == "done"
    assert stands(workspace, str(item.page_id), "Status") is None


def test_a_mention_is_not_written_back(workspace: Sandbox) -> None:
    _, entry = changed(workspace)
    OutboxEntry.objects.update(base={"Status": None, "Content": [{"mention": ["page", "1"], "text": ""}]})
    with pytest.raises(ValidationError, match="Content cannot be written back: A mention"):
        undo.take_back(entry, by="Ana", reason="?")


@pytest.fixture
def task(workspace: Sandbox) -> Task:
    emm_id = outbox.emm_id_for(SUBJECT, "task")
    made = outbox.create_page(
        Task, emm_id, {"Name": "Call"}, purpose="a task", item=None, children=blocks([Bullet("why")])
    )
    run(["deliver"])
    made.refresh_from_db()
    assert isinstance(made, Task)
    return made


def test_a_page_that_we_made_goes_to_the_trash_and_is_not_made_again(task: Task, workspace: Sandbox) -> None:
    outbox.update_page(task, {"Priority": "P1"}, purpose="priority", item=None)
    run(["deliver"])
    assert take_back(entry_of(task)).status == "done"
    assert page(workspace, task.page_id)["in_trash"] is True
    promise_task()
    run(["deliver"])
    task.refresh_from_db()
    assert task.in_trash is True
    assert Task.objects.count() == 1


@pytest.mark.parametrize("edit", ["a value", "our own last edit hides it", "a state", "a block", "a block more"])
def test_a_page_that_somebody_edited_stays(task: Task, workspace: Sandbox, edit: str) -> None:
    if edit in ("a value", "our own last edit hides it"):
        dated = {"properties": {"Date": {"date": {"start": "2027-01-01"}}}}
        workspace.as_person("PATCH", f"/pages/{task.page_id}", dated)
    elif edit == "a state":
        state = {"properties": {"Status": {"status": {"name": "In progress"}}}}
        workspace.as_person("PATCH", f"/pages/{task.page_id}", state)
    elif edit == "a block":
        (block,) = workspace.as_person("GET", f"/blocks/{task.page_id}/children")["results"]
        workspace.as_person("DELETE", f"/blocks/{block['id']}")
    else:
        note = {"children": [{"type": "paragraph", "paragraph": text("mine")}]}
        workspace.as_person("PATCH", f"/blocks/{task.page_id}/children", note)
    if edit in ("our own last edit hides it", "a state"):
        outbox.update_page(task, {"Priority": "P1"}, purpose="priority", item=None)
        run(["deliver"])
    undone = take_back(entry_of(task))
    assert page(workspace, task.page_id)["in_trash"] is False
    assert conflicts.is_open(undone)
    assert undone.conflict[0]["ours"] == "in the trash"


@pytest.fixture
def report(workspace: Sandbox) -> Task:
    """A page of ours with blocks in blocks, whose last editor is our bot whatever people do before `take_back`."""
    document: Document = [
        Paragraph("All of it"),
        Toggle("Arguments", [Paragraph("for"), Table(["Who", "Says"], [["Ana", "yes"]])]),
        Columns([[Bullet("left")], [Bullet("right")]]),
    ]
    made = outbox.create_page(
        Task, outbox.emm_id_for(SUBJECT, "report"), {"Name": "Report"}, purpose="a report", item=None,
        children=blocks(document),
    )  # fmt: skip
    run(["deliver"])
    made.refresh_from_db()
    assert isinstance(made, Task)
    return made


def inside(sandbox: Sandbox, parent: Any, *path: int) -> str:
    """The block at that place: the first number counts under `parent`, the next one under what it names."""
    for place in path:
        parent = sandbox.as_person("GET", f"/blocks/{parent}/children")["results"][place]["id"]
    return str(parent)


def hide_behind_our_own_edit(task: Task) -> None:
    outbox.update_page(task, {"Priority": "P1"}, purpose="priority", item=None)
    run(["deliver"])


@pytest.mark.parametrize("path", [(1,), (2, 1)])
def test_a_note_inside_a_block_of_ours_keeps_the_page(report: Task, workspace: Sandbox, path: tuple[int, ...]) -> None:
    note = {"children": [{"type": "paragraph", "paragraph": text("a whole day's notes")}]}
    workspace.as_person("PATCH", f"/blocks/{inside(workspace, report.page_id, *path)}/children", note)
    hide_behind_our_own_edit(report)
    (row,) = take_back(entry_of(report)).conflict
    assert (row["property"], row["theirs"]) == (conflicts.BODY, "a block edited by someone else")
    assert page(workspace, report.page_id)["in_trash"] is False


@pytest.mark.parametrize(
    ("path", "removed"), [((0,), "1 of 3"), ((1, 0), "1 of 2"), ((1, 1, 1), "1 of 2"), ((2, 0, 0), "1 of 1")]
)
def test_a_block_of_ours_that_somebody_removed_keeps_the_page(
    report: Task, workspace: Sandbox, path: tuple[int, ...], removed: str
) -> None:
    workspace.as_person("DELETE", f"/blocks/{inside(workspace, report.page_id, *path)}")
    hide_behind_our_own_edit(report)
    (row,) = take_back(entry_of(report)).conflict
    assert (row["property"], row["theirs"]) == (conflicts.BODY, f"{removed} blocks removed")


def test_a_page_of_many_levels_that_nobody_touched_goes_to_the_trash(report: Task, workspace: Sandbox) -> None:
    hide_behind_our_own_edit(report)
    lists = NotionCall.objects.filter(route="/v1/blocks/{block_id}/children")
    before = lists.count()
    assert take_back(entry_of(report)).status == "done"
    assert page(workspace, report.page_id)["in_trash"] is True
    assert lists.count() - before == 6  # the page, the toggle, its table, the columns and each of both


def test_of_a_page_that_would_take_too_many_calls_a_person_is_asked(
    report: Task, workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "MOST_LISTS", 3)
    undone = take_back(entry_of(report))
    (row,) = undone.conflict
    assert row["theirs"] == "more than 3 tables and toggles: look whether somebody has edited them"
    conflicts.settle(undone, {conflicts.BODY: conflicts.OURS}, by="Ana", reason="Nobody has")
    deliver_all(1)
    assert page(workspace, report.page_id)["in_trash"] is True


def test_of_a_page_that_somebody_has_filled_no_more_is_read_than_to_their_first_block(
    report: Task, workspace: Sandbox
) -> None:
    notes = {"children": [{"type": "paragraph", "paragraph": text("mine")}] * 100}
    for _ in range(3):
        workspace.as_person("PATCH", f"/blocks/{report.page_id}/children", notes)
    lists = NotionCall.objects.filter(route="/v1/blocks/{block_id}/children")
    before = lists.count()
    assert conflicts.is_open(take_back(entry_of(report)))
    assert lists.count() - before == 1


def test_a_person_may_trash_it_all_the_same_or_keep_it(task: Task, workspace: Sandbox) -> None:
    dated = {"properties": {"Date": {"date": {"start": "2027-01-01"}}}}
    workspace.as_person("PATCH", f"/pages/{task.page_id}", dated)
    undone = take_back(entry_of(task))
    conflicts.settle(undone, {"Date": conflicts.OURS}, by="Ana", reason="It is wrong")
    deliver_all(1)
    assert page(workspace, task.page_id)["in_trash"] is True


def test_of_a_page_that_a_person_had_trashed_all_the_same_nothing_is_taken_back(task: Task, workspace: Sandbox) -> None:
    change = outbox.update_page(task, {"Priority": "P1"}, purpose="priority", item=None)
    run(["deliver"])
    dated = {"properties": {"Date": {"date": {"start": "2027-01-01"}}}}
    workspace.as_person("PATCH", f"/pages/{task.page_id}", dated)
    conflicts.settle(take_back(entry_of(task)), {"Date": conflicts.OURS}, by="Ana", reason="It is wrong")
    deliver_all(1)
    assert change is not None
    change.refresh_from_db()
    assert undo.why_not(change) == "Its page was taken back."


def test_what_a_person_keeps_stays_and_the_entry_ends(task: Task, workspace: Sandbox) -> None:
    dated = {"properties": {"Date": {"date": {"start": "2027-01-01"}}}}
    workspace.as_person("PATCH", f"/pages/{task.page_id}", dated)
    undone = take_back(entry_of(task))
    conflicts.settle(undone, {"Date": conflicts.THEIRS}, by="Ana", reason="It is right")
    deliver_all(1)
    undone.refresh_from_db()
    assert undone.status == "done"
    assert page(workspace, task.page_id)["in_trash"] is False


def test_another_edit_after_the_choice_is_another_conflict(task: Task, workspace: Sandbox) -> None:
    dated = {"properties": {"Date": {"date": {"start": "2027-01-01"}}}}
    workspace.as_person("PATCH", f"/pages/{task.page_id}", dated)
    undone = take_back(entry_of(task))
    conflicts.settle(undone, {"Date": conflicts.OURS}, by="Ana", reason="It is wrong")
    renamed = {"properties": {"Name": {"title": [{"text": {"content": "Keep me"}}]}}}
    workspace.as_person("PATCH", f"/pages/{task.page_id}", renamed)
    deliver_all(1)
    undone.refresh_from_db()
    assert conflicts.is_open(undone)
    assert {row["property"] for row in undone.conflict} == {"Name", "Date"}


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "500", "409", "503_committed", "429"])
def test_a_lost_answer_trashes_it_once(task: Task, workspace: Sandbox, kind: str) -> None:
    fault(workspace, kind, "PATCH", "/v1/pages/")
    assert take_back(entry_of(task)).status == "done"
    assert page(workspace, task.page_id)["in_trash"] is True


def test_what_names_the_page_is_told(workspace: Sandbox) -> None:
    emm_id = outbox.emm_id_for(SUBJECT, "intent")
    intent = outbox.create_page(Intent, emm_id, {"Name": "Decide"}, purpose="an intent", item=None)
    promise_task({"Source Intent": [outbox.ref(intent)]})
    run(["deliver"])
    made = OutboxEntry.objects.get(emm_id=emm_id)
    assert [one.purpose for one in undo.related(made)] == ["a task"]


def test_a_page_of_ours_with_a_long_relation_is_taken_back(workspace: Sandbox) -> None:
    source = str(DataSource.objects.get(key="nodes").data_source_id)
    request = {"parent": {"data_source_id": source}, "properties": {}}
    nodes = [workspace.as_person("POST", "/pages", request)["id"] for _ in range(26)]
    emm_id = outbox.emm_id_for(SUBJECT, "intent")
    outbox.create_page(Intent, emm_id, {"Name": "Decide", "Related_Nodes": nodes}, purpose="an intent", item=None)
    run(["deliver"])
    undone = take_back(OutboxEntry.objects.get())
    assert (undone.status, page(workspace, undone.page_id)["in_trash"]) == ("done", True)
