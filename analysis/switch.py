"""The one switch that stops every call to a model."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from analysis.models import Policy
from emm import tasks
from emm.audit import Actor, record

HOLDS = "All model calls are stopped"


def stop(*, by: Actor, reason: str) -> None:
    """From now on no call is made; those under way finish. Raises ValidationError where it is so already."""
    _turn(True, by, reason)


def let_go_on(*, by: Actor, reason: str) -> None:
    """Calls are made again, and what waited for it is due at once. Raises ValidationError where they are made already."""
    with transaction.atomic():
        _turn(False, by, reason)
        tasks.wake(HOLDS)


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
