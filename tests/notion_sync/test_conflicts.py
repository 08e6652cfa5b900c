"""A person's edit is never written over: the difference is kept, and a person says whose value shall stand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from emm.audit import AuditEntry
from notion_sync import conflicts, outbox
from notion_sync.models import InboxItem, OutboxEntry
from tests.notion_sync.test_outbox import deliver_all
from tests.notion_sync.test_polling import pieces
from tests.world import Sandbox, add_item, poll_now, run


def select(sandbox: Sandbox, page_id: str, **values: str) -> None:
    properties = {name: {"select": {"name": value}} for name, value in values.items()}
    sandbox.as_person("PATCH", f"/pages/{page_id}", {"properties": properties})


def stands(sandbox: Sandbox, page_id: str, name: str) -> Any:
    value = sandbox.as_person("GET", f"/pages/{page_id}")["properties"][name]["select"]
    return value and value["name"]


@pytest.fixture(autouse=True)
def nothing_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """People edit between the poll and the write, later than what counts as a moment ago."""
    monkeypatch.setattr(outbox, "FRESH", timedelta(0))


@pytest.fixture
def page_id(workspace: Sandbox) -> str:
    """An item whose Status and Depth a person changed while we wanted to write both."""
    page_id = add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    outbox.update_page(item, {"Status": "Processing", "Depth": "Deep"}, purpose="show it", item=item)
    select(workspace, page_id, Status="Skipped", Depth="Quick")
    run(["deliver"])
    return page_id


def entry() -> OutboxEntry:
    return OutboxEntry.objects.get()


def test_an_edit_that_no_poll_has_seen_is_not_written_over(page_id: str, workspace: Sandbox) -> None:
    assert stands(workspace, page_id, "Status") == "Skipped"
    assert sorted(entry().conflict, key=lambda row: row["property"]) == [
        {"property": "Depth", "base": None, "ours": "Deep", "theirs": "Quick"},
        {"property": "Status", "base": None, "ours": "Processing", "theirs": "Skipped"},
    ]
    assert conflicts.is_open(entry())


def test_an_edit_behind_the_cut_of_a_long_text_is_not_written_over(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "An item", Content=pieces("first"))
    poll_now()
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Content": pieces("second")}})
    item = InboxItem.objects.get()
    outbox.update_page(item, {"Content": "ours"}, purpose="shorten it", item=item)
    run(["deliver"])
    item.refresh_from_db()
    assert (entry().status, item.values["Content"][-6:]) == ("never", "second")


def test_a_person_chooses_for_each_property(page_id: str, workspace: Sandbox) -> None:
    choices = {"Status": conflicts.THEIRS, "Depth": conflicts.OURS}
    conflicts.settle(entry(), choices, by="Ana", reason="It was skipped by mistake")
    run(["deliver"])
    assert entry().status == "done"
    assert (stands(workspace, page_id, "Status"), stands(workspace, page_id, "Depth")) == ("Skipped", "Deep")
    told = AuditEntry.objects.get(action="outboxentry.choose")
    assert (told.label, told.reason, told.after) == ("Ana", "It was skipped by mistake", {"choices": choices})
    assert not conflicts.is_open(entry())


def test_keeping_everything_of_theirs_writes_nothing(page_id: str, workspace: Sandbox) -> None:
    conflicts.settle(entry(), dict.fromkeys(("Status", "Depth"), conflicts.THEIRS), by="Ana", reason="Theirs")
    run(["deliver"])
    assert entry().status == "done"
    assert stands(workspace, page_id, "Depth") == "Quick"


def test_what_a_person_has_not_seen_is_not_written_over_either(page_id: str, workspace: Sandbox) -> None:
    conflicts.settle(entry(), dict.fromkeys(("Status", "Depth"), conflicts.OURS), by="Ana", reason="Ours")
    select(workspace, page_id, Depth="Standard")
    run(["deliver"])
    assert stands(workspace, page_id, "Depth") == "Standard"
    assert [row["property"] for row in entry().conflict] == ["Depth"]


def test_a_choice_is_made_once_and_for_all_of_it(page_id: str) -> None:
    with pytest.raises(ValidationError, match="for each property"):
        conflicts.settle(entry(), {"Status": conflicts.OURS}, by="Ana", reason="?")
    chosen = dict.fromkeys(("Status", "Depth"), conflicts.OURS)
    conflicts.settle(entry(), chosen, by="Ana", reason="Ours")
    with pytest.raises(ValidationError, match="Nothing is to be decided"):
        conflicts.settle(entry(), chosen, by="Ben", reason="Me too")


def test_what_a_person_filled_in_before_our_first_word_is_a_conflict(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "An item")
    poll_now()
    item = InboxItem.objects.get()
    InboxItem.objects.update(properties={})  # as for a page that is not mirrored yet: nothing is known of it
    outbox.update_page(item, {"Depth": "Deep"}, purpose="show it", item=item)
    OutboxEntry.objects.update(base={})
    select(workspace, page_id, Depth="Quick")
    deliver_all(1)
    assert entry().status == "never"
    assert stands(workspace, page_id, "Depth") == "Quick"
