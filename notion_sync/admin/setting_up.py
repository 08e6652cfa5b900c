"""Setting the workspace up from the console: the token once, a page, a look at what would change, then the steps."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from emm import credentials
from emm.admin import LONGEST_REASON, JobAdmin, SuperusersOnly, change_page, person
from emm.jobs import Later, Never
from notion_sync import client
from notion_sync.models import InboxItem, SchemaCheck, SetupRun
from notion_sync.setup import Wishes, runs
from notion_sync.setup.survey import shared_pages
from notion_sync.workspace import DATABASES

LONGEST_TOKEN = 200
DEMO = (
    "The sandbox stands in for Notion here, and its demo items are in the mirror. To leave it: put NOTION_API_KEY into .env, "
    "then run make reset and make run. What you set up here is built in the sandbox."
)


class TokenForm(forms.Form):
    """The integration's token, pasted once."""

    token = forms.CharField(max_length=LONGEST_TOKEN)

    def clean_token(self) -> str:
        """Raises ValidationError for what no token looks like, and where another one wins."""
        token = str(self.cleaned_data["token"]).strip()
        if credentials.is_in_environment(client.TOKEN):
            raise ValidationError("NOTION_API_KEY is set in the environment, which wins: change it there.")
        if serves_demo():
            raise ValidationError(DEMO)
        if not re.fullmatch(r"[!-~]{8,}", token):
            raise ValidationError("That is no token. Copy it from the integration's page in Notion's settings.")
        return token


class PlanForm(forms.Form):
    """Under which page, and with which databases that are there."""

    page = forms.CharField(required=False, max_length=40)
    address = forms.CharField(required=False, max_length=500)
    adopt = forms.BooleanField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key in DATABASES:
            self.fields[f"database_{key}"] = forms.CharField(required=False, max_length=500)
            self.fields[f"source_{key}"] = forms.CharField(required=False, max_length=200)

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError where no page is named."""
        said: dict[str, Any] = super().clean() or {}
        if not (said.get("address") or said.get("page")):
            raise ValidationError("Choose a page, or paste its link.")
        return said

    def named(self, prefix: str) -> dict[str, str]:
        """What was said about databases, by key."""
        return {key: value for key in DATABASES if (value := self.cleaned_data.get(f"{prefix}_{key}", "").strip())}


def serves_demo() -> bool:
    """Whether the sandbox stands in for Notion and its items have been mirrored."""
    return client.is_sandbox() and InboxItem.objects.exists()


def token_state() -> str:
    """Whose token is used: environment, console, sandbox (none is needed) or none."""
    if credentials.is_in_environment(client.TOKEN):
        return "environment"
    if credentials.is_set(client.TOKEN):
        return "console"
    return "sandbox" if settings.NOTION_IS_SANDBOX else "none"


@admin.register(SetupRun)
class SetupRunAdmin(SuperusersOnly, JobAdmin):
    """The list is the guided page; each run has a page that follows it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The guided page. Raises PermissionDenied for whoever is no superuser."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        plan = PlanForm()
        if request.method == "POST" and request.POST.get("deed") == "token":
            return self._keep_token(request)
        if request.method == "POST":
            plan = PlanForm(request.POST)
            if plan.is_valid() and (row := self._look(request, plan)):
                return HttpResponseRedirect(change_page(row))
        context = {
            **admin.site.each_context(request),
            "title": "Set up Notion",
            "token": token_state(),
            "demo": DEMO if serves_demo() else "",
            "plan": plan,
            "rows": [
                (key, one.title, plan.data.get(f"database_{key}", ""), plan.data.get(f"source_{key}", ""))
                for key, one in DATABASES.items()
            ],
            "runs": SetupRun.objects.order_by("-pk")[:10],
            **self._pages(),
        }
        return TemplateResponse(request, "notion_sync/set_up.html", context)

    def _keep_token(self, request: HttpRequest) -> HttpResponse:
        form = TokenForm(request.POST)
        if form.is_valid():
            credentials.store(
                client.TOKEN, form.cleaned_data["token"], by=person(request), reason="Entered on the set-up page."
            )
            self.message_user(request, "The token is kept, encrypted. It is not shown again.", messages.SUCCESS)
        else:
            self.message_user(request, " ".join(str(error) for error in form.errors.get("token", [])), messages.ERROR)
        return HttpResponseRedirect(reverse("admin:notion_sync_setuprun_changelist"))

    def _look(self, request: HttpRequest, plan: PlanForm) -> SetupRun | None:
        said = plan.cleaned_data
        wishes = Wishes(said["adopt"], False, plan.named("database"), plan.named("source"))
        try:
            return runs.start(
                said["address"] or said["page"],
                wishes,
                only_look=True,
                by=person(request),
                reason="A look before set-up.",
            )
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.WARNING)
            return None

    def _pages(self) -> dict[str, Any]:
        """The pages to choose from, or why there are none."""
        if token_state() == "none":
            return {"pages": [], "trouble": ""}
        try:
            return {"pages": shared_pages(), "trouble": ""}
        except (Later, Never) as error:
            return {"pages": [], "trouble": str(error)}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One run, followed until it ends. Raises Http404 or PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(SetupRun, pk=object_id if object_id.isdecimal() else 0)
        if request.method == "POST" and (row.stopped or (row.only_look and row.status == SetupRun.Status.DONE)):
            try:
                return HttpResponseRedirect(change_page(self._go_on(request, row)))
            except ValidationError as error:
                self.message_user(request, " ".join(error.messages), messages.WARNING)
        context = {
            **admin.site.each_context(request),
            "title": "What set-up would do" if row.only_look else "Set-up",
            "row": row,
            "going": row.status in (SetupRun.Status.WAITING, SetupRun.Status.RUNNING),
        }
        return TemplateResponse(request, "notion_sync/set_up_run.html", context)

    def _go_on(self, request: HttpRequest, row: SetupRun) -> SetupRun:
        """The run that follows: the steps, a look at what taking the workspace over would change, or once more a look.

        Raises ValidationError where a take-over is not confirmed for the installation that was found, or has no reason.
        """
        wishes = Wishes(row.adopt, row.take_over, row.databases, row.data_sources)
        reason = request.POST.get("reason", "").strip()[:LONGEST_REASON]
        if row.served_by and not row.take_over and request.POST.get("deed") != "again":
            wishes, why = replace(wishes, take_over=True), "A look before taking it over."
            return runs.start(row.parent, wishes, only_look=True, by=person(request), reason=why)
        if row.stopped:
            why = "Another look, after what it named was mended."
            return runs.start(row.parent, wishes, only_look=True, by=person(request), reason=why)
        if row.served_by and not (reason and request.POST.get("stopped") == row.served_by):
            raise ValidationError(
                f"Confirm that installation {row.served_by} is stopped, and say why you take its workspace over."
            )
        return runs.start(
            row.parent,
            wishes,
            only_look=False,
            by=person(request),
            reason=reason or "Set-up from the console.",
            served_by=row.served_by,
        )


@admin.register(SchemaCheck)
class SchemaCheckAdmin(JobAdmin):
    list_display = ("source", "shown_status", "due_at", "status_since", "failures", "error")
    list_select_related = ("source",)
