"""The choices about how items are sorted, argued and paid for, and the switch that stops every call to a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from analysis import corrections, switch, thresholds
from analysis.models import (
    Policy,
)
from emm.admin import (
    ReasonDialog,
    ReasonedAdmin,
    change_page,
    done,
    person,
)


@admin.register(Policy)
class PolicyAdmin(ReasonedAdmin):
    """The one row of choices about how items are sorted, argued and paid for."""

    fields = (
        "calls", "strategic_min_confidence", "operational_min_confidence", "reference_min_confidence", "suggested",
        "standard_from_impact", "deep_from_impact", "patient_lane", "reason",
    )  # fmt: skip
    readonly_fields = ("calls", "suggested")
    actions_detail = ("stop_calls", "let_calls_go_on", "adopt_suggestions")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one row: its list is its page."""
        return HttpResponseRedirect(change_page(Policy.current()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_stop_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may stop what runs."""
        return self.has_change_permission(request) and not Policy.current().model_calls_stopped

    def has_start_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may let go on what was stopped."""
        return self.has_change_permission(request) and Policy.current().model_calls_stopped

    def has_adopt_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may take over what is suggested, and something is."""
        return self.has_change_permission(request) and bool(corrections.news(Policy.current()))

    @display(description="calls to models")
    def calls(self, policy: Policy) -> str:
        return policy.standing

    @display(description="suggested confidences")
    def suggested(self, policy: Policy) -> str:
        rows = [
            {"route": route, "now": policy.min_confidence(route), "found": found}
            for route, found in corrections.suggestions().items()
        ]
        news = corrections.news(policy)
        shown = {
            "rows": rows,
            "news": news,
            "least": thresholds.LEAST_EVIDENCE,
            "most": f"{thresholds.MOST_CORRECTED:.0%}",
        }
        return render_to_string("analysis/thresholds.html", shown)

    @action(
        description="Stop all model calls",
        permissions=["stop"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Stop all model calls",
            "description": "No call is made until somebody lets them go on. Calls under way finish; items wait and say why.",
            "form_class": ReasonDialog,
            "form_submit_text": "Stop",
        },
    )
    def stop_calls(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        return _turn(request, switch.stop, form, "Stopped: no call is made from now on.")

    @action(
        description="Let model calls go on",
        permissions=["start"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Let model calls go on",
            "description": "What waited is asked at once, within its budgets.",
            "form_class": ReasonDialog,
            "form_submit_text": "Go on",
        },
    )
    def let_calls_go_on(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        return _turn(request, switch.let_go_on, form, "Calls are made again.")

    @action(
        description="Adopt the suggested confidences",
        permissions=["adopt"],
        dialog={
            "title": "Adopt the suggested confidences",
            "description": "They hold for what is triaged from now on. To undo it, enter the old ones: the audit log has them.",
            "form_class": ReasonDialog,
            "form_submit_text": "Adopt",
        },
    )
    def adopt_suggestions(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        return _turn(request, corrections.adopt, form, "The suggested confidences hold from now on.")


def _turn(request: HttpRequest, verb: Callable[..., Any], form: ReasonDialog, message: str) -> HttpResponse:
    page = change_page(Policy.current())
    try:
        verb(by=person(request), reason=form.cleaned_data["reason"])
    except ValidationError as error:
        return done(request, " ".join(error.messages), page, messages.ERROR)
    return done(request, message, page)
