"""What people are told when a budget runs out: at 75, 90 and 100 percent, each once for a budget and its period.

Of an item's own budget only the last step is told: that it holds the item."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
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
    100: "Work that needs a model is held, and each item says so. It goes on in the next period, or once the budget is raised.",
}


def review() -> None:
    """Stage budgets, every minute: tell what is new of the day's and the month's budget, and which items theirs holds."""
    for standing in spend.budgets(database_now()):
        with transaction.atomic():
            _tell(standing)
    held = BudgetPeriod.objects.filter(budget__scope=Budget.Scope.ITEM, refused_at__isnull=False)
    for period in held.exclude(notices__step=100).select_related("budget").order_by("pk"):
        with transaction.atomic():
            _tell_of_an_item(period)


def _tell(standing: BudgetStanding) -> None:
    """One message for the highest of the steps that are new; the lower ones count as told with it."""
    if standing.period is None:
        return
    new = [
        step
        for step in STEPS
        if _reached(standing, step) and BudgetNotice.objects.get_or_create(period=standing.period, step=step)[1]
    ]
    if not new:
        return
    highest = new[-1]
    severity = Alert.Severity.CRITICAL if highest == 100 else Alert.Severity.WARNING
    subject = (
        f"The budget for {standing.name} is used up"
        if highest == 100
        else f"{highest} % of the budget for {standing.name} is used"
    )
    body = f"{standing}\n{FOLLOWS[highest]}\n{settings.PUBLIC_URL}{reverse('admin:ops_spend_changelist')}"
    notices.tell(subject, body, about="budget", channels=notices.listening(severity))


def _tell_of_an_item(period: BudgetPeriod) -> None:
    if not BudgetNotice.objects.get_or_create(period=period, step=100)[1]:
        return
    item = InboxItem.objects.filter(pk=period.period).first()
    subject = f"An item is held by its budget: {shorten(str(item or period.period), LONGEST_TITLE)}"
    body = (
        f"{period.spent_usd:.4f} USD were spent on it and {period.reserved_usd:.4f} are reserved, of "
        f"{period.budget.limit_usd.normalize():f} USD for an item. It says so itself, and goes on once that budget is raised.\n"
        f"{settings.PUBLIC_URL}{reverse('admin:notion_sync_inboxitem_change', args=[period.period])}"
    )
    notices.tell(subject, body, about="budget", channels=notices.listening(Alert.Severity.WARNING))


def _reached(standing: BudgetStanding, step: int) -> bool:
    """100 is reached when the budget could not pay for a call, which comes before its last cent is spent."""
    if step == 100:
        return standing.refused_at is not None or standing.free <= 0 < standing.limit
    return standing.refused_at is not None or (standing.limit > 0 and 100 * standing.used >= step * standing.limit)
