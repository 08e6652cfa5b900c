"""What was in the inbox when the workspace was adopted, with what it would cost to have it worked on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import display

from emm.admin import LONGEST_REASON, ReadOnlyAdmin, person
from notion_sync import backlog
from notion_sync.admin.mirrors import page_link
from notion_sync.models import Backlog
from ops.backlog import estimate


@admin.register(Backlog)
class BacklogAdmin(ReadOnlyAdmin):
    """Only what is still held; a filter and "Select all" release by filter."""

    paginator = Paginator  # "Select all" has to know how many there are
    list_display = ("__str__", "created_time", "page")
    list_filter = ("created_time",)
    search_fields = ("title",)
    ordering: Any = ("created_time", "pk")
    actions = ("release",)
    list_before_template = "ops/backlog.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return backlog.held()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        count = backlog.held().count()
        return super().changelist_view(
            request, {**(extra_context or {}), "backlog": count, "estimate": estimate(count)}
        )

    @display(description="in Notion")
    def page(self, item: Backlog) -> Any:
        return page_link(item.url)

    @admin.action(description="Release…", permissions=["operate"])
    def release(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Show what it would cost and ask why; release on the second press."""
        reason = request.POST.get("reason", "").strip()[:LONGEST_REASON]
        if "confirmed" in request.POST and reason:
            count = backlog.release(queryset, by=person(request), reason=reason)
            self.message_user(request, f"{count} released: they are triaged as the budget allows.", messages.SUCCESS)
            return None
        count = queryset.count()
        context = {
            **self.admin_site.each_context(request),
            "title": "Release from the backlog",
            "count": count,
            "estimate": estimate(count),
            "chosen": request.POST.getlist("_selected_action"),
            "across": request.POST.get("select_across", "0"),
            "asked": "confirmed" in request.POST,
            "longest": LONGEST_REASON,
        }
        return TemplateResponse(request, "ops/backlog_release.html", context)
