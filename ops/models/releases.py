"""A release on its way from opened to successful, and the names under it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Release(models.Model):
    """One version that is to be deployed, or was."""

    class Status(models.TextChoices):
        OPENED = "opened", "opened"
        APPROVED = "approved", "approved"
        DEPLOYED = "deployed", "deployed"
        WATCHING = "watching", "being watched"
        SUCCESSFUL = "successful", "successful"
        FAILED = "failed", "failed"
        ROLLED_BACK = "rolled_back", "rolled back"

    version = models.CharField(max_length=60, unique=True)
    commit = models.CharField(max_length=40, help_text="The full hash.")
    schema_hash = models.CharField(max_length=64, help_text="Over the names of all migrations.")
    changes = models.TextField(blank=True, help_text="The commits since the last release.")
    opened_by = models.CharField(max_length=150)
    opened_at = models.DateTimeField(db_default=Now())
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.OPENED)
    status_since = models.DateTimeField(db_default=Now())
    deployed_at = models.DateTimeField(null=True, blank=True)
    stable_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when everything that makes a deployment a success has held."
    )
    note = models.TextField(blank=True, help_text="How it ended, in words.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["opened", "approved", "deployed", "watching", "successful", "failed", "rolled_back"]
                ),
                name="release_known_status",
            )
        ]

    def __str__(self) -> str:
        return self.version

    def enter(self, status: Release.Status, **changes: Any) -> None:
        """Move the release, in the transaction that causes it."""
        Release.objects.filter(pk=self.pk).exclude(status=status).update(status=status, status_since=Now(), **changes)
        self.refresh_from_db(fields=["status", "status_since", *changes])


class SignOff(models.Model):
    """One person's name under one release, in one role: bound to what the checklist said at that moment."""

    class Role(models.TextChoices):
        DEVELOPER = "developer", "Developer"
        QA = "qa", "QA/Testing"
        DEVOPS = "devops", "DevOps/SRE"
        SECURITY = "security", "Security"
        PRODUCT = "product", "Product owner"

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="signoffs")
    role = models.CharField(max_length=9, choices=Role.choices)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    note = models.TextField(blank=True)
    digest = models.CharField(max_length=64)
    statement = models.JSONField(help_text="What was signed: item key to state, waiver and notes, and the subject.")
    at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.TextField(blank=True, help_text="Withdrawn by the signer, or void: with the difference.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["release", "role"], condition=Q(ended_at__isnull=True), name="signoff_one_standing_per_role"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_because="") | Q(ended_at__isnull=False),
                name="signoff_ended_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} of {self.release}"


class Recommendation(models.Model):
    """A measured reason to roll a release back."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="recommendations")
    trigger = models.CharField(max_length=40)
    metric = models.TextField(help_text="What was measured, beside what it was before.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "trigger"], name="recommendation_once")]

    def __str__(self) -> str:
        return f"{self.release}: {self.trigger}"


class Rollback(models.Model):
    """The procedure, walked through step by step on a clock: for real, or as a drill."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="rollbacks")
    drill = models.BooleanField()
    started_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["release"], condition=Q(finished_at__isnull=True), name="rollback_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{'Drill' if self.drill else 'Rollback'} of {self.release}"


class RollbackStep(models.Model):
    """One step that was done."""

    rollback = models.ForeignKey(Rollback, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=40)
    by = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("at", "pk")
        constraints = [models.UniqueConstraint(fields=["rollback", "key"], name="rollbackstep_once")]

    def __str__(self) -> str:
        return self.key
