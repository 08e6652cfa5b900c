"""The ledger of what we said to Notion."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from notion_sync.models.mirrors import InboxItem


class NotionCall(models.Model):
    """One HTTP attempt: written when the answer, or its absence, is known."""

    at = models.DateTimeField(db_default=Now(), db_index=True)
    method = models.CharField(max_length=6)
    route = models.CharField(max_length=120, help_text="The path with ids replaced by a placeholder.")
    page_id = models.UUIDField(null=True, blank=True, db_index=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty: no answer came.")
    error = models.TextField(blank=True, help_text="Notion's code and message, or how the connection failed.")
    request_id = models.CharField(max_length=64, blank=True)
    duration_ms = models.PositiveIntegerField()
    waited_ms = models.PositiveIntegerField(default=0, help_text="For the shared request budget, before the call.")
    item = models.ForeignKey(InboxItem, null=True, blank=True, on_delete=models.SET_NULL, related_name="notion_calls")

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


ASK_SUPPORT = (
    "Ask Notion's support why. Once it is mended press Ask Notion again, on the row under Standstills in the console."
)


class Standstill(models.Model):
    """Nothing is sent to Notion until a person lifts it. At most one holds at a time."""

    began_at = models.DateTimeField(db_default=Now())
    why = models.TextField()
    fix = models.TextField(db_default=ASK_SUPPORT, help_text="What a person has to do before it is lifted.")
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(lifted_at=None), name="standstill_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"standstill since {self.began_at:%Y-%m-%d %H:%M} UTC"
