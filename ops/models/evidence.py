"""What was seen, confirmed and waived: rows that are added and never overwritten."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from emm.jobs import Job
from emm.schedule import nudge
from ops.models.releases import Release


class State(models.TextChoices):
    """What a probe can say. Unknown never counts as passed."""

    PASS = "pass", "passes"  # not a password
    FAIL = "fail", "fails"
    UNKNOWN = "unknown", "unknown"


class ProbeRun(Job):
    """The running of one probe, again and again, and what it saw last. One that crashes is unknown, with the error."""

    stage = "probe"

    key = models.CharField(max_length=40)
    release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.CASCADE, related_name="probe_runs")
    state = models.CharField(max_length=7, choices=State.choices, default=State.UNKNOWN)
    evidence = models.TextField(blank=True, default="It was not looked at yet.")
    seen_at = models.DateTimeField(null=True, blank=True)
    commit = models.CharField(max_length=40, blank=True, help_text="Of the code that was looked at.")
    failing_since = models.DateTimeField(null=True, blank=True)

    class Meta(Job.Meta):
        verbose_name_plural = "readiness"
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["key", "release"], name="proberun_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return self.key

    def moved(self) -> None:
        """A run that crashed, hung or could not be made leaves no old verdict standing."""
        if self.last_error:
            self.keep_evidence(State.UNKNOWN, f"The probe itself failed. {self.last_error}", self.commit)

    def keep_evidence(self, state: State, evidence: str, commit: str) -> None:
        """Store what was seen now; the history gets a row when the state or the commit is another than before."""
        before = ProbeRun.objects.get(pk=self.pk)
        since = (before.failing_since or Now()) if state == State.FAIL else None
        ProbeRun.objects.filter(pk=self.pk).update(
            state=state, evidence=evidence, seen_at=Now(), commit=commit, failing_since=since
        )
        if (before.state, before.commit) != (state, commit) or before.seen_at is None:
            Evidence.objects.create(key=self.key, release=self.release, state=state, evidence=evidence, commit=commit)
            nudge("signoffs")
        self.refresh_from_db(fields=["state", "evidence", "seen_at", "commit", "failing_since"])


class Evidence(models.Model):
    """One change of what a probe saw: the history of an item."""

    key = models.CharField(max_length=40, db_index=True)
    release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.CASCADE, related_name="evidence")
    state = models.CharField(max_length=7, choices=State.choices)
    evidence = models.TextField()
    commit = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return f"{self.key}: {self.state}"


class Confirmation(models.Model):
    """A person's word that an item is true, with a note or a link. A newer one stands beside it, never over it."""

    key = models.CharField(max_length=40, db_index=True)
    release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.CASCADE, related_name="confirmations")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    note = models.TextField(help_text="What you saw, or a link to it.")
    at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True, withdrawn_by__isnull=True)
                | Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="confirmation_withdrawn_by_someone",
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} by {self.by}"


class Waiver(models.Model):
    """Leave to go on without an item, with a reason and an end."""

    key = models.CharField(max_length=40, db_index=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(help_text="UTC.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(expires_at__gt=models.F("at")), name="waiver_has_an_end")]

    def __str__(self) -> str:
        return f"{self.key} until {self.expires_at:%Y-%m-%d %H:%M} UTC"


class DutyReminder(models.Model):
    """One due date that people were reminded of; under the empty key, when this installation began to count."""

    key = models.CharField(max_length=40)
    due_at = models.DateTimeField()
    told_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "due_at"], name="dutyreminder_once"),
            models.UniqueConstraint(fields=["key"], condition=Q(key=""), name="dutyreminder_one_beginning"),
        ]

    def __str__(self) -> str:
        return f"{self.key} due {self.due_at:%Y-%m-%d}"
