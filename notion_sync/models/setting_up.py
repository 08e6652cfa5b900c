"""Work on the workspace itself: setting it up from the console, and watching its properties."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now

from emm.jobs import Job, JobQuerySet
from notion_sync.models.mirrors import InboxItem
from notion_sync.models.sources import DataSource

TO_MEND = "To mend first: "  # how the line of a look begins that stands in the way of set-up


class SetupRunQuerySet(JobQuerySet):
    """Runs of set-up: whoever started one has watched its end."""

    def stuck(self) -> Self:
        """The newest set-up, where it stopped: a look changed nothing, and an older run was followed by another."""
        newest = self.model._default_manager.filter(only_look=False).order_by("-pk").values("pk")[:1]
        return super().stuck().filter(pk__in=newest)


SetupRunManager = models.Manager.from_queryset(SetupRunQuerySet)


class SetupRun(Job):
    """One run of set-up that a person started in the console, and the lines that it said. One at a time."""

    stage = "setup"

    parent = models.TextField(help_text="Id or address of the page under which the databases stand.")
    adopt = models.BooleanField(default=False, help_text="Use databases that people made.")
    take_over = models.BooleanField(default=False, help_text="Although another installation serves the workspace.")
    served_by = models.CharField(
        max_length=36,
        default="",
        db_default="",
        blank=True,
        help_text="The other installation that serves the workspace.",
    )
    only_look = models.BooleanField(default=False, help_text="Say what would change, and change nothing.")
    databases = models.JSONField(default=dict, blank=True, help_text="Key of a database to its id, address or name.")
    data_sources = models.JSONField(
        default=dict, blank=True, help_text="Key of a database with several data sources to the chosen one."
    )
    lines = models.JSONField(default=list, blank=True, help_text="What it said, a line for each step.")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[SetupRunManager[Any]] = SetupRunManager()

    class Meta(Job.Meta):
        verbose_name_plural = "set up Notion"
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                Value(1), condition=Q(status__in=["waiting", "running"]), name="setuprun_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{'look' if self.only_look else 'set-up'} {self.pk}"

    @property
    def stopped(self) -> bool:
        """Whether a person must mend something before it is worth another look."""
        blocked = any(line.startswith(TO_MEND) for line in self.lines)
        return self.status in (self.Status.NEVER, self.Status.DEAD) or (self.only_look and blocked)


class SchemaCheck(Job):
    """The comparison of one data source's live properties with those that we need; opened again when it is due."""

    stage = "drift"

    source = models.OneToOneField(DataSource, on_delete=models.CASCADE, related_name="schema_check")

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return f"properties of {self.source}"


class Backlog(InboxItem):
    """What was in the inbox when the workspace was adopted: the page of the console where it is released."""

    class Meta:
        proxy = True
        verbose_name_plural = "backlog"
