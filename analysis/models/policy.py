"""What people have chosen about how items are sorted, argued and paid for: one row, changed in the console."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

NEVER = 11  # an impact that no item has


class Policy(models.Model):
    """The one row of choices. `current` gives it; a change is audited with its reason by the console."""

    model_calls_stopped = models.BooleanField(
        default=False, help_text="The switch that stops every call to a model. Calls under way finish."
    )
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    stopped_why = models.TextField(blank=True, default="", db_default="")
    strategic_min_confidence = models.FloatField(
        default=0.5, help_text="A fraction. A triage less sure of a strategic route is given to a person."
    )
    operational_min_confidence = models.FloatField(
        default=0.5, help_text="A fraction. A triage less sure of an operational route is given to a person."
    )
    reference_min_confidence = models.FloatField(
        default=0.5, help_text="A fraction. A triage less sure of a reference route is given to a person."
    )
    standard_from_impact = models.PositiveSmallIntegerField(
        default=4, help_text="From this impact on three personas argue; below it one. 8 at most. High risk always is."
    )
    deep_from_impact = models.PositiveSmallIntegerField(
        default=NEVER,
        help_text="From this impact on they also answer each other and are judged twice. 11: never by rule.",
    )
    patient_lane = models.BooleanField(
        default=False,
        help_text="Items that are not marked Urgent wait for Message Batches: half the price, up to a day.",
    )

    class Meta:
        verbose_name_plural = "policy"
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="policy_one_row"),
            models.CheckConstraint(
                condition=Q(strategic_min_confidence__range=(0, 1))
                & Q(operational_min_confidence__range=(0, 1))
                & Q(reference_min_confidence__range=(0, 1)),
                name="policy_confidence_is_fraction",
                violation_error_message="A confidence is a fraction: 0 to 1.",
            ),
            models.CheckConstraint(
                condition=Q(standard_from_impact__range=(1, 8)) & Q(deep_from_impact__range=(1, NEVER)),
                name="policy_known_impacts",
                violation_error_message=f"Standard is from an impact of 1 to 8 on, deep from 1 to {NEVER}.",
            ),
        ]

    def __str__(self) -> str:
        return "policy"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @property
    def standing(self) -> str:
        """Whether calls are made, in words; where they are stopped, by whom, since when and why."""
        if not self.model_calls_stopped:
            return "Calls to models are made."
        since = f" since {self.stopped_at:%Y-%m-%d %H:%M} UTC" if self.stopped_at else ""
        who = f" by {self.stopped_by}" if self.stopped_by else ""
        why = self.stopped_why.removesuffix(".") or "no reason was given"
        return f"All model calls are stopped{who}{since}: {why}."

    def min_confidence(self, route: str) -> float:
        """How sure a triage has to be of `route`, as a fraction."""
        least: float = getattr(self, f"{route}_min_confidence")
        return least

    def set_min_confidence(self, route: str, least: float) -> None:
        """Does not save."""
        setattr(self, f"{route}_min_confidence", least)

    @classmethod
    def current(cls) -> Policy:
        """The row, made with its defaults where it is missing."""
        return cls.objects.get_or_create(pk=1)[0]
