"""The nightly comparison: it proves that nothing is missed or doubled, or says what was, and mends it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.utils import timezone

from emm.audit import AuditEntry
from emm.jobs import Job
from notion_sync import client, reconciliation
from notion_sync.models import BodyRead, DataSource, InboxItem, Intent, Node, Poller, Reconciliation, Window
from tests.notion_sync.test_polling import pieces
from tests.world import Sandbox, add_item, poll_everything, poll_now, run, run_stage

STAGES = ["reconcile", "window"]
HOUR = timedelta(hours=1)


@pytest.fixture
def inbox(workspace: Sandbox) -> DataSource:
    """An inbox of three items, an hour old and polled since."""
    for n in range(3):
        add_item(workspace, f"Item {n}")
    workspace.age(seconds=3600)
    DataSource.objects.update(cursor=timezone.now() - 2 * HOUR)
    poll_now()
    return DataSource.objects.get(key="inbox")


def reconciled(source: DataSource) -> Reconciliation:
    job = Reconciliation.objects.create(source=source)
    run(STAGES)
    job.refresh_from_db()
    return job


def item(n: int) -> InboxItem:
    return InboxItem.objects.get(title=f"Item {n}")


def test_a_mirror_that_missed_nothing_is_proved(workspace: Sandbox, inbox: DataSource) -> None:
    proof = reconciled(inbox)
    assert (proof.verdict, proof.seen, proof.repaired, proof.requests) == ("0 missed, 0 doubled", 3, 0, 1)
    assert proof.took is not None
    assert not Window.objects.exists()


def test_a_page_that_the_mirror_lacks_is_mirrored_counted_and_wakes_us(workspace: Sandbox, inbox: DataSource) -> None:
    lost = item(1)
    BodyRead.objects.filter(item=lost).delete()
    lost.delete()
    proof = reconciled(inbox)
    assert (proof.missing, proof.repaired, proof.verdict) == (1, 1, "1 missed, 0 doubled")
    assert BodyRead.objects.get(item=item(1)).status == "waiting"
    assert reconciled(inbox).verdict == "0 missed, 0 doubled"


def test_an_edit_that_polls_missed_is_mirrored_and_counted(workspace: Sandbox, inbox: DataSource) -> None:
    InboxItem.objects.filter(pk=item(0).pk).update(digest="", title="Item 0")
    assert (reconciled(inbox).stale, item(0).digest != "") == (1, True)


def test_an_edit_behind_the_cut_of_a_long_text_is_found_though_its_minute_looks_the_same(
    workspace: Sandbox, inbox: DataSource
) -> None:
    page = f"/pages/{item(0).page_id}"
    workspace.as_person("PATCH", page, {"properties": {"Content": pieces("first")}})
    poll_now()
    workspace.as_person("PATCH", page, {"properties": {"Content": pieces("second")}})
    DataSource.objects.update(cursor=timezone.now() + HOUR)  # by then polls should have brought it
    assert item(0).values["Content"].endswith("first")
    assert reconciled(inbox).stale == 1
    assert item(0).values["Content"].endswith("second")


def test_a_long_relation_that_was_changed_from_its_other_side_is_set_right(workspace: Sandbox) -> None:
    nodes = [make_page(workspace, "nodes", f"Node {n}") for n in range(31)]
    related = {"Related_Nodes": {"relation": [{"id": one} for one in nodes[:30]]}}
    intent = make_page(workspace, "intents", "Decide", **related)
    poll_everything()
    assert sorted(Intent.objects.get().values["Related_Nodes"]) == sorted(nodes[:30])
    workspace.as_person(
        "PATCH", f"/pages/{nodes[30]}", {"properties": {"Related_Intents": {"relation": [{"id": intent}]}}}
    )
    reconciled(DataSource.objects.get(key="intents"))
    assert sorted(Intent.objects.get().values["Related_Nodes"]) == sorted(nodes)


def make_page(workspace: Sandbox, key: str, name: str, **values: Any) -> str:
    source = str(DataSource.objects.get(key=key).data_source_id)
    properties = {"Name": {"title": [{"text": {"content": name}}]}, **values}
    return str(
        workspace.as_person("POST", "/pages", {"parent": {"data_source_id": source}, "properties": properties})["id"]
    )


def test_what_is_merely_new_is_no_difference(workspace: Sandbox, inbox: DataSource) -> None:
    add_item(workspace, "Just now")
    proof = reconciled(inbox)
    assert (proof.verdict, proof.seen) == ("0 missed, 0 doubled", 4)


def test_a_trashed_and_a_restored_page_are_found_without_a_webhook(workspace: Sandbox, inbox: DataSource) -> None:
    page = f"/pages/{item(2).page_id}"
    workspace.as_person("PATCH", page, {"in_trash": True})
    workspace.age(item(2).page_id, 3600)
    poll_now()
    assert item(2).in_trash is False
    proof = reconciled(inbox)
    assert (proof.trashed, proof.repaired, item(2).in_trash) == (1, 1, True)
    assert reconciled(inbox).missed == 0
    workspace.as_person("PATCH", page, {"in_trash": False})
    workspace.age(item(2).page_id, 3600)
    assert (reconciled(inbox).stale, item(2).in_trash) == (1, False)


def test_an_archived_page_is_as_good_as_trashed_until_it_is_back(workspace: Sandbox, inbox: DataSource) -> None:
    workspace.control("faults", {"kind": "archive", "id": str(item(2).page_id)})
    assert (reconciled(inbox).trashed, item(2).in_trash) == (1, True)
    workspace.control("faults/clear")
    assert (reconciled(inbox).stale, item(2).in_trash) == (1, False)


def test_a_page_that_was_moved_to_another_database_leaves_the_mirror_and_may_come_back(
    workspace: Sandbox, inbox: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, whole = item(0), client.retrieve_page
    listing = client.query
    elsewhere = {"type": "data_source_id", "data_source_id": str(uuid.uuid4())}

    def without(*args: Any, **kwargs: Any) -> client.QueryPage:
        answer = listing(*args, **kwargs)
        kept = [page for page in answer.pages if page["id"] != str(gone.page_id)]
        return client.QueryPage(kept, answer.next_cursor, answer.capped)

    with monkeypatch.context() as patch:
        patch.setattr(client, "query", without)
        patch.setattr(client, "retrieve_page", lambda page_id: {**whole(page_id), "parent": elsewhere})
        proof = reconciled(inbox)
    assert (proof.moved_away, item(0).in_trash) == (1, True)
    assert (reconciled(inbox).stale, item(0).in_trash) == (1, False)


def test_a_page_that_nobody_shares_any_more_leaves_the_mirror(workspace: Sandbox, inbox: DataSource) -> None:
    page_id = item(0).page_id
    InboxItem.objects.filter(page_id=page_id).update(page_id=uuid.uuid4())
    proof = reconciled(inbox)
    assert (proof.unshared, proof.missing) == (1, 1)
    assert InboxItem.objects.filter(in_trash=False).count() == 3


def test_a_page_that_is_only_late_in_the_list_is_no_difference(
    workspace: Sandbox, inbox: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "query", lambda *args, **kwargs: client.QueryPage([], None, capped=False))
    proof = reconciled(inbox)
    assert (proof.verdict, proof.seen, proof.requests) == ("0 missed, 0 doubled", 0, 4)
    assert InboxItem.objects.filter(in_trash=True).count() == 0


def test_from_a_list_that_was_not_read_to_its_end_nothing_is_concluded(
    workspace: Sandbox, inbox: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    Reconciliation.objects.create(source=inbox)
    whole = client.query
    monkeypatch.setattr(client, "query", lambda *a, **k: client.QueryPage(whole(*a, **k).pages[:1], None, capped=True))
    run(STAGES)
    proof = Reconciliation.objects.get()
    assert (proof.status, proof.missed, proof.listed_at) == (Job.Status.NEVER, 0, None)
    assert proof.verdict.startswith("proves nothing")
    assert "nothing is concluded" in proof.last_error
    assert InboxItem.objects.filter(in_trash=True).count() == 0


def test_doubled_pages_of_ours_are_counted_and_copies_that_people_made_are_not(
    workspace: Sandbox, inbox: DataSource
) -> None:
    key, created = uuid.uuid4(), timezone.now()
    nodes = DataSource.objects.get(key="nodes")
    for ours in (True, True, False):
        Node.objects.create(page_id=uuid.uuid4(), emm_id=key, ours=ours, created_time=created)
    assert (reconciled(nodes).verdict, reconciled(inbox).doubled) == ("0 missed, 1 doubled", 0)


def test_a_comparison_that_dies_between_two_looks_goes_on_with_the_next(
    workspace: Sandbox, inbox: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        workspace.as_person("PATCH", f"/pages/{item(n).page_id}", {"in_trash": True})
    whole, looked = client.retrieve_page, []

    def dies_on_the_second(page_id: Any) -> Any:
        looked.append(page_id)
        if len(looked) == 2:
            raise KeyboardInterrupt
        return whole(page_id)

    monkeypatch.setattr(client, "retrieve_page", dies_on_the_second)
    Reconciliation.objects.create(source=inbox)
    with pytest.raises(KeyboardInterrupt):
        run(STAGES)
    Reconciliation.objects.update(leased_until=Now())
    Reconciliation.reap()
    Reconciliation.objects.update(due_at=Now())
    run(STAGES)
    proof = Reconciliation.objects.get()
    assert (proof.status, proof.trashed, proof.repaired) == (Job.Status.DONE, 3, 3)
    assert len(looked) == 4


def test_each_source_is_compared_once_a_night_and_again_after_a_lost_one(inbox: DataSource) -> None:
    DataSource.objects.update(mirrored_at=timezone.now() - timedelta(days=3))
    run_stage("reconcile")
    assert Reconciliation.objects.count() == 10
    Reconciliation.objects.update(status="done")
    reconciliation.open_nightly()
    assert Reconciliation.objects.count() == 10
    Reconciliation.objects.update(opened_at=timezone.now() - 26 * HOUR)
    reconciliation.open_nightly()
    reconciliation.open_nightly()
    assert Reconciliation.objects.count() == 20


def test_a_paused_poller_compares_nothing_and_a_held_or_new_source_is_left_out(inbox: DataSource) -> None:
    DataSource.objects.update(mirrored_at=timezone.now() - timedelta(days=3))
    DataSource.objects.filter(key="nodes").update(hold="Its schema differs.")
    DataSource.objects.filter(key="log").update(mirrored_at=None)
    Poller.objects.update(status="paused")
    reconciliation.open_nightly()
    assert not Reconciliation.objects.exists()
    Poller.objects.update(status="running")
    reconciliation.open_nightly()
    assert Reconciliation.objects.count() == 8


def test_a_person_may_ask_for_it_and_it_is_on_record(inbox: DataSource) -> None:
    assert reconciliation.start(by="Ana", reason="After the outage.") == 10
    assert reconciliation.start(by="Ana", reason="Again.") == 0
    assert AuditEntry.objects.filter(action="reconciliation.start").count() == 2
    with pytest.raises(ValidationError):
        reconciliation.start(by="Ana", reason=" ")
