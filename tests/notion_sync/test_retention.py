"""What is kept, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from notion_sync.models import NotionCall, PollCycle
from notion_sync.retention import prune
from tests.world import Sandbox, add_item, poll_now


def test_idle_polls_go_after_a_week_and_those_that_found_something_stay(workspace: Sandbox) -> None:
    add_item(workspace, "A question")
    poll_now()
    PollCycle.objects.update(opened_at=Now() - timedelta(days=8))
    prune()
    assert [cycle.source.key for cycle in PollCycle.objects.all()] == ["inbox"]


@pytest.mark.django_db
def test_calls_go_after_ninety_days() -> None:
    NotionCall.objects.create(method="GET", route="/v1/users/me", duration_ms=1, at=Now() - timedelta(days=91))
    kept = NotionCall.objects.create(method="GET", route="/v1/users/me", duration_ms=1)
    prune()
    assert list(NotionCall.objects.all()) == [kept]
