"""What stands where, for the pages and messages that tell people: items by state, what waits for a decision, money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.urls import reverse

from analysis.models import Analysis, Budget, BudgetPeriod, LLMCall, Settlement
from emm import schedule
from emm.tasks import job_model
from notion_sync.models import InboxItem

State = InboxItem.State


class Proposal(NamedTuple):
    """A plan that waits for a person, and since when."""

    analysis: Analysis
    since: datetime

    @property
    def title(self) -> str:
        """Of the page on which it is decided."""
        return str(self.analysis.action)

    @property
    def link(self) -> str:
        """The page in Notion, or the item in the console while Notion has not told its address."""
        page = self.analysis.action.url if self.analysis.action else ""
        return page or console("notion_sync_inboxitem_change", self.analysis.item_id)


class Stuck(NamedTuple):
    """Jobs of one stage that stopped and go on only when a person queues them again. `page`: their list in the console."""

    stage: str
    jobs: int
    page: str


class Spent(NamedTuple):
    """USD in one period of a budget: spent, and reserved by calls under way."""

    name: str
    spent: Decimal
    reserved: Decimal
    limit: Decimal

    def __str__(self) -> str:
        under_way = f" ({usd(self.reserved)} reserved)" if self.reserved else ""
        return f"{self.name} {usd(self.spent)} of {usd(self.limit)}{under_way}"


class Decided(NamedTuple):
    """What people decided in a span. `rate`: mean acceptance as a fraction of the `rated` decisions; None without any."""

    settlements: list[Settlement]
    rate: float | None
    rated: int

    @property
    def counts(self) -> str:
        """Such as "3 approved, 1 rejected"; "nothing" where there is none."""
        found = [
            (sum(one.decision == decision.value for one in self.settlements), decision.label)
            for decision in Settlement.Decision
        ]
        return ", ".join(f"{count} {label}" for count, label in found if count) or "nothing"


def console(name: str, *arguments: object) -> str:
    """The address of a page of the console."""
    return f"{settings.PUBLIC_URL}{reverse(f'admin:{name}', args=arguments)}"


def states() -> dict[str, int]:
    """The number of live inbox pages in each state, in the order of the way; states of none are left out."""
    found = InboxItem.objects.filter(in_trash=False).values("state").annotate(n=Count("pk"))
    counts = {row["state"]: row["n"] for row in found}
    return {str(State(value).label): counts[value] for value in State.values if value in counts}


def proposals() -> list[Proposal]:
    """What waits for a decision, the longest wait first."""
    waiting = Analysis.objects.filter(
        item__state=State.PROPOSED, item__in_trash=False, superseded="", action__in_trash=False
    )
    newest = waiting.filter(action__settlement__isnull=True).order_by("item_id", "-revision").distinct("item_id")
    found = [Proposal(one, one.item.state_since) for one in newest.select_related("item", "action")]
    return sorted(found, key=lambda proposal: (proposal.since, proposal.analysis.pk))


def spending(now: datetime) -> list[Spent]:
    """Today's and this month's money (UTC) against the budgets; empty before the first call to a model."""
    utc = now.astimezone(UTC)
    names = {Budget.Scope.DAY: ("today", f"{utc:%Y-%m-%d}"), Budget.Scope.MONTH: (f"{utc:%B}", f"{utc:%Y-%m}")}
    found = []
    for budget in Budget.objects.filter(scope__in=names).order_by("scope"):
        name, period = names[Budget.Scope(budget.scope)]
        row = BudgetPeriod.objects.filter(budget=budget, period=period).first()
        spent, reserved = (row.spent_usd, row.reserved_usd) if row else (Decimal(0), Decimal(0))
        found.append(Spent(name, spent, reserved, budget.limit_usd))
    return found


def stuck() -> list[Stuck]:
    """What needs a person, by stage; stages of which nothing does are left out."""
    found = []
    for stage in schedule.STAGES.values():
        count = job_model(stage).objects.stuck().count() if stage.model else 0
        if count:
            page = reverse(f"admin:{job_model(stage)._meta.label_lower.replace('.', '_')}_changelist")
            found.append(Stuck(stage.name, count, f"{page}?look=stuck"))
    return found


def decided(start: datetime, end: datetime) -> Decided:
    """What people decided from `start` on and before `end` and did not take back, oldest first."""
    settled = (
        Settlement.objects.standing()
        .filter(status=Settlement.Status.DONE, status_since__gte=start, status_since__lt=end)
        .exclude(decision="")
    )
    found = list(settled.select_related("action", "synthesis__analysis").order_by("status_since"))
    rates = [one.acceptance_rate for one in found if one.acceptance_rate is not None]
    return Decided(found, sum(rates) / len(rates) if rates else None, len(rates))


def spent_between(start: datetime, end: datetime) -> tuple[Decimal, int]:
    """USD that calls to models cost which ended in that span, and how many calls those were."""
    found = LLMCall.objects.filter(closed_at__gte=start, closed_at__lt=end).aggregate(
        usd=Sum("cost_usd"), n=Count("pk", filter=Q(cost_usd__isnull=False))
    )
    return found["usd"] or Decimal(0), found["n"]


def usd(amount: Decimal) -> str:
    """Such as $0.42; what is less than a cent keeps two digits that count."""
    return f"${amount:.2f}" if amount >= Decimal("0.01") or not amount else f"${amount:.2g}"


def span(time: timedelta) -> str:
    """How long, in the largest unit that gives a whole number of one or more; "less than a minute" below that."""
    seconds = time.total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def percent(rate: float | None, count: int) -> str:
    """A mean acceptance with the number of decisions that it is of."""
    return f"{rate:.0%} (n = {count})" if rate is not None else "none rated"
