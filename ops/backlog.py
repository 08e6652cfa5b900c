"""What the release of an adopted backlog would cost: from what items really cost here, and at most."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db.models import Max, Sum

from analysis.models import Budget, LLMCall

FEWEST = 5  # items: fewer tell nothing about others
LATEST = 200


@dataclass(frozen=True)
class Estimate:
    """`likely`: USD, from the mean of the last `basis` items; None where they are fewer than five. `most`: USD."""

    items: int
    likely: Decimal | None
    basis: int
    most: Decimal

    def __str__(self) -> str:
        most = f"at most {self.most:,.2f} USD, the budget of {self.items} items"
        if self.likely is None:
            return f"{most} (too few items have been worked on to say more: {self.basis}, at least {FEWEST} are needed)"
        each = self.likely / max(self.items, 1)
        return f"about {self.likely:,.2f} USD ({each:,.4f} USD an item, the mean of the last n = {self.basis}); {most}"


def estimate(items: int) -> Estimate:
    """What working on so many more items would cost."""
    past = (
        LLMCall.objects.exclude(item=None)
        .exclude(cost_usd=None)
        .values("item")
        .annotate(cost=Sum("cost_usd"), last=Max("opened_at"))
        .order_by("-last")
    )
    costs = [row["cost"] for row in past[:LATEST]]
    each = sum(costs, Decimal(0)) / len(costs) if len(costs) >= FEWEST else None
    row = Budget.objects.filter(scope=Budget.Scope.ITEM).first()
    limit = row.limit_usd if row else settings.BUDGETS_USD[Budget.Scope.ITEM]  # the first value, until a call was made
    return Estimate(items, None if each is None else each * items, len(costs), limit * items)
