"""Runs of the labelled inbox against the configured models."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Evaluation(models.Model):
    """One run and what it found. Its calls are in the ledger, with its number behind the prompt's hash."""

    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it runs, or its process was ended.")
    by = models.CharField(max_length=150)
    complete = models.BooleanField(default=False)
    report = models.JSONField(default=dict, blank=True, help_text="As manage.py evaluate --json prints it.")

    def __str__(self) -> str:
        return f"evaluation {self.pk}"
