"""The console's pages about Notion: the mirrors, what we owe it, and the poller."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from emm.admin import (
    LONGEST_CAUSE,
    JobAdmin,
    ReadOnlyAdmin,
    ReasonDialog,
    ReasonedAdmin,
    ReasonForm,
    change_page,
    done,
    person,
    shortened,
)
from notion_sync import control, polling, webhooks
from notion_sync.models import (
    Action,
    Area,
    BodyRead,
    DataSource,
    InboxItem,
    Intent,
    LogEntry,
    Mirror,
    Node,
    NotionCall,
    PersonaPage,
    PollCycle,
    Poller,
    Project,
    Task,
    TrainingExample,
    Workspace,
)


def page_link(address: str) -> SafeString | None:
    """A link to a page in Notion, escaped. None for what is no web address."""
    if urlsplit(address).scheme not in ("http", "https"):
        return None
    return format_html('<a href="{}" class="text-link" target="_blank" rel="noopener noreferrer">Open</a>', address)


class Where(admin.SimpleListFilter):
    """Which pages are there in Notion."""

    title = "Is it in Notion?"
    parameter_name = "where"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("there", "Yes"),
            ("promised", "Not yet: promised"),
            ("trash", "In the trash"),
            ("ours", "Yes, and made by us"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        there = Q(page_id__isnull=False, in_trash=False)
        wanted = {"there": there, "promised": Q(page_id=None), "trash": Q(in_trash=True), "ours": there & Q(ours=True)}
        return queryset.filter(wanted[value]) if (value := self.value()) in wanted else queryset


@admin.register(Intent, PersonaPage, LogEntry, TrainingExample, Task, Project, Area, Node)
class MirrorAdmin(ReadOnlyAdmin):
    """Copies of Notion's pages: change them in Notion."""

    list_display: Any = ("__str__", "page", "last_edited_time", "seen_at", "in_trash")
    list_filter: Any = (Where,)
    search_fields = ("title",)

    @display(description="in Notion")
    def page(self, mirror: Mirror) -> SafeString | None:
        return page_link(mirror.url)


@admin.register(Action)
class ActionAdmin(MirrorAdmin):
    list_display = ("__str__", "page", "approval_status", "last_edited_time", "seen_at")
    list_filter = (Where, "approval_status")


class Attention(admin.SimpleListFilter):
    """Which items want to be looked at."""

    title = "Who has to act?"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("operator", "An operator: it is held"), ("person", "A person: it awaits a decision"), ("us", "We do")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        state = InboxItem.State
        ours = (state.WAITING, state.TRIAGING, state.ANALYSING, state.WRITING, state.DECIDED)
        wanted = {"operator": (state.HELD,), "person": (state.PROPOSED,), "us": ours}
        return queryset.filter(state__in=wanted[value]) if (value := self.value() or "") in wanted else queryset


class Suspicious(admin.SimpleListFilter):
    """Which items speak to a model."""

    title = "Does it read like orders to a model?"
    parameter_name = "orders"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes: look before you trust"), ("no", "No"), ("unseen", "Nobody has looked yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        clear, unseen = Q(orders=[]), Q(orders__isnull=True)
        wanted = {"yes": ~clear & ~unseen, "no": clear, "unseen": unseen}
        return queryset.filter(wanted[value]) if (value := self.value() or "") in wanted else queryset


@admin.register(InboxItem)
class InboxItemAdmin(MirrorAdmin):
    list_display = ("__str__", "shown_state", "reason", "flagged", "state_since", "page")
    list_filter = (Attention, "state", Suspicious, Where)

    @display(description="state", ordering="state", label={
        InboxItem.State.DONE: "success", InboxItem.State.PROPOSED: "warning", InboxItem.State.HELD: "danger",
    })  # fmt: skip
    def shown_state(self, item: InboxItem) -> tuple[str, str]:
        return item.state, item.get_state_display()

    @display(description="why")
    def reason(self, item: InboxItem) -> str:
        return shortened(item.state_reason, LONGEST_CAUSE)

    @display(description="speaks to a model", label={"yes": "danger"})
    def flagged(self, item: InboxItem) -> tuple[str, str] | None:
        kinds = sorted({sign["kind"] for sign in item.orders or []})
        return ("yes", ", ".join(kinds)) if kinds else None


@admin.register(PollCycle)
class PollCycleAdmin(JobAdmin):
    list_display = ("opened_at", "source", "trigger", "shown_status", "seen", "changed", "requests", "error")
    list_filter = (*JobAdmin.list_filter, "source", "trigger")
    list_select_related = ("source",)


@admin.register(BodyRead)
class BodyReadAdmin(JobAdmin):
    list_select_related = ("item",)


class Answered(admin.SimpleListFilter):
    """Which calls went wrong, and how."""

    title = "What went wrong?"
    parameter_name = "went"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("limited", "Too fast: 429"),
            ("refused", "Refused: 4xx"),
            ("broken", "Notion failed: 5xx"),
            ("lost", "No answer"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        wanted = {
            "limited": Q(status=429),
            "refused": Q(status__gte=400, status__lt=500),
            "broken": Q(status__gte=500),
            "lost": Q(status=None),
        }
        return queryset.filter(wanted[value]) if (value := self.value()) in wanted else queryset


@admin.register(NotionCall)
class NotionCallAdmin(ReadOnlyAdmin):
    list_display = ("at", "method", "route", "status", "took", "waited", "what_failed")
    list_filter = (Answered, "method")
    list_select_related = ("item",)
    search_fields = ("=page_id", "=request_id")
    search_help_text = "Page id, or Notion's request id."

    @display(description="took", ordering="duration_ms")
    def took(self, call: NotionCall) -> str:
        return f"{call.duration_ms} ms"

    @display(description="waited first", ordering="waited_ms")
    def waited(self, call: NotionCall) -> str:
        return f"{call.waited_ms} ms"

    @display(description="error")
    def what_failed(self, call: NotionCall) -> str:
        return shortened(call.error)


@admin.register(DataSource)
class DataSourceAdmin(ReadOnlyAdmin):
    list_display = ("key", "page", "polled_at", "mirrored_at", "why_held")
    ordering = ("key",)

    @display(description="in Notion")
    def page(self, source: DataSource) -> SafeString | None:
        return page_link(source.url)

    @display(description="held because")
    def why_held(self, source: DataSource) -> str:
        return shortened(source.hold, LONGEST_CAUSE)


@admin.register(Workspace)
class WorkspaceAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "workspace_id", "installation_id")
    actions_detail = ("open_handshake",)
    webhook = ("webhook_address", "webhook_token")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The token is for those alone who may open the handshake. What is laid out as JSON comes last: nobody acts on it."""
        fields = [name for name in super().get_fields(request, obj) if name not in self.webhook]
        webhook = self.webhook if self.has_operate_permission(request) else ()
        return sorted([*fields, *webhook], key=callable)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *self.webhook]

    @display(description="address for Notion's webhook")
    def webhook_address(self, workspace: Workspace) -> str:
        return f"{settings.PUBLIC_URL}{reverse('webhook-notion')}"

    @display(description="verification token to paste into Notion")
    def webhook_token(self, workspace: Workspace) -> str:
        return webhooks.pending_token() or (
            "Proved by Notion's events, so it is not shown."
            if workspace.webhook_verified_at
            else "None has come. Open the handshake, then enter the address above in Notion's connection settings."
        )

    @action(
        description="Open the webhook handshake",
        permissions=["operate"],
        dialog={
            "title": "Open the webhook handshake",
            "description": "For ten minutes the token that Notion sends to prove itself is taken and shown here.",
            "form_class": ReasonDialog,
            "form_submit_text": "Open",
        },
    )
    def open_handshake(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        webhooks.open_handshake(by=person(request), reason=form.cleaned_data["reason"])
        return done(request, "Open for ten minutes.", change_page(Workspace.objects.get(pk=1)))


class PollerForm(ReasonForm):
    """How often, and why."""

    class Meta:
        model = Poller
        fields = ("interval_seconds",)
        # Each cycle asks the inbox and the action pipes: two calls at least.
        help_texts = {
            "interval_seconds": "60 s for high frequency (2,880 calls to Notion a day, at least), 120 s standard (1,440),"
            " 300 s for low frequency (576)."
        }

    def clean_interval_seconds(self) -> int:
        """Raises ValidationError out of bounds."""
        seconds: int = self.cleaned_data["interval_seconds"]
        try:
            control.check_interval(seconds)
        except forms.ValidationError as error:
            raise forms.ValidationError(error.messages) from None
        return seconds


@admin.register(Poller)
class PollerAdmin(ReasonedAdmin):
    form = PollerForm
    fields = ("interval_seconds", "status", "status_since", "asked_at", "under_way", "reason")
    readonly_fields = ("status", "status_since", "asked_at", "under_way")
    actions_detail = ("poll_now", "pause", "resume")

    @display(description="under way")
    def under_way(self, poller: Poller) -> SafeString:
        """A line for each poll that has not ended: how far it is, and what it waits for."""
        cycles = PollCycle.objects.unfinished().select_related("source").order_by("source__key", "pk")
        lines = []
        for cycle in cycles:
            why = f" {cycle.last_error}" if cycle.status == PollCycle.Status.WAITING and cycle.last_error else ""
            lines.append((f"{cycle.source.key}: {cycle.seen} pages read in {cycle.requests} requests.{why}",))
        return format_html_join(mark_safe("<br>"), "{}", lines) or mark_safe("No poll.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one poller: its list is its page."""
        return HttpResponseRedirect(change_page(polling.poller()))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        control.set_interval(form.cleaned_data["interval_seconds"], form.cleaned_data["reason"], by=person(request))

    @action(
        description="Poll now",
        permissions=["change"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Poll now",
            "description": "Asks Notion at once for everything that changed, also while polling is paused.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Poll now",
        },
    )
    def poll_now(self, request: HttpRequest, form: BaseDialogForm, object_id: int) -> HttpResponse:
        opened = control.poll_now(by=person(request))
        message = (
            f"{opened} polls opened." if opened else "Nothing was opened: every source is being polled or held already."
        )
        return done(request, message, change_page(polling.poller()), messages.SUCCESS if opened else messages.WARNING)

    @action(
        description="Pause",
        permissions=["change"],
        dialog={
            "title": "Pause polling",
            "description": "Nothing new is read from Notion until someone resumes. Work that has begun goes on.",
            "form_class": ReasonDialog,
            "form_submit_text": "Pause",
        },
    )
    def pause(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        return done(request, "Paused.", change_page(control.pause(form.cleaned_data["reason"], by=person(request))))

    @action(
        description="Resume",
        permissions=["change"],
        dialog={
            "title": "Resume polling",
            "description": "Notion is asked again, from where the last poll ended.",
            "form_class": ReasonDialog,
            "form_submit_text": "Resume",
        },
    )
    def resume(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        return done(request, "Running.", change_page(control.resume(by=person(request), reason=reason)))
