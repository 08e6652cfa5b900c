"""The ledger: every inbox page in its one state, and what happened to it, call by call."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from notion_sync.admin.mirrors import InboxItemAdmin
from notion_sync.models import InboxItem
from ops import spend, timeline

admin.site.unregister(InboxItem)

MOST_COUNTED = 1_000  # of each state: beyond, the page says so instead of reading the whole table
TONES = {
    InboxItem.State.DONE: "green",
    InboxItem.State.PROPOSED: "orange",
    InboxItem.State.HELD: "red",
}


@admin.register(InboxItem)
class LedgerAdmin(InboxItemAdmin):
    """The list with its counts; an item's page is its timeline, and `?raw=1` shows the row."""

    list_before_template = "ops/ledger.html"
    search_help_text = "Words of the title, or the page's id."

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboxItem]:
        """Without what the list does not show, and what may be as long as a book."""
        return super().get_queryset(request).defer("body", "properties", "values")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[InboxItem], search_term: str
    ) -> tuple[QuerySet[InboxItem], bool]:
        """An id is looked up in its index; anything else is words of the title."""
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(Q(page_id=wanted) | Q(emm_id=wanted)), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under how many items are in each state."""
        counts = {state: InboxItem.objects.filter(state=state)[: MOST_COUNTED + 1].count() for state in InboxItem.State}
        shares = [
            {
                "state": state.value,
                "label": state.label,
                "count": min(count, MOST_COUNTED),
                "more": count > MOST_COUNTED,
                "tone": TONES.get(state, ""),
            }
            for state, count in counts.items()
        ]
        context = {
            "states": shares,
            "total": sum(min(count, MOST_COUNTED) for count in counts.values()),
            "more": any(count > MOST_COUNTED for count in counts.values()),
            "chosen": request.GET.get("state__exact", ""),
        }
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
            "cost": spend.of_item(item),
            "events": events,
            "cut": timeline.MOST if cut else None,
            "opts": self.opts,
        }
        return TemplateResponse(request, "ops/item.html", context)
