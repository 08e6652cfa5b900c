"""Copies of the database, and the proof that they can be restored."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from emm.jobs import Job


class Backup(Job):
    """One copy of the database."""

    stage = "backup"

    name = models.CharField(max_length=200, blank=True, help_text="In the storage of backups.")
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    rows = models.JSONField(default=dict, help_text="Table to its number of rows when the copy began.")
    opened_at = models.DateTimeField(db_default=Now())
    made_at = models.DateTimeField(null=True, blank=True)

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=~Q(status="done") | (Q(made_at__isnull=False) & ~Q(name="") & ~Q(sha256="")),
                name="backup_done_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"backup of {self.opened_at:%Y-%m-%d %H:%M} UTC"


class RestoreDrill(Job):
    """One restoring of a copy into a scratch database, and what was found there."""

    stage = "restore"

    backup = models.ForeignKey(Backup, on_delete=models.CASCADE, related_name="drills")
    passed = models.BooleanField(null=True)
    findings = models.TextField(blank=True)
    seconds = models.FloatField(null=True, blank=True)
    opened_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"drill with {self.backup}"
