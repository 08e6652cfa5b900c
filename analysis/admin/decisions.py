"""What people decided, and what followed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.decorators import display

from analysis.admin.reading import html
from analysis.answers import Plan
from analysis.models import (
    Execution,
    Settlement,
)
from analysis.pages import training_page
from emm.admin import (
    JobAdmin,
)


@admin.register(Settlement)
class SettlementAdmin(JobAdmin):
    list_display = ("action", "decision", "accepted", "closest", "shown_status", "due_at", "error")
    list_filter = (*JobAdmin.list_filter, "decision")
    list_select_related = ("action", "synthesis__analysis__item")
    exclude = ("final_plan", "changes", "persona_rates")
    readonly_fields = ("both_plans",)

    class Media:
        css = {"all": ["emm/reading.css"]}  # as Django wants it

    @display(description="what was decided")
    def both_plans(self, settlement: Settlement) -> SafeString | str:
        """The changes in words, each persona's rate, and both plans whole."""
        if settlement.final_plan is None:
            return "Not settled yet."
        proposed, final = (Plan.model_validate(one) for one in (settlement.synthesis.plan, settlement.final_plan))
        return html(training_page(proposed, final, settlement.changes, settlement.persona_rates, settlement.note))

    @display(description="acceptance", ordering="acceptance_rate")
    def accepted(self, settlement: Settlement) -> str | None:
        return None if settlement.acceptance_rate is None else f"{settlement.acceptance_rate:.0%}"


@admin.register(Execution)
class ExecutionAdmin(JobAdmin):
    list_select_related = ("settlement__action",)
