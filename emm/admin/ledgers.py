"""The ground floor's own records: who did what, and what the processes say."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from emm.admin.bases import ReadOnlyAdmin, shortened
from emm.audit import AuditEntry
from emm.heartbeat import Heartbeat
from emm.idempotency import IdempotencyKey
from emm.measures import ProcessMinute


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "label", "action", "object_kind", "object_id", "why")
    list_filter = ("action", "object_kind")
    search_fields = ("label", "object_id", "request_id")
    search_help_text = "Who, the row's id, or the request's id."

    @display(description="why")
    def why(self, entry: AuditEntry) -> str:
        return shortened(entry.reason)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("process", "at")


@admin.register(ProcessMinute)
class ProcessMinuteAdmin(ReadOnlyAdmin):
    list_display = ("minute", "kind", "process", "requests", "failed", "errors_logged", "cpu_percent", "memory_percent")
    list_filter = ("kind",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "token", "key", "status")
    list_select_related = ("token",)
