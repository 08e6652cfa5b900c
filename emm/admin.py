"""The console's shared bases, and the pages of the ground floor.

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
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
)

from emm import credentials, tokens
from emm.audit import AuditEntry, record
from emm.credentials import Credential
from emm.heartbeat import Heartbeat
from emm.idempotency import IdempotencyKey
from emm.jobs import Job, LostLease
from emm.tokens import ApiToken

LONGEST_REASON = 500


def shortened(text: str, length: int = 80) -> str:
    """The beginning of a long text, with a mark where it goes on."""
    return Truncator(" ".join(text.split())).chars(length)


def pretty(value: Any) -> SafeString:
    """A JSON value to read, escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text)


class ReadOnlyAdmin(ModelAdmin):
    """Rows that only the product writes. Nothing is counted, so that a large table opens at once."""

    paginator = InfinitePaginator
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

    @display(description="status", ordering="status", label={
        Job.Status.DONE: "success", Job.Status.RUNNING: "info", Job.Status.NEVER: "danger", Job.Status.DEAD: "danger",
    })  # fmt: skip
    def shown_status(self, job: Job) -> tuple[str, str]:
        return job.status, job.get_status_display()

    @display(description="last error")
    def error(self, job: Job) -> str:
        return shortened(job.last_error)

    @admin.action(description="Queue again", permissions=["operate"])
    def queue_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Try the chosen rows that stopped once more."""
        count = skipped = 0
        for job in queryset:
            before = {"status": job.status, "failures": job.failures, "last_error": job.last_error}
            try:
                job.queue_again()
            except LostLease:
                skipped += 1
                continue
            record(f"{job._meta.model_name}.queue_again", job, by=person(request), before=before)
            count += 1
        rest = f" {skipped} had not stopped and were left alone." if skipped else ""
        self.message_user(request, f"{count} queued again.{rest}", messages.SUCCESS if count else messages.WARNING)


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


class AuditedAdmin(ModelAdmin):
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


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "token", "key", "status")
    list_select_related = ("token",)


class TokenForm(ReasonForm):
    """Whose the token is, and what it may do."""

    scopes = forms.MultipleChoiceField(choices=ApiToken.Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget)

    class Meta:
        model = ApiToken
        fields = ("label", "user", "scopes", "expires_at")

    def clean_label(self) -> str:
        """Raises ValidationError for the name of the token that API_KEY makes."""
        label: str = self.cleaned_data["label"]
        if label == tokens.SYSTEM:
            raise forms.ValidationError("This name belongs to the token that API_KEY makes.")
        return label


class Usable(admin.SimpleListFilter):
    """Which tokens open the door."""

    title = "Does it still work?"
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No: revoked or expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        live = ApiToken.objects.live().values("pk")
        return {"yes": queryset.filter(pk__in=live), "no": queryset.exclude(pk__in=live)}.get(
            self.value() or "", queryset
        )


class SuperusersOnly(ModelAdmin):
    """Pages about secrets."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


@admin.register(ApiToken)
class ApiTokenAdmin(SuperusersOnly):
    form = TokenForm
    list_display = ("label", "prefix", "allowed", "user", "last_used_at", "expires_at", "revoked_at")
    list_filter = (Usable,)
    list_select_related = ("user",)
    search_fields = ("label", "prefix")
    actions_detail = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Nobody needs to see a digest."""
        if obj is None:
            return ["label", "user", "scopes", "expires_at", "reason"]
        return ["label", "user", "prefix", "allowed", "created_at", "expires_at", "revoked_at", "last_used_at"]

    @display(description="scopes")
    def allowed(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue the token and show its secret, this once."""
        said = form.cleaned_data
        token, secret = tokens.issue(
            said["label"],
            said["scopes"],
            by=person(request),
            user=said["user"],
            expires_at=said["expires_at"],
            reason=said["reason"],
        )
        obj.pk = token.pk
        obj.refresh_from_db()
        self.message_user(request, f"Copy the token now, it is not shown again: {secret}", messages.WARNING)

    @action(
        description="Revoke",
        permissions=["view"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Revoke this token",
            "description": "It stops working at once, for good.",
            "form_class": ReasonDialog,
            "form_submit_text": "Revoke",
        },
    )
    def revoke(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        token = ApiToken.objects.get(pk=object_id)
        closed = tokens.revoke(token, by=person(request), reason=form.cleaned_data["reason"])
        return done(request, "Revoked." if closed else "It was revoked before.", change_page(token))


class CredentialForm(ReasonForm):
    """A secret to keep. What is kept is never shown."""

    value = forms.CharField(
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Replaces what is kept; never shown again.",
    )

    class Meta:
        model = Credential
        fields = ("name",)


@admin.register(Credential)
class CredentialAdmin(SuperusersOnly, AuditedAdmin):
    form = CredentialForm
    list_display = ("name", "wins", "updated_by", "updated_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name", "value", "reason"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["name"] if obj else []

    @display(description="in use", label={"this": "success", "environment": "warning"})
    def wins(self, row: Credential) -> tuple[str, str]:
        if credentials.is_in_environment(row.name):
            return "environment", "the environment's"
        return "this", "this one"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        said = form.cleaned_data
        row = credentials.store(obj.name, said["value"], by=person(request), reason=said["reason"])
        obj.pk = row.pk
