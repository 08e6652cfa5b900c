"""Money: what each call to a model may cost and did cost, and how much may be spent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from emm.jobs import Job
from notion_sync.models import InboxItem


class ModelPrice(models.Model):
    """USD per million tokens of one model from a date on, for prompts of more than `above_tokens` tokens."""

    model = models.CharField(max_length=80)
    valid_from = models.DateField()
    above_tokens = models.PositiveIntegerField(default=0)
    input = models.DecimalField(max_digits=12, decimal_places=6)
    output = models.DecimalField(max_digits=12, decimal_places=6)
    cache_write_5m = models.DecimalField(max_digits=12, decimal_places=6)
    cache_write_1h = models.DecimalField(max_digits=12, decimal_places=6)
    cache_read = models.DecimalField(max_digits=12, decimal_places=6)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "valid_from", "above_tokens"], name="modelprice_once"),
            models.CheckConstraint(
                condition=Q(
                    input__gte=0, output__gte=0, cache_write_5m__gte=0, cache_write_1h__gte=0, cache_read__gte=0
                ),
                name="modelprice_not_negative",
                violation_error_message="No price is below 0.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from}"


class Budget(models.Model):
    """How much may be spent in each day, in each month (UTC) and on each item. 0 means nothing."""

    class Scope(models.TextChoices):
        DAY = "day", "a day"
        MONTH = "month", "a month"
        ITEM = "item", "an item"

    scope = models.CharField(max_length=5, choices=Scope.choices, unique=True)
    limit_usd = models.DecimalField(max_digits=12, decimal_places=6)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(limit_usd__gte=0),
                name="budget_not_negative",
                violation_error_message="A budget is not below 0. With 0 nothing may be spent.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.limit_usd} USD for {self.get_scope_display()}"


class BudgetPeriod(models.Model):
    """One day, month or item of a budget, and what of it is reserved and spent."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="periods")
    period = models.CharField(max_length=40, help_text="2026-11-22, 2026-11, or the item's id.")
    reserved_usd = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    spent_usd = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0))
    refused_at = models.DateTimeField(
        null=True, blank=True, help_text="When it first could not pay for a call: work has been held since."
    )
    refused_limit_usd = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="The limit that could not pay. Under a higher one nothing was refused yet.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["budget", "period"], name="budgetperiod_once"),
            models.CheckConstraint(
                condition=Q(refused_limit_usd=None) | Q(refused_at__isnull=False), name="budgetperiod_refusal_has_time"
            ),
            models.CheckConstraint(
                condition=Q(reserved_usd__gte=0, spent_usd__gte=0), name="budgetperiod_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period}: {self.spent_usd} USD spent, {self.reserved_usd} reserved"

    @property
    def held_since(self) -> datetime | None:
        """When it first could not pay for a call; None where it always could, or its limit was raised since."""
        raised = self.refused_limit_usd is None or self.refused_limit_usd < self.budget.limit_usd
        return None if raised else self.refused_at


class Batch(Job):
    """Calls that are sent together through Message Batches, at half the price, and whose answers come within a day."""

    stage = "collect"

    batch_id = models.CharField(max_length=80, blank=True, db_default="", default="", help_text="Claude's id of it.")
    sent_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last sent. With no id beside it, its fate is looked up first."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When Claude gives up what is not answered.")
    opened_at = models.DateTimeField(db_default=Now())

    class Meta(Job.Meta):
        verbose_name_plural = "batches"
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["batch_id"], condition=~Q(batch_id=""), name="batch_known_once"),
        ]

    def __str__(self) -> str:
        return f"batch {self.batch_id or self.pk}"


class LLMCall(models.Model):
    """One attempt to get an answer: opened with its worst cost reserved, closed with what it really cost."""

    class Tier(models.TextChoices):
        STANDARD = "standard", "standard"
        PRIORITY = "priority", "priority"
        BATCH = "batch", "batch: half the price, within a day"

    class Status(models.TextChoices):
        OPEN = "open", "under way"
        ANSWERED = "answered", "answered"
        FAILED = "failed", "failed"
        LOST = "lost", "lost: its fate is unknown, its reserved cost counts"

    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    opened_at = models.DateTimeField(db_default=Now(), db_index=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    key = models.CharField(
        max_length=64, db_index=True, help_text="Hash of the request and the job that asked: an answer is bought once."
    )
    purpose = models.CharField(
        max_length=40, help_text="triage, persona, rebuttal or synthesis, and replay or repair behind it."
    )
    asker = models.CharField(
        max_length=80, blank=True, db_default="", default="", help_text="Stage and key of the job that asked."
    )
    item = models.ForeignKey(InboxItem, null=True, blank=True, on_delete=models.SET_NULL, related_name="llm_calls")
    model = models.CharField(max_length=80)
    service_tier = models.CharField(
        max_length=10, choices=Tier.choices, db_default=Tier.STANDARD, default=Tier.STANDARD, help_text="As billed."
    )
    batch = models.ForeignKey(Batch, null=True, blank=True, on_delete=models.PROTECT, related_name="calls")
    request = models.JSONField(
        null=True, blank=True, help_text="What a batch will send; kept until the answer is there."
    )
    prompt_hash = models.CharField(max_length=64, blank=True, help_text="Of the PromptVersion that was served.")
    reserved_usd = models.DecimalField(max_digits=12, decimal_places=6)
    periods = ArrayField(
        models.BigIntegerField(), default=list, blank=True, help_text="The budget periods that its money is counted in."
    )
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    input_tokens = models.PositiveIntegerField(default=0, help_text="Uncached.")
    output_tokens = models.PositiveIntegerField(default=0)
    cache_write_5m_tokens = models.PositiveIntegerField(default=0)
    cache_write_1h_tokens = models.PositiveIntegerField(default=0)
    cache_read_tokens = models.PositiveIntegerField(default=0)
    stop_reason = models.CharField(max_length=40, blank=True)
    request_id = models.CharField(max_length=80, blank=True)
    answer_text = models.TextField(blank=True, help_text="As it came, before any reading of it.")
    error = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = "LLM call"
        constraints = [
            models.CheckConstraint(
                condition=Q(status="open", cost_usd__isnull=True) | (~Q(status="open") & Q(cost_usd__isnull=False)),
                name="llmcall_closed_with_cost",
            )
        ]
        indexes = [
            # The sweep of batches asks which orders are open.
            models.Index(fields=["asker"], name="llmcall_ordered", condition=Q(status="open", service_tier="batch"))
        ]

    def __str__(self) -> str:
        return f"{self.purpose} with {self.model}"
