"""What the pages of the console stand on.

Ledgers and mirrors are read-only, jobs can be queued again, and what people may change asks why: the answer goes into
the audit log, with the values before and after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.paginator import Page
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold import paginator as unfold_paginator
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminTextInputWidget,
)

from emm.audit import AuditEntry, record
from emm.jobs import Job, LostLease

LONGEST_REASON = 500
MOST_DEEDS = 200
LONGEST_CAUSE = 400  # characters of a row of a list: what is wrong comes first, what to do after it


def shortened(text: str, length: int = 80) -> str:
    """The beginning of a long text, with a mark where it goes on."""
    return Truncator(" ".join(text.split())).chars(length)


def pretty(value: Any) -> SafeString:
    """A JSON value to read, escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text)


class InfinitePaginator(
    unfold_paginator.InfinitePaginator
):  # by this name unfold's templates know that nothing is counted
    """Skips by ids alone, which an index gives: the rows before a far page are not read. Nothing is counted."""

    def page(self, number: int | str) -> Page[Any]:
        wanted = int(self.validate_number(number))
        first = (wanted - 1) * self.per_page
        ids = self.object_list.values("pk")[first : first + self.per_page]
        return self._get_page(self.object_list.filter(pk__in=ids), wanted, self)


class RememberedAdmin(ModelAdmin):
    """The history of a row is the audit log's: who did what to it, when and why."""

    object_history_template: Any = "emm/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The newest deeds first."""
        deeds = AuditEntry.objects.filter(object_kind=self.model._meta.label, object_id=unquote(object_id))
        context = {"deeds": deeds.order_by("-pk")[:MOST_DEEDS], "most": MOST_DEEDS}
        return super().history_view(request, object_id, {**(extra_context or {}), **context})


class ReadOnlyAdmin(RememberedAdmin):
    """Rows that only the product writes. A large table opens at once, at any of its pages."""

    paginator: Any = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-pk",)

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        self._readable = {
            field.name: _reader(field) for field in model._meta.fields if isinstance(field, models.JSONField)
        }

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The fields, JSON laid out to be read."""
        return [self._readable.get(name, name) for name in super().get_fields(request, obj)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this person may start work on these rows: who may change them in principle."""
        return super().has_change_permission(request, obj)


def _reader(field: models.Field[Any, Any]) -> Any:
    @display(description=field.verbose_name)
    def read(row: models.Model) -> SafeString | None:
        value = getattr(row, field.attname)
        return None if value is None else pretty(value)

    return read


class Attention(admin.SimpleListFilter):
    """Which jobs want to be looked at, and why."""

    title = "What needs a look?"
    parameter_name = "look"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("stuck", "Needs a person"),
            ("failing", "Failed, will be tried again"),
            ("late", "Due, but nobody took it for 5 minutes"),
            ("unfinished", "Not finished"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        waiting = Q(status=Job.Status.WAITING)
        wanted = {
            "stuck": Q(status__in=(Job.Status.NEVER, Job.Status.DEAD)),
            "failing": waiting & ~Q(last_error=""),
            "late": waiting & Q(due_at__lt=Now() - timedelta(minutes=5)),
            "unfinished": Q(status__in=(Job.Status.WAITING, Job.Status.RUNNING)),
        }
        return queryset.filter(wanted[value]) if (value := self.value()) in wanted else queryset


class JobAdmin(ReadOnlyAdmin):
    """Jobs: where each stands, and a second chance for those that stopped."""

    list_display: Any = ("__str__", "shown_status", "due_at", "failures", "error")
    list_filter: Any = (Attention,)
    actions = ("queue_again",)
    actions_detail: Any = ("queue_this_again",)

    @display(description="status", ordering="status", label={
        Job.Status.DONE: "success", Job.Status.RUNNING: "info", Job.Status.NEVER: "danger", Job.Status.DEAD: "danger",
    })  # fmt: skip
    def shown_status(self, job: Job) -> tuple[str, str]:
        return job.status, job.get_status_display()

    @display(description="last error")
    def error(self, job: Job) -> str:
        return f"{shortened(job.last_error, LONGEST_CAUSE)} {job.what_next}".strip()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*(name for name in super().get_fields(request, obj) if name != "what_next"), "what_next"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "what_next"]

    @admin.action(description="Queue again", permissions=["operate"])
    def queue_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Try the chosen rows that stopped once more."""
        tried = [_tried_again(job, person(request)) for job in queryset]
        count, skipped = tried.count(True), tried.count(False)
        rest = f" {skipped} had not stopped, or a newer one does the same: left alone." if skipped else ""
        self.message_user(request, f"{count} queued again.{rest}", messages.SUCCESS if count else messages.WARNING)

    def has_requeue_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Where the row has stopped."""
        if not str(object_id).isdecimal() or not self.has_operate_permission(request):
            return False
        return bool(self.model._default_manager.stuck().filter(pk=object_id).exists())

    @action(
        description="Queue again",
        permissions=["requeue"],
        dialog={
            "title": "Queue again",
            "description": "It is tried once more, with a clean count. What stopped it stands under Last error.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Queue again",
        },
    )
    def queue_this_again(self, request: HttpRequest, form: BaseDialogForm, object_id: int) -> HttpResponse:
        job = self.model._default_manager.get(pk=object_id)
        if _tried_again(job, person(request)):
            return done(request, "Queued again: this page shows what becomes of it.", change_page(job))
        alone = "It had not stopped, or a newer one does the same: left alone."
        return done(request, alone, change_page(job), messages.WARNING)


def _tried_again(job: Any, by: User) -> bool:
    """Whether the row had stopped; then it is queued again."""
    before = {"status": job.status, "failures": job.failures, "last_error": job.last_error}
    try:
        job.queue_again()
    except LostLease:
        return False
    record(f"{job._meta.model_name}.queue_again", job, by=by, before=before)
    return True


class ReasonForm(forms.ModelForm):
    """A change, and why."""

    reason = forms.CharField(
        max_length=LONGEST_REASON, widget=UnfoldAdminTextInputWidget, help_text="Why: goes into the audit log."
    )


class ReasonDialog(BaseDialogForm):
    """A step, and why."""

    reason = forms.CharField(
        max_length=LONGEST_REASON, widget=UnfoldAdminTextInputWidget, help_text="Why: goes into the audit log."
    )


class AuditedAdmin(RememberedAdmin):
    """Changes leave an audit entry, with the reason where the form asks for one."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        names = [name for name in form.changed_data if name != "reason"]
        record(
            f"{obj._meta.model_name}.{'change' if change else 'add'}",
            obj,
            by=person(request),
            before=_plain({name: form.initial.get(name) for name in names}) if change else None,
            after=_plain({name: form.cleaned_data.get(name) for name in names}),
            reason=form.cleaned_data.get("reason", ""),
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        record(f"{obj._meta.model_name}.delete", obj, by=person(request), before={"was": str(obj)})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)


class ReasonedAdmin(AuditedAdmin):
    """Changes ask why."""

    form = ReasonForm


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple, QuerySet)):
            return [plain(one) for one in value]
        return value if value is None or isinstance(value, (bool, int, float)) else str(value)

    return {name: plain(value) for name, value in values.items()}


def person(request: HttpRequest) -> User:
    """Who works at the console; its pages let nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def done(request: HttpRequest, message: str, address: str, level: int = messages.SUCCESS) -> HttpResponse:
    """The answer to a dialog: say it, and let the browser open the page `address`."""
    messages.add_message(request, level, message)
    return HttpResponse(headers={"HX-Redirect": address})


def change_page(row: models.Model) -> str:
    """The address of a row's page in the console."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
