"""What people are told, over which channels. Each message to each channel is a job of its own: one that is dead mutes no other."""

from __future__ import annotations

import re
from collections.abc import Iterable

import apprise
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from emm.jobs import Job, Never
from emm.schedule import nudge
from ops.models import Alert, Channel, Notice

OVER = (Job.Status.DONE, Job.Status.NEVER, Job.Status.DEAD)
LONGEST_SUBJECT = 200  # characters
_ADDRESS = re.compile(r"(?:://|\bwww\.)\S*", re.IGNORECASE)
_DOT = re.compile(r"\.(?=\w)")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_SIGNS = str.maketrans({"<": "\u2039", ">": "\u203a", "@": "\uff20"})  # look-alikes that mean nothing to a channel


class NotSent(Exception):
    """The channel did not take the message."""


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
    """Stage notify: give one message to its channel. Raises NotSent, Never for an address nobody knows, Misconfigured."""
    if not job.channel.enabled:
        raise Never("The channel was switched off: switch it on under Channels, then queue this message again.")
    outlet = apprise.Apprise()
    if not outlet.add(job.channel.url):
        raise Never(
            "The address of the channel is none that the library knows: enter it again under Channels, then queue this "
            "message again."
        )
    if not outlet.notify(title=job.subject, body=job.body, body_format=apprise.NotifyFormat.TEXT):
        raise NotSent("The channel did not take the message: check its address, and whether the service is up.")
    with transaction.atomic():
        job.finish()


def dead_channels() -> list[Channel]:
    """The enabled channels whose last message could not be given to them."""
    last = Notice.objects.filter(channel=OuterRef("pk"), status__in=OVER).order_by("-status_since", "-pk")
    ended = Channel.objects.filter(enabled=True).annotate(last=Subquery(last.values("status")[:1]))
    return list(ended.filter(last__in=(Job.Status.NEVER, Job.Status.DEAD)))
