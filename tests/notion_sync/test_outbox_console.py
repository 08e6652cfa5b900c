"""The console's page of an outbox entry: the difference, the choice, the way back, and who may."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from emm.audit import AuditEntry, record
from notion_sync.models import Double, DoublesCheck, OutboxEntry

pytestmark = pytest.mark.django_db
LIST = "/admin/notion_sync/outboxentry/"


def make(**values: Any) -> OutboxEntry:
    fields: dict[str, Any] = {
        "kind": "update", "source_key": "inbox", "emm_id": uuid.uuid4(), "page_id": uuid.uuid4(), "purpose": "show it",
        "values": {"Status": "Processing"}, "base": {"Status": None}, "status": "done",
    }  # fmt: skip
    return OutboxEntry.objects.create(**fields | values)


def in_conflict(theirs: str = "Skipped") -> OutboxEntry:
    rows = [{"property": "Status", "base": None, "ours": "Processing", "theirs": theirs}]
    return make(status="never", conflict=rows, last_error="Conflict")


def press(client: Client, entry: OutboxEntry, action: str, **values: str) -> Any:
    return client.post(f"{LIST}{entry.pk}/{action}/", {"_form_submitted": "True"} | values)


def viewer() -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_outboxentry"))
    client = Client()
    client.force_login(user)
    return client


def test_the_difference_is_shown_escaped_and_settled_for_each_property(admin_client: Client) -> None:
    entry = in_conflict("<script>alert(1)</script>")
    shown = admin_client.get(f"{LIST}{entry.pk}/change/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert "Settle the conflict" in shown
    assert "Take back" not in shown.replace("press Take back", "")
    press(admin_client, entry, "choose", choice_0="theirs")
    assert OutboxEntry.objects.get().status == "never"  # no reason, no choice
    press(admin_client, entry, "choose", choice_0="theirs", reason="They are right.")
    entry.refresh_from_db()
    assert (entry.status, entry.values, entry.conflict[0]["choice"]) == ("waiting", {}, "theirs")
    assert AuditEntry.objects.get().reason == "They are right."
    history = admin_client.get(f"{LIST}{entry.pk}/history/").content.decode()
    assert all(words in history for words in ("admin", "outboxentry.choose", "They are right."))


def test_the_history_tells_whoever_may_see_the_row_and_of_no_other_row() -> None:
    entry, other = make(), make()
    record("outboxentry.take_back", other, by="Ana", reason="Another one.")
    assert "Nobody has changed this row" in viewer().get(f"{LIST}{entry.pk}/history/").content.decode()


def test_what_a_person_kept_is_not_said_to_be_taken_back(admin_client: Client) -> None:
    entry = make()
    kept = [{"property": "Status", "base": "Processing", "ours": None, "theirs": "Skipped", "choice": "theirs"}]
    make(kind="trash", undoes=entry, emm_id=entry.emm_id, sequence=1, values={}, conflict=kept)
    shown = admin_client.get(f"{LIST}{entry.pk}/change/").content.decode()
    assert "a person kept what stood there" in shown
    assert "Taken back by" not in shown


def test_a_delivered_write_is_taken_back_once(admin_client: Client) -> None:
    entry = make()
    assert "It can be taken back, once" in admin_client.get(f"{LIST}{entry.pk}/change/").content.decode()
    dialog = admin_client.get(f"{LIST}{entry.pk}/take_back/").content.decode()
    assert "from Processing back to (empty)" in dialog
    press(admin_client, entry, "take_back", reason="Too early.")
    press(admin_client, entry, "take_back", reason="Twice.")
    undone = OutboxEntry.objects.get(undoes=entry)
    assert (undone.kind, undone.values, undone.base) == ("update", {"Status": None}, {"Status": "Processing"})
    shown = admin_client.get(f"{LIST}{entry.pk}/change/").content.decode()
    assert "Taken back by" in shown


def test_what_waits_for_its_turn_names_what_is_ahead_of_it(admin_client: Client) -> None:
    first = make(status="never", purpose="make the task", last_error="Refused.")
    second = make(status="waiting", emm_id=first.emm_id, sequence=1)
    third = make(status="waiting", emm_id=first.emm_id, sequence=2)
    for entry in (second, third):
        shown = admin_client.get(f"{LIST}{entry.pk}/change/").content.decode()
        assert "It goes out after another: update inbox: make the task. Refused." in shown


def test_a_creation_names_what_relates_to_it(admin_client: Client) -> None:
    made = make(kind="create", source_key="intents", values={"Name": "Decide"}, base={})
    make(kind="create", source_key="tasks", values={"Name": "Call"}, needs=[made.emm_id], purpose="make task 1 of 1")
    dialog = admin_client.get(f"{LIST}{made.pk}/take_back/").content.decode()
    assert "trash" in dialog
    assert "make task 1 of 1" in dialog


@pytest.mark.parametrize("action", ["choose", "take_back"])
def test_who_may_only_look_changes_nothing(action: str) -> None:
    client, entry = viewer(), in_conflict() if action == "choose" else make()
    press(client, entry, action, choice_0="ours", reason="I want to.")
    assert OutboxEntry.objects.count() == 1
    assert not AuditEntry.objects.exists()


def test_what_became_of_doubles_is_told(admin_client: Client) -> None:
    check = DoublesCheck.objects.create(status="done", pages=12, doubled=1, left=1)
    page = uuid.uuid4()
    Double.objects.create(
        check_run=check, source_key="tasks", emm_id=uuid.uuid4(), page_id=page, kept_page_id=uuid.uuid4(), outcome="left",
        why="Somebody has edited it.",
    )  # fmt: skip
    assert "12" in admin_client.get("/admin/notion_sync/doublescheck/").content.decode()
    told = admin_client.get("/admin/notion_sync/double/").content.decode()
    assert str(page) in told
    assert "Somebody has edited it." in told
