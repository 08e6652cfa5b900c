"""What people may ask of the poller."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from emm.audit import AuditEntry
from notion_sync import control, polling
from notion_sync.models import DataSource, PollCycle, Poller

pytestmark = pytest.mark.django_db


def entries() -> list[Any]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "before", "after", "reason"))


def test_pausing_and_resuming_leave_their_reasons() -> None:
    assert control.pause("Maintenance.", by="test").status == Poller.Status.PAUSED
    assert control.resume(by="test").status == Poller.Status.RUNNING
    assert entries() == [
        ("poller.pause", {"status": "running"}, {"status": "paused"}, "Maintenance."),
        ("poller.resume", {"status": "paused"}, {"status": "running"}, ""),
    ]


def test_a_wish_that_changes_nothing_leaves_nothing() -> None:
    control.pause("One.", by="test")
    since = Poller.objects.get().status_since
    control.pause("Two.", by="test")
    assert Poller.objects.get().status_since == since
    assert len(entries()) == 1


@pytest.mark.parametrize("reason", ["", "  "])
def test_nobody_pauses_without_a_reason(reason: str) -> None:
    with pytest.raises(ValidationError):
        control.pause(reason, by="test")
    with pytest.raises(ValidationError):
        control.set_interval(60, reason, by="test")
    assert not AuditEntry.objects.exists()


def test_the_interval_changes_with_its_reason() -> None:
    before = polling.poller().interval_seconds
    control.set_interval(30, "Faster.", by="test")
    assert polling.poller().interval_seconds == 30
    assert entries() == [("poller.interval", {"interval_seconds": before}, {"interval_seconds": 30}, "Faster.")]


@pytest.mark.parametrize("seconds", [9, 0, -1, 86_401])
def test_an_interval_out_of_bounds_is_refused(seconds: int, settings: Any) -> None:
    settings.POLLING_INTERVAL_MINIMUM = 10
    with pytest.raises(ValidationError):
        control.set_interval(seconds, "Faster.", by="test")


def test_poll_now_opens_a_poll_also_while_paused() -> None:
    DataSource.objects.create(key="inbox", database_id=uuid.uuid4(), data_source_id=uuid.uuid4())
    control.pause("Maintenance.", by="test")
    assert control.poll_now(by="test") == 1
    assert PollCycle.objects.get().trigger == PollCycle.Trigger.PERSON
    assert entries()[-1] == ("poller.poll_now", None, {"polls": 1}, "")
