"""Replays: what a wording that is not served yet would have answered to past decisions."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from analysis.models.decisions import Settlement
from analysis.models.thinking import PromptVersion, Triage
from emm.jobs import Job


class PromptReplay(models.Model):
    """One try of one wording on past decisions, started by a person who saw what it may cost. Its cases are its state."""

    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="replays")
    started_by = models.CharField(max_length=150)
    reason = models.TextField()
    opened_at = models.DateTimeField(db_default=Now())
    worst_usd = models.DecimalField(max_digits=12, decimal_places=6, help_text="As it was shown before the start.")

    def __str__(self) -> str:
        return f"replay {self.pk} of {self.version}"


class ReplayCase(Job):
    """One question of a replay: one call. `old_rate` and `new_rate` are fractions, by acceptance.py; for a triage 1 or 0."""

    stage = "replay"

    replay = models.ForeignKey(PromptReplay, on_delete=models.CASCADE, related_name="cases")
    settlement = models.ForeignKey(Settlement, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    triage = models.ForeignKey(Triage, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    persona = models.CharField(max_length=12, blank=True, help_text="Whose voice; empty for a triage or a synthesis.")
    answer = models.JSONField(null=True, blank=True, help_text="The new answer.")
    old_rate = models.FloatField(null=True, blank=True, help_text="How close the old answer was to what people left.")
    new_rate = models.FloatField(null=True, blank=True, help_text="How close the new answer is to what people left.")

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["replay", "settlement", "persona"],
                condition=Q(settlement__isnull=False),
                name="replaycase_one_voice",
            ),
            models.UniqueConstraint(
                fields=["replay", "triage"], condition=Q(triage__isnull=False), name="replaycase_one_triage"
            ),
            models.CheckConstraint(
                condition=Q(settlement__isnull=False, triage__isnull=True)
                | Q(settlement__isnull=True, triage__isnull=False, persona=""),
                name="replaycase_about_one",
            ),
            models.CheckConstraint(
                condition=Q(new_rate__isnull=True) | Q(new_rate__range=(0, 1), old_rate__range=(0, 1)),
                name="replaycase_rates_are_fractions",
            ),
        ]

    def __str__(self) -> str:
        voice = f" ({self.persona})" if self.persona else ""
        return f"{self.triage.item if self.triage else self.settlement}{voice}"

    @property
    def item_id(self) -> Any:
        return self.triage.item_id if self.triage else self.settlement.item_id if self.settlement else None
