"""What was measured and judged: readings of the objectives, rules in their rounds, and what they raised."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Reading(models.Model):
    """One objective's value at one time: the points of its trend."""

    key = models.CharField(max_length=40)
    value = models.FloatField(null=True, help_text="Empty: there was nothing to measure.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "service level"
        indexes = [models.Index(fields=["key", "at"], name="reading_trend")]

    def __str__(self) -> str:
        return f"{self.key} at {self.at:%Y-%m-%d %H:%M}"


class RuleState(models.Model):
    """Where one alert rule stands between two rounds."""

    key = models.CharField(max_length=40, unique=True)
    value = models.FloatField(null=True)
    detail = models.TextField(blank=True)
    bad_rounds = models.PositiveIntegerField(default=0, help_text="In a row.")
    good_rounds = models.PositiveIntegerField(default=0, help_text="In a row.")
    looked_at = models.DateTimeField(db_default=Now())
    snoozed_until = models.DateTimeField(null=True, blank=True, help_text="UTC. Until then nobody is told.")
    snoozed_by = models.CharField(max_length=150, blank=True)

    def __str__(self) -> str:
        return self.key


class Alert(models.Model):
    """One firing of one rule, from its beginning to its end."""

    class Severity(models.TextChoices):
        CRITICAL = "critical", "critical"
        WARNING = "warning", "warning"

    key = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    detail = models.TextField()
    fired_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True, blank=True)
    cleared_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    escalations = models.PositiveSmallIntegerField(default=0, help_text="How many more people were told.")
    escalated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=Q(cleared_at__isnull=True), name="alert_fires_once"),
            models.CheckConstraint(condition=Q(severity__in=["critical", "warning"]), name="alert_known_severity"),
        ]

    def __str__(self) -> str:
        return f"{self.key} since {self.fired_at:%Y-%m-%d %H:%M} UTC"
