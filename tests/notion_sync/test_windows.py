"""Readings beyond one query: shared out by creation time, resumed anywhere, and the cursor waits for all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from emm.jobs import Job, Later, Never
from notion_sync import client, polling, windows
from notion_sync.models import DataSource, Node, PollCycle, Poller, Window
from tests.world import Sandbox, poll_everything, run, run_stage

READ = ["poll", "window"]


@pytest.fixture
def source(workspace: Sandbox) -> DataSource:
    """The nodes as if they had never been mirrored."""
    DataSource.objects.filter(key="nodes").update(cursor=None, mirrored_at=None, polled_at=None)
    return DataSource.objects.get(key="nodes")


def fill(workspace: Sandbox, source: DataSource, count: int, spread_seconds: float = 60) -> None:
    workspace.control(
        "bulk", {"data_source_id": str(source.data_source_id), "count": count, "spread_seconds": spread_seconds}
    )


def capping(at: int) -> Callable[..., client.QueryPage]:
    """Notion's query with a cap of `at` results in place of 10,000."""
    whole = client.query
    served: dict[tuple[tuple[str, str], ...], int] = {}

    def query(source_id: str, **wanted: Any) -> client.QueryPage:
        name = tuple((key, str(value)) for key, value in wanted.items() if key not in ("start_cursor", "page_size"))
        before = served.get(name, 0) if wanted.get("start_cursor") else 0
        answer = whole(source_id, **wanted)
        served[name] = before + len(answer.pages)
        if served[name] >= at and answer.next_cursor:
            return client.QueryPage(answer.pages, None, capped=True)
        return answer

    return query


def open_poll(source: DataSource) -> None:
    PollCycle.open(source, PollCycle.Trigger.PERSON)


def test_a_first_mirror_of_many_pages_is_shared_out_and_misses_none(
    workspace: Sandbox, source: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "SHARED_OUT_AFTER", 1)
    monkeypatch.setattr(windows, "LARGEST", 10)
    DataSource.objects.filter(pk=source.pk).update(page_size=10)
    fill(workspace, source, 150)
    open_poll(source)
    run_stage("poll")
    most = 0
    while run_stage("window"):
        most = max(most, Window.objects.unfinished().count())
    assert 1 < most <= Window.SIDE_BY_SIDE < Window.objects.count()
    assert DataSource.objects.get(pk=source.pk).mirrored_at is None
    run(READ)
    source.refresh_from_db()
    assert Node.objects.count() == 150
    assert source.mirrored_at is not None
    assert source.cursor == source.mirrored_at + source.clock_ahead
    assert not Window.objects.exists()
    assert PollCycle.objects.filter(source=source).latest("pk").seen == 150


def test_beyond_the_cap_a_poll_reads_on_in_windows_and_only_what_was_edited_since(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DataSource.objects.get(key="nodes")
    fill(workspace, source, 260)
    DataSource.objects.filter(pk=source.pk).update(cursor=Now() - timedelta(minutes=10))
    fill(workspace, source, 500, spread_seconds=1)
    monkeypatch.setattr(client, "query", capping(200))
    open_poll(source)
    run_stage("poll")
    window = Window.objects.get()
    assert window.edited_since is not None
    run(READ)
    assert 500 <= Node.objects.count() <= 515  # and the few of the first that were edited in the last twelve minutes


def test_a_window_beyond_the_cap_goes_on_by_creation_time(
    workspace: Sandbox, source: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(workspace, source, 350)
    monkeypatch.setattr(client, "query", capping(200))
    open_poll(source)
    run(READ)
    assert Node.objects.count() == 350


def test_more_than_notion_gives_in_one_minute_is_said_and_the_cursor_stays(
    workspace: Sandbox, source: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(workspace, source, 350, spread_seconds=0)
    monkeypatch.setattr(client, "query", capping(200))
    open_poll(source)
    run(READ)
    window = Window.objects.get()
    assert (window.status, "in one minute" in window.last_error) == (Job.Status.NEVER, True)
    cycle = PollCycle.objects.filter(source=source).latest("pk")
    assert (cycle.status, "could not be read" in cycle.last_error) == (Job.Status.WAITING, True)
    assert DataSource.objects.get(pk=source.pk).cursor is None


def test_a_window_takes_fuller_pages_again_on_its_way(workspace: Sandbox, source: DataSource) -> None:
    fill(workspace, source, 300, spread_seconds=0)
    DataSource.objects.filter(pk=source.pk).update(page_size=10)
    open_poll(source)
    run(READ)
    assert Node.objects.count() == 300
    assert PollCycle.objects.filter(source=source).latest("pk").requests <= 22


def test_a_window_whose_worker_dies_is_read_on_from_its_last_page_of_results(
    workspace: Sandbox, source: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(workspace, source, 350)
    whole, asked = client.query, []

    def dies_on_the_third(source_id: str, **wanted: Any) -> client.QueryPage:
        if wanted.get("by_creation"):
            asked.append(wanted.get("start_cursor"))
            if len(asked) == 3:
                raise KeyboardInterrupt
        return whole(source_id, **wanted)

    monkeypatch.setattr(client, "query", dies_on_the_third)
    open_poll(source)
    run_stage("poll")
    with pytest.raises(KeyboardInterrupt):
        run_stage("window")
    assert Window.objects.get().requests == 2
    assert DataSource.objects.get(pk=source.pk).cursor is None
    Window.objects.update(leased_until=Now(), due_at=Now())
    Window.reap()
    Window.objects.update(due_at=Now())
    run(READ)
    assert Node.objects.count() == 350
    assert asked[3] == asked[2] is not None


def test_a_cursor_that_notion_forgot_costs_a_minute_of_pages_at_most(
    workspace: Sandbox, source: DataSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(workspace, source, 250)
    whole = client.query
    forgotten: list[dict[str, Any]] = []

    def forgets_once(source_id: str, **wanted: Any) -> client.QueryPage:
        if wanted.get("start_cursor") and wanted.get("by_creation") and not forgotten:
            forgotten.append(wanted)
            raise Never("Notion answered 400 validation_error: The start_cursor provided is invalid.")
        return whole(source_id, **wanted)

    monkeypatch.setattr(client, "query", forgets_once)
    open_poll(source)
    run(READ)
    assert forgotten
    assert Node.objects.count() == 250
    assert PollCycle.objects.filter(source=source).latest("pk").seen == 250


def test_a_pause_holds_the_windows_and_resuming_lets_them_go_on(workspace: Sandbox, source: DataSource) -> None:
    fill(workspace, source, 150)
    open_poll(source)
    run_stage("poll")
    Poller.objects.update(status="paused")
    run_stage("window")
    assert "paused" in Window.objects.get().last_error
    Poller.objects.update(status="running")
    Window.objects.update(due_at=Now())
    run(READ)
    assert Node.objects.count() == 150


def test_no_more_windows_run_side_by_side_than_leave_threads_to_others(source: DataSource) -> None:
    made = [Window.objects.create(source=source) for _ in range(6)]
    assert [Window.claim(one.pk) is not None for one in made] == [True] * 4 + [False] * 2


def test_a_new_page_is_seen_while_an_edit_is_still_in_windows(workspace: Sandbox, source: DataSource) -> None:
    """The cursor stays until the windows are read; what came meanwhile is edited after it, and so is read next."""
    fill(workspace, source, 150)
    open_poll(source)
    run_stage("poll")
    run_stage("window")
    fill(workspace, source, 1)
    run(READ)
    poll_everything()
    assert Node.objects.count() == 151


def test_a_poll_says_what_it_waits_for(workspace: Sandbox, source: DataSource) -> None:
    fill(workspace, source, 150)
    open_poll(source)
    cycle = PollCycle.claim(PollCycle.objects.latest("pk").pk)
    assert cycle is not None
    with pytest.raises(Later, match="1 windows are still being read"):
        polling.poll(cycle)
