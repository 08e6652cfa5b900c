"""The checklist, releases and what they stand on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from emm.admin import ReadOnlyAdmin, person, shortened
from ops import console, deployment, signoff
from ops.models import (
    Confirmation,
    DutyReminder,
    Evidence,
    ProbeRun,
    Recommendation,
    Release,
    Rollback,
    RollbackStep,
    SignOff,
    Waiver,
)


@admin.register(ProbeRun)
class ReadinessAdmin(ReadOnlyAdmin):
    """The list is the readiness page; one probe's own page is for whoever looks into it."""

    list_display = ("key", "state", "seen_at")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Raises PermissionDenied for whoever may not see the checklist."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return console.show(request)


class ReleaseForm(forms.ModelForm):
    """A release to be."""

    version = forms.CharField(max_length=60, widget=UnfoldAdminTextInputWidget)
    commit = forms.CharField(min_length=40, max_length=40, widget=UnfoldAdminTextInputWidget, initial=deployment.commit)
    changes = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget, help_text="The commits since the last release: git log."
    )

    class Meta:
        model = Release
        fields = ("version", "commit", "changes")

    def clean_commit(self) -> str:
        """Raises ValidationError for what is no full hash."""
        commit = str(self.cleaned_data["commit"]).lower()
        if not deployment.FULL_HASH.fullmatch(commit):
            raise ValidationError("Forty hexadecimal digits: the full hash.")
        return commit


@admin.register(Release)
class ReleaseAdmin(ModelAdmin):
    form = ReleaseForm
    list_display = ("version", "status", "short_commit", "opened_by", "opened_at")
    list_filter = ("status",)
    ordering = ("-pk",)

    @display(description="commit")
    def short_commit(self, release: Release) -> str:
        return release.commit[:8]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        opened = signoff.open_release(obj.version, obj.commit, by=person(request), changes=obj.changes)
        obj.pk, obj._state.adding = opened.pk, False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The release's own page. Raises Http404 or PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return console.show(request, get_object_or_404(Release, pk=object_id if object_id.isdecimal() else 0))


@admin.register(Evidence)
class EvidenceAdmin(ReadOnlyAdmin):
    list_display = ("at", "key", "state", "seen", "release")
    list_filter = ("state",)
    list_select_related = ("release",)
    search_fields = ("key",)

    @display(description="evidence")
    def seen(self, evidence: Evidence) -> str:
        return shortened(evidence.evidence)


@admin.register(Confirmation)
class ConfirmationAdmin(ReadOnlyAdmin):
    list_display = ("at", "key", "by", "note", "release", "withdrawn_at")
    list_select_related = ("release", "by")
    search_fields = ("key",)


@admin.register(Waiver)
class WaiverAdmin(ReadOnlyAdmin):
    list_display = ("at", "key", "by", "reason", "expires_at", "withdrawn_at")
    list_select_related = ("by",)
    search_fields = ("key",)


@admin.register(SignOff)
class SignOffAdmin(ReadOnlyAdmin):
    list_display = ("at", "release", "role", "by", "ended_at", "ended_because")
    list_filter = ("role",)
    list_select_related = ("release", "by")


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnlyAdmin):
    list_display = ("at", "release", "trigger", "metric")
    list_select_related = ("release",)


@admin.register(Rollback)
class RollbackAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "started_by", "started_at", "finished_at")
    list_filter = ("drill",)
    list_select_related = ("release",)


@admin.register(RollbackStep)
class RollbackStepAdmin(ReadOnlyAdmin):
    list_display = ("at", "rollback", "key", "by")
    list_select_related = ("rollback__release",)


@admin.register(DutyReminder)
class DutyReminderAdmin(ReadOnlyAdmin):
    list_display = ("told_at", "key", "due_at")
