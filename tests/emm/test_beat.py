"""The schedule as rows that people may change, and the signs of life."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from celery import current_app
from django.db import IntegrityError
from django.utils.module_loading import import_string
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from emm import beat, heartbeat, schedule, tasks
from emm.heartbeat import Heartbeat
from notion_sync.models import BodyRead, InboxItem
from tests.world import Sandbox, add_item, poll_now, work

pytestmark = pytest.mark.django_db


def test_every_stage_is_swept_and_every_queue_is_felt() -> None:
    beat.sync()
    names = {f"sweep {stage}" for stage in schedule.STAGES} | {f"heartbeat {queue}" for queue in schedule.QUEUES}
    assert names <= set(PeriodicTask.objects.values_list("name", flat=True))
    sweep = PeriodicTask.objects.get(name="sweep triage")
    period = schedule.STAGES["triage"].period.total_seconds()
    assert (sweep.task, json.loads(sweep.args), sweep.queue) == ("emm.sweep", ["triage"], "sync")
    assert sweep.interval.every == sweep.expire_seconds == period
    assert PeriodicTask.objects.get(name="heartbeat llm").queue == "llm"


def test_what_a_person_set_stays() -> None:
    beat.sync()
    slow = IntervalSchedule.objects.create(every=10, period=IntervalSchedule.MINUTES)
    PeriodicTask.objects.filter(name="sweep triage").update(interval=slow, enabled=False)
    PeriodicTask.objects.filter(name="sweep deliver").delete()
    beat.sync()
    kept = PeriodicTask.objects.get(name="sweep triage")
    assert (kept.interval, kept.enabled) == (slow, False)
    assert PeriodicTask.objects.filter(name="sweep deliver").count() == 1


def test_a_heartbeat_shows_that_beat_and_the_queues_worker_live() -> None:
    tasks.beat("llm")
    tasks.beat("llm")
    assert sorted(Heartbeat.objects.values_list("process", flat=True)) == ["beat", "worker:llm"]
    first = Heartbeat.objects.get(process=heartbeat.BEAT).at
    tasks.beat("sync")
    assert Heartbeat.objects.get(process=heartbeat.BEAT).at >= first
    assert Heartbeat.objects.filter(process=heartbeat.worker("sync")).exists()


def test_of_many_nudges_one_sweep_is_sent_until_it_begins(
    db: None, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, args, **options: sent.append((task, *args)))

    def nudge(*arguments: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            schedule.nudge(*arguments)

    tasks.sweep("triage")
    for _ in range(3):
        nudge("triage")
        nudge("triage", 7)
    assert sent == [("emm.sweep", "triage"), *[("emm.run", "triage", "7")] * 3]
    tasks.sweep("triage")  # it has begun: what comes now is for the next one
    sent.clear()
    nudge("triage")
    assert sent == [("emm.sweep", "triage")]


def test_a_row_that_cannot_be_given_back_keeps_no_other_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise IntegrityError

    sent: list[str] = []
    monkeypatch.setattr(BodyRead, "reap", broken)
    monkeypatch.setattr(tasks.run, "apply_async", lambda args, queue: sent.append(args[1]))
    due = BodyRead.objects.create(item=InboxItem.objects.create(title="A question"))
    with pytest.raises(IntegrityError):
        tasks.sweep("body")
    assert sent == [str(due.pk)]


def test_a_nudge_without_a_broker_is_left_to_the_sweep(
    db: None, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    with structlog.testing.capture_logs() as logs, django_capture_on_commit_callbacks(execute=True):
        schedule.nudge("triage")
    assert [line["event"] for line in logs] == ["nudge_lost"]


def test_a_sweep_that_finds_nothing_asks_for_no_other(
    workspace: Sandbox, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    add_item(workspace, "Buy stamps")
    poll_now()
    work()
    asked = {}
    for name, stage in schedule.STAGES.items():
        if stage.opens:
            import_string(stage.opens)()  # what there is to open
            with django_capture_on_commit_callbacks() as callbacks:
                import_string(stage.opens)()
            asked[name] = [callback.args for callback in callbacks]
    assert {name: sent for name, sent in asked.items() if sent} == {}
