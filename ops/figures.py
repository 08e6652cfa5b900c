"""What the objectives are judged by: one figure each over a span of time, from the product's own rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Avg, Count, F, Max, Min, Q, QuerySet, Sum
from django.template.defaultfilters import pluralize

from analysis.models import Analysis, Budget, BudgetPeriod, LLMCall, Settlement, Synthesis
from emm.jobs import Job
from emm.measures import ProcessMinute
from emm.meter import BOUNDS_MS
from notion_sync.models import InboxItem, NotionCall, PollCycle, Poller

NOTION_SECONDS = 2.0
CLAUDE_SECONDS = 120.0
OVER = (Job.Status.DONE, Job.Status.NEVER, Job.Status.DEAD)
# Claude's and Notion's own errors and silence count; a refusal of what we asked for is an answer.
NOTION_FAILED = Q(status__isnull=True) | Q(status__gte=500) | Q(status=429)


class Figure(NamedTuple):
    """`value` None: there was nothing to measure. `detail`: what it is made of, in words."""

    value: float | None
    detail: str


class Span(NamedTuple):
    """From `start` to `end`."""

    start: datetime
    end: datetime


def _web(span: Span) -> QuerySet[ProcessMinute]:
    return ProcessMinute.objects.filter(kind="web", minute__gt=span.start - timedelta(minutes=1), minute__lte=span.end)


def _share(good: int, all_: int, what: str) -> Figure:
    if not all_:
        return Figure(None, f"No {what} yet.")
    return Figure(100 * good / all_, f"{good:,} of {all_:,} {what}.")


def uptime(span: Span) -> Figure:
    """Percent of the minutes since the first one known in which a web process lived; the running minute is left out."""
    begun = ProcessMinute.objects.filter(kind="web").aggregate(at=Min("minute"))["at"]
    end = span.end.replace(second=0, microsecond=0)
    if begun is None or begun >= end:
        return Figure(None, "No whole minute was served yet.")
    start = max(begun, span.start.replace(second=0, microsecond=0))
    served = _web(Span(start, end)).filter(minute__gte=start, minute__lt=end).values("minute").distinct().count()
    minutes = round((end - start).total_seconds() / 60)
    return _share(min(served, minutes), minutes, f"minutes since {start:%Y-%m-%d %H:%M} UTC")


def latency(span: Span) -> Figure:
    """Seconds under which 95 percent of the requests were answered: the upper bound of the bucket."""
    rows = list(_web(span).values_list("buckets", flat=True))
    counts = [sum(column) for column in zip(*rows, strict=False)]
    total = sum(counts)
    if not total:
        return Figure(None, "No request yet.")
    seen = 0
    for count, bound in zip(counts, (*BOUNDS_MS, 2 * BOUNDS_MS[-1]), strict=False):
        seen += count
        if seen >= 0.95 * total:
            return Figure(bound / 1_000, f"Over {total:,} requests.")
    raise AssertionError("the counts add up to their total")


def errors(span: Span) -> Figure:
    """Percent of requests that failed."""
    found = _web(span).aggregate(all=Sum("requests"), failed=Sum("failed"))
    return _share(found["failed"] or 0, found["all"] or 0, "requests failed")


def requests(span: Span) -> int:
    """How many requests were answered."""
    return int(_web(span).aggregate(all=Sum("requests"))["all"] or 0)


def poll_age(span: Span) -> Figure:
    """Polling intervals since the last finished cycle."""
    row = Poller.objects.filter(pk=1).first()
    if row is None:
        return Figure(None, "The poller never started.")
    if row.status == Poller.Status.PAUSED:
        return Figure(None, "A person has paused polling.")
    done = PollCycle.objects.filter(status=PollCycle.Status.DONE, status_since__lte=span.end)
    last = done.aggregate(at=Max("status_since"))["at"]
    if last is None:
        return Figure(None, "No cycle was finished yet.")
    age = max((span.end - last).total_seconds(), 0)
    return Figure(age / row.interval_seconds, f"{age:.0f} s ago, polled every {row.interval_seconds} s.")


def critical(span: Span) -> Figure:
    """Lines that were logged as critical, by any process."""
    rows = ProcessMinute.objects.filter(minute__gt=span.start, minute__lte=span.end)
    found = rows.aggregate(critical=Sum("critical_logged"), errors=Sum("errors_logged"), n=Count("pk"))
    if not found["n"]:
        return Figure(None, "No process has measured itself yet.")
    return Figure(found["critical"], f"{found['critical']:,} critical and {found['errors']:,} error lines.")


def notion(span: Span) -> Figure:
    """Percent of calls to Notion that were answered."""
    calls = NotionCall.objects.filter(at__gt=span.start, at__lte=span.end)
    found = calls.aggregate(all=Count("pk"), failed=Count("pk", filter=NOTION_FAILED))
    return _share(found["all"] - found["failed"], found["all"], "calls to Notion answered")


def anthropic(span: Span) -> Figure:
    """Percent of calls to Claude that were answered."""
    calls = LLMCall.objects.filter(opened_at__gt=span.start, opened_at__lte=span.end)
    found = calls.exclude(status=LLMCall.Status.OPEN).aggregate(
        all=Count("pk"), good=Count("pk", filter=Q(status=LLMCall.Status.ANSWERED))
    )
    return _share(found["good"], found["all"], "calls to Claude answered")


def api_latency(span: Span) -> Figure:
    """The slower of both services, in percent of the time that it may take."""
    notion_ms = _p95(NotionCall.objects.filter(at__gt=span.start, at__lte=span.end))
    claude = LLMCall.objects.filter(opened_at__gt=span.start, opened_at__lte=span.end, duration_ms__isnull=False)
    claude_ms = _p95(claude)
    parts = [
        (seconds / 1_000, allowed, name)
        for seconds, allowed, name in ((notion_ms, NOTION_SECONDS, "Notion"), (claude_ms, CLAUDE_SECONDS, "Claude"))
        if seconds is not None
    ]
    if not parts:
        return Figure(None, "No call yet.")
    words = ", ".join(f"{name} {seconds:.1f} s of {allowed:.0f} s" for seconds, allowed, name in parts)
    return Figure(max(100 * seconds / allowed for seconds, allowed, _ in parts), f"95th percentile: {words}.")


def _p95(calls: QuerySet[Any]) -> int | None:
    count = calls.count()
    if not count:
        return None
    place = max(-(-count * 95 // 100) - 1, 0)
    return int(calls.order_by("duration_ms").values_list("duration_ms", flat=True)[place])


def budget(span: Span) -> Figure:
    """Percent of the day's budget that is spent or reserved (UTC)."""
    row = BudgetPeriod.objects.filter(budget__scope=Budget.Scope.DAY, period=f"{span.end:%Y-%m-%d}").first()
    limit = Budget.objects.filter(scope=Budget.Scope.DAY).values_list("limit_usd", flat=True).first()
    if limit is None:
        return Figure(None, "Nothing was spent yet.")
    used = row.spent_usd + row.reserved_usd if row else Decimal(0)
    share = 100 * float(used / limit) if limit else 0.0 if not used else 100.0
    return Figure(share, f"{used:.4f} of {limit.normalize():f} USD today (UTC).")


def cpu(span: Span) -> Figure:
    """Percent of the busiest machine's processors."""
    return _fullest(span, "cpu_percent")


def memory(span: Span) -> Figure:
    """Percent of the fullest machine's or container's memory."""
    return _fullest(span, "memory_percent")


def disk(span: Span) -> Figure:
    """Percent of the fullest disk."""
    return _fullest(span, "disk_percent")


def _fullest(span: Span, column: str) -> Figure:
    rows = ProcessMinute.objects.filter(minute__gt=span.start - timedelta(minutes=1), minute__lte=span.end)
    found = list(rows.values("process").annotate(mean=Avg(column)).order_by("-mean")[:1])
    if not found:
        return Figure(None, "No process has measured itself yet.")
    return Figure(found[0]["mean"], f"Mean of {found[0]['process']}.")


def growth(span: Span) -> Figure:
    """Percent by which the worst process's memory grew from the first to the last quarter of the span.

    Only processes that lived through most of it count: every process grows while it starts.
    """
    quarter = (span.end - span.start) / 4
    rows = ProcessMinute.objects.filter(minute__gt=span.start, minute__lte=span.end)
    early = rows.filter(minute__lte=span.start + quarter).values("process").annotate(mean=Avg("memory_bytes"))
    late = rows.filter(minute__gt=span.end - quarter).values("process").annotate(mean=Avg("memory_bytes"))
    before = {row["process"]: row["mean"] for row in early}
    grown = [
        (100 * (row["mean"] / before[row["process"]] - 1), row["process"]) for row in late if row["process"] in before
    ]
    if not grown:
        return Figure(None, f"No process is {(span.end - span.start).total_seconds() / 3600:.0f} hours old yet.")
    worst, process = max(grown)
    return Figure(worst, f"{process} grew most.")


def items(span: Span) -> Figure:
    """Inbox items that came to rest or to a proposal, per hour."""
    at_rest = (InboxItem.State.DONE, InboxItem.State.PROPOSED, InboxItem.State.DECIDED)
    count = InboxItem.objects.filter(state__in=at_rest, state_since__gt=span.start, state_since__lte=span.end).count()
    if not InboxItem.objects.exists():
        return Figure(None, "No item yet.")
    hours = (span.end - span.start).total_seconds() / 3600
    return Figure(count / hours, f"{count:,} in {hours:.0f} hours.")


def analyses(span: Span) -> Figure:
    """Percent of the syntheses that ended well."""
    return _ended_well(Synthesis.objects.filter(status_since__gt=span.start, status_since__lte=span.end), "syntheses")


def _ended_well(jobs: QuerySet[Any], what: str) -> Figure:
    found = jobs.filter(status__in=OVER).aggregate(all=Count("pk"), good=Count("pk", filter=Q(status=Job.Status.DONE)))
    return _share(found["good"], found["all"], f"{what} ended well")


def dialectics(span: Span) -> Figure:
    """Percent of the analyses that were brought to a proposal; those of the last hour may still be argued."""
    opened = Analysis.objects.filter(opened_at__gt=span.start, opened_at__lte=span.end - timedelta(hours=1))
    found = opened.aggregate(all=Count("pk"), good=Count("pk", filter=Q(synthesis__status=Job.Status.DONE)))
    return _share(found["good"], found["all"], "analyses older than an hour were completed")


def acceptance(span: Span) -> Figure:
    """Mean acceptance rate of what people decided, in percent."""
    rows = Settlement.objects.standing().filter(
        status_since__gt=span.start, status_since__lte=span.end, acceptance_rate__isnull=False
    )
    found = rows.aggregate(mean=Avg(F("acceptance_rate")), n=Count("pk"))
    if not found["n"]:
        return Figure(None, "Nothing was decided yet.")
    return Figure(100 * found["mean"], f"Mean of {found['n']:,} decision{pluralize(found['n'])}.")


def sparkline(
    values: Sequence[float | None], width: int = 120, height: int = 24, target: float | None = None
) -> list[str]:
    """The points of one polyline per unbroken stretch, for SVG, scaled so that `target` is within. Nothing known: no line."""
    known = [value for value in values if value is not None]
    if not known:
        return []
    low, high = _bounds(known, target)
    scale = (height - 2) / (high - low) if high > low else 0.0
    step = width / max(len(values) - 1, 1)
    lines: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{place * step:.1f},{height - 1 - (value - low) * scale:.1f}")
    return [" ".join(line) for line in _whole(lines)]


def target_line(values: Sequence[float | None], target: float | None, height: int = 24) -> str | None:
    """How far from the top the line of `target` lies beside such a polyline. None: nothing is known, or promised."""
    known = [value for value in values if value is not None]
    if not known or target is None:
        return None
    low, high = _bounds(known, target)
    return f"{height - 1 - (target - low) * ((height - 2) / (high - low) if high > low else 0.0):.1f}"


def _bounds(known: list[float], target: float | None) -> tuple[float, float]:
    within = known if target is None else [*known, target]
    return min(within), max(within)


def _whole(lines: Iterable[list[str]]) -> list[list[str]]:
    return [line * 2 if len(line) == 1 else line for line in lines if line]
