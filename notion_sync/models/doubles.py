"""Pages of ours that exist twice: each look for them, and what became of each page that was one too many."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from emm.jobs import Job


class DoublesCheck(Job):
    """One look at all pages that we made: a job, and the report of what it found."""

    stage = "doubles"

    opened_at = models.DateTimeField(db_default=Now())
    pages = models.PositiveIntegerField(default=0, help_text="Pages of ours in the mirror that are not in the trash.")
    doubled = models.PositiveIntegerField(default=0, help_text="EMM_IDs that more than one of them carried.")
    trashed = models.PositiveIntegerField(default=0, help_text="Pages moved to the trash: only we had touched them.")
    left = models.PositiveIntegerField(default=0, help_text="Pages left for a person to decide on.")

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return f"doubles check {self.pk}"


class Double(models.Model):
    """A page of ours beyond the one that we keep, as one check left it."""

    class Outcome(models.TextChoices):
        TRASHED = "trashed", "moved to the trash"
        LEFT = "left", "left: look at it in Notion"
        GONE = "gone", "no longer a double"

    check_run = models.ForeignKey(DoublesCheck, on_delete=models.CASCADE, related_name="doubles")
    source_key = models.CharField(max_length=12)
    emm_id = models.UUIDField()
    page_id = models.UUIDField(db_index=True)
    kept_page_id = models.UUIDField(help_text="The page that stays.")
    outcome = models.CharField(max_length=7, choices=Outcome.choices)
    why = models.TextField()
    edited = models.DateTimeField(null=True, blank=True, help_text="Notion's last_edited_time when we looked.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["check_run", "page_id"], name="double_once_a_check"),
            models.CheckConstraint(
                condition=models.Q(outcome__in=["trashed", "left", "gone"]), name="double_known_outcome"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_key} {self.page_id}: {self.outcome}"
