"""Where the mirror stands: the workspace, its data sources, the poller and each poll."""

from __future__ import annotations

from datetime import timedelta

from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from emm import schedule
from emm.jobs import Job
from notion_sync.models.mirrors import InboxItem


class Workspace(models.Model):
    """The Notion workspace that this installation serves: one row."""

    bot_id = models.UUIDField(help_text="The integration's own user: what it wrote is ours.")
    workspace_id = models.CharField(max_length=64, blank=True)
    name = models.TextField(blank=True)
    parent_page_id = models.UUIDField(null=True, blank=True)
    installation_id = models.UUIDField()
    handshake_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then Notion may send the verification token of its webhook."
    )
    webhook_verified_at = models.DateTimeField(null=True, blank=True, help_text="When a first signed event came.")
    command_center_page_id = models.UUIDField(null=True, blank=True, help_text="The Command Center page.")
    command_center_block_id = models.UUIDField(
        null=True,
        blank=True,
        help_text="Its callout whose text is replaced whole; the rest of the page stays as it is.",
    )
    view_ids = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="Name of each linked view on that page to its Notion id."
    )
    seeds = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="EMM_ID to what is known of a seed page that was sent."
    )
    other_sides = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Two-way relations that set-up began to add, as database.property, until their other sides are named. "
        "Each leads to the id of the data source it was added to; empty where its database is new.",
    )
    lacks = models.JSONField(
        default=list, db_default=[], blank=True, help_text="Capabilities that set-up missed, each with its fix."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="workspace_single_row")]

    def __str__(self) -> str:
        return self.name or "Notion workspace"


class DataSource(models.Model):
    """One of the ten databases, resolved: its ids, and how far its mirror has come.

    `cursor`: everything edited before it has been mirrored, by Notion's clock; all other times are ours. While a poll is under
    way, `reading_from` is when it started (the next cursor, once `clock_ahead` is added) and `next_page` is Notion's cursor of
    the page of results to read next, so that a crash resumes there.
    """

    key = models.CharField(max_length=12, unique=True)
    database_id = models.UUIDField()
    data_source_id = models.UUIDField(unique=True)
    url = models.TextField(blank=True)
    property_ids = models.JSONField(default=dict, help_text="Our property name to Notion's property id.")
    cursor = models.DateTimeField(null=True, blank=True)
    reading_from = models.DateTimeField(null=True, blank=True)
    reading_since = models.DateTimeField(null=True, blank=True, help_text="Lower bound of the query under way.")
    next_page = models.TextField(blank=True)
    mirrored_at = models.DateTimeField(
        null=True, blank=True, help_text="First full mirror since this database was born."
    )
    polled_at = models.DateTimeField(null=True, blank=True, help_text="Start of the last finished poll.")
    wanted_at = models.DateTimeField(
        null=True, blank=True, help_text="When an event last said that something changed: polled until read after it."
    )
    page_size = models.PositiveSmallIntegerField(
        default=100, db_default=100, help_text="Results that we ask for at once: fewer after Notion ran out of time."
    )
    clock_ahead = models.DurationField(
        default=timedelta(0),
        db_default=timedelta(0),
        help_text="How far Notion's clock was ahead of ours when it last answered a poll.",
    )
    hold = models.TextField(blank=True, help_text="Why this source is not read or written now, and the fix.")
    schema_checked_at = models.DateTimeField(
        null=True, blank=True, help_text="Start of the last comparison of its properties with those that we need."
    )
    schema_wanted_at = models.DateTimeField(
        null=True, blank=True, help_text="When something last said that its properties changed."
    )
    backlog_until = models.DateTimeField(
        null=True, blank=True, help_text="Pages made up to then were there before us: they wait for a person's release."
    )

    def __str__(self) -> str:
        return self.key


class Poller(models.Model):
    """How often we ask Notion, and whether we do: one row, changed by people in the console."""

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"

    status = models.CharField(max_length=8, choices=Status.choices, default=Status.RUNNING)
    status_since = models.DateTimeField(db_default=Now())
    interval_seconds = models.PositiveIntegerField(
        help_text="Seconds between two polls of the inbox and the action pipes."
    )
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When someone last pressed Poll now.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="poller_single_row"),
            models.CheckConstraint(condition=Q(interval_seconds__gte=1), name="poller_interval_positive"),
        ]

    def __str__(self) -> str:
        return f"every {self.interval_seconds} s, {self.status}"

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.interval_seconds)


class PollCycle(Job):
    """One poll of one data source: a job, and the report of what it found."""

    stage = "poll"

    class Trigger(models.TextChoices):
        INTERVAL = "interval", "interval"
        PERSON = "person", "poll now"
        WEBHOOK = "webhook", "webhook"

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="cycles")
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.INTERVAL)
    opened_at = models.DateTimeField(db_default=Now())
    seen = models.PositiveIntegerField(default=0, help_text="Pages in Notion's answers.")
    changed = models.PositiveIntegerField(default=0, help_text="Pages that differed from the mirror.")
    requests = models.PositiveIntegerField(default=0)

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["source"], condition=Q(status__in=["waiting", "running"]), name="pollcycle_one_open_per_source"
            ),
        ]

    def __str__(self) -> str:
        return f"poll {self.pk} of {self.source}"

    @staticmethod
    def open(source: DataSource, trigger: PollCycle.Trigger) -> bool:
        """Open a poll of `source`. False: one is under way already."""
        unfinished = PollCycle.objects.unfinished().filter(source=source)
        with transaction.atomic():
            if unfinished.exists():
                return False
            PollCycle.objects.bulk_create([PollCycle(source=source, trigger=trigger)], ignore_conflicts=True)
            # By its key: a sweep for each of ten sources would send all ten polls ten times.
            schedule.nudge("poll", unfinished.values_list("pk", flat=True).first())
        return True


class BodyRead(Job):
    """The reading of one inbox page's content; opened again when the page was edited."""

    stage = "body"

    item = models.OneToOneField(InboxItem, on_delete=models.CASCADE, related_name="body_job")

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return f"body of {self.item}"

    def moved(self) -> None:
        """An item whose body can't be read is held: it is never triaged on half of what was said."""
        item, waiting = self.item, InboxItem.State.WAITING
        if self.status in (self.Status.NEVER, self.Status.DEAD) and item.state == waiting:
            item.enter(InboxItem.State.HELD, f"Its content could not be read. {self.last_error}")
        elif self.status == self.Status.WAITING and item.state == InboxItem.State.HELD and not item.body_of:
            item.enter(waiting)
        elif self.status == self.Status.WAITING and item.state == waiting:
            item.enter(waiting, f"Its content is not read yet. {self.last_error} {self.what_next}".strip())
        elif self.status == self.Status.DONE and item.state == waiting and item.state_reason:
            item.enter(waiting)
