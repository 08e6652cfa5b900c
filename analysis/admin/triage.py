"""Where items went, and where people sent them instead."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from analysis import by_hand, corrections, routing
from analysis.admin.reading import html
from analysis.answers import Route, TriageAnswer
from analysis.models import Correction, Depth, Triage
from analysis.pages import answer_page
from emm.admin import JobAdmin, ReadOnlyAdmin, ReasonDialog, change_page, done, person, shortened


class RerouteDialog(ReasonDialog):
    """Where to, and why."""

    route = forms.ChoiceField(
        choices=[
            (Route.STRATEGIC.value, "strategic: the personas argue about it"),
            (Route.OPERATIONAL.value, "operational: a task is made of it"),
            (Route.REFERENCE.value, "reference: it is kept as nodes"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("route", "reason")


class DepthDialog(ReasonDialog):
    """How long to argue, and why."""

    depth = forms.ChoiceField(choices=Depth.choices, widget=UnfoldAdminSelectWidget)
    field_order = ("depth", "reason")


@admin.register(Triage)
class TriageAdmin(JobAdmin):
    list_display = ("item", "shown_status", "route", "sureness", "due_at", "failures", "error")
    list_filter = (*JobAdmin.list_filter, "route")
    search_fields = ("item__title",)
    list_select_related = ("item",)
    exclude = ("answer",)
    readonly_fields = ("said", "area", "sent_elsewhere")
    actions_detail = ("reroute", "set_depth", *JobAdmin.actions_detail)

    class Media:
        css = {"all": ["emm/reading.css"]}

    @display(description="confidence", ordering="confidence")
    def sureness(self, triage: Triage) -> str | None:
        return None if triage.confidence is None else f"{triage.confidence:.0%}"

    @display(description="what it says")
    def said(self, triage: Triage) -> str:
        if triage.answer is None:
            return "It has not answered yet."
        return html(answer_page(TriageAnswer.model_validate(triage.answer), triage.status_since.date()))

    @display(description="area")
    def area(self, triage: Triage) -> str | None:
        if triage.answer is None:
            return None
        answer = TriageAnswer.model_validate(triage.answer)
        area = routing.area_of(answer)
        return area.title if area else routing.area_dropped(answer) or "None."

    @display(description="corrections")
    def sent_elsewhere(self, triage: Triage) -> str:
        found = triage.item.corrections.order_by("number")
        return "; ".join(f"{one.from_route} to {one.to_route} by {one.by}" for one in found) or (
            "None. If the route is wrong, press Re-route or change Triage_Destination in Notion."
        )

    @action(
        description="Re-route",
        permissions=["operate"],
        dialog={
            "title": "Send the item elsewhere",
            "description": "The new route's work begins at once. Pages of the old route are marked as superseded, "
            "none is deleted; nodes stay as they are.",
            "form_class": RerouteDialog,
            "form_submit_text": "Re-route",
        },
    )
    def reroute(self, request: HttpRequest, form: RerouteDialog, object_id: int) -> HttpResponse:
        triage, said = Triage.objects.get(pk=object_id), form.cleaned_data
        how = Correction.How.CONSOLE
        try:
            corrections.correct(triage, Route(said["route"]), by=person(request), how=how, reason=said["reason"])
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(triage), messages.WARNING)
        return done(request, f"It goes to {said['route']} now.", change_page(triage))

    @action(
        description="Set depth",
        permissions=["operate"],
        dialog={
            "title": "Choose how long the item is argued",
            "description": "Before its argument is opened; afterwards argue it again from its analysis. It is written to "
            "Depth in Notion.",
            "form_class": DepthDialog,
            "form_submit_text": "Set",
        },
    )
    def set_depth(self, request: HttpRequest, form: DepthDialog, object_id: int) -> HttpResponse:
        triage, said = Triage.objects.get(pk=object_id), form.cleaned_data
        try:
            by_hand.set_depth(triage.item, Depth(said["depth"]), by=person(request), reason=said["reason"])
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(triage), messages.WARNING)
        return done(request, f"It is argued {said['depth']}.", change_page(triage))


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyAdmin):
    list_display = ("at", "item", "from_route", "to_route", "sureness", "by", "how", "why")
    list_filter = ("from_route", "to_route", "how")
    list_select_related = ("item",)
    search_fields = ("item__title",)

    @display(description="confidence then", ordering="confidence")
    def sureness(self, correction: Correction) -> str:
        return f"{correction.confidence:.0%}"

    @display(description="why")
    def why(self, correction: Correction) -> str:
        return shortened(correction.reason)
