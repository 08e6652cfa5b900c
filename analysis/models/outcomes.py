"""How approved decisions turned out, beside what was predicted."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from analysis.models.decisions import Settlement
from emm.jobs import Job


class Outcome(Job):
    """One approved decision: when to ask how it went, what was predicted, and what a person says in the end.

    The job is the asking. `stated` and the prediction never change; the answer may, until it is settled.
    """

    stage = "outcome"

    class Result(models.TextChoices):
        BETTER = "Better", "better than expected"
        AS_EXPECTED = "As expected", "as expected"
        WORSE = "Worse", "worse than expected"
        UNKNOWN = "Unknown", "nobody can tell"

    class How(models.TextChoices):
        NOTION = "notion", "Outcome in Notion"
        CONSOLE = "console", "the console"

    settlement = models.OneToOneField(Settlement, on_delete=models.PROTECT, related_name="outcome")
    review_on = models.DateField(help_text="The day (UTC) from which on we ask; people may move it in Notion.")
    prediction = models.TextField()
    probability = models.FloatField(help_text="Of the prediction, a fraction.")
    option = models.CharField(max_length=10, blank=True, help_text="What was carried out; empty where no option stood.")
    stated = models.JSONField(
        default=dict, blank=True, help_text="Who advised to how sure they were that this option was right, a fraction."
    )
    asked_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=12, choices=Result.choices, blank=True, help_text="Empty: not answered.")
    note = models.TextField(blank=True)
    answered_by = models.CharField(max_length=150, blank=True)
    how = models.CharField(max_length=8, choices=How.choices, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True, help_text="The last answer.")
    first_answered_at = models.DateTimeField(null=True, blank=True, help_text="Its settling counts from here.")
    seen_in_notion = models.CharField(
        max_length=12,
        blank=True,
        help_text="Outcome on the Intent page when it was last read: another one is an answer.",
    )

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(condition=Q(probability__range=(0, 1)), name="outcome_probability_is_fraction"),
            models.CheckConstraint(
                condition=Q(result="", answered_at__isnull=True)
                | Q(
                    result__in=["Better", "As expected", "Worse", "Unknown"],
                    answered_at__isnull=False,
                    first_answered_at__isnull=False,
                ),
                name="outcome_answered_with_time",
            ),
        ]

    def __str__(self) -> str:
        return f"outcome of {self.settlement.action}"

    @property
    def item_id(self) -> Any:
        return self.settlement.item_id

    @property
    def happened(self) -> bool | None:
        """Whether it went at least as well as was said; None where nobody has said, or nobody can tell."""
        if self.result in ("", self.Result.UNKNOWN):
            return None
        return self.result != self.Result.WORSE
