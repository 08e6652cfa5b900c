"""The schedule as rows that beat reads and people may change."""

from __future__ import annotations

from datetime import timedelta

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from emm import heartbeat, schedule


def sync() -> None:
    """Make the rows that are missing: a sweep per stage and a heartbeat per queue. Rows that are there stay as they are."""
    for stage in schedule.STAGES.values():
        _ensure(f"sweep {stage.name}", "emm.sweep", stage.name, "sync", stage.period)
    for queue in schedule.QUEUES:
        _ensure(f"heartbeat {queue}", "emm.heartbeat", queue, queue, heartbeat.PERIOD)


def _ensure(name: str, task: str, argument: str, queue: str, period: timedelta) -> None:
    seconds = int(period.total_seconds())
    if PeriodicTask.objects.filter(name=name).exists():
        return
    interval = IntervalSchedule.objects.filter(every=seconds, period=IntervalSchedule.SECONDS).first()
    PeriodicTask.objects.create(
        name=name,
        task=task,
        args=f'["{argument}"]',
        interval=interval or IntervalSchedule.objects.create(every=seconds, period=IntervalSchedule.SECONDS),
        queue=queue,
        expire_seconds=seconds,
    )
