"""The Celery tasks: one that looks for work, one that does it."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.apps import apps
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from emm import heartbeat, schedule
from emm.jobs import Job

# Rows sent per sweep. More wait for the next one: the same row may be sent twice, and only one claim succeeds.
BATCH = 100


def job_model(stage: schedule.Stage) -> type[Job]:
    """The job model of a stage. Raises LookupError for a name that no installed app has."""
    model = apps.get_model(stage.model)
    assert issubclass(model, Job)
    return model


@shared_task(name="emm.sweep")
def sweep(name: str) -> None:
    """Open, send and give back what stage `name` has to do. A row that cannot be given back keeps no other from its turn."""
    stage = schedule.STAGES[name]
    schedule.begin_sweep(name)
    if stage.opens:
        import_string(stage.opens)()
    if not stage.model:
        return
    model = job_model(stage)
    for pk in model.objects.due().order_by("due_at").values_list("pk", flat=True)[:BATCH]:
        run.apply_async(args=(name, str(pk)), queue=stage.queue)
    model.reap()


@shared_task(name="emm.run")
def run(name: str, pk: str) -> None:
    """Claim row `pk` of stage `name` and give it to the stage's verb. Does nothing if the row is not due."""
    stage = schedule.STAGES[name]
    job = job_model(stage).claim(pk)
    if job is not None:
        with structlog.contextvars.bound_contextvars(stage=name, job=pk, item=job.item_id):
            job.attempt(import_string(stage.verb))


def wake(because: str) -> int:
    """Make the work due, of every stage, whose reason to wait begins with `because`. Call it in a transaction.

    Returns how many rows.
    """
    count = 0
    for stage in schedule.STAGES.values():
        if not stage.model:
            continue
        waiting = job_model(stage)._default_manager.filter(status=Job.Status.WAITING, due_at__gt=Now())
        if found := waiting.filter(last_error__startswith=because).update(due_at=Now()):
            schedule.nudge(stage.name)
            count += found
    return count


@shared_task(name="emm.heartbeat")
def beat(queue: str) -> None:
    """Sent by beat to each queue, run by a worker of that queue: both live."""
    heartbeat.note(heartbeat.BEAT, heartbeat.worker(queue))
