"""The console's pages about what we owe Notion: conflicts that a person settles, writes that a person takes back, doubles."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminRadioSelectWidget

from emm.admin import JobAdmin, ReadOnlyAdmin, ReasonDialog, change_page, done, person, shortened
from notion_sync import conflicts, undo
from notion_sync.mirror import model_of
from notion_sync.models import Double, DoublesCheck, OutboxEntry

LONGEST = 2_000  # characters of one value that a person compares


def _words(value: Any) -> str:
    """A value to compare, cut with a mark where it is very long."""
    if value is None or value == "" or value == []:
        return "(empty)"
    if isinstance(value, list):
        value = " ".join(part.get("text", "") if isinstance(part, dict) else str(part) for part in value)
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters in all)"


def _found(object_id: Any) -> OutboxEntry | None:
    return OutboxEntry.objects.filter(pk=object_id).first() if str(object_id).isdecimal() else None


class ChoiceDialog(ReasonDialog):
    """For each property in conflict whose value shall stand, and why."""

    def __init__(self, request: HttpRequest, object_id: int | str | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        entry = _found(object_id)
        rows = [row for row in entry.conflict if "choice" not in row] if entry else []
        self.open = [row["property"] for row in rows]
        for number, row in enumerate(rows):
            self.fields[f"choice_{number}"] = forms.ChoiceField(
                label=row["property"],
                choices=[
                    (conflicts.THEIRS, f"Keep theirs: {shortened(_words(row['theirs']), 200)}"),
                    (conflicts.OURS, f"Write ours: {shortened(_words(row['ours']), 200)}"),
                ],
                widget=UnfoldAdminRadioSelectWidget,
            )
        self.order_fields([*(f"choice_{number}" for number in range(len(self.open))), "reason"])

    @property
    def choices(self) -> dict[str, str]:
        """Property to what was chosen for it."""
        return {name: self.cleaned_data[f"choice_{number}"] for number, name in enumerate(self.open)}


class TakeBackDialog(ReasonDialog):
    """Why a write is taken back; shows what happens, and what stays."""

    form_before_template = "notion_sync/take_back.html"

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        entry = OutboxEntry.objects.get(pk=str(object_id))
        changed = undo.before(entry) if entry.kind == OutboxEntry.Kind.UPDATE else {}
        return {
            "values": [(name, _words(entry.values[name]), _words(stood)) for name, stood in changed.items()],
            "related": [(one, change_page(one)) for one in undo.related(entry)],
        }


@admin.register(OutboxEntry)
class OutboxEntryAdmin(JobAdmin):
    list_display = ("promised_at", "kind", "source_key", "purpose", "shown_status", "due_at", "failures", "error")
    list_filter = (*JobAdmin.list_filter, "source_key", "kind")
    list_select_related = ("item",)
    search_fields = ("=emm_id", "=page_id", "purpose")
    search_help_text = "EMM_ID, page id or purpose."
    actions_detail = ("choose", "take_back", *JobAdmin.actions_detail)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """What a person acts on comes first; the two columns that only the machine reads are left out."""
        hidden = [*(self._readable[name] for name in ("conflict", "child_ids")), "difference", "taken_back"]
        return ["difference", "taken_back", *(name for name in super().get_fields(request, obj) if name not in hidden)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "difference", "taken_back"]

    @display(description="difference")
    def difference(self, entry: OutboxEntry) -> str:
        rows = [
            {
                "property": row["property"],
                "values": [_words(row[side]) for side in ("base", "ours", "theirs")],
                "choice": row.get("choice", ""),
            }
            for row in entry.conflict
        ]
        return render_to_string("notion_sync/difference.html", {"rows": rows, "open": conflicts.is_open(entry)})

    @display(description="taking back")
    def taken_back(self, entry: OutboxEntry) -> str | SafeString:
        if entry.undoes is not None:
            return format_html(
                'Takes back <a class="text-link" href="{}">{}</a>.', change_page(entry.undoes), entry.undoes
            )
        undone = OutboxEntry.objects.filter(undoes=entry).first()
        if undone is not None:
            if any(row.get("choice") == conflicts.THEIRS for row in undone.conflict):
                words = 'To be taken back by <a class="text-link" href="{}">{}</a>; a person kept what stood there: {}.'
            else:
                words = 'Taken back by <a class="text-link" href="{}">{}</a>: {}.'
            return format_html(words, change_page(undone), undone, undone.get_status_display())
        return undo.why_not(entry) or "It can be taken back, once: press Take back."

    def has_choose_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Where a conflict is open."""
        entry = _found(object_id)
        return self.has_operate_permission(request) and entry is not None and conflicts.is_open(entry)

    def has_take_back_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Where the write can be taken back."""
        entry = _found(object_id)
        return self.has_operate_permission(request) and entry is not None and not undo.why_not(entry)

    @action(
        description="Settle the conflict",
        permissions=["choose"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Whose value shall stand?",
            "description": "Ours is written only over what is shown here: another edit is shown to you again.",
            "form_class": ChoiceDialog,
            "form_submit_text": "Settle",
        },
    )
    def choose(self, request: HttpRequest, form: ChoiceDialog, object_id: int) -> HttpResponse:
        entry = OutboxEntry.objects.get(pk=object_id)
        try:
            conflicts.settle(entry, form.choices, by=person(request), reason=form.cleaned_data["reason"])
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(entry), messages.ERROR)
        return done(request, "Settled. What is to be written is on its way.", change_page(entry))

    @action(
        description="Take back",
        permissions=["take_back"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Take this write back",
            "description": "Only where nobody has changed it since; otherwise you are shown the difference. It happens once.",
            "form_class": TakeBackDialog,
            "form_submit_text": "Take back",
        },
    )
    def take_back(self, request: HttpRequest, form: TakeBackDialog, object_id: int) -> HttpResponse:
        entry = OutboxEntry.objects.get(pk=object_id)
        try:
            undone = undo.take_back(entry, by=person(request), reason=form.cleaned_data["reason"])
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(entry), messages.ERROR)
        return done(request, "Promised: it is taken back within seconds.", change_page(undone))


@admin.register(DoublesCheck)
class DoublesCheckAdmin(JobAdmin):
    list_display = ("opened_at", "shown_status", "pages", "doubled", "trashed", "left", "error")
    list_filter = JobAdmin.list_filter


@admin.register(Double)
class DoubleAdmin(ReadOnlyAdmin):
    list_display = ("at", "source_key", "outcome", "reason", "page", "kept")
    list_filter = ("outcome", "source_key")
    search_fields = ("=emm_id", "=page_id", "=kept_page_id")
    search_help_text = "EMM_ID or page id."

    @display(description="why")
    def reason(self, double: Double) -> str:
        return shortened(double.why, 160)

    @display(description="the page")
    def page(self, double: Double) -> str | SafeString:
        return self._link(double.source_key, double.page_id)

    @display(description="the page that stays")
    def kept(self, double: Double) -> str | SafeString:
        return self._link(double.source_key, double.kept_page_id)

    def _link(self, key: str, page_id: Any) -> str | SafeString:
        mirror = model_of(key)._default_manager.filter(page_id=page_id).first()
        if mirror is None:
            return str(page_id)
        return format_html('<a class="text-link" href="{}">{}</a>', change_page(mirror), mirror)
