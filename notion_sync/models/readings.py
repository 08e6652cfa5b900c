"""Readings of a whole data source: the windows that share one out, and what the nightly comparison found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from emm import schedule
from emm.jobs import Job
from notion_sync.models.sources import DataSource, PollCycle


class Reconciliation(Job):
    """One comparison of a mirror with everything that Notion lists, and its figures. Differences are repaired as found."""

    stage = "reconcile"

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="reconciliations")
    opened_at = models.DateTimeField(db_default=Now())
    listed_at = models.DateTimeField(null=True, blank=True, help_text="When Notion's list was read to its end.")
    seen = models.PositiveIntegerField(default=0, help_text="Pages in Notion's list.")
    missing = models.PositiveIntegerField(
        default=0, help_text="In the list but not in the mirror, though polled since."
    )
    stale = models.PositiveIntegerField(
        default=0, help_text="Otherwise in the list than in the mirror, though polled since."
    )
    trashed = models.PositiveIntegerField(default=0, help_text="In the mirror, in Notion's trash.")
    moved_away = models.PositiveIntegerField(default=0, help_text="In the mirror, in Notion under another parent.")
    unshared = models.PositiveIntegerField(default=0, help_text="In the mirror, deleted or no longer shared with us.")
    doubled = models.PositiveIntegerField(default=0, help_text="Keys of ours that several pages of ours carry.")
    repaired = models.PositiveIntegerField(default=0, help_text="Differences after which the mirror was set right.")
    requests = models.PositiveIntegerField(default=0)
    to_look = ArrayField(
        models.UUIDField(),
        default=list,
        blank=True,
        help_text="Pages that the list lacks, still to be read by their id.",
    )

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["source"], condition=Q(status__in=["waiting", "running"]), name="reconciliation_one_open"
            ),
        ]
        indexes = [
            *Job.Meta.indexes,
            models.Index(fields=["source", "-opened_at"], name="reconciliation_latest"),
        ]

    def __str__(self) -> str:
        return f"reconciliation {self.pk} of {self.source}"

    @property
    def missed(self) -> int:
        """Differences between Notion and the mirror that polls had left."""
        return self.missing + self.stale + self.trashed + self.moved_away + self.unshared

    @property
    def verdict(self) -> str:
        """What it proved, in words."""
        if self.status != self.Status.DONE:
            return "proves nothing: not finished"
        return f"{self.missed} missed, {self.doubled} doubled"

    @property
    def took(self) -> timedelta | None:
        """How long it took; None: it is not finished."""
        return self.status_since - self.opened_at if self.status == self.Status.DONE else None


class Window(Job):
    """A part of a data source, by creation time, that one worker reads to its end: for a poll that found too much for one
    query, or for a reconciliation. `since` is included, `until` is not; None is open."""

    stage = "window"
    SIDE_BY_SIDE = 4  # enough for 1,000 pages a second, and few enough to leave threads to short work

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="windows")
    reconciliation = models.ForeignKey(
        Reconciliation,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="windows",
        help_text="Empty: for the poll.",
    )
    edited_since = models.DateTimeField(null=True, blank=True, help_text="Only pages edited since; empty: all.")
    since = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField(null=True, blank=True)
    next_page = models.TextField(blank=True, help_text="Notion's cursor of the page of results to read next.")
    reached = models.DateTimeField(null=True, blank=True, help_text="Creation time of the last page read.")
    changed = models.PositiveIntegerField(default=0, help_text="Pages that differed from the mirror.")
    requests = models.PositiveIntegerField(default=0)

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return f"window {self.pk} of {self.source}"

    @classmethod
    def claim(cls, pk: Any) -> Self | None:
        """As any job, but not beside SIDE_BY_SIDE others; those nudge it when they are done."""
        if cls.objects.filter(status=cls.Status.RUNNING).count() >= cls.SIDE_BY_SIDE:
            return None
        return super().claim(pk)

    @property
    def siblings(self) -> models.QuerySet[Window]:
        """The windows of the same reading, this one too."""
        return Window.objects.filter(source=self.source, reconciliation=self.reconciliation)

    def moved(self) -> None:
        """The next window goes on; after the last one, whoever waits for the reading."""
        if self.status not in (self.Status.DONE, self.Status.NEVER, self.Status.DEAD):
            return
        waiting = Window.objects.filter(status=self.Status.WAITING, due_at__lte=Now()).order_by("due_at").first()
        if waiting is not None:
            schedule.nudge("window", waiting.pk)
        if self.siblings.filter(status__in=(self.Status.WAITING, self.Status.RUNNING)).exists():
            return
        owners: models.QuerySet[Any] = (
            PollCycle.objects.filter(source=self.source)
            if self.reconciliation_id is None
            else Reconciliation.objects.filter(pk=self.reconciliation_id)
        )
        owners.filter(status=self.Status.WAITING).update(due_at=Now())
        schedule.nudge("poll" if self.reconciliation_id is None else "reconcile")


class ListedPage(models.Model):
    """A page that a window has read, once however often Notion listed it."""

    window = models.ForeignKey(Window, on_delete=models.CASCADE, related_name="pages")
    page_id = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["window", "page_id"], name="listedpage_once")]

    def __str__(self) -> str:
        return str(self.page_id)
