"""House rules: what is proposed from people's edits, and what a person says to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from analysis import rules, training
from analysis.models import HouseRule
from emm.admin import ReasonDialog, ReasonedAdmin, ReasonForm, change_page, done, person

Status = HouseRule.Status


class HouseRuleForm(ReasonForm):
    """Another wording for a rule that awaits a person."""

    text = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="What the models are told: one line, 300 characters.",
    )

    class Meta:
        model = HouseRule
        fields = ("text",)

    def clean_text(self) -> str:
        """One line."""
        return " ".join(self.cleaned_data["text"].split())


def _dialog(title: str, description: str, submit: str) -> dict[str, Any]:
    return {"title": title, "description": description, "form_class": ReasonDialog, "form_submit_text": submit}


@admin.register(HouseRule)
class HouseRuleAdmin(ReasonedAdmin):
    """The product proposes rules; people word them, accept, refuse or retire them."""

    form = HouseRuleForm
    list_display = ("text", "standing", "seen_in", "proposed_at", "decided_by")
    list_filter = ("status", "kind")
    ordering = ("-pk",)
    actions_detail = ("accept", "refuse", "retire")

    def get_queryset(self, request: HttpRequest) -> QuerySet[HouseRule]:
        return super().get_queryset(request).select_related("decided_by").prefetch_related("evidence")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = ["kind", "before", "after", "settlements", "acceptance", "told"]
        shown += ["proposed_at", "decided_at", "decided_by", "retired_at"]
        return ["text", "reason", *shown] if self.has_change_permission(request, obj) else ["text", *shown, "why"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for name in self.get_fields(request, obj) if name not in ("text", "reason")]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The wording of a rule that was decided on stays as it is."""
        return super().has_change_permission(request, obj) and (obj is None or obj.status == Status.PROPOSED)

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may decide on this rule now."""
        return super().has_change_permission(request) and self._is(object_id, Status.PROPOSED)

    def has_retire_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may retire this rule now."""
        return super().has_change_permission(request) and self._is(object_id, Status.ACCEPTED)

    def _is(self, object_id: Any, status: HouseRule.Status) -> bool:
        return str(object_id).isdecimal() and HouseRule.objects.filter(pk=object_id, status=status).exists()

    @display(description="status", ordering="status", label={"accepted": "success", "proposed": "warning"})
    def standing(self, rule: HouseRule) -> tuple[str, str]:
        if rule.status == Status.ACCEPTED and rule in rules.in_force()[1]:
            return "left out", f"accepted, left out: {rules.MOST} older rules are told"
        return rule.status, rule.get_status_display()

    @display(description="status")
    def told(self, rule: HouseRule) -> str:
        return self.standing(rule)[1]

    @display(description="seen in")
    def seen_in(self, rule: HouseRule) -> str:
        return f"{len(rule.evidence.all())} settlements"

    @display(description="acceptance of plans")
    def acceptance(self, rule: HouseRule) -> str:
        if rule.status not in (Status.ACCEPTED, Status.RETIRED):
            return "Shown once the rule is accepted."
        (found,) = (one for one in training.effects(training.cases(training.rated())) if one.rule == rule)
        return f"{found.before} before the models were told, {found.after} after"

    @display(description="settlements that show it")
    def settlements(self, rule: HouseRule) -> SafeString:
        found = rule.evidence.select_related("action").order_by("pk")
        links = format_html_join(
            "",
            '<li><a class="text-primary-600 dark:text-primary-500" href="{}">{}</a></li>',
            ((change_page(one), one.action) for one in found),
        )
        return format_html("<ul>{}</ul>", links)

    @display(description="reason")
    def why(self, rule: HouseRule) -> str:
        return rule.reason

    @action(
        description="Accept",
        permissions=["decide"],
        variant=ActionVariant.PRIMARY,
        dialog=_dialog("Accept this rule", "The personas and the synthesis are told from the next call on.", "Accept"),
    )
    def accept(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        return _decide(request, object_id, rules.accept, "Accepted: the models are told from now on.", form)

    @action(
        description="Refuse",
        permissions=["decide"],
        dialog=_dialog("Refuse this rule", "It is not proposed again from the same settlements.", "Refuse"),
    )
    def refuse(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        return _decide(request, object_id, rules.refuse, "Refused.", form)

    @action(
        description="Retire",
        permissions=["retire"],
        variant=ActionVariant.DANGER,
        dialog=_dialog("Retire this rule", "The models are no longer told, from the next call on.", "Retire"),
    )
    def retire(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        return _decide(request, object_id, rules.retire, "Retired.", form)


def _decide(request: HttpRequest, pk: int, verb: Callable[..., None], message: str, form: ReasonDialog) -> HttpResponse:
    rule = HouseRule.objects.get(pk=pk)
    try:
        verb(rule, by=person(request), reason=form.cleaned_data["reason"])
    except ValidationError as error:
        return done(request, " ".join(error.messages), change_page(rule), messages.ERROR)
    return done(request, message, change_page(rule))
