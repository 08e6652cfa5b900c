"""The Command Center page in Notion, kept current: one block of it is ours, and each refresh replaces all of its text.

Two calls, and always the same ones: the page is looked at, for the line that marks the installation may name another by now,
and our block is written. A refresh whose answer was lost is simply made again. Whatever else people put on the page is not
touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q
from django.db.models.functions import Now

from analysis.pages import shorten
from emm.jobs import Job, Later, Misconfigured, Never
from notion_sync import client, installation
from notion_sync.document import Callout, Span, blocks
from notion_sync.failures import NotShared
from notion_sync.models import DataSource, Poller, Workspace
from notion_sync.workspace import DATABASES
from ops import overview
from ops.health import database_now
from ops.models import CommandCenter
from ops.overview import Proposal, console, percent, span

OLD_AFTER = timedelta(minutes=15)
ICON = "📊"
HEAD = "As of "
SHOWN = 5  # lines of a list; the rest is counted
WEEK = timedelta(days=7)
LONGEST_TITLE = 120
MISSING = timedelta(hours=1)


def open_refresh() -> None:
    """Stage command_center, every minute: open a refresh where something has changed, or the page is 15 minutes old."""
    if not Workspace.objects.filter(pk=1).exclude(parent_page_id=None).exists():
        return
    job = CommandCenter.objects.get_or_create(pk=1)[0]
    if job.status != Job.Status.DONE:
        return
    fresh = Q(shown_at__gt=Now() - OLD_AFTER, shown_key=_key())
    CommandCenter.objects.filter(~fresh, pk=1, status=Job.Status.DONE).update(
        status=Job.Status.WAITING, status_since=Now(), due_at=Now()
    )


def refresh(job: CommandCenter) -> None:
    """Write what stands where now. Raises Misconfigured while the page is not there, or once another has taken it over."""
    text, key = list(_text(database_now())), _key()
    (block,) = blocks([Callout(text, ICON)])
    stored = Workspace.objects.get(pk=1).command_center_block_id
    try:
        if stored:
            installation.keep_watch()
        client.update_block(stored or _place(block), "callout", {"rich_text": block["callout"]["rich_text"]})
    except (NotShared, Never) as gone:
        if not stored:
            raise
        Workspace.objects.update(command_center_block_id=None)
        raise Later(timedelta(), f"Our part of the page is not there any more, and is made again: {gone}") from gone
    except client.Ambiguous as lost:
        raise Later(timedelta(seconds=30), f"Written again, because the answer was lost: {lost}") from lost
    job.keep(shown="".join(span.text for span in text), shown_key=key, shown_at=Now())


def _place(block: dict[str, Any]) -> str:
    """Find our block, or make it: at most once, since an answer that was lost is looked for on the page."""
    workspace = Workspace.objects.get(pk=1)
    page_id = workspace.command_center_page_id
    if page_id is None or client.retrieve_page(page_id)["in_trash"]:
        raise Misconfigured(
            "There is no Command Center page, or it is in the trash.",
            "Restore it in Notion, or run Set up Notion in the console again, which makes it.",
            MISSING,
        )
    installation.keep_watch()
    mine = (one["id"] for one in client.block_children(page_id) if _is_ours(one, str(workspace.bot_id)))
    block_id = next(mine, None) or client.append_children(page_id, [block])[0]["id"]
    Workspace.objects.update(command_center_block_id=block_id)
    return str(block_id)


def _is_ours(block: dict[str, Any], bot_id: str) -> bool:
    """Whether it is the callout that is kept current: ours, and not the mark of the installation."""
    return block["type"] == "callout" and block["created_by"]["id"] == bot_id and not installation.marked(block)


def _key() -> str:
    """A hash of what is news: not of times, ages and money, which change all the while."""
    now = database_now()
    poller = Poller.objects.filter(pk=1).first()
    week = overview.decided(now - WEEK, now)
    news = [
        overview.states(),
        [proposal.analysis.pk for proposal in overview.proposals()],
        [settlement.pk for settlement in week.settlements],
        str(poller),
        [spent.limit.normalize() for spent in overview.spending(now)],
    ]
    return hashlib.sha256(json.dumps(news, default=str).encode()).hexdigest()


def _text(now: datetime) -> Iterator[Span]:
    yield Span(f"{HEAD}{now:%Y-%m-%d %H:%M} UTC", bold=True)
    yield Span("\nInbox: ", bold=True)
    counts = ", ".join(f"{state} {count}" for state, count in overview.states().items())
    yield Span(counts or "nothing in it yet", link=_address("inbox"))
    yield from _waiting(overview.proposals(), now)
    yield Span("\nLast poll: ", bold=True)
    yield Span(_poll(), link=console("notion_sync_poller_changelist"))
    money = "; ".join(map(str, overview.spending(now)))
    yield Span("\nSpent (UTC): ", bold=True)
    yield Span(money or "nothing yet", link=console("analysis_llmcall_changelist"))
    week = overview.decided(now - WEEK, now)
    yield Span("\nDecided in the last 7 days: ", bold=True)
    yield Span(f"{week.counts}; acceptance {percent(week.rate, week.rated)}")
    for settlement in week.settlements[: -SHOWN - 1 : -1]:
        yield Span("\n• ")
        yield Span(shorten(str(settlement.action), LONGEST_TITLE), link=settlement.action.url or None)
        yield Span(f": {settlement.get_decision_display()}")
    yield from _rest(len(week.settlements))


def _waiting(found: list[Proposal], now: datetime) -> Iterator[Span]:
    yield Span("\nWaiting for your decision: ", bold=True)
    yield Span(f"{len(found)}" if found else "nothing", link=_address("actions"))
    for proposal in found[:SHOWN]:
        yield Span("\n• ")
        yield Span(shorten(proposal.title, LONGEST_TITLE), link=proposal.link)
        yield Span(f", for {span(now - proposal.since)}")
    yield from _rest(len(found))


def _rest(count: int) -> Iterator[Span]:
    if count > SHOWN:
        yield Span(f"\n• and {count - SHOWN} more")


def _poll() -> str:
    poller = Poller.objects.filter(pk=1).first()
    if poller is None:
        return "none yet"
    if poller.status == Poller.Status.PAUSED:
        return f"paused since {poller.status_since:%Y-%m-%d %H:%M} UTC"
    keys = [key for key, database in DATABASES.items() if database.each_cycle]
    last = DataSource.objects.filter(key__in=keys).aggregate(at=Min("polled_at"))["at"]
    when = f"{last:%Y-%m-%d %H:%M} UTC" if last else "none yet"
    return f"{when}, every {poller.interval_seconds} s"


def _address(key: str) -> str | None:
    source = DataSource.objects.filter(key=key).first()
    return (source.url or None) if source else None
