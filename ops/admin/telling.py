"""When people are told what: the policy, the Command Center's refresh, digests, and calls for a decision."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from emm.admin import JobAdmin, ReadOnlyAdmin, ReasonedAdmin
from ops.models import Call, CommandCenter, Digest, NoticePolicy


@admin.register(NoticePolicy)
class NoticePolicyAdmin(ReasonedAdmin):
    """The one row of choices about when people are told."""

    list_display = (
        "__str__",
        "daily",
        "weekly",
        "weekday",
        "comments",
        "remind_after_hours",
        "escalate_after_hours",
    )
    fields = (
        "time_zone",
        "hour",
        "daily",
        "weekly",
        "weekday",
        "comments",
        "remind_after_hours",
        "escalate_after_hours",
        "reason",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not NoticePolicy.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(CommandCenter)
class CommandCenterAdmin(JobAdmin):
    list_display = ("__str__", "shown_status", "shown_at", "due_at", "failures", "error")


@admin.register(Digest)
class DigestAdmin(ReadOnlyAdmin):
    list_display = ("subject", "kind", "starts_at", "ends_at", "in_notion")
    list_filter = ("kind",)
    list_select_related = ("page",)
    fields = ("subject", "kind", "starts_at", "ends_at", "made_at", "in_notion", "text")
    readonly_fields = ("in_notion", "text")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.fields)

    @display(description="in Notion")
    def in_notion(self, digest: Digest) -> str | SafeString:
        if digest.page is None:
            return "no workspace was set up"
        if not digest.page.url:
            return "on its way"
        return format_html('<a href="{}">{}</a>', digest.page.url, "the page")

    @display(description="what it said")
    def text(self, digest: Digest) -> SafeString:
        return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', digest.body)


@admin.register(Call)
class CallAdmin(JobAdmin):
    list_display = ("__str__", "shown_status", "opened_at", "outcome", "failures", "error")
    list_filter = (*JobAdmin.list_filter, "kind")
    list_select_related = ("action", "analysis__intent")
