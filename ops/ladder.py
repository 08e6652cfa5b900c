"""What people are told when a budget runs out: at 75 and 90 percent, and when it cannot pay for a call.

Each step is told once for a budget and its period. A step that a raised limit took back is told again when it is reached
again. Of an item's own budget only the last step is told: that it holds the item."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.urls import reverse

from analysis.models import Budget, BudgetPeriod
from analysis.pages import shorten
from notion_sync.models import InboxItem
from ops import notices, spend
from ops.health import database_now
from ops.models import Alert, BudgetNotice
from ops.spend import BudgetStanding

STEPS = (75, 90, 100)
LONGEST_TITLE = 120
FOLLOWS = {
    75: "Nothing changes yet. From 90 % on new work is argued at a cheaper depth.",
    90: "New work is argued at a cheaper depth from now on: deep becomes standard, and what is not grave becomes quick.",
    100: "What it cannot pay is held, and each item says so. It goes on in the next period, or once the budget is raised.",
}


def review() -> None:
    """Stage budgets, every minute: tell what is new of the day's and the month's budget, and which items theirs holds."""
    for standing in spend.budgets(database_now()):
        with transaction.atomic():
            _forget(standing)
            _tell(standing)
    held = BudgetPeriod.objects.filter(budget__scope=Budget.Scope.ITEM, refused_limit_usd__gte=F("budget__limit_usd"))
    told = BudgetNotice.objects.filter(period=OuterRef("pk"), at__gte=OuterRef("refused_at"))
    for period in held.exclude(Exists(told)).select_related("budget").order_by("pk"):
        with transaction.atomic():
            _tell_of_an_item(period)


def _forget(standing: BudgetStanding) -> None:
    """Forget the steps that were told under a lower limit and that this one took back, also where it refuses again by now."""
    lower = BudgetNotice.objects.filter(period=standing.period).exclude(limit_usd__gte=standing.limit)
    for told in lower:
        refused_since = told.step == 100 and standing.refused_at is not None and standing.refused_at > told.at
        if refused_since or not _reached(standing, told.step):
            told.delete()
    lower.update(limit_usd=standing.limit)


def _tell(standing: BudgetStanding) -> None:
    """One message for the highest of the steps that are new; those reached below it count as told with it."""
    if standing.period is None:
        return
    new = [step for step in STEPS if _reached(standing, step) and _is_new(standing.period, step, standing.limit)]
    if not new:
        return
    highest = new[-1]
    severity = Alert.Severity.CRITICAL if highest == 100 else Alert.Severity.WARNING
    body = f"{standing}\n{FOLLOWS[highest]}\n{settings.PUBLIC_URL}{reverse('admin:ops_spend_changelist')}"
    notices.tell(_subject(standing, highest), body, about="budget", channels=notices.listening(severity))


def _subject(standing: BudgetStanding, step: int) -> str:
    if step < 100:
        return f"{step} % of the budget for {standing.name} is used"
    if standing.free > 0:
        used = 100 * standing.used // standing.limit
        return f"The budget for {standing.name} cannot pay for the next call ({used} % used)"
    return f"The budget for {standing.name} is used up"


def _is_new(period: BudgetPeriod, step: int, limit: Decimal) -> bool:
    return BudgetNotice.objects.get_or_create(period=period, step=step, defaults={"limit_usd": limit})[1]


def _tell_of_an_item(period: BudgetPeriod) -> None:
    BudgetNotice.objects.filter(period=period, at__lt=period.refused_at).delete()
    if not _is_new(period, 100, period.budget.limit_usd):
        return
    item = InboxItem.objects.filter(pk=period.period).first()
    subject = f"An item is held by its budget: {notices.defanged(shorten(str(item or period.period), LONGEST_TITLE))}"
    body = (
        f"{period.spent_usd:.4f} USD were spent on it and {period.reserved_usd:.4f} are reserved, of "
        f"{period.budget.limit_usd.normalize():f} USD for an item. It says so itself, and goes on once that budget is raised.\n"
        f"{settings.PUBLIC_URL}{reverse('admin:notion_sync_inboxitem_change', args=[period.period])}"
    )
    notices.tell(subject, body, about="budget", channels=notices.listening(Alert.Severity.WARNING))


def _reached(standing: BudgetStanding, step: int) -> bool:
    """The last is reached when the budget could not pay for a call, which comes before its last cent is spent."""
    used = standing.limit > 0 and 100 * standing.used >= step * standing.limit
    return used or (step == 100 and standing.refused_at is not None)
