"""Service levels, alerts, and backups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from emm.admin import LONGEST_CAUSE, JobAdmin, ReadOnlyAdmin, ReasonDialog, change_page, done, person, shortened
from emm.audit import record
from emm.schedule import nudge
from ops import alerts, figures, incidents, objectives, papers
from ops.models import Alert, Backup, Reading, RestoreDrill, RuleState
from ops.rules import BY_KEY, RUNBOOKS


@admin.register(Reading)
class ServiceLevelAdmin(ReadOnlyAdmin):
    """The list is the page of the service levels."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Raises PermissionDenied for whoever may not see them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **admin.site.each_context(request),
            "title": "Service levels",
            "rows": [_row(standing) for standing in objectives.standings()],
        }
        return TemplateResponse(request, "ops/levels.html", context)


def _row(standing: objectives.Standing) -> dict[str, Any]:
    objective, value = standing.objective, standing.figure.value
    unit = "" if objective.unit == "%" else " "
    shown = "not measured yet" if value is None else f"{value:,.{objective.digits}f}{unit}{objective.unit}"
    sign = "below" if objective.at_most else "above"
    target = "watched" if objective.target is None else f"{sign} {objective.target:g}{unit}{objective.unit}"
    left = standing.budget_left
    return {
        "objective": objective,
        "detail": standing.figure.detail,
        "value": shown,
        "target": target,
        "met": standing.met,
        "runbook": RUNBOOKS.get(objective.key, objective.runbook),
        "budget": None if left is None else f"{left:.0f}% of the error budget is left",
        "lines": figures.sparkline(standing.trend, target=objective.target),
        "target_line": figures.target_line(standing.trend, objective.target),
        "points": sum(point is not None for point in standing.trend),
    }


class SnoozeDialog(ReasonDialog):
    """Until when nobody is told, and why."""

    until = forms.SplitDateTimeField(widget=UnfoldAdminSplitDateTimeWidget, help_text="UTC, within a week.")


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("title", "shown_state", "severity", "what", "fired_at", "cleared_at", "acknowledged_by")
    list_filter = ("severity",)
    list_select_related = ("acknowledged_by",)
    search_fields = ("key",)
    actions_detail = ("acknowledge", "snooze", "open_incident")

    @display(description="alert")
    def title(self, alert: Alert) -> str:
        return BY_KEY[alert.key].title if alert.key in BY_KEY else alert.key

    @display(description="state", label={"firing": "danger", "looked after": "warning", "over": "success"})
    def shown_state(self, alert: Alert) -> str:
        if alert.cleared_at is not None:
            return "over"
        return "looked after" if alert.acknowledged_at is not None else "firing"

    @display(description="what")
    def what(self, alert: Alert) -> str:
        return shortened(alert.detail, LONGEST_CAUSE)

    @display(description="runbook")
    def runbook(self, alert: Alert) -> str:
        return papers.linked(BY_KEY[alert.key].runbook) if alert.key in BY_KEY else ""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "runbook"]

    @action(
        description="I look after it",
        permissions=["operate"],
        dialog={
            "title": "I look after it",
            "description": "Nobody else is called for it.",
            "form_class": BaseDialogForm,
            "form_submit_text": "I do",
        },
    )
    def acknowledge(self, request: HttpRequest, form: BaseDialogForm, object_id: int) -> HttpResponse:
        alert = Alert.objects.get(pk=object_id)
        try:
            alerts.acknowledge(alert, person(request))
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(alert), messages.ERROR)
        return done(request, "Nobody else is called for it.", change_page(alert))

    @action(
        description="Snooze",
        permissions=["operate"],
        dialog={
            "title": "Snooze this rule",
            "description": "Nobody is told of it until then. It goes on being judged, and shows here.",
            "form_class": SnoozeDialog,
            "form_submit_text": "Snooze",
        },
    )
    def snooze(self, request: HttpRequest, form: SnoozeDialog, object_id: int) -> HttpResponse:
        alert = Alert.objects.get(pk=object_id)
        try:
            alerts.snooze(alert.key, form.cleaned_data["until"], person(request), form.cleaned_data["reason"])
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(alert), messages.ERROR)
        return done(request, "Nobody is told of it until then.", change_page(alert))

    @action(
        description="Open an incident",
        permissions=["operate"],
        dialog={
            "title": "Open an incident",
            "description": "With this alert as the first line of its timeline.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Open",
        },
    )
    def open_incident(self, request: HttpRequest, form: BaseDialogForm, object_id: int) -> HttpResponse:
        incident = incidents.open_from(Alert.objects.get(pk=object_id), person(request))
        return done(request, "This is the incident.", change_page(incident))


@admin.register(RuleState)
class RuleStateAdmin(ReadOnlyAdmin):
    list_display = ("title", "shown_value", "fires", "seen", "bad_rounds", "looked_at", "snoozed_until", "snoozed_by")
    ordering: Any = ("-bad_rounds", "key")

    @display(description="rule")
    def title(self, state: RuleState) -> str:
        return BY_KEY[state.key].title if state.key in BY_KEY else state.key

    @display(description="value", ordering="value")
    def shown_value(self, state: RuleState) -> str:
        return "not measured yet" if state.value is None else f"{state.value:.4g}"

    @display(description="fires")
    def fires(self, state: RuleState) -> str | None:
        rule = BY_KEY.get(state.key)
        if rule is None:
            return None
        return f"at {rule.threshold:g} or {'less' if rule.at_least else 'more'}, {rule.fire_after} min in a row"

    @display(description="seen")
    def seen(self, state: RuleState) -> str:
        return shortened(state.detail)


@admin.register(Backup)
class BackupAdmin(JobAdmin):
    list_display = ("__str__", "shown_status", "made_at", "size", "error")
    actions_list: Any = ("back_up_now",)
    actions_detail = ("drill", *JobAdmin.actions_detail)

    @display(description="size")
    def size(self, backup: Backup) -> str | None:
        return None if backup.size_bytes is None else f"{backup.size_bytes / 1024**2:,.1f} MB"

    @action(
        description="Back up now",
        permissions=["operate"],
        dialog={
            "title": "Back up now",
            "description": "Copies the whole database.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Back up",
        },
    )
    def back_up_now(self, request: HttpRequest, form: BaseDialogForm) -> HttpResponse:
        with transaction.atomic():
            backup = Backup.objects.create()
            record("backup.start", backup, by=person(request))
            nudge("backup", backup.pk)
        return done(request, "It is being made. Load the page again in a moment.", change_page(backup))

    @action(
        description="Try to restore it",
        permissions=["operate"],
        dialog={
            "title": "Try to restore it",
            "description": "Into a scratch database, which is compared and dropped. Nothing of yours is touched.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Try",
        },
    )
    def drill(self, request: HttpRequest, form: BaseDialogForm, object_id: int) -> HttpResponse:
        backup = Backup.objects.get(pk=object_id)
        if backup.status != Backup.Status.DONE:
            return done(request, "It is not finished.", change_page(backup), messages.ERROR)
        with transaction.atomic():
            tried = RestoreDrill.objects.create(backup=backup)
            record("backup.drill", backup, by=person(request))
            nudge("restore", tried.pk)
        return done(request, "It is being tried. Load the page again in a moment.", change_page(tried))


@admin.register(RestoreDrill)
class RestoreDrillAdmin(JobAdmin):
    list_display = ("__str__", "shown_status", "passed", "seconds", "found", "opened_at")
    list_select_related = ("backup",)

    @display(description="found")
    def found(self, drill: RestoreDrill) -> str:
        return shortened(drill.findings)
