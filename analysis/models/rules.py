"""What we learned from people's edits, in words that models are given."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from analysis.models.decisions import Settlement


class HouseRule(models.Model):
    """One rule for the personas and the synthesis. The product proposes it, a person of the house decides on it."""

    class Status(models.TextChoices):
        PROPOSED = "proposed", "awaits a person"
        ACCEPTED = "accepted", "accepted"
        REFUSED = "refused", "refused"
        RETIRED = "retired", "retired"

    class Kind(models.TextChoices):
        REMOVED = "removed", "a task that people remove"
        ADDED = "added", "a task that people add"
        REWORDED = "reworded", "a task that people reword"
        SHORTER = "shorter", "plans that people shorten"
        LONGER = "longer", "plans that people lengthen"

    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PROPOSED)
    text = models.CharField(max_length=300, help_text="What the models are told, one line.")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    before = models.TextField(blank=True, help_text="The task that shows what is meant, as it was proposed.")
    after = models.TextField(blank=True, help_text="The task as people left it.")
    evidence = models.ManyToManyField(Settlement, related_name="house_rules", help_text="Where people edited so.")
    fingerprint = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the edit and its evidence, in hex."
    )
    proposed_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True, blank=True, help_text="Accepted or refused.")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    retired_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True, help_text="Of the last decision.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["proposed", "accepted", "refused", "retired"]), name="houserule_known_status"
            ),
            models.CheckConstraint(
                condition=Q(status="proposed", decided_at__isnull=True, decided_by__isnull=True)
                | (~Q(status="proposed") & Q(decided_at__isnull=False, decided_by__isnull=False)),
                name="houserule_decided_by_a_person",
            ),
            models.CheckConstraint(
                condition=Q(status="retired", retired_at__isnull=False)
                | (~Q(status="retired") & Q(retired_at__isnull=True)),
                name="houserule_retired_once",
            ),
            models.CheckConstraint(condition=~Q(text=""), name="houserule_says_something"),
        ]

    def __str__(self) -> str:
        return self.text


class Training(Settlement):
    """The settlements as a whole: the page of the console that shows what they teach."""

    class Meta:
        proxy = True
        verbose_name_plural = "training"
        permissions = [("export_training", "Can take training files out")]
