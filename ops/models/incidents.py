"""What went wrong, what was done about it, and what follows."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ops.models.levels import Alert
from ops.models.releases import Release


class Incident(models.Model):
    """One disturbance, with its timeline."""

    class Severity(models.IntegerChoices):
        ALL = 1, "1: nobody can work (answer within 15 minutes)"
        MANY = 2, "2: a main function fails (within 30 minutes)"
        SOME = 3, "3: a part is disturbed (within 4 hours)"
        LOW = 4, "4: a blemish (within a working day)"

    class Status(models.TextChoices):
        OPEN = "open", "open"
        MITIGATED = "mitigated", "mitigated"
        RESOLVED = "resolved", "resolved"

    title = models.CharField(max_length=200)
    severity = models.PositiveSmallIntegerField(choices=Severity.choices, default=Severity.SOME)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.OPEN)
    opened_at = models.DateTimeField(db_default=Now())
    opened_by = models.CharField(max_length=150)
    answered_at = models.DateTimeField(null=True, blank=True, help_text="When somebody first wrote what they do.")
    resolved_at = models.DateTimeField(null=True, blank=True)
    alert = models.ForeignKey(Alert, null=True, blank=True, on_delete=models.SET_NULL)
    release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.SET_NULL)
    commander = models.CharField(max_length=150, blank=True, help_text="Decides.")
    speaker = models.CharField(max_length=150, blank=True, help_text="Tells users and the team.")
    scribe = models.CharField(max_length=150, blank=True, help_text="Keeps the timeline.")
    impact = models.TextField(blank=True, help_text="Post-mortem: who was affected, and how much.")
    cause = models.TextField(blank=True, help_text="Post-mortem: what made it possible, without blame.")
    lessons = models.TextField(blank=True, help_text="Post-mortem: what went well, what did not, where we were lucky.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status="resolved", resolved_at__isnull=False)
                | (~Q(status="resolved") & Q(resolved_at__isnull=True)),
                name="incident_resolved_at",
            ),
            models.CheckConstraint(condition=Q(severity__in=[1, 2, 3, 4]), name="incident_known_severity"),
        ]

    def __str__(self) -> str:
        return self.title


class IncidentEntry(models.Model):
    """One line of the timeline: added, never changed."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField(db_default=Now())
    by = models.CharField(max_length=150)
    text = models.TextField()

    class Meta:
        verbose_name_plural = "incident entries"
        ordering = ("at", "pk")

    def __str__(self) -> str:
        return self.text[:80]


class FollowUp(models.Model):
    """What an incident asks for, so that it does not come back."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="follow_ups")
    text = models.CharField(max_length=300)
    owner = models.CharField(max_length=150)
    due = models.DateField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("due",)

    def __str__(self) -> str:
        return self.text
