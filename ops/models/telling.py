"""What people are told of decisions: the Command Center in Notion, digests, and that a decision waits for them."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from analysis.models import Analysis
from emm.jobs import Job
from notion_sync.models import Action, Intent, LogEntry

WEEKDAYS = [(number, f"{datetime(2024, 1, 1 + number):%A}") for number in range(7)]  # 2024 began on a Monday
MOST_REMINDERS = 5


def check_zone(name: str) -> None:
    """Raises ValidationError for a time zone that nobody knows."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError("This is not the name of a time zone, such as UTC or Europe/Vienna.")


class NoticePolicy(models.Model):
    """When people are told, and of what: one row, changed by people in the console."""

    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_zone], help_text="Of the hours below.")
    daily = models.BooleanField(default=True, help_text="Write the daily digest.")
    weekly = models.BooleanField(default=True, help_text="Write the weekly digest.")
    hour = models.PositiveSmallIntegerField(
        default=7, validators=[MaxValueValidator(23)], help_text="Of the digests, 0 to 23."
    )
    weekday = models.PositiveSmallIntegerField(default=0, choices=WEEKDAYS, help_text="Of the weekly digest.")
    comments = models.BooleanField(
        default=True, help_text="Comment on the proposal in Notion, and mention its owner there."
    )
    remind_after_hours = models.PositiveIntegerField(
        default=24,
        validators=[MinValueValidator(1)],
        help_text=f"Hours until the first reminder, and between two; {MOST_REMINDERS} at most.",
    )
    escalate_after_hours = models.PositiveIntegerField(
        default=72, validators=[MinValueValidator(1)], help_text="Hours until those on call are told as well."
    )
    since = models.DateTimeField(db_default=Now(), help_text="The first digest begins here.")

    class Meta:
        verbose_name_plural = "notice policy"
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="noticepolicy_one_row"),
            models.CheckConstraint(condition=Q(hour__lte=23, weekday__lte=6), name="noticepolicy_known_time"),
            models.CheckConstraint(
                condition=Q(remind_after_hours__gte=1, escalate_after_hours__gte=1), name="noticepolicy_some_patience"
            ),
        ]

    def __str__(self) -> str:
        return f"digests at {self.hour}:00 {self.time_zone}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> NoticePolicy:
        """The row, made with its defaults where it is missing."""
        return cls.objects.get_or_create(pk=1)[0]


class CommandCenter(Job):
    """The refresh of the Command Center page: one row, opened again when what it shows has changed or is old."""

    stage = "command_center"

    shown = models.TextField(blank=True, help_text="The text that stands there.")
    shown_key = models.CharField(max_length=64, blank=True, help_text="Hash of what in it is news.")
    shown_at = models.DateTimeField(null=True, blank=True)

    class Meta(Job.Meta):
        verbose_name_plural = "command center"
        constraints = [*Job.Meta.constraints, models.CheckConstraint(condition=Q(pk=1), name="commandcenter_one_row")]

    def __str__(self) -> str:
        return "Command Center"


class Digest(models.Model):
    """What happened in one span of time, as it was told. The spans of a kind follow each other without a gap."""

    class Kind(models.TextChoices):
        DAILY = "daily", "daily"
        WEEKLY = "weekly", "weekly"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="What happened at this very moment belongs to the next one.")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    page = models.ForeignKey(
        LogEntry, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Its page in Notion."
    )
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "ends_at"], name="digest_once"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="digest_has_a_span"),
            models.CheckConstraint(condition=Q(kind__in=["daily", "weekly"]), name="digest_known_kind"),
        ]

    def __str__(self) -> str:
        return self.subject


class Call(Job):
    """One word in Notion to the person for whom something waits: a comment on its page that mentions them."""

    stage = "call"

    class Kind(models.TextChoices):
        ANNOUNCE = "announce", "a decision waits"
        REMIND = "remind", "reminder"
        ESCALATE = "escalate", "escalation"
        CHANGED = "changed", "its inbox page was changed"
        OUTCOME = "outcome", "how did it go?"

    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="calls")
    action = models.ForeignKey(Action, on_delete=models.CASCADE, related_name="calls")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    number = models.PositiveSmallIntegerField(default=1, help_text="Of the reminder, or of the change.")
    digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Of what the inbox page says now; of a change only.",
    )
    text = models.TextField()
    mentions = ArrayField(models.UUIDField(), default=list, blank=True, help_text="Notion's ids of those it mentions.")
    opened_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(
        null=True, blank=True, help_text="Set before a request whose fate is unknown until cleared."
    )
    outcome = models.CharField(max_length=200, blank=True, help_text="What became of it.")

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["analysis", "kind", "number"], name="call_once"),
            models.UniqueConstraint(
                fields=["analysis", "digest"], condition=Q(kind="changed"), name="call_once_for_a_change"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["announce", "remind", "escalate", "changed", "outcome"]), name="call_known_kind"
            ),
            models.CheckConstraint(
                condition=Q(kind="changed") & ~Q(digest="") | ~Q(kind="changed") & Q(digest=""),
                name="call_digest_of_a_change",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}: {self.page}"

    @property
    def page(self) -> Action | Intent:
        """The page that is commented on: the proposal, or the intent where it is asked how it went."""
        intent = self.analysis.intent
        return intent if self.kind == self.Kind.OUTCOME and intent is not None else self.action

    @property
    def item_id(self) -> Any:
        return self.analysis.item_id
