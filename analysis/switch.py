"""The one switch that stops every call to a model, and what wakes work that waited for a person."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from analysis.models import Policy
from emm.audit import Actor, record
from emm.jobs import Job
from emm.schedule import STAGES, nudge
from emm.tasks import job_model

HOLDS = "All model calls are stopped"


def stop(*, by: Actor, reason: str) -> None:
    """From now on no call is made; those under way finish. Raises ValidationError where it is so already."""
    _turn(True, by, reason)


def let_go_on(*, by: Actor, reason: str) -> None:
    """Calls are made again, and what waited for it is due at once. Raises ValidationError where they are made already."""
    with transaction.atomic():
        _turn(False, by, reason)
        wake(HOLDS)


def wake(because: str) -> int:
    """Make the work due whose reason to wait begins with `because`. Call it in a transaction. Returns how many rows."""
    count = 0
    for stage in STAGES.values():
        if stage.model and stage.queue == "llm":
            waiting = job_model(stage)._default_manager.filter(status=Job.Status.WAITING, due_at__gt=Now())
            count += waiting.filter(last_error__startswith=because).update(due_at=Now())
            nudge(stage.name)
    return count


def _turn(stopped: bool, by: Actor, reason: str) -> None:
    with transaction.atomic():
        Policy.current()
        policy = Policy.objects.select_for_update().get()
        if policy.model_calls_stopped == stopped:
            raise ValidationError(policy.standing)
        before = policy.standing
        policy.model_calls_stopped = stopped
        policy.stopped_at, policy.stopped_by, policy.stopped_why = (
            (Now(), str(by)[:150], reason) if stopped else (None, "", "")
        )
        policy.save()
        policy.refresh_from_db()
        action = "policy.stop_calls" if stopped else "policy.let_calls_go_on"
        record(action, policy, by=by, before={"was": before}, after={"is": policy.standing}, reason=reason)
