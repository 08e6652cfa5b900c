"""What people are told, over which channels. Each message to each channel is a job of its own: one that is dead mutes no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

import apprise
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from emm.jobs import FIRST_BACKOFF, Job, Later, Never
from emm.schedule import nudge
from ops.health import database_now
from ops.models import Alert, Channel, Notice

OVER = (Job.Status.DONE, Job.Status.NEVER, Job.Status.DEAD)
LONGEST_WAIT = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)
DEAD_AFTER = timedelta(seconds=150)  # a channel that has refused a message for so long is said to be dead
REFUSED = "The channel did not take the message: check its address, and whether the service is up."
LONGEST_SUBJECT = 200  # characters
_ADDRESS = re.compile(r"(?:://|\bwww\.)\S*", re.IGNORECASE)
_DOT = re.compile(r"\.(?=\w)")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_SIGNS = str.maketrans({"<": "\u2039", ">": "\u203a", "@": "\uff20"})  # look-alikes that mean nothing to a channel


def defanged(words: str) -> str:
    """Words that are not ours, on one line: to be read in any channel, where nothing of them is a link, a ping or markup.

    Put all of them through it before they become a part of a message; links of our own are added afterwards.
    """
    line = _ADDRESS.sub(lambda address: _DOT.sub("[.]", address[0].replace("://", "[:]//")), " ".join(words.split()))
    return _ENTITY.sub("\uff06", line.replace("](", "] (")).translate(_SIGNS)


def tell(subject: str, body: str, *, about: str, channels: Iterable[Channel]) -> list[Notice]:
    """Promise one message to each channel, in plain text. Call it in the transaction that the message is about."""
    notices = [
        Notice.objects.create(channel=channel, about=about, subject=_subject(subject), body=body)
        for channel in channels
    ]
    if notices:
        nudge("notify")
    return notices


def _subject(words: str) -> str:
    return words if len(words) <= LONGEST_SUBJECT else f"{words[: LONGEST_SUBJECT - 1]}\u2026"


def listening(severity: str) -> QuerySet[Channel]:
    """The enabled channels that want alerts of this severity."""
    enabled = Channel.objects.filter(enabled=True)
    return enabled if severity == Alert.Severity.CRITICAL else enabled.filter(least_severity=severity)


def send(job: Notice) -> None:
    """Stage notify: give one message to its channel.

    One that the channel does not take is tried for a day, after waits that double up to an hour, and at once when the
    channel takes another. None is dropped because it is out of date by then: an alert is followed by its recovery, a
    digest names its days, and whoever was out of reach reads what they missed. Raises Later meanwhile; Never after that
    day (queued again by a person, it is tried once more) and for an address nobody knows; Misconfigured.
    """
    if not job.channel.enabled:
        raise Never("The channel was switched off: switch it on under Channels, then queue this message again.")
    outlet = apprise.Apprise()
    if not outlet.add(job.channel.url):
        raise Never(
            "The address of the channel is none that the library knows: enter it again under Channels, then queue this "
            "message again."
        )
    for service in outlet:
        service.overflow_mode = apprise.OverflowMode.SPLIT  # Discord refuses more than 2,000 characters in one piece
    if not outlet.notify(title=job.subject, body=job.body, body_format=apprise.NotifyFormat.TEXT):
        age = database_now() - job.opened_at
        if age >= GIVEN_UP_AFTER:
            raise Never(f"It was tried for a day. {REFUSED} Then queue this message again, if it still matters.")
        raise Later(min(max(age, FIRST_BACKOFF), LONGEST_WAIT), REFUSED)
    with transaction.atomic():
        job.finish()
        if Notice.objects.filter(channel=job.channel, status=Job.Status.WAITING, due_at__gt=Now()).update(due_at=Now()):
            nudge("notify")


def tried() -> QuerySet[Notice]:
    """The messages whose fate says how their channel is, the last first: those that are over, or refused for a while."""
    refused = Q(status__in=(Job.Status.WAITING, Job.Status.RUNNING), opened_at__lt=Now() - DEAD_AFTER)
    found: QuerySet[Notice] = Notice.objects.filter(Q(status__in=OVER) | refused & ~Q(last_error=""))
    return found.order_by("-status_since", "-pk")


def dead_channels() -> list[Channel]:
    """The enabled channels whose last message could not be given to them."""
    last = tried().filter(channel=OuterRef("pk"))
    judged = Channel.objects.filter(enabled=True).annotate(last=Subquery(last.values("status")[:1]))
    return list(judged.exclude(last=None).exclude(last=Job.Status.DONE))
