"""What happened to one inbox item, from every ledger: the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet

from analysis.models import Analysis, Correction, Execution, LLMCall, Perspective, Settlement, Synthesis, Triage
from emm.admin import change_page
from emm.audit import AuditEntry
from emm.jobs import Job
from notion_sync.models import InboxItem, Intake, NotionCall, OutboxEntry

MOST = 200  # of each kind: an item that was asked about for months has more calls than anybody reads
STOPPED = (Job.Status.NEVER, Job.Status.DEAD)


@dataclass(frozen=True)
class Event:
    """One thing that happened. `tone`: good, bad, or empty. `link`: the row's own page."""

    at: datetime
    kind: str
    what: str
    detail: str = ""
    tone: str = ""
    link: str = ""


def of(item: InboxItem) -> tuple[list[Event], bool]:
    """The events of the item, and whether older ones are left out."""
    sources: list[tuple[QuerySet[Any], Any]] = [
        (Intake.objects.filter(item=item), _intake),
        (NotionCall.objects.filter(Q(item=item) | Q(page_id=item.page_id, page_id__isnull=False)), _notion_call),
        (LLMCall.objects.filter(item=item), _model_call),
        (Triage.objects.filter(item=item), _triage),
        (Analysis.objects.filter(item=item), _analysis),
        (Perspective.objects.filter(analysis__item=item), _perspective),
        (Synthesis.objects.filter(analysis__item=item), _synthesis),
        (OutboxEntry.objects.filter(item=item), _promise),
        (Correction.objects.filter(item=item), _correction),
        (Settlement.objects.filter(synthesis__analysis__item=item), _settlement),
        (Execution.objects.filter(settlement__synthesis__analysis__item=item), _execution),
        (AuditEntry.objects.filter(object_kind=item._meta.label, object_id=str(item.pk)), _deed),
    ]
    events, cut = list(_mirrored(item)), False
    for rows, read in sources:
        newest = list(rows.order_by("-pk")[: MOST + 1])
        cut = cut or len(newest) > MOST
        events += [event for row in newest[:MOST] for event in read(row)]
    return sorted(events, key=lambda event: event.at, reverse=True), cut


def _mirrored(item: InboxItem) -> Iterator[Event]:
    if item.created_time is not None:
        who = "This installation" if item.ours else "A person"
        yield Event(item.created_time, "Notion", f"{who} made the page", "Notion tells the minute only.")
    if item.last_edited_time is not None and item.last_edited_time != item.created_time:
        yield Event(item.last_edited_time, "Notion", "Last edit of the page", "Notion tells the minute only.")
    if item.body_read_at is not None:
        yield Event(item.body_read_at, "mirror", "Its content was read", f"{len(item.body):,} characters")
    yield Event(item.state_since, "state", item.get_state_display(), item.state_reason)


def _intake(row: Intake) -> Iterable[Event]:
    origin = " ".join(part for part in (row.sender and f"from {row.sender}", row.place and f"to {row.place}") if part)
    yield Event(row.received_at, "intake", f"Came in by {row.get_channel_display()}", origin, link=change_page(row))


def _notion_call(row: NotionCall) -> Iterable[Event]:
    answer = f"{row.status or 'no answer'} after {row.duration_ms:,} ms; waited {row.waited_ms:,} ms for the budget."
    bad = row.status is None or row.status >= 400
    yield Event(
        row.at,
        "Notion call",
        f"{row.method} {row.route}",
        f"{answer} {row.error}".strip(),
        "bad" if bad else "good",
        change_page(row),
    )


def _model_call(row: LLMCall) -> Iterable[Event]:
    money = f"{row.cost_usd:.4f} USD" if row.cost_usd is not None else f"{row.reserved_usd:.4f} USD reserved"
    took = f" after {row.duration_ms:,} ms" if row.duration_ms is not None else ""
    written, read = row.cache_write_5m_tokens + row.cache_write_1h_tokens, row.cache_read_tokens
    cached = f" ({read:,} of them read from the cache)" if read else ""
    tokens = f"{row.input_tokens + written + read:,} tokens in{cached}, {row.output_tokens:,} out"
    tone = {LLMCall.Status.ANSWERED: "good", LLMCall.Status.OPEN: ""}.get(LLMCall.Status(row.status), "bad")
    detail = f"{row.get_status_display()}{took}; {money}; {tokens}. {row.error}".strip()
    yield Event(row.opened_at, "model call", f"{row.purpose} by {row.model}", detail, tone, change_page(row))


def _job(row: Job, kind: str, what: str, detail: str = "") -> Event:
    tone = "bad" if row.status in STOPPED else "good" if row.status == Job.Status.DONE else ""
    words = f"{row.get_status_display()}. {detail} {row.last_error} {row.what_next}".strip()
    return Event(row.status_since, kind, what, words, tone, _page(row))


def _page(row: Model) -> str:
    return change_page(row)


def _triage(row: Triage) -> Iterable[Event]:
    sure = "" if row.confidence is None else f"{row.route or 'no route'} with a confidence of {row.confidence:.0%}."
    yield _job(row, "triage", "Triage", sure)


def _analysis(row: Analysis) -> Iterable[Event]:
    detail = f"{row.lead} leads, {row.get_depth_display()}. {row.superseded}".strip()
    yield Event(row.opened_at, "analysis", f"Analysis opened, revision {row.revision}", detail, link=change_page(row))


def _perspective(row: Perspective) -> Iterable[Event]:
    yield _job(row, "analysis", f"The {row.persona} argues, round {row.round}")


def _synthesis(row: Synthesis) -> Iterable[Event]:
    yield _job(row, "analysis", "Synthesis of the arguments")


def _promise(row: OutboxEntry) -> Iterable[Event]:
    yield Event(
        row.promised_at, "outbox", f"Promised: {row.purpose}", f"{row.kind} in {row.source_key}", link=change_page(row)
    )
    if row.status in (*STOPPED, Job.Status.DONE) or row.last_error:
        so_far: dict[str, str] = {
            Job.Status.DONE: "Kept",
            Job.Status.WAITING: "Waits",
            Job.Status.RUNNING: "Tried again",
        }
        yield _job(row, "outbox", f"{so_far.get(row.status, 'Stopped')}: {row.purpose}")


def _correction(row: Correction) -> Iterable[Event]:
    yield Event(
        row.at,
        "correction",
        f"{row.by} sent it from {row.from_route} to {row.to_route}",
        f"In {row.get_how_display()}. {row.reason}".strip(),
        link=change_page(row),
    )


def _settlement(row: Settlement) -> Iterable[Event]:
    rate = "" if row.acceptance_rate is None else f"{row.acceptance_rate:.0%} of the plan was kept."
    yield _job(row, "settlement", f"Decision: {row.decision or 'being read'}", f"{rate} {row.note}".strip())


def _execution(row: Execution) -> Iterable[Event]:
    yield _job(row, "settlement", "Its tasks")


def _deed(row: AuditEntry) -> Iterable[Event]:
    yield Event(row.at, "person", f"{row.label}: {row.action}", row.reason, link=change_page(row))
