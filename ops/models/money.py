"""What people were told of the budgets, and the ledger as a whole."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from analysis.models import BudgetPeriod, LLMCall


class BudgetNotice(models.Model):
    """One step of the ladder that one budget reached in one period: told once under a limit, also after a restart."""

    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="notices")
    step = models.PositiveSmallIntegerField(help_text="Percent of the budget.")
    at = models.DateTimeField(db_default=Now())
    limit_usd = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="The limit under which it was reached."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["period", "step"], name="budgetnotice_once"),
            models.CheckConstraint(condition=Q(step__in=[75, 90, 100]), name="budgetnotice_known_step"),
        ]

    def __str__(self) -> str:
        return f"{self.step} % of {self.period}"


class Spend(LLMCall):
    """The ledger as a whole: the page of the console that shows what is spent."""

    class Meta:
        proxy = True
        verbose_name_plural = "spend"
