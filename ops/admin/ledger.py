"""The ledger: every inbox page in its one state, and what happened to it, call by call."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from notion_sync.admin.mirrors import InboxItemAdmin
from notion_sync.models import InboxItem
from ops import timeline

admin.site.unregister(InboxItem)

TONES = {
    InboxItem.State.DONE: "green",
    InboxItem.State.PROPOSED: "orange",
    InboxItem.State.HELD: "red",
}


@admin.register(InboxItem)
class LedgerAdmin(InboxItemAdmin):
    """The list with its counts; an item's page is its timeline, and `?raw=1` shows the row."""

    list_before_template = "ops/ledger.html"
    search_fields: Any = ("title", "=page_id", "=emm_id")
    search_help_text = "Words of the title, or the page's id."

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under how many items are in each state."""
        counts = dict(InboxItem.objects.values_list("state").annotate(n=Count("pk")).order_by())
        shares = [
            {"state": state.value, "label": state.label, "count": counts.get(state, 0), "tone": TONES.get(state, "")}
            for state in InboxItem.State
        ]
        context = {"states": shares, "total": sum(counts.values()), "chosen": request.GET.get("state__exact", "")}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The timeline. Raises PermissionDenied for whoever may not see items."""
        if request.method != "GET" or request.GET.get("raw"):
            return super().change_view(request, object_id, form_url, extra_context)
        item = get_object_or_404(InboxItem, pk=object_id) if object_id.isdecimal() else None
        if item is None:
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request, item):
            raise PermissionDenied
        events, cut = timeline.of(item)
        context = {
            **admin.site.each_context(request),
            "title": item.title or "Untitled item",
            "item": item,
            "tone": TONES.get(InboxItem.State(item.state), ""),
            "page": self.page(item),
            "events": events,
            "cut": timeline.MOST if cut else None,
            "opts": self.opts,
        }
        return TemplateResponse(request, "ops/item.html", context)
