"""Runs that a person starts on an intent which no inbox item stands behind."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from notion_sync.models import InboxItem, Intent


class IntentRun(models.Model):
    """A hand-made intent gets an inbox item of its own, once: the argument is about that item and written for the intent."""

    intent = models.OneToOneField(Intent, on_delete=models.PROTECT, related_name="run")
    item = models.OneToOneField(InboxItem, on_delete=models.PROTECT, related_name="run")
    asked_by = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"run of {self.intent}"
