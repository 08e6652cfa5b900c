"""Incidents."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from emm.admin import AuditedAdmin, ReadOnlyAdmin, ReasonDialog, change_page, done, person
from emm.audit import record
from ops import incidents
from ops.models import FollowUp, Incident, IncidentEntry


class EntryInline(TabularInline):
    """The timeline: lines are added through the button, and stay."""

    model = IncidentEntry
    extra = 0
    fields = readonly_fields = ("at", "by", "text")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FollowUpInline(TabularInline):
    model = FollowUp
    extra = 0


class NoteDialog(ReasonDialog):
    """A line of the timeline, and what it changes."""

    status = forms.ChoiceField(
        choices=[("", "Nothing changes"), *Incident.Status.choices], required=False, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = "What happened, or what you do"
        self.fields["reason"].help_text = "Goes into the timeline."


@admin.register(Incident)
class IncidentAdmin(AuditedAdmin):
    list_display = ("title", "severity", "status", "opened_at", "answered", "resolved_at", "open_follow_ups")
    list_filter = ("status", "severity")
    ordering = ("-pk",)
    fields = (
        "title", "severity", "commander", "speaker", "scribe", "release", "impact", "cause", "lessons",
        "status", "opened_at", "opened_by", "answered_at", "resolved_at", "alert",
    )  # fmt: skip
    first_fields = ("title", "severity", "commander", "speaker", "scribe", "release")
    readonly_fields = ("status", "opened_at", "opened_by", "answered_at", "resolved_at", "alert")
    inlines = (EntryInline, FollowUpInline)
    actions_detail = ("add_note", "message_opened", "message_update", "message_resolved", "export")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else self.first_fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this person may write into the timeline."""
        return self.has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.opened_by = str(person(request))
        super().save_model(request, obj, form, change)

    @display(description="answered", label={"late": "danger", "not yet": "warning", "in time": "success"})
    def answered(self, incident: Incident) -> str:
        if incidents.late(incident):
            return "late"
        return "not yet" if incident.answered_at is None else "in time"

    @display(description="open follow-ups")
    def open_follow_ups(self, incident: Incident) -> int:
        return incident.follow_ups.filter(done_at=None).count()

    @action(
        description="Write into the timeline",
        permissions=["operate"],
        dialog={
            "title": "Write into the timeline",
            "description": "The first line by a person is the answer that the severity asks for.",
            "form_class": NoteDialog,
            "form_submit_text": "Write",
        },
    )
    def add_note(self, request: HttpRequest, form: NoteDialog, object_id: int) -> HttpResponse:
        incident = Incident.objects.get(pk=object_id)
        said, status = form.cleaned_data["reason"], form.cleaned_data["status"]
        if status:
            incidents.move(incident, Incident.Status(status), by=person(request), why=said)
        else:
            incidents.note(incident, said, by=person(request))
        return done(request, "Written down.", change_page(incident))

    @action(description="Text: opened", permissions=["view"])
    def message_opened(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._text(request, object_id, "opened")

    @action(description="Text: update", permissions=["view"])
    def message_update(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._text(request, object_id, "update")

    @action(description="Text: resolved", permissions=["view"])
    def message_resolved(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._text(request, object_id, "resolved")

    @action(description="Export", permissions=["view"])
    def export(self, request: HttpRequest, object_id: int) -> HttpResponse:
        incident = get_object_or_404(Incident, pk=object_id)
        record("incident.export", incident, by=person(request))
        name = f'attachment; filename="incident-{incident.pk}.md"'
        return HttpResponse(
            incidents.as_text(incident), "text/markdown; charset=utf-8", headers={"Content-Disposition": name}
        )

    def _text(self, request: HttpRequest, object_id: int, kind: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        incident = get_object_or_404(Incident, pk=object_id)
        return HttpResponse(incidents.message(incident, kind), "text/plain; charset=utf-8")


@admin.register(IncidentEntry)
class IncidentEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "incident", "by", "text")
    list_select_related = ("incident",)


@admin.register(FollowUp)
class FollowUpAdmin(AuditedAdmin):
    list_display = ("text", "incident", "owner", "due", "done_at")
    list_filter = ("owner",)
    list_select_related = ("incident",)
