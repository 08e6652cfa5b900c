"""Polls of more than a page of results: how much they ask for at once, and who goes first."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from notion_sync import client, pace, polling
from notion_sync.models import DataSource, InboxItem, Node, PollCycle
from tests.world import Sandbox, poll_everything, poll_now, run_stage


def test_a_page_of_results_that_takes_notion_too_long_is_halved_and_recovers(workspace: Sandbox) -> None:
    source = DataSource.objects.get(key="inbox")
    workspace.control("bulk", {"data_source_id": str(source.data_source_id), "count": 60})
    slow = {"kind": "504", "match": {"path_regex": f"{source.data_source_id}/query"}, "times": 4}
    workspace.control("faults", slow)
    sizes = []
    polling.ask()
    for _ in range(6):
        PollCycle.objects.filter(status="waiting").update(due_at=Now())
        run_stage("poll")
        sizes.append(DataSource.objects.get(key="inbox").page_size)
    assert sizes == [50, 25, 12, 10, 20, 20]
    assert InboxItem.objects.count() == 60
    for _ in range(3):
        poll_now()
    assert DataSource.objects.get(key="inbox").page_size == 100
    assert DataSource.objects.get(key="nodes").page_size == 100


def test_a_long_poll_takes_fuller_pages_again_on_its_way(workspace: Sandbox) -> None:
    poll_everything()
    source = DataSource.objects.get(key="nodes")
    workspace.control("bulk", {"data_source_id": str(source.data_source_id), "count": 300})
    DataSource.objects.filter(pk=source.pk).update(page_size=10)
    poll_everything()
    assert Node.objects.count() >= 300
    assert PollCycle.objects.filter(source=source).latest("pk").requests == 20, "ten times ten, and ten times twenty"


def test_a_poll_that_a_person_asked_for_lets_others_go_first_once_it_is_a_long_one(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll_everything()
    source = DataSource.objects.get(key="nodes")
    workspace.control("bulk", {"data_source_id": str(source.data_source_id), "count": 150})
    DataSource.objects.filter(pk=source.pk).update(page_size=10)
    whole, waited = client.query, []

    def query(source_id: str, **wanted: Any) -> client.QueryPage:
        if source_id == str(source.data_source_id):
            waited.append(pace._in_background.get())
        return whole(source_id, **wanted)

    monkeypatch.setattr(client, "query", query)
    poll_everything()
    assert waited == [False] * polling.AT_ONCE + [True] * 3, "ten times ten, and three times twenty"
