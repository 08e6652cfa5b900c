"""What comes in through a door: events of Notion, texts from mail, Slack and programs, and pages to look at again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, models
from django.db.models import Q
from django.db.models.functions import Now

from emm.jobs import Job
from notion_sync.models.mirrors import InboxItem
from notion_sync.models.sources import DataSource

A_MINUTE = timedelta(minutes=1)


class WebhookDelivery(models.Model):
    """One event that Notion told us of, and what we did about it. Its content is read by polling, never from here."""

    event_id = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=80)
    entity = models.CharField(max_length=80, blank=True, help_text="Notion's id of the page or data source.")
    attempt = models.PositiveSmallIntegerField(default=1, help_text="Notion's own count: it tries up to eight times.")
    received_at = models.DateTimeField(db_default=Now(), db_index=True)
    effect = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "webhook deliveries"

    def __str__(self) -> str:
        return f"{self.type} of {self.entity}"


class Refusal(models.Model):
    """The last request that one door refused: who wonders why nothing comes in, or not all, sees it here."""

    class Door(models.TextChoices):
        NOTION = "notion", "Notion's webhook"
        SLACK = "slack", "Slack"
        MAIL = "mail", "mail"

    UNSIGNED = 401

    door = models.CharField(max_length=6, choices=Door.choices, unique=True)
    status = models.PositiveSmallIntegerField(
        default=UNSIGNED,
        db_default=UNSIGNED,
        help_text="401: not signed. 400: not of the form that we read. 413: too long.",
    )
    why = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(door__in=["notion", "slack", "mail"]), name="refusal_known_door")
        ]

    def __str__(self) -> str:
        return self.get_door_display()

    @classmethod
    def note(cls, door: Refusal.Door, status: int, why: str) -> None:
        """Keep it, at most once a minute for each door, since anybody may knock as often as they like. An unsigned one
        does not keep another from being seen."""
        recent = cls.objects.filter(door=door, at__gt=Now() - A_MINUTE)
        if status != cls.UNSIGNED:
            recent = recent.exclude(status=cls.UNSIGNED)
        if not recent.exists():
            cls.objects.update_or_create(door=door, defaults={"status": status, "why": why, "at": Now()})


class PageRead(Job):
    """A look at one page by its id: an event told of it, or queries never give it (trashed, moved away)."""

    stage = "page"

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="page_reads")
    page_id = models.UUIDField()
    in_background = models.BooleanField(
        default=False, db_default=False, help_text="Nobody waits for it: whoever else calls Notion goes first."
    )
    opened_at = models.DateTimeField(db_default=Now())

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["page_id"], condition=Q(status="waiting"), name="pageread_one_waiting_per_page"
            ),
        ]

    def __str__(self) -> str:
        return f"look at {self.page_id}"

    def _move(self, status: Job.Status, **changes: Any) -> None:
        """Of two looks that would wait for one page the newer stays: an event may tell of a page while it is read."""
        try:
            super()._move(status, **changes)
        except IntegrityError:
            if status != self.Status.WAITING:
                raise
            super()._move(self.Status.DONE, last_error="")


class Intake(models.Model):
    """One text that came in from outside Notion, whole, and the inbox item that it became."""

    class Channel(models.TextChoices):
        SLACK = "slack", "Slack"
        MAIL = "mail", "mail"
        API = "api", "API"

    channel = models.CharField(max_length=5, choices=Channel.choices)
    external_id = models.CharField(max_length=255, help_text="The sender's own id of the text: a retry has the same.")
    sender = models.TextField(blank=True)
    place = models.TextField(blank=True, help_text="The Slack channel, or the address it was sent to.")
    title = models.TextField()
    text = models.TextField(blank=True)
    received_at = models.DateTimeField(db_default=Now())
    item = models.OneToOneField(InboxItem, on_delete=models.PROTECT, related_name="intake")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "external_id"], name="intake_once")]

    def __str__(self) -> str:
        return self.title[:200]
