"""The daily and the weekly digest: what happened in one span of time, as a page in Notion and over the channels.

A span begins where the last digest of its kind ended, so that nothing is told twice or never, also after days without power.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.template.defaultfilters import pluralize

from analysis.models import Execution
from analysis.pages import SYSTEM, log_values, shorten
from emm.jobs import Job
from notion_sync import outbox
from notion_sync.document import Block, Bullet, Heading, Paragraph, Span, blocks
from notion_sync.models import DataSource, InboxItem, LogEntry, Task, Workspace
from ops import notices, overview
from ops.health import database_now
from ops.models import Alert, Channel, Digest, NoticePolicy
from ops.overview import percent, span, usd
from ops.rules import BY_KEY

MOST_LINES = 10
LONGEST_TITLE, LONGEST_REASON = 200, 400  # characters
DAY, WEEK = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True)
class Line:
    """One line of a digest; `link` "": none."""

    text: str
    link: str = ""


Section = tuple[str, list[Line]]


def write_due() -> None:
    """Stage digests, every minute: write each digest whose hour has come."""
    now = database_now()
    policy = NoticePolicy.current()
    for kind, wanted in ((Digest.Kind.DAILY, policy.daily), (Digest.Kind.WEEKLY, policy.weekly)):
        if wanted:
            with transaction.atomic():
                NoticePolicy.objects.select_for_update().get(pk=1)  # one writer, however many look at once
                _write(kind, policy, now)


def boundary(kind: Digest.Kind, policy: NoticePolicy, now: datetime) -> datetime:
    """The last moment up to `now` at which a digest of this kind ends, on the wall clock of the policy's time zone."""
    zone = zoneinfo.ZoneInfo(policy.time_zone)
    local = now.astimezone(zone)
    day = local.date()
    if kind == Digest.Kind.WEEKLY:
        day -= timedelta(days=(day.weekday() - policy.weekday) % 7)
    at = datetime(day.year, day.month, day.day, policy.hour, tzinfo=zone)
    if at > local:
        day -= DAY if kind == Digest.Kind.DAILY else WEEK
        at = datetime(day.year, day.month, day.day, policy.hour, tzinfo=zone)
    return at


def _write(kind: Digest.Kind, policy: NoticePolicy, now: datetime) -> None:
    last = Digest.objects.filter(kind=kind).order_by("-ends_at").first()
    start, end = last.ends_at if last else policy.since, boundary(kind, policy, now)
    if end <= start:
        return
    sections = list(_sections(start, end, now))
    zone = zoneinfo.ZoneInfo(policy.time_zone)
    times = f"{start.astimezone(zone):%Y-%m-%d %H:%M} to {end.astimezone(zone):%Y-%m-%d %H:%M} ({policy.time_zone})"
    subject = f"{kind.label.capitalize()} digest, {end.astimezone(zone):%d %B %Y}"
    digest = Digest.objects.create(
        kind=kind, starts_at=start, ends_at=end, subject=subject, body=_as_text(times, sections)
    )
    digest.page = _promise_page(digest, times, sections, now)
    digest.save(update_fields=["page"])
    channels = Channel.objects.filter(enabled=True, digests=True)
    notices.tell(subject, digest.body, about="digest", channels=channels)


def _promise_page(digest: Digest, times: str, sections: list[Section], now: datetime) -> LogEntry | None:
    """The digest as an entry of the Execution Log; None before a workspace is set up."""
    workspace = Workspace.objects.filter(pk=1).first()
    if workspace is None or not DataSource.objects.filter(key="log").exists():
        return None
    page = outbox.create_page(
        LogEntry,
        outbox.emm_id_for(f"{workspace.workspace_id} {digest.kind} {digest.ends_at:%Y-%m-%dT%H:%M%z}", "digest"),
        log_values(digest.subject, times, SYSTEM, now),
        purpose=f"write the {digest.kind} digest",
        item=None,
        children=blocks([Paragraph(times), *_as_document(sections)]),
    )
    assert isinstance(page, LogEntry)
    return page


def _sections(start: datetime, end: datetime, now: datetime) -> Iterator[Section]:
    waiting = overview.proposals()
    fresh = [Line(_title(one.title), one.link) for one in waiting if start <= one.since < end]
    yield "New decisions that wait for you", fresh or [Line("None.")]
    oldest = [
        Line(f"{_title(one.title)}, for {span(now - one.since)}", one.link) for one in waiting if one.since < start
    ]
    yield "Waiting for longer", oldest or [Line("None.")]
    yield "Decided and done", list(_done(start, end))
    cost, calls = overview.spent_between(start, end)
    budgets = [Line(f"Now: {spent}.") for spent in overview.spending(now)]
    yield "Spent on models", [Line(f"{usd(cost)} in {calls} call{pluralize(calls)}."), *budgets]
    yield "Problems", list(_problems(start, end)) or [Line("None.")]


def _done(start: datetime, end: datetime) -> Iterator[Line]:
    found = overview.decided(start, end)
    yield Line(f"Decided: {found.counts}. Acceptance {percent(found.rate, found.rated)}.")
    for one in found.settlements:
        rate = f", accepted to {one.acceptance_rate:.0%}" if one.acceptance_rate is not None else ""
        yield Line(f"{_title(one.action)}: {one.get_decision_display()}{rate}", one.action.url)
    window = Q(state_since__gte=start, state_since__lt=end)
    ended = InboxItem.objects.filter(window, state=InboxItem.State.DONE).count()
    plans = Execution.objects.filter(status=Job.Status.DONE, status_since__gte=start, status_since__lt=end).count()
    tasks = Task.objects.filter(ours=True, created_time__gte=start, created_time__lt=end).count()
    yield Line(f"Items done: {ended}. Approved plans carried out: {plans}. Tasks made: {tasks}.")


def _problems(start: datetime, end: datetime) -> Iterator[Line]:
    """What concerns many items comes first: of what is held there may be more than is shown."""
    for source in DataSource.objects.exclude(hold=""):
        yield Line(
            f"The database {source} is held. {source.hold}", overview.console("notion_sync_datasource_changelist")
        )
    for stuck in overview.stuck():
        needs = "job needs" if stuck.jobs == 1 else "jobs need"
        yield Line(f"{stuck.jobs} {needs} a person, of the stage {stuck.stage}.", f"{settings.PUBLIC_URL}{stuck.page}")
    for alert in Alert.objects.filter(fired_at__gte=start, fired_at__lt=end).order_by("fired_at"):
        over = f"over at {alert.cleared_at:%H:%M} UTC" if alert.cleared_at else "not over yet"
        title = BY_KEY[alert.key].title if alert.key in BY_KEY else alert.key
        yield Line(f"Alert at {alert.fired_at:%Y-%m-%d %H:%M} UTC, {over}: {title}. {alert.detail}")
    for channel in notices.dead_channels():
        yield Line(f"The channel {channel} takes no messages.", overview.console("ops_channel_change", channel.pk))
    for item in InboxItem.objects.filter(state=InboxItem.State.HELD, in_trash=False).order_by("state_since"):
        why = shorten(" ".join(item.state_reason.split()), LONGEST_REASON)
        yield Line(f"Held: {_title(item)}. {why}", overview.console("notion_sync_inboxitem_change", item.pk))


def _title(page: object) -> str:
    return shorten(str(page), LONGEST_TITLE)


def _shown(lines: Iterable[Line]) -> list[Line]:
    """The first lines, and how many more there are."""
    every = list(lines)
    rest = len(every) - MOST_LINES
    return [*every[:MOST_LINES], Line(f"And {rest} more: see the console.")] if rest > 0 else every


def _as_text(times: str, sections: list[Section]) -> str:
    parts = [times]
    for title, lines in sections:
        listed = [
            f"- {notices.defanged(line.text)}" + (f"\n  {line.link}" if line.link else "") for line in _shown(lines)
        ]
        parts.append("\n".join([title, *listed]))
    return "\n\n".join(parts)


def _as_document(sections: list[Section]) -> Iterator[Block]:
    for title, lines in sections:
        yield Heading(title, 3)
        for line in _shown(lines):
            yield Bullet(Span(line.text, link=line.link or None))
