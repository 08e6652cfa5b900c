"""Tokens of the API and secrets entered in the console: for superusers."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
)

from emm import credentials, limits, tokens
from emm.admin.bases import AuditedAdmin, ReasonDialog, ReasonForm, RememberedAdmin, change_page, done, person
from emm.credentials import Credential
from emm.tokens import ApiToken


class TokenForm(ReasonForm):
    """Whose the token is, and what it may do."""

    scopes = forms.MultipleChoiceField(choices=ApiToken.Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget)

    limit_per_minute = forms.IntegerField(
        min_value=1, required=False, help_text=limits.CHOICES, widget=UnfoldAdminTextInputWidget
    )

    class Meta:
        model = ApiToken
        fields = ("label", "user", "scopes", "limit_per_minute", "expires_at")

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


class SuperusersOnly(RememberedAdmin):
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
            return ["label", "user", "scopes", "limit_per_minute", "expires_at", "reason"]
        times = ["created_at", "expires_at", "revoked_at", "last_used_at"]
        return ["label", "user", "prefix", "allowed", "limit_per_minute", *times]

    @display(description="scopes")
    def allowed(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Issue the token and show its secret, this once."""
        said = form.cleaned_data
        chosen = {name: said[name] for name in ("label", "scopes", "user", "expires_at", "limit_per_minute", "reason")}
        token, secret = tokens.issue(**chosen, by=person(request))
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
