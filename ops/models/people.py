"""Who is told, over what, and who is on call."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from emm import credentials
from emm.jobs import Job
from ops.models.levels import Alert


class Channel(models.Model):
    """A way to reach people: mail, Slack, Discord, or whatever else the apprise library knows an address for."""

    name = models.CharField(max_length=60, unique=True)
    encrypted_url = models.BinaryField(help_text="The address holds its own secret: it is never shown again.")
    enabled = models.BooleanField(default=True)
    least_severity = models.CharField(
        max_length=8, choices=Alert.Severity.choices, default=Alert.Severity.WARNING, help_text="From which alerts on."
    )
    digests = models.BooleanField(default=False, help_text="Also the daily and weekly digest.")
    decisions = models.BooleanField(
        default=False, db_default=False, help_text="Also that a decision waits, and reminders of it."
    )

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """The address. Raises Misconfigured under another EMM_ENCRYPTION_KEY."""
        return credentials.decrypt(f"The address of the channel {self.name}", bytes(self.encrypted_url))

    @url.setter
    def url(self, value: str) -> None:
        self.encrypted_url = credentials.encrypt(value)


class Notice(Job):
    """One message to one channel."""

    stage = "notify"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="notices")
    about = models.CharField(max_length=20, help_text="alert, release, duty, digest, decision or test.")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    opened_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.subject} to {self.channel}"


class Contact(models.Model):
    """Somebody who can be called."""

    name = models.CharField(max_length=120, unique=True)
    role = models.CharField(max_length=120, help_text="On call, team lead, DevOps, or what your team calls it.")
    mail = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    channel = models.ForeignKey(
        Channel, null=True, blank=True, on_delete=models.SET_NULL, help_text="Where critical alerts reach them."
    )
    order = models.PositiveSmallIntegerField(default=1, help_text="The way of escalation: 1 is told first.")

    class Meta:
        ordering = ("order", "name")

    def __str__(self) -> str:
        return self.name


class Shift(models.Model):
    """Who is on call, from when to when."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="shifts")
    starts_at = models.DateTimeField(help_text="UTC.")
    ends_at = models.DateTimeField(help_text="UTC.")

    class Meta:
        verbose_name = "shift on call"
        verbose_name_plural = "shifts on call"
        ordering = ("starts_at",)
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="shift_has_a_length")]

    def __str__(self) -> str:
        return f"{self.contact} from {self.starts_at:%Y-%m-%d %H:%M} UTC"


def on_call(at: Any) -> list[Contact]:
    """Who is told of what is critical, in order: whoever has a shift then, then the others by their order."""
    now = list(Contact.objects.filter(shifts__starts_at__lte=at, shifts__ends_at__gt=at).distinct())
    return [*now, *(contact for contact in Contact.objects.all() if contact not in now)]
