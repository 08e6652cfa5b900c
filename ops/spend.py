"""What calls to models cost: against the budgets, over time, by what they were for, and for what came of it. USD, UTC."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from analysis import ledger
from analysis.models import Budget, BudgetPeriod, LLMCall, ModelPrice, Perspective, Settlement
from emm.jobs import Job
from notion_sync.models import InboxItem

DAYS = 30
NOTHING = Decimal(0)
TOKENS = {
    "input_tokens": "input, uncached",
    "cache_write_5m_tokens": "written to the cache for 5 minutes",
    "cache_write_1h_tokens": "written to the cache for an hour",
    "cache_read_tokens": "read from the cache",
    "output_tokens": "output, with the thinking",
}
EARLY = timedelta(days=1)  # of a month: before that a pace would say nothing


@dataclass(frozen=True)
class BudgetStanding:
    """One budget in its current period. `period`: None before its first call. `pace`: USD at the end of the month."""

    scope: str
    name: str
    limit: Decimal
    spent: Decimal
    reserved: Decimal
    period: BudgetPeriod | None
    pace: Decimal | None

    @property
    def used(self) -> Decimal:
        """What is spent or reserved."""
        return self.spent + self.reserved

    @property
    def free(self) -> Decimal:
        """What a new call may still take."""
        return max(self.limit - self.used, NOTHING)

    @property
    def share(self) -> float | None:
        """Percent of the limit that is used; None where nothing may be spent."""
        return float(100 * self.used / self.limit) if self.limit else None

    @property
    def refused_at(self) -> datetime | None:
        """When it first could not pay for a call; None where it always could, or its limit was raised since."""
        return self.period.held_since if self.period else None

    def __str__(self) -> str:
        share = "" if self.share is None else f" ({self.share:.0f} %)"
        text = f"{self.spent:.4f} USD spent and {self.reserved:.4f} reserved of {self.limit.normalize():f} USD{share}"
        return f"{text}; it could not pay for a call at {self.refused_at:%H:%M} UTC" if self.refused_at else text


@dataclass(frozen=True)
class Row:
    """The calls that share one value. `cost` in USD; `share`: of the cost of all, a fraction."""

    value: str
    calls: int
    cost: Decimal
    share: float


@dataclass(frozen=True)
class Day:
    """One day's calls, by the UTC day in which they were made."""

    day: date
    calls: int
    cost: Decimal


@dataclass(frozen=True)
class PerUnit:
    """A cost for each of `n` things, USD; None where n is 0."""

    title: str
    says: str
    n: int
    cost: Decimal | None


@dataclass(frozen=True)
class Trouble:
    """Calls that cost money without an answer, or could not be made."""

    title: str
    count: int
    cost: Decimal
    detail: str
    went: str  # the filter of the ledger's page, "" where there is none


@dataclass(frozen=True)
class Report:
    """Everything that is shown. All but the budgets is about the last DAYS days."""

    budgets: list[BudgetStanding]
    days: list[Day]
    calls: int
    cost: Decimal
    groups: dict[str, list[Row]]
    tokens: dict[str, int]
    cached: float | None
    per_unit: list[PerUnit]
    troubles: list[Trouble]


def budgets(now: datetime) -> list[BudgetStanding]:
    """The day's and the month's budget."""
    names = {Budget.Scope.DAY: f"{now:%Y-%m-%d}", Budget.Scope.MONTH: f"{now:%Y-%m}"}
    limits = {budget.scope: budget for budget in ledger.budgets()}
    current = BudgetPeriod.objects.filter(period__in=names.values(), budget__scope__in=names)
    rows = {row.budget_id: row for row in current.select_related("budget")}
    found = []
    for scope in names:
        row = rows.get(limits[scope].pk)
        pace = _pace(row.spent_usd if row else NOTHING, now) if scope == Budget.Scope.MONTH else None
        found.append(_standing(limits[scope], row, pace))
    return found


def of_item(item: InboxItem) -> BudgetStanding:
    """What the item has cost so far, of the budget that each item has."""
    (budget,) = (one for one in ledger.budgets() if one.scope == Budget.Scope.ITEM)
    row = BudgetPeriod.objects.filter(budget=budget, period=str(item.pk)).select_related("budget").first()
    return _standing(budget, row)


def _standing(budget: Budget, row: BudgetPeriod | None, pace: Decimal | None = None) -> BudgetStanding:
    spent, reserved = (row.spent_usd, row.reserved_usd) if row else (NOTHING, NOTHING)
    return BudgetStanding(budget.scope, budget.get_scope_display(), budget.limit_usd, spent, reserved, row, pace)


def report(now: datetime) -> Report:
    """The spend page's figures."""
    first = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    calls = LLMCall.objects.filter(opened_at__gte=first)
    total = calls.aggregate(calls=Count("pk"), cost=Sum("cost_usd"), **{name: Sum(name) for name in TOKENS})
    cost = total["cost"] or NOTHING
    tokens = {name: total[name] or 0 for name in TOKENS}
    read = sum(tokens.values()) - tokens["output_tokens"]
    return Report(
        budgets=budgets(now),
        days=_days(calls, first.date(), now.date()),
        calls=total["calls"],
        cost=cost,
        groups=_groups(calls, cost),
        tokens=tokens,
        cached=tokens["cache_read_tokens"] / read if read else None,
        per_unit=_per_unit(calls, first),
        troubles=_troubles(calls, now),
    )


def _pace(spent: Decimal, now: datetime) -> Decimal | None:
    """What the month comes to if it goes on as it began; None on its first day."""
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    gone = now - start
    if gone < EARLY:
        return None
    whole = timedelta(days=monthrange(now.year, now.month)[1])
    return spent * Decimal(whole / gone)


def _days(calls: QuerySet[LLMCall], first: date, last: date) -> list[Day]:
    rows = calls.annotate(day=TruncDate("opened_at")).values("day").annotate(calls=Count("pk"), cost=Sum("cost_usd"))
    found = {row["day"]: Day(row["day"], row["calls"], row["cost"] or NOTHING) for row in rows}
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [found.get(day, Day(day, 0, NOTHING)) for day in every]


def _groups(calls: QuerySet[LLMCall], whole: Decimal) -> dict[str, list[Row]]:
    """Rows by purpose, model and persona, the dearest first."""
    groups = {}
    for name in ("purpose", "model"):
        rows = calls.values_list(name).annotate(Count("pk"), Sum("cost_usd"))
        groups[name] = _rows(((value, count, cost or NOTHING) for value, count, cost in rows), whole)
    groups["persona"] = _rows(_personas(calls), whole)
    return groups


def _rows(found: Iterable[tuple[str, int, Decimal]], whole: Decimal) -> list[Row]:
    rows = [Row(value, count, cost, float(cost / whole) if whole else 0.0) for value, count, cost in found]
    return sorted(rows, key=lambda row: (-row.cost, row.value))


def _personas(calls: QuerySet[LLMCall]) -> list[tuple[str, int, Decimal]]:
    """Arguments and rebuttals by who gave them. Calls from before their asker was kept belong to nobody."""
    asked = calls.filter(asker__startswith="argue ").values_list("asker").annotate(Count("pk"), Sum("cost_usd"))
    costs = {asker.removeprefix("argue "): (count, cost or NOTHING) for asker, count, cost in asked}
    sums: dict[str, list[Any]] = defaultdict(lambda: [0, NOTHING])
    for pk, persona in Perspective.objects.filter(pk__in=costs).values_list("pk", "persona"):
        count, cost = costs[str(pk)]
        sums[persona][0] += count
        sums[persona][1] += cost
    return [(persona, count, cost) for persona, (count, cost) in sums.items()]


def _per_unit(calls: QuerySet[LLMCall], first: datetime) -> list[PerUnit]:
    """The decisions are those of the time span; what their items cost is counted from the beginning."""
    items = calls.filter(item__isnull=False).aggregate(n=Count("item", distinct=True), cost=Sum("cost_usd"))
    settled = (
        Settlement.objects.standing()
        .filter(status=Job.Status.DONE, status_since__gte=first)
        .exclude(decision=Settlement.Decision.NEEDS_REVISION)
    )
    decided = settled.values("synthesis__analysis__item")
    spent = LLMCall.objects.filter(item__in=decided).aggregate(cost=Sum("cost_usd"))["cost"] or NOTHING
    n = settled.count()
    approved = settled.filter(decision=Settlement.Decision.APPROVED).count()
    rejected = settled.filter(decision=Settlement.Decision.REJECTED)
    lost = LLMCall.objects.filter(item__in=rejected.values("synthesis__analysis__item")).aggregate(s=Sum("cost_usd"))
    return [
        _each("an item", "All calls for items, over the items that had one.", items["n"], items["cost"]),
        _each("a decision", "All that the decided items ever cost, over the decisions, revisions included.", n, spent),
        _each(
            "an accepted decision",
            "The same, over the approvals alone: what was rejected is paid for by them.",
            approved,
            spent,
        ),
        _each("a rejected decision", "What the items of rejected plans ever cost.", n - approved, lost["s"]),
    ]


def _each(title: str, says: str, n: int, cost: Decimal | None) -> PerUnit:
    return PerUnit(title, says, n, (cost or NOTHING) / n if n else None)


def _troubles(calls: QuerySet[LLMCall], now: datetime) -> list[Trouble]:
    lost, failed = Q(status=LLMCall.Status.LOST), Q(status=LLMCall.Status.FAILED)
    open_now = LLMCall.objects.filter(status=LLMCall.Status.OPEN)
    found = calls.aggregate(
        lost=Count("pk", filter=lost), lost_cost=Sum("cost_usd", filter=lost),
        failed=Count("pk", filter=failed), failed_cost=Sum("cost_usd", filter=failed),
    )  # fmt: skip
    under_way = open_now.aggregate(n=Count("pk"), held=Sum("reserved_usd"), last=Max("opened_at"))
    unpriced = sorted(set(settings.ANTHROPIC_MODELS.values()) - _priced(now))
    return [
        Trouble(
            "lost", found["lost"], found["lost_cost"] or NOTHING, "No answer was stored: the worst case counts.", "lost"
        ),
        Trouble(
            "failed",
            found["failed"],
            found["failed_cost"] or NOTHING,
            "Refused, or answered in no usable way.",
            "failed",
        ),
        Trouble("under way", under_way["n"], under_way["held"] or NOTHING, "Reserved until they are answered.", "open"),
        Trouble(
            "models without a price",
            len(unpriced),
            NOTHING,
            f"{', '.join(unpriced)}: no call is made. Add the price under Model prices." if unpriced else "None.",
            "",
        ),
    ]


def _priced(now: datetime) -> set[str]:
    return set(ModelPrice.objects.filter(valid_from__lte=now.date()).values_list("model", flat=True))
