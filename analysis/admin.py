"""The console's pages about thinking and its price."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display

from analysis.models import (
    Analysis,
    Budget,
    BudgetPeriod,
    Execution,
    LLMCall,
    ModelPrice,
    Perspective,
    PromptVersion,
    Settlement,
    Synthesis,
    Triage,
)
from emm.admin import (
    JobAdmin,
    ReadOnlyAdmin,
    ReasonDialog,
    ReasonedAdmin,
    ReasonForm,
    change_page,
    done,
    person,
    shortened,
)
from emm.audit import record


def usd(amount: Decimal | None) -> str | None:
    """An amount with its unit, to the hundredth of a cent; None stays None."""
    return None if amount is None else f"{amount:,.4f} USD"


@admin.register(Triage)
class TriageAdmin(JobAdmin):
    list_display = ("item", "shown_status", "route", "sureness", "due_at", "failures", "error")
    list_filter = (*JobAdmin.list_filter, "route")
    list_select_related = ("item",)

    @display(description="confidence", ordering="confidence")
    def sureness(self, triage: Triage) -> str | None:
        return None if triage.confidence is None else f"{triage.confidence:.0%}"


@admin.register(Analysis)
class AnalysisAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "lead", "opened_at", "intent", "action")
    list_filter = ("lead",)
    list_select_related = ("item", "intent", "action")
    search_fields = ("item__title",)


@admin.register(Perspective)
class PerspectiveAdmin(JobAdmin):
    list_display = ("analysis", "persona", "round", "shown_status", "due_at", "failures", "error")
    list_filter = (*JobAdmin.list_filter, "persona")
    list_select_related = ("analysis__item",)


@admin.register(Synthesis)
class SynthesisAdmin(JobAdmin):
    list_display = ("analysis", "shown_status", "due_at", "failures", "error")
    list_select_related = ("analysis__item",)


@admin.register(Settlement)
class SettlementAdmin(JobAdmin):
    list_display = ("action", "decision", "accepted", "closest", "shown_status", "due_at", "error")
    list_filter = (*JobAdmin.list_filter, "decision")
    list_select_related = ("action", "synthesis__analysis__item")

    @display(description="acceptance", ordering="acceptance_rate")
    def accepted(self, settlement: Settlement) -> str | None:
        return None if settlement.acceptance_rate is None else f"{settlement.acceptance_rate:.0%}"


@admin.register(Execution)
class ExecutionAdmin(JobAdmin):
    list_select_related = ("settlement__action",)


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
    list_display = ("opened_at", "purpose", "model", "status", "cost", "reserved", "took", "what_failed")
    list_filter = (Trouble, "purpose", "model")
    list_select_related = ("item",)
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


@admin.register(Budget)
class BudgetAdmin(ReasonedAdmin):
    list_display = ("scope", "limit")
    fields = ("scope", "limit_usd", "reason")
    readonly_fields = ("scope",)

    @display(description="limit", ordering="limit_usd")
    def limit(self, budget: Budget) -> str | None:
        return usd(budget.limit_usd)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(BudgetPeriod)
class BudgetPeriodAdmin(ReadOnlyAdmin):
    list_display = ("period", "budget", "spent", "reserved")
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


class PromptForm(ReasonForm):
    """A new wording of a prompt."""

    class Meta:
        model = PromptVersion
        fields = ("name", "text")

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError for a wording that is there already."""
        said: dict[str, Any] = super().clean() or {}
        self.instance.hash = hashlib.sha256(said.get("text", "").encode()).hexdigest()
        if PromptVersion.objects.filter(name=said.get("name"), hash=self.instance.hash).exists():
            raise forms.ValidationError("This wording is there already: serve that version.")
        return said


@admin.register(PromptVersion)
class PromptVersionAdmin(ReasonedAdmin):
    """A wording is never changed, only added and served: ledger rows point to it by its hash."""

    form = PromptForm
    list_display = ("name", "short_hash", "active", "created_at")
    list_filter = ("name", "active")
    ordering = ("name", "-pk")
    actions_detail = ("serve",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "text", "reason"] if obj is None else ["name", "text", "hash", "active", "created_at"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_serve_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this person may choose what is served."""
        return super().has_change_permission(request)

    @display(description="version")
    def short_hash(self, prompt: PromptVersion) -> str:
        return prompt.hash[:8]

    @action(
        description="Serve this version",
        permissions=["serve"],
        dialog={
            "title": "Serve this version",
            "description": "Calls from now on use this wording.",
            "form_class": ReasonDialog,
            "form_submit_text": "Serve",
        },
    )
    def serve(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        with transaction.atomic():
            wanted = PromptVersion.objects.get(pk=object_id)
            rivals = PromptVersion.objects.select_for_update().filter(name=wanted.name, active=True)
            before = [rival.hash for rival in rivals]
            rivals.update(active=False)
            PromptVersion.objects.filter(pk=wanted.pk).update(active=True)
            said = form.cleaned_data["reason"]
            record("promptversion.serve", wanted, by=person(request), before={"served": before}, reason=said)
        return done(request, "This version is served.", change_page(wanted))
