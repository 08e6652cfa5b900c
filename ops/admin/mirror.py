"""The console's pages about the mirror's proof, and about what stops all requests to Notion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display

from emm.admin import JobAdmin, ReadOnlyAdmin, ReasonDialog, change_page, done, person
from notion_sync import reconciliation, standstill
from notion_sync.models import ListedPage, Reconciliation, Standstill, Window


@admin.register(Reconciliation)
class ReconciliationAdmin(JobAdmin):
    list_display = (
        "opened_at", "source", "shown_status", "verdict", "seen", "repaired", "requests", "duration", "error",
    )  # fmt: skip
    list_filter = (*JobAdmin.list_filter, "source")
    list_select_related = ("source",)
    actions_list = ("start",)
    list_before_template = "ops/reconciliations.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under a word on when it grows."""
        return super().changelist_view(request, {**(extra_context or {}), "hour": reconciliation.NIGHT_HOUR})

    @display(description="it proved")
    def verdict(self, row: Reconciliation) -> str:
        return row.verdict

    @display(description="took")
    def duration(self, row: Reconciliation) -> timedelta | None:
        return row.took

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["verdict", *(name for name in super().get_fields(request, obj) if name != "verdict")]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "verdict"]

    @action(
        description="Compare now",
        permissions=["operate"],
        dialog={
            "title": "Compare every database with its mirror",
            "description": "Lists all pages in Notion: one request for every 100, after everything that people wait for.",
            "form_class": ReasonDialog,
            "form_submit_text": "Compare",
        },
    )
    def start(self, request: HttpRequest, form: ReasonDialog) -> HttpResponse:
        count = reconciliation.start(by=person(request), reason=form.cleaned_data["reason"])
        words = (
            f"{count} comparisons opened." if count else "All databases are being compared, held or not mirrored yet."
        )
        return done(request, words, reverse("admin:notion_sync_reconciliation_changelist"))


@admin.register(Window)
class WindowAdmin(JobAdmin):
    list_display = ("source", "reconciliation", "since", "until", "shown_status", "requests", "failures", "error")
    list_select_related = ("source", "reconciliation__source")


@admin.register(ListedPage)
class ListedPageAdmin(ReadOnlyAdmin):
    list_display = ("page_id", "window")
    list_select_related = ("window__source",)
    search_fields = ("page_id",)


@admin.register(Standstill)
class StandstillAdmin(ReadOnlyAdmin):
    list_display = ("began_at", "lifted_at", "why", "what_to_do")
    readonly_fields = ("what_to_do",)
    actions_detail = ("lift",)

    @display(description="what to do")
    def what_to_do(self, row: Standstill) -> str:
        return "Nothing: requests are sent again." if row.lifted_at else row.fix

    @action(
        description="Ask Notion again",
        permissions=["operate"],
        dialog={
            "title": "Ask Notion again",
            "description": "Only after what stands under What to do is mended.",
            "form_class": ReasonDialog,
            "form_submit_text": "Ask again",
        },
    )
    def lift(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        row = Standstill.objects.get(pk=object_id)
        try:
            standstill.lift(row, by=person(request), reason=form.cleaned_data["reason"])
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(row), messages.ERROR)
        return done(request, "Requests are sent again.", change_page(row))
