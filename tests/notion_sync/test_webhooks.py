"""Notion's events: only what Notion signed has an effect, once, and the effect is that we look."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.test import Client

from analysis import triage
from analysis.models import LLMCall
from emm import credentials
from emm.credentials import Credential
from emm.jobs import Later
from notion_sync import polling, webhooks
from notion_sync.mirror import bot_id
from notion_sync.models import DataSource, InboxItem, PageRead, PollCycle, Poller, WebhookDelivery, Workspace
from tests.factories import make_item, make_source
from tests.world import Sandbox, add_item, poll_now, run

pytestmark = pytest.mark.django_db
SECRET = "secret_of_the_webhook"
BOT = uuid.UUID("11111111-2222-3333-4444-555555555555")


@pytest.fixture
def connected() -> None:
    """A workspace whose webhook was proved."""
    Workspace.objects.get_or_create(pk=1, defaults={"bot_id": BOT, "installation_id": uuid.uuid4()})
    credentials.store(webhooks.TOKEN, SECRET, by="test")


def event(kind: str = "page.content_updated", **fields: Any) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "type": kind,
        "authors": [{"id": str(uuid.uuid4()), "type": "person"}],
        "entity": {"id": str(uuid.uuid4()), "type": "page"},
        "data": {},
        "attempt_number": 1,
        **fields,
    }


def send(found: Any, secret: str = SECRET, **headers: str) -> Any:
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    signature = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    headers = {"X-Notion-Signature": signature, **headers}
    return Client().post("/webhooks/notion", body, content_type="application/json", headers=headers)


def about(source: DataSource) -> dict[str, Any]:
    return {"parent": {"id": str(source.database_id), "data_source_id": str(source.data_source_id)}}


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=00", "sha1=abc", "é" * 10])
def test_what_notion_has_not_signed_is_refused(signature: str) -> None:
    source = make_source("inbox")
    answer = Client().post(
        "/webhooks/notion",
        json.dumps(event(data=about(source))),
        content_type="application/json",
        headers={"X-Notion-Signature": signature},
    )
    assert answer.status_code == 401
    assert not WebhookDelivery.objects.exists()
    assert not PollCycle.objects.exists()


def test_a_door_without_its_secret_is_closed() -> None:
    assert send(event()).status_code == 401


@pytest.mark.usefixtures("connected")
def test_a_body_that_was_changed_on_the_way_is_refused() -> None:
    body = json.dumps(event()).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    answer = send(body + b" ", **{"X-Notion-Signature": f"sha256={signature}"})
    assert answer.status_code == 401


@pytest.mark.usefixtures("connected")
def test_a_body_larger_than_we_read_is_refused_before_it_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    def hashed(*_: object) -> bool:
        raise AssertionError("it was hashed")

    monkeypatch.setattr(webhooks, "is_from_notion", hashed)
    assert send(b"x" * 1_000_001).status_code == 413


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    "found", [b"[]", b"nonsense", b"\xff\xfe", b'{"id": 7}', b'{"id": "", "type": "x"}', b"[" * 9000]
)
def test_a_signed_body_that_is_no_event_is_refused_with_words(found: bytes) -> None:
    answer = send(found)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.usefixtures("connected")
def test_an_event_about_a_source_polls_it() -> None:
    source = make_source("inbox")
    answer = send(event("data_source.content_updated", data=about(source)))
    assert answer.json() == {"effect": "polls inbox"}
    cycle = PollCycle.objects.get()
    assert (cycle.source, cycle.trigger) == (source, "webhook")
    assert WebhookDelivery.objects.get().effect == "polls inbox"


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("kind", ["database.undeleted", "database.schema_updated", "data_source.undeleted"])
def test_a_database_that_was_restored_or_changed_is_compared_at_once(kind: str) -> None:
    source = make_source("inbox")
    entity = {"id": str(source.database_id), "type": "database"}
    assert send(event(kind, entity=entity)).json() == {"effect": "compares the properties of inbox"}


@pytest.mark.usefixtures("connected")
def test_an_event_about_a_page_that_we_know_needs_no_parent() -> None:
    make_source("inbox")
    item = make_item()
    answer = send(event(entity={"id": str(item.page_id), "type": "page"}))
    assert answer.json() == {"effect": "looks at the page of inbox"}


@pytest.mark.usefixtures("connected")
def test_the_same_event_again_does_nothing() -> None:
    found = event(data=about(make_source("inbox")))
    send(found)
    PageRead.objects.all().delete()
    assert send({**found, "attempt_number": 2}).json() == {"effect": "seen before"}
    assert not PageRead.objects.exists()


@pytest.mark.usefixtures("connected")
def test_an_event_about_our_own_write_does_nothing() -> None:
    authors = [{"id": bot_id(), "type": "bot"}]
    send(event(data=about(make_source("inbox")), authors=authors))
    assert not PollCycle.objects.exists()
    assert not PageRead.objects.exists()


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    "odd",
    [
        {"authors": "me"},
        {"entity": None},
        {"data": []},
        {"attempt_number": "x"},
        {"type": "view.created"},
        {"data": {"parent": 3}},
    ],
)
def test_an_event_of_a_shape_that_we_do_not_know_is_kept_and_harmless(odd: dict[str, Any]) -> None:
    assert send(event(**odd)).status_code == 200
    assert WebhookDelivery.objects.get().effect.startswith("nothing")


@pytest.mark.usefixtures("connected")
def test_what_changes_while_a_poll_runs_is_polled_once_more() -> None:
    source = make_source("inbox")
    PollCycle.objects.create(source=source)
    send(event("data_source.content_updated", data=about(source)))
    assert PollCycle.objects.count() == 1
    PollCycle.objects.update(status=PollCycle.Status.DONE)
    polling.open_cycles()
    assert PollCycle.objects.filter(trigger="webhook").count() == 1


@pytest.mark.usefixtures("connected")
def test_of_many_edited_pages_ten_are_looked_at_and_one_poll_brings_the_rest() -> None:
    source = make_source("inbox")
    for _ in range(30):
        send(event("page.created", data=about(source)))
    assert (PageRead.objects.count(), PollCycle.objects.count()) == (10, 1)
    send(event("page.deleted", data=about(source)))  # which no poll brings
    assert PageRead.objects.count() == 11


@pytest.mark.usefixtures("connected")
def test_while_the_poller_is_paused_no_edited_page_is_looked_at() -> None:
    source = make_source("inbox")
    polling.poller()
    Poller.objects.update(status="paused")
    send(event("page.created", data=about(source)))
    assert not PageRead.objects.exists()
    source.refresh_from_db()
    assert source.wanted_at is not None


@pytest.mark.usefixtures("connected")
def test_a_look_that_could_wait_goes_first_once_an_event_tells_of_its_page() -> None:
    source, item = make_source("inbox"), make_item()
    assert item.page_id is not None
    PageRead.objects.create(source=source, page_id=item.page_id, in_background=True)
    send(event(entity={"id": str(item.page_id), "type": "page"}))
    assert not PageRead.objects.get().in_background


@pytest.mark.usefixtures("connected")
def test_a_page_is_looked_at_once_however_many_events_tell_of_it() -> None:
    make_source("inbox")
    item = make_item()
    for _ in range(3):
        send(event("page.deleted", entity={"id": str(item.page_id), "type": "page"}))
    assert not PageRead.objects.get().in_background


def killed(job: PageRead) -> None:
    """Its worker dies; the lease expires."""
    PageRead.objects.filter(pk=job.pk).update(leased_until=Now() - timedelta(seconds=1))


def put_off(job: PageRead) -> None:
    def verb(job: PageRead) -> None:
        raise Later(timedelta(minutes=1), "Notion asks us to wait.")

    job.attempt(verb)


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("end", [killed, put_off])
def test_a_look_that_comes_to_nothing_gives_way_to_the_one_that_an_event_asked_for_meanwhile(end: Any) -> None:
    source, item = make_source("inbox"), make_item()
    tells = event(entity={"id": str(item.page_id), "type": "page"})
    send(tells)
    first = PageRead.claim(PageRead.objects.get(source=source).pk)
    assert first is not None
    send(event(entity=tells["entity"]))
    end(first)
    PageRead.reap()
    waits = PageRead.objects.get(status="waiting")
    assert waits.pk != first.pk
    assert PageRead.objects.get(pk=first.pk).status == "done"
    assert PageRead.claim(waits.pk) is not None


def test_the_handshake_is_taken_only_while_a_person_has_opened_it() -> None:
    Workspace.objects.create(pk=1, bot_id=BOT, installation_id=uuid.uuid4())

    def shake() -> int:
        hello = {"verification_token": SECRET}
        return Client().post("/webhooks/notion", hello, content_type="application/json").status_code

    assert shake() == 401
    webhooks.open_handshake(by="test", reason="Set up.")
    assert shake() == 200
    assert webhooks.pending_token() == SECRET
    assert shake() == 401
    assert Credential.objects.count() == 1


def test_the_token_of_the_handshake_is_shown_to_those_alone_who_may_open_it(admin_client: Client) -> None:
    Workspace.objects.create(pk=1, bot_id=BOT, installation_id=uuid.uuid4())
    webhooks.open_handshake(by="test", reason="Set up.")
    Client().post("/webhooks/notion", {"verification_token": SECRET}, content_type="application/json")
    looks = User.objects.create_user("looks", is_staff=True)
    looks.user_permissions.add(Permission.objects.get(codename="view_workspace"))
    guest = Client()
    guest.force_login(looks)
    page = "/admin/notion_sync/workspace/1/change/"
    assert admin_client.get(page).content.decode().count(SECRET) == 1
    assert guest.get(page).status_code == 200
    assert SECRET not in guest.get(page).content.decode()


def test_a_handshake_after_ten_minutes_is_refused() -> None:
    Workspace.objects.create(pk=1, bot_id=BOT, installation_id=uuid.uuid4())
    webhooks.open_handshake(by="test", reason="Set up.")
    Workspace.objects.update(handshake_until=Now() - timedelta(seconds=1))
    answer = Client().post("/webhooks/notion", {"verification_token": SECRET}, content_type="application/json")
    assert answer.status_code == 401
    assert credentials.get(webhooks.TOKEN) is None


@pytest.mark.usefixtures("connected")
def test_the_token_is_shown_until_the_first_event_proves_it(admin_client: Client) -> None:
    page = "/admin/notion_sync/workspace/1/change/"
    assert SECRET in admin_client.get(page).content.decode()
    send(event())
    assert SECRET not in admin_client.get(page).content.decode()


def test_a_trashed_and_a_restored_page_are_followed(workspace: Sandbox) -> None:
    credentials.store(webhooks.TOKEN, SECRET, by="test")
    page_id = add_item(workspace, "Should we move?")
    poll_now()
    for trashed, kind in ((True, "page.deleted"), (False, "page.undeleted")):
        workspace.as_person("PATCH", f"/pages/{page_id}", {"in_trash": trashed})
        assert send(event(kind, entity={"id": page_id, "type": "page"})).json() == {
            "effect": "looks at the page of inbox"
        }
        run(["page"])
        assert InboxItem.objects.get(page_id=page_id).in_trash is trashed


def test_a_page_that_is_moved_out_of_the_inbox_is_passed_over_and_one_that_comes_back_goes_on(
    workspace: Sandbox,
) -> None:
    credentials.store(webhooks.TOKEN, SECRET, by="test")
    page_id = add_item(workspace, "Should we move?")
    poll_now()
    for key, state in (("tasks", "skipped"), ("inbox", "waiting")):
        there = str(DataSource.objects.get(key=key).data_source_id)
        workspace.control("move", {"page_id": page_id, "data_source_id": there})
        send(event("page.moved", entity={"id": page_id, "type": "page"}))
        run(["page", "body"])
        triage.open_triages()
        item = InboxItem.objects.get(page_id=page_id)
        assert (item.in_trash, item.state) == (state == "skipped", state)
    assert not LLMCall.objects.exists()


def test_a_new_page_is_mirrored_after_its_event_though_queries_do_not_show_it_yet(workspace: Sandbox) -> None:
    credentials.store(webhooks.TOKEN, SECRET, by="test")
    workspace.control("faults", {"kind": "query_lag", "seconds": 600})
    page_id = add_item(workspace, "Should we move?")
    send(event("page.created", entity={"id": page_id, "type": "page"}, data=about(DataSource.objects.get(key="inbox"))))
    run(["page", "body"])
    item = InboxItem.objects.get(page_id=page_id)
    assert (item.title, item.state, item.body_of) == ("Should we move?", "waiting", item.last_edited_time)


def test_an_edit_is_mirrored_by_one_call_after_its_event(workspace: Sandbox) -> None:
    credentials.store(webhooks.TOKEN, SECRET, by="test")
    page_id = add_item(workspace, "Should we move?")
    poll_now()
    title = {"Input_Title": {"title": [{"text": {"content": "Should we stay?"}}]}}
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": title})
    before = len(workspace.requests())
    send(event("page.properties_updated", entity={"id": page_id, "type": "page"}))
    run(["page"])
    assert InboxItem.objects.get(page_id=page_id).title == "Should we stay?"
    assert len(workspace.requests()) == before + 1
