"""What calls cost, and how much may be spent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from analysis import ledger
from analysis.models import (
    Batch,
    Budget,
    BudgetPeriod,
    LLMCall,
    ModelPrice,
)
from emm import tasks
from emm.admin import (
    JobAdmin,
    ReadOnlyAdmin,
    ReasonedAdmin,
    ReasonForm,
    shortened,
)


def usd(amount: Decimal | None) -> str | None:
    """An amount with its unit, to the hundredth of a cent; None stays None."""
    return None if amount is None else f"{amount:,.4f} USD"


class Trouble(admin.SimpleListFilter):
    """Which calls went wrong, or cost without an answer."""

    title = "What went wrong?"
    parameter_name = "went"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("failed", "It failed"),
            ("lost", "Its fate is unknown"),
            ("open", "Still under way"),
            ("cut", "Cut short"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        wanted = {
            "failed": Q(status=LLMCall.Status.FAILED),
            "lost": Q(status=LLMCall.Status.LOST),
            "open": Q(status=LLMCall.Status.OPEN),
            "cut": Q(stop_reason="max_tokens"),
        }
        return queryset.filter(wanted[value]) if (value := self.value()) in wanted else queryset


@admin.register(LLMCall)
class LLMCallAdmin(ReadOnlyAdmin):
    list_display = (
        "opened_at",
        "purpose",
        "model",
        "status",
        "service_tier",
        "cost",
        "reserved",
        "cache_read_tokens",
        "took",
        "what_failed",
    )
    list_filter = (Trouble, "service_tier", "purpose", "model")
    list_select_related = ("item",)
    exclude = ("request",)
    search_fields = ("=request_id", "=key")
    search_help_text = "Anthropic's request id."

    @display(description="cost", ordering="cost_usd")
    def cost(self, call: LLMCall) -> str | None:
        return usd(call.cost_usd)

    @display(description="reserved", ordering="reserved_usd")
    def reserved(self, call: LLMCall) -> str | None:
        return usd(call.reserved_usd)

    @display(description="took", ordering="duration_ms")
    def took(self, call: LLMCall) -> str | None:
        return None if call.duration_ms is None else f"{call.duration_ms / 1000:.1f} s"

    @display(description="error")
    def what_failed(self, call: LLMCall) -> str:
        return shortened(call.error)


@admin.register(Batch)
class BatchAdmin(JobAdmin):
    list_display = ("__str__", "shown_status", "opened_at", "sent_at", "expires_at", "due_at", "failures", "error")


@admin.register(Budget)
class BudgetAdmin(ReasonedAdmin):
    list_display = ("scope", "limit")
    fields = ("scope", "limit_usd", "reason")
    readonly_fields = ("scope",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """What the old limit held is looked at again at once."""
        super().save_model(request, obj, form, change)
        tasks.wake(ledger.OVER)

    @display(description="limit", ordering="limit_usd")
    def limit(self, budget: Budget) -> str | None:
        return usd(budget.limit_usd)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(BudgetPeriod)
class BudgetPeriodAdmin(ReadOnlyAdmin):
    list_display = ("period", "budget", "spent", "reserved", "held_since")
    list_filter = ("budget",)
    list_select_related = ("budget",)

    @display(description="spent", ordering="spent_usd")
    def spent(self, period: BudgetPeriod) -> str | None:
        return usd(period.spent_usd)

    @display(description="reserved", ordering="reserved_usd")
    def reserved(self, period: BudgetPeriod) -> str | None:
        return usd(period.reserved_usd)


class PriceForm(ReasonForm):
    """A price, and where it is from."""

    class Meta:
        model = ModelPrice
        fields = "__all__"
        labels = {
            name: f"{name.replace('_', ' ').capitalize()}, USD per million tokens"
            for name in ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
        }


@admin.register(ModelPrice)
class ModelPriceAdmin(ReasonedAdmin):
    form = PriceForm
    list_display = ("model", "valid_from", "above_tokens", "input_price", "output_price")
    list_filter = ("model",)

    @display(description="input per million tokens", ordering="input")
    def input_price(self, price: ModelPrice) -> str | None:
        return usd(price.input)

    @display(description="output per million tokens", ordering="output")
    def output_price(self, price: ModelPrice) -> str | None:
        return usd(price.output)
