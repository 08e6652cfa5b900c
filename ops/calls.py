"""A decision waits: its owner is told in Notion, and over the channels; then reminded; then others are told.

Nothing is ever approved because nobody answered. What is sent over a channel is promised when the call is opened, so that a
Notion that takes no comments keeps no message back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from analysis.pages import shorten
from emm.jobs import Later, Misconfigured, Never
from emm.schedule import nudge
from notion_sync import client
from notion_sync.mirror import bot_id
from notion_sync.models import Action, InboxItem
from notion_sync.rich_text import clean
from ops import notices, overview
from ops.health import database_now
from ops.models import Call, Channel, NoticePolicy, on_call
from ops.models.telling import MOST_REMINDERS
from ops.overview import Proposal, span

NEEDS_A_PERSON = timedelta(hours=1)
LONGEST_TITLE = 200
Kind = Call.Kind


def open_due() -> None:
    """Stage call, every minute: announce what is new, remind of what waits, and tell others of what waits for long."""
    policy = NoticePolicy.current()
    now = database_now()
    remind, escalate = (timedelta(hours=n) for n in (policy.remind_after_hours, policy.escalate_after_hours))
    for proposal in overview.proposals():
        action = proposal.analysis.action
        if action is None or action.page_id is None:
            continue
        waited = max(now - proposal.since, timedelta())
        if not Call.objects.filter(analysis=proposal.analysis, kind=Kind.ANNOUNCE).exists():
            _open(proposal, action, Kind.ANNOUNCE, 1, "A decision waits for you: {title}", policy)
        number = min(waited // remind, MOST_REMINDERS)
        if number and not Call.objects.filter(analysis=proposal.analysis, kind=Kind.REMIND, number=number).exists():
            words = f"Reminder {number}: for {span(waited)} a decision has waited for you: {{title}}"
            _open(proposal, action, Kind.REMIND, number, words, policy)
        if waited >= escalate and not Call.objects.filter(analysis=proposal.analysis, kind=Kind.ESCALATE).exists():
            words = f"Nobody has decided for {span(waited)}, so others were told as well: {{title}}"
            _open(proposal, action, Kind.ESCALATE, 1, words, policy)


def _open(proposal: Proposal, action: Action, kind: Call.Kind, number: int, words: str, policy: NoticePolicy) -> None:
    """Promise the comment and the messages, once for each analysis, kind and number."""
    subject = words.format(title=shorten(proposal.title, LONGEST_TITLE))
    console = overview.console("notion_sync_inboxitem_change", proposal.analysis.item_id)
    with transaction.atomic():
        call, made = Call.objects.get_or_create(
            analysis=proposal.analysis,
            kind=kind,
            number=number,
            defaults={
                "action": action,
                "text": f"{subject}. Set Approval_Status on this page to decide; until then nothing is done.",
                "mentions": _owners(action, proposal.analysis.item),
            },
        )
        if not made:
            return
        if policy.comments:
            nudge("call", call.pk)
        else:
            Call.objects.filter(pk=call.pk).update(status=Call.Status.DONE, outcome="Comments are switched off.")
        body = f"{subject}\n\nIn Notion: {proposal.link}\nIn the console: {console}"
        notices.tell(subject, body, about="decision", channels=_channels(kind))


def _channels(kind: Call.Kind) -> Iterable[Channel]:
    """Those that want to know of decisions; for an escalation also those of the people on call."""
    listening: QuerySet[Channel] = Channel.objects.filter(enabled=True, decisions=True)
    found = {channel.pk: channel for channel in listening}
    if kind == Kind.ESCALATE:
        called = (contact.channel for contact in on_call(database_now()))
        found |= {channel.pk: channel for channel in called if channel is not None and channel.enabled}
    return found.values()


def _owners(action: Action, item: InboxItem) -> list[uuid.UUID]:
    """Whom the proposal belongs to: its Owner, or else the Owner of the inbox page. Empty: nobody is named."""
    named = action.values.get("Owner") or item.values.get("Owner") or []
    return [uuid.UUID(person) for person in named]


def send(job: Call) -> None:
    """Comment on the proposal, unless it was decided meanwhile. Raises what client.create_comment raises."""
    if not _still_waits(job):
        job.keep(outcome="Not sent: it no longer waited for a decision.")
        return
    page_id = str(job.action.page_id)
    if job.sent_at is not None and _stands_there(job, page_id):
        job.keep(outcome="Commented; the answer was lost, and the comment was found.")
        return
    job.keep(sent_at=Now())
    try:
        client.create_comment(page_id, _rich_text(job))
    except Misconfigured as lacking:
        job.keep(sent_at=None)
        fix = "Give the integration the capability to insert comments, or switch comments off in the notice policy."
        raise Misconfigured(lacking.what, f"{lacking.fix} {fix}", NEEDS_A_PERSON) from lacking
    except (Later, Never):
        job.keep(sent_at=None)
        raise
    except client.Committed:
        job.keep(outcome="Commented.")
        return
    except client.Ambiguous as lost:
        raise Later(timedelta(seconds=90), f"An answer was lost: the comment is looked for. {lost}") from lost
    job.keep(outcome="Commented.")


def _still_waits(job: Call) -> bool:
    item = job.analysis.item
    return item.state == InboxItem.State.PROPOSED and not job.analysis.superseded and not job.action.in_trash


def _stands_there(job: Call, page_id: str) -> bool:
    """Whether an earlier attempt arrived: comments have no key of ours, so its words are looked for."""
    bot = bot_id()
    for comment in client.comments(page_id):
        said = "".join(part.get("plain_text", "") for part in comment["rich_text"])
        if comment["created_by"]["id"] == bot and job.text in said:
            return True
    return False


def _rich_text(job: Call) -> list[dict[str, Any]]:
    mentions = [{"type": "mention", "mention": {"type": "user", "user": {"id": str(one)}}} for one in job.mentions]
    spaced = [part for mention in mentions for part in (mention, {"type": "text", "text": {"content": " "}})]
    return [*spaced, {"type": "text", "text": {"content": clean(job.text)}}]
