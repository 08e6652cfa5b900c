"""Channels, what was sent over them, and who is on call."""

from __future__ import annotations

from typing import Any

import apprise
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminPasswordWidget

from emm.admin import AuditedAdmin, JobAdmin, ReasonForm, change_page, done, person
from emm.audit import record
from ops import notices
from ops.models import Channel, Contact, Notice, Shift


class ChannelForm(ReasonForm):
    """A channel; its address is entered, never shown."""

    url = forms.CharField(
        label="Address",
        required=False,
        max_length=2_000,
        widget=UnfoldAdminPasswordWidget,
        help_text="Such as mailto://user:password@mail.example.com?to=team@example.com, slack://..., discord://... or"
        " any other that the apprise library knows (appriseit.com/services). Leave it empty to keep what is there.",
    )

    class Meta:
        model = Channel
        fields = ("name", "enabled", "least_severity", "digests", "decisions")

    def clean_url(self) -> str:
        """Raises ValidationError for an address that the library does not know, or none for a new channel."""
        url = str(self.cleaned_data.get("url") or "").strip()
        if not url and not self.instance.pk:
            raise ValidationError("Enter the address.")
        if url and not apprise.Apprise().add(url):
            raise ValidationError("The library knows no channel with such an address.")
        return url

    def save(self, commit: bool = True) -> Any:
        """Keep the address encrypted."""
        if self.cleaned_data["url"]:
            self.instance.url = self.cleaned_data["url"]
        self.cleaned_data["url"] = "(new)" if self.cleaned_data["url"] else "(kept)"
        return super().save(commit)


@admin.register(Channel)
class ChannelAdmin(AuditedAdmin):
    form = ChannelForm
    fields = ("name", "url", "enabled", "least_severity", "digests", "decisions", "reason")
    list_display = ("name", "enabled", "least_severity", "digests", "decisions", "last")
    actions_detail = ("send_test",)

    @display(description="last message")
    def last(self, channel: Channel) -> str | SafeString:
        """What became of it, and where it is stuck the cause and the fix."""
        newest = channel.notices.order_by("-pk").first()
        if newest is None:
            return "none yet: send a test"
        said = f"{newest.get_status_display()}, {newest.opened_at:%Y-%m-%d %H:%M} UTC"
        return format_html(
            '<a class="text-link" href="{}">{}</a> {} {}',
            change_page(newest),
            said,
            newest.last_error,
            newest.what_next,
        )

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this person may send a test."""
        return self.has_change_permission(request, obj)

    @action(
        description="Send a test",
        permissions=["operate"],
        dialog={
            "title": "Send a test",
            "description": "One message to this channel, now.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Send",
        },
    )
    def send_test(self, request: HttpRequest, form: BaseDialogForm, object_id: int) -> HttpResponse:
        channel = Channel.objects.get(pk=object_id)
        with transaction.atomic():
            sent = notices.tell(
                "A test", f"{person(request)} tried this channel. All is well.", about="test", channels=[channel]
            )
            record("channel.test", channel, by=person(request))
        return done(request, "It is on its way: this page shows what became of it.", change_page(sent[0]))


@admin.register(Notice)
class NoticeAdmin(JobAdmin):
    list_display = ("subject", "channel", "about", "shown_status", "opened_at", "failures", "error")
    list_filter = (*JobAdmin.list_filter, "about", "channel")
    list_select_related = ("channel",)


class ShiftInline(TabularInline):
    model = Shift
    extra = 0


@admin.register(Contact)
class ContactAdmin(AuditedAdmin):
    list_display = ("order", "name", "role", "mail", "phone", "channel", "on_call")
    list_display_links = ("name",)
    list_select_related = ("channel",)
    inlines = (ShiftInline,)

    @display(description="on call")
    def on_call(self, contact: Contact) -> str | None:
        shift = contact.shifts.filter(starts_at__lte=Now(), ends_at__gt=Now()).last()
        return None if shift is None else f"now, until {shift.ends_at:%Y-%m-%d %H:%M} UTC"


@admin.register(Shift)
class ShiftAdmin(AuditedAdmin):
    list_display = ("contact", "starts_at", "ends_at")
    list_select_related = ("contact",)
