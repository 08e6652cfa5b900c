"""Where people sent an item that the triage had sent elsewhere."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from analysis.answers import Route
from notion_sync.models import InboxItem

ROUTES = [(route.value, route.value) for route in Route]


class Correction(models.Model):
    """One change of an item's route by a person: the only evidence there is of how good the triage's confidence is."""

    class How(models.TextChoices):
        NOTION = "notion", "Triage_Destination in Notion"
        CONSOLE = "console", "the console"

    item = models.ForeignKey(InboxItem, on_delete=models.PROTECT, related_name="corrections")
    number = models.PositiveIntegerField(help_text="Of the item's corrections, from 1.")
    from_route = models.CharField(
        max_length=12, choices=ROUTES, help_text="Where it went, or where the triage would have sent what it held."
    )
    to_route = models.CharField(max_length=12, choices=ROUTES)
    confidence = models.FloatField(help_text="The triage's own then, a fraction.")
    by = models.CharField(max_length=150)
    how = models.CharField(max_length=8, choices=How.choices)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Two readers of one change would both write the next number: one of them fails.
            models.UniqueConstraint(fields=["item", "number"], name="correction_once"),
            models.CheckConstraint(condition=~Q(from_route=F("to_route")), name="correction_changes_the_route"),
            models.CheckConstraint(
                condition=Q(from_route__in=[route.value for route in Route])
                & Q(to_route__in=[route.value for route in Route]),
                name="correction_known_routes",
            ),
            models.CheckConstraint(condition=Q(confidence__range=(0, 1)), name="correction_confidence_is_fraction"),
        ]

    def __str__(self) -> str:
        return f"{self.item}: {self.from_route} to {self.to_route}"
