"""The mirror: nothing missed, nothing read twice in effect, nothing lost by a crash, a pause or a change of interval."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from emm.jobs import Later
from notion_sync import client, outbox, polling
from notion_sync.models import Action, BodyRead, DataSource, InboxItem, NotionCall, PollCycle, Poller
from tests.world import Sandbox, add_item, poll_now, run, run_stage, text


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_of_notions_that_goes_otherwise_than_ours_hides_no_edit(workspace: Sandbox, minutes: int) -> None:
    workspace.control("clock", {"skew_seconds": 60 * minutes})
    DataSource.objects.update(cursor=Now() - timedelta(hours=1))  # before all that Notion's clock says
    poll_now()
    page_id = add_item(workspace, "Seen all the same")
    poll_now()
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Content": text("And its edit too.")}})
    poll_now()
    assert InboxItem.objects.get().values["Content"] == "And its edit too."
    ahead = DataSource.objects.get(key="inbox").clock_ahead
    assert abs(ahead - timedelta(minutes=minutes)) < timedelta(seconds=5)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_the_minute_of_an_edit_closes_by_notions_clock(workspace: Sandbox, minutes: int) -> None:
    workspace.control("clock", {"skew_seconds": 60 * minutes})
    DataSource.objects.update(cursor=Now() - timedelta(hours=1))
    page_id = add_item(workspace, "Growing")
    poll_now()
    assert InboxItem.objects.get().body == ""
    children = [{"type": "paragraph", "paragraph": {"rich_text": [{"text": {"content": "More."}}]}}]
    workspace.as_person("PATCH", f"/blocks/{page_id}/children", {"children": children})  # in the same minute
    passes = timedelta(minutes=2)
    workspace.age(page_id, 120)
    times = ("last_edited_time", "body_of", "body_read_at")
    InboxItem.objects.update(**{name: F(name) - passes for name in times})
    DataSource.objects.update(cursor=F("cursor") - passes)
    poll_now()
    assert InboxItem.objects.get().body.strip() == "More."


def test_a_new_page_is_mirrored_with_its_body_and_waits(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "Open a second office?", content="Rent is $4,000 a month.")
    children = [
        {"type": "paragraph", "paragraph": {"rich_text": [{"text": {"content": "The lease runs five years."}}]}}
    ]
    workspace.as_person("PATCH", f"/blocks/{page_id}/children", {"children": children})
    poll_now()
    item = InboxItem.objects.get()
    assert (item.title, item.state) == ("Open a second office?", "waiting")
    assert item.values["Content"] == "Rent is $4,000 a month."
    assert item.body.strip() == "The lease runs five years."


def test_formatted_text_loses_nothing(workspace: Sandbox) -> None:
    link = {"text": {"content": "the offer", "link": {"url": "https://example.com/offer"}}}
    bold = {"text": {"content": "today"}, "annotations": {"bold": True}}
    add_item(workspace, "Decide", Content={"rich_text": [link, {"text": {"content": " expires "}}, bold]})
    poll_now()
    (first, _, last) = InboxItem.objects.get().properties["Content"]["rich_text"]
    assert first["text"]["link"]["url"] == "https://example.com/offer"
    assert last["annotations"]["bold"] is True


def test_an_idle_cycle_asks_twice(workspace: Sandbox) -> None:
    DataSource.objects.update(polled_at=timezone.now())
    DataSource.objects.filter(key__in=["inbox", "actions"]).update(polled_at=timezone.now() - timedelta(seconds=130))
    before = NotionCall.objects.count()
    run(["poll", "body"])
    assert NotionCall.objects.count() - before == 2


def test_a_page_that_did_not_change_does_not_wake_us(workspace: Sandbox) -> None:
    add_item(workspace, "Once")
    poll_now()
    poll_now()
    assert [c.changed for c in PollCycle.objects.filter(source__key="inbox").order_by("pk")][-2:] == [1, 0]


def test_an_edit_is_seen_and_the_state_of_the_item_is_kept(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "Before")
    poll_now()
    InboxItem.objects.get().enter(InboxItem.State.PROPOSED, "awaits a person")
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Content": text("After")}})
    poll_now()
    item = InboxItem.objects.get()
    assert (item.values["Content"], item.state) == ("After", "proposed")


def test_the_body_is_read_again_once_the_minute_of_an_edit_has_closed(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "Growing")
    poll_now()
    assert InboxItem.objects.get().body == ""
    children = [{"type": "paragraph", "paragraph": {"rich_text": [{"text": {"content": "More."}}]}}]
    workspace.as_person("PATCH", f"/blocks/{page_id}/children", {"children": children})
    workspace.age(page_id, 60)
    InboxItem.objects.update(body_read_at=Now() - timedelta(minutes=5), body_of=Now() - timedelta(minutes=5))
    InboxItem.objects.update(last_edited_time=Now() - timedelta(minutes=5))
    poll_now()
    assert InboxItem.objects.get().body.strip() == "More."


def test_a_body_that_nobody_edited_is_read_once(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "Still")
    workspace.age(page_id, 90)
    poll_now()
    poll_now()
    assert NotionCall.objects.filter(route__contains="markdown").count() == 1


def test_a_poll_that_is_cut_off_goes_on_where_it_stopped(workspace: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DataSource.objects.get(key="inbox")
    workspace.control("bulk", {"data_source_id": str(source.data_source_id), "count": 250})
    whole = client.query
    answers: list[str | None] = []

    def cut_off_after_one(*args: Any, **kwargs: Any) -> client.QueryPage:
        if args[0] == str(source.data_source_id):
            answers.append(kwargs.get("start_cursor"))
        if len(answers) == 2:
            raise Later(timedelta(), "Notion is busy.")
        return whole(*args, **kwargs)

    cursor = source.cursor
    monkeypatch.setattr(client, "query", cut_off_after_one)
    polling.ask()
    run_stage("poll")
    source.refresh_from_db()
    assert source.cursor == cursor
    monkeypatch.setattr(client, "query", whole)
    run(["poll"])
    assert InboxItem.objects.count() == 250
    assert NotionCall.objects.filter(route__contains="query").count() >= 3


def test_a_paused_poller_polls_nothing_but_obeys_poll_now(workspace: Sandbox) -> None:
    Poller.objects.update(status="paused")
    DataSource.objects.update(polled_at=timezone.now() - timedelta(days=1))
    assert run_stage("poll") == 0
    add_item(workspace, "Seen all the same")
    poll_now()
    assert InboxItem.objects.exists()


def test_a_changed_interval_is_obeyed_at_the_next_look(workspace: Sandbox) -> None:
    DataSource.objects.update(polled_at=timezone.now() - timedelta(seconds=50))
    assert run_stage("poll") == 0
    Poller.objects.update(interval_seconds=30)
    assert run_stage("poll") == 2


def test_two_beats_open_one_poll_for_each_source(workspace: Sandbox) -> None:
    DataSource.objects.update(polled_at=None)
    polling.open_cycles()
    polling.open_cycles()
    assert PollCycle.objects.unfinished().count() == 10


def test_each_poll_is_sent_to_a_worker_once_however_many_are_opened(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, args, **options: sent.append((task, *args)))
    with django_capture_on_commit_callbacks(execute=True):
        assert polling.ask() == 10
        assert polling.ask() == 0
    assert sent == [
        ("emm.run", "poll", str(pk)) for pk in PollCycle.objects.order_by("pk").values_list("pk", flat=True)
    ]


def test_a_source_that_is_no_longer_shared_waits_and_the_others_go_on(workspace: Sandbox) -> None:
    source = DataSource.objects.get(key="nodes")
    workspace.control("faults", {"kind": "unshare", "id": str(source.database_id)})
    add_item(workspace, "Goes on")
    polling.ask()
    run_stage("poll")
    assert InboxItem.objects.exists()
    waiting = PollCycle.objects.get(source=source, status="waiting")
    assert "shared" in waiting.last_error


def test_unstorable_characters_are_replaced_at_the_door(workspace: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    add_item(workspace, "A page")
    whole = client.query

    def with_nul(*args: Any, **kwargs: Any) -> client.QueryPage:
        answer = whole(*args, **kwargs)
        for page in answer.pages:
            for prop in page["properties"].values():
                for part in prop.get("title", []):
                    part["plain_text"] = "a\x00b\ud800c"
        return answer

    monkeypatch.setattr(client, "query", with_nul)
    poll_now()
    assert InboxItem.objects.get().title == "a\ufffdb\ufffdc"


def test_the_approval_is_a_column_that_queries_may_use(workspace: Sandbox) -> None:
    source = DataSource.objects.get(key="actions")
    body = {
        "parent": {"data_source_id": str(source.data_source_id)},
        "properties": {"Approval_Status": {"select": {"name": "Approved"}}},
    }
    workspace.as_person("POST", "/pages", body)
    poll_now()
    assert Action.objects.get(approval_status="Approved").ours is False


def test_a_page_that_is_gone_when_its_body_is_read_is_noted_as_trashed(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = add_item(workspace, "Gone")
    polling.ask()
    run(["poll"])
    workspace.as_person("PATCH", f"/pages/{page}", {"in_trash": True})

    def refuse(page_id: str) -> client.Body:
        raise client.NotShared("It is not there.", "Share it.")

    monkeypatch.setattr(client, "page_markdown", refuse)
    run_stage("body")
    assert (InboxItem.objects.get().in_trash, BodyRead.objects.get().status) == (True, "done")
    workspace.as_person("PATCH", f"/pages/{page}", {"in_trash": False})
    poll_now()
    assert (InboxItem.objects.get().in_trash, BodyRead.objects.get().status) == (False, "waiting")
    assert "Share it." in BodyRead.objects.get().last_error


def test_a_body_is_not_asked_for_while_it_is_being_read(workspace: Sandbox) -> None:
    add_item(workspace, "Once")
    polling.ask()
    run(["poll"])
    polling.ask()
    run(["poll"])
    assert BodyRead.objects.count() == 1


def pieces(last: str) -> dict[str, Any]:
    """A text of 31 pieces."""
    parts = [{"text": {"content": f"{n} "}, "annotations": {"bold": bool(n % 2)}} for n in range(30)]
    return {"rich_text": [*parts, {"text": {"content": last}}]}


def test_a_text_of_more_than_25_pieces_is_read_whole_and_again_while_a_poll_brings_its_page(
    workspace: Sandbox,
) -> None:
    page_id = add_item(workspace, "Long", Content=pieces("first"))
    poll_now()
    start = "".join(f"{n} " for n in range(30))
    assert InboxItem.objects.get().values["Content"] == f"{start}first"
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Content": pieces("second")}})  # in its minute
    poll_now()
    assert InboxItem.objects.get().values["Content"] == f"{start}second"
    fetches = NotionCall.objects.filter(route__contains="properties")
    before = fetches.count()
    poll_now()
    assert fetches.count() == before + 1
    assert [c.changed for c in PollCycle.objects.filter(source__key="inbox").order_by("pk")][-1] == 0
    workspace.age(page_id, 300)  # what two polls overlap is over
    poll_now()
    assert fetches.count() == before + 1


def test_people_and_relations_of_more_than_25_are_read_whole_whoever_writes_them(workspace: Sandbox) -> None:
    nodes = [add_node(workspace, f"Node {n}") for n in range(30)]
    page_id = add_item(workspace, "Many", Routed_to_Node={"relation": [{"id": one} for one in nodes]})
    poll_now()
    assert sorted(InboxItem.objects.get(page_id=page_id).values["Routed_to_Node"]) == sorted(nodes)


def add_node(workspace: Sandbox, name: str) -> str:
    source = DataSource.objects.get(key="nodes")
    body = {
        "parent": {"data_source_id": str(source.data_source_id)},
        "properties": {"Name": {"title": [{"text": {"content": name}}]}},
    }
    return str(workspace.as_person("POST", "/pages", body)["id"])


def test_our_own_write_does_not_wake_us_and_a_persons_in_its_minute_does(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "Shared minute")
    poll_now()
    item = InboxItem.objects.get()

    def write(status: str) -> None:
        outbox.update_page(item, {"Status": status}, purpose="say where it stands", item=item)
        run(["deliver"])

    def changed() -> int:
        poll_now()
        return int(PollCycle.objects.filter(source__key="inbox").latest("pk").changed)

    write("Processing")
    assert changed() == 0
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Content": text("And one more thing.")}})
    assert changed() == 1
    write("Needs_Review")
    assert changed() == 0
    workspace.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Content": text("Even later.")}})
    write("Skipped")  # in the same minute, and the page is edited by us last
    item.refresh_from_db()
    assert item.values["Content"] == "Even later."


def test_a_body_that_a_person_edited_in_the_minute_of_our_own_write_is_read_again(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "Shared minute")
    poll_now()
    item = InboxItem.objects.get()
    item.enter(InboxItem.State.PROPOSED)
    children = [{"type": "paragraph", "paragraph": {"rich_text": [{"text": {"content": "Wait, also this."}}]}}]
    workspace.as_person("PATCH", f"/blocks/{page_id}/children", {"children": children})
    outbox.update_page(item, {"Status": "Triaged_to_Intent"}, purpose="say where it stands", item=item)
    run(["deliver"])
    past = Now() - timedelta(minutes=5)
    workspace.age(page_id, 240)  # the minute has closed
    InboxItem.objects.update(body_read_at=past, body_of=past, last_edited_time=past)
    DataSource.objects.update(cursor=past)
    poll_now()
    assert "Wait, also this." in InboxItem.objects.get().body
    reads = NotionCall.objects.filter(route__contains="markdown").count()
    poll_now()
    assert NotionCall.objects.filter(route__contains="markdown").count() == reads


@pytest.mark.parametrize("disturb", ["interval", "pause", "restart"])
def test_nothing_that_people_do_to_the_poller_moves_the_cursor_past_unseen_rows(
    workspace: Sandbox, disturb: str
) -> None:
    source = DataSource.objects.get(key="inbox")
    workspace.control("bulk", {"data_source_id": str(source.data_source_id), "count": 150})
    late = {"kind": "500", "match": {"path_regex": f"{source.data_source_id}/query", "nth": 2}}
    workspace.control("faults", late)
    DataSource.objects.filter(pk=source.pk).update(polled_at=None, cursor=Now() - timedelta(minutes=5))
    source.refresh_from_db()
    run_stage("poll")  # reads one page of results and fails on the next
    assert InboxItem.objects.count() == 100
    if disturb == "interval":
        Poller.objects.update(interval_seconds=3600)
    if disturb == "pause":
        Poller.objects.update(status="paused")
        PollCycle.objects.update(due_at=Now())
        run_stage("poll")
        assert DataSource.objects.get(pk=source.pk).cursor == source.cursor
        Poller.objects.update(status="running")
    if disturb == "restart":
        PollCycle.objects.filter(status="waiting").update(
            status="running", leased_until=Now() - timedelta(seconds=1), claims=1
        )
        run_stage("poll")
    assert DataSource.objects.get(pk=source.pk).cursor == source.cursor
    PollCycle.objects.update(due_at=Now())
    run(["poll"])
    assert InboxItem.objects.count() == 150
    after = DataSource.objects.get(pk=source.pk)
    assert after.cursor is not None
    assert source.cursor is not None
    assert after.cursor > source.cursor
