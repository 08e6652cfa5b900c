"""A decision waits: its owner is told in Notion, and over the channels; then reminded; then others are told.

So is the owner whose inbox page was changed after its plan was proposed, and who is asked how an approved plan went. Nothing
is ever approved because nobody answered. What is sent over a channel is promised when the call is opened, so that a Notion
that takes no comments keeps no message back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from analysis import outcome, sources
from analysis.models import Analysis, Outcome
from analysis.pages import shorten
from emm.jobs import Later, Misconfigured, Never
from emm.schedule import nudge
from notion_sync import client
from notion_sync.mirror import bot_id
from notion_sync.models import InboxItem
from notion_sync.rich_text import clean, plain
from ops import notices, overview
from ops.health import database_now
from ops.models import Call, Channel, NoticePolicy, on_call
from ops.models.telling import MOST_REMINDERS
from ops.overview import Proposal, span

NEEDS_A_PERSON = timedelta(hours=1)
LONGEST_TITLE = 200
MOST_LISTED = 20  # calls in one message; the rest is counted
MOST_MENTIONS = 40  # Notion takes 100 parts in a comment, and each of these is two
AT_REST = timedelta(minutes=10)  # since the last edit of a page: whoever is still writing is not told of each sentence
Kind = Call.Kind
SEVERAL = {
    Kind.ANNOUNCE: "{} decisions wait for you",
    Kind.REMIND: "{} decisions have waited for you for long",
    Kind.ESCALATE: "Nobody has decided for long: {} decisions wait",
    Kind.CHANGED: "{} inbox pages were changed after their plans were proposed",
    Kind.OUTCOME: "The review dates of {} decisions have come",
}
DECIDE = "Set Approval_Status on this page to decide; until then nothing is done."
READ_AGAIN = (
    "Set Approval_Status to Needs_Revision, with a word in User_Notes, to have the page read as it is now, or decide all the "
    "same. Nothing is argued again by itself."
)
ANSWER = "Set Outcome on this page, or answer in the console under Outcomes."


class Said(NamedTuple):
    """What a call says in a channel: words that are not all ours, and the two addresses to read on."""

    kind: Call.Kind
    words: str
    links: str


def open_due() -> None:
    """Stage call, every minute: announce what is new, remind of what waits, and tell others of what waits for long; say which
    inbox pages were changed, and ask how it went. Several calls of one kind are one message to each channel."""
    with transaction.atomic():
        said = [one for one in _open_all(NoticePolicy.current(), database_now()) if one is not None]
        for kind in Kind:
            if found := [one for one in said if one.kind == kind]:
                _tell(kind, found)


def _tell(kind: Call.Kind, said: list[Said]) -> None:
    listed = [f"{notices.defanged(one.words)}\n{one.links}" for one in said[:MOST_LISTED]]
    if rest := len(said) - len(listed):
        listed.append(f"And {rest} more: {overview.console('notion_sync_inboxitem_changelist')}")
    subject = notices.defanged(said[0].words) if len(said) == 1 else SEVERAL[kind].format(len(said))
    notices.tell(subject, "\n\n".join(listed), about="decision", channels=_channels(kind))


def _open_all(policy: NoticePolicy, now: datetime) -> Iterator[Said | None]:
    for due in outcome.due().select_related("settlement__synthesis__analysis__intent"):
        yield _ask_how_it_went(due, policy)
    remind, escalate = (timedelta(hours=n) for n in (policy.remind_after_hours, policy.escalate_after_hours))
    for proposal in overview.proposals():
        action = proposal.analysis.action
        if action is None or action.page_id is None:
            continue
        waited = max(now - proposal.since, timedelta())
        if not Call.objects.filter(analysis=proposal.analysis, kind=Kind.ANNOUNCE).exists():
            yield _open(proposal, Kind.ANNOUNCE, 1, "A decision waits for you: {title}", policy)
        number = min(waited // remind, MOST_REMINDERS)
        if number and not Call.objects.filter(analysis=proposal.analysis, kind=Kind.REMIND, number=number).exists():
            words = f"Reminder {number}: for {span(waited)} a decision has waited for you: {{title}}"
            yield _open(proposal, Kind.REMIND, number, words, policy)
        if waited >= escalate and not Call.objects.filter(analysis=proposal.analysis, kind=Kind.ESCALATE).exists():
            told = "so others were told as well" if _of_those_on_call() else "and nobody is on call who could be told"
            words = f"Nobody has decided for {span(waited)}, {told}: {{title}}"
            yield _open(proposal, Kind.ESCALATE, 1, words, policy)
        yield _tell_of_a_change(proposal, now, policy)


def _tell_of_a_change(proposal: Proposal, now: datetime, policy: NoticePolicy) -> Said | None:
    """Once for each thing that the inbox page has come to say since it was argued about."""
    analysis, edited = proposal.analysis, proposal.analysis.item.last_edited_time
    changes = sources.changes(analysis)
    if not changes or (edited is not None and edited > now - AT_REST):
        return None
    told, digest = Call.objects.filter(analysis=analysis, kind=Kind.CHANGED), sources.digest_of_now(analysis)
    if told.filter(digest=digest).exists():
        return None
    words = f"The inbox page was changed after this plan was proposed ({sources.in_words(changes)}): {{title}}"
    return _open(proposal, Kind.CHANGED, told.count() + 1, words, policy, then=READ_AGAIN, digest=digest)


def _ask_how_it_went(due: Outcome, policy: NoticePolicy) -> Said | None:
    """Once for each approval whose outcome a person is asked for."""
    analysis = due.settlement.synthesis.analysis
    intent = analysis.intent
    asked = Call.objects.filter(analysis=analysis, kind=Kind.OUTCOME).exists()
    if asked or intent is None or intent.page_id is None or intent.in_trash or due.asked_at is None:
        return None
    words = f"The review date has come ({due.review_on}). How did it go: {{title}}"
    return _open(Proposal(analysis, due.asked_at), Kind.OUTCOME, 1, words, policy, then=ANSWER)


def _open(
    about: Proposal,
    kind: Call.Kind,
    number: int,
    words: str,
    policy: NoticePolicy,
    *,
    then: str = DECIDE,
    digest: str = "",
) -> Said | None:
    """Promise the comment, once for each analysis, kind and number: then what has to be said in the channels, in the caller's
    transaction. `then`: what one can do."""
    action = about.analysis.action
    assert action is not None, "a proposal has its page"
    subject = words.format(title=shorten(about.title, LONGEST_TITLE))
    said_whole = subject if subject.endswith(("?", "!", ".", "…")) else f"{subject}."
    console = overview.console("notion_sync_inboxitem_change", about.analysis.item_id)
    call, made = Call.objects.get_or_create(
        analysis=about.analysis,
        kind=kind,
        number=number,
        defaults={
            "action": action,
            "text": f"{said_whole} {then}",
            "digest": digest,
            "mentions": _owners(about.analysis),
        },
    )
    if not made:
        return None
    if policy.comments:
        nudge("call", call.pk)
    else:
        Call.objects.filter(pk=call.pk).update(status=Call.Status.DONE, outcome="Comments are switched off.")
    return Said(kind, subject, f"In Notion: {call.page.url or console}\nIn the console: {console}")


def _channels(kind: Call.Kind) -> Iterable[Channel]:
    """Those that want to know of decisions; for an escalation also those of the people on call."""
    listening: QuerySet[Channel] = Channel.objects.filter(enabled=True, decisions=True)
    found = {channel.pk: channel for channel in listening}
    if kind == Kind.ESCALATE:
        found |= {channel.pk: channel for channel in _of_those_on_call()}
    return found.values()


def _of_those_on_call() -> list[Channel]:
    called = (contact.channel for contact in on_call(database_now()))
    return [channel for channel in called if channel is not None and channel.enabled]


def _owners(analysis: Analysis) -> list[uuid.UUID]:
    """Whom it belongs to: the Owner of the proposal, or else of the inbox page. Empty: nobody is named."""
    proposed = analysis.action.values if analysis.action else {}
    named = proposed.get("Owner") or analysis.item.values.get("Owner") or []
    return [uuid.UUID(person) for person in named]


def send(job: Call) -> None:
    """Comment on the page, unless there is no cause any more. Raises what client.create_comment raises."""
    if why := _settled_meanwhile(job):
        job.keep(outcome=f"Not sent: {why}")
        return
    page_id = str(job.page.page_id)
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


def _settled_meanwhile(job: Call) -> str:
    """Why nobody has to be told any more, in words; "" while somebody has."""
    analysis, item = job.analysis, job.analysis.item
    if job.page.in_trash:
        return "its page is in the trash."
    if job.kind == Kind.OUTCOME:
        answered = not outcome.due().filter(settlement__synthesis__analysis=analysis).exists()
        return "it was answered meanwhile." if answered else ""
    if item.state != InboxItem.State.PROPOSED or analysis.superseded:
        return "it no longer waited for a decision."
    if job.kind == Kind.CHANGED and job.digest != sources.digest_of_now(analysis):
        return "the inbox page was changed again."
    return ""


def _stands_there(job: Call, page_id: str) -> bool:
    """Whether an earlier attempt arrived: comments have no key of ours, so its words are looked for."""
    bot = bot_id()
    for comment in client.comments(page_id):
        if comment["created_by"]["id"] == bot and clean(job.text) in plain(comment["rich_text"]):
            return True
    return False


def _rich_text(job: Call) -> list[dict[str, Any]]:
    mentions = [
        {"type": "mention", "mention": {"type": "user", "user": {"id": str(one)}}}
        for one in job.mentions[:MOST_MENTIONS]
    ]
    spaced = [part for mention in mentions for part in (mention, {"type": "text", "text": {"content": " "}})]
    rest = len(job.mentions) - len(mentions)
    more = f"and {rest} more owners: " if rest > 0 else ""
    return [*spaced, {"type": "text", "text": {"content": more + clean(job.text)}}]
