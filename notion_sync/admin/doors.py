"""The console's pages about what comes in: Notion's events, texts from mail, Slack and programs, and what was refused."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from unfold.decorators import display

from emm import credentials
from emm.admin import JobAdmin, ReadOnlyAdmin
from notion_sync import webhooks
from notion_sync.models import Intake, PageRead, Refusal, WebhookDelivery

CLOCK = "see that this server's clock is right: a signature is good for five minutes"
SHUT = "{} is unset, so this door is shut: set it and deploy."
FIXES = {
    Refusal.Door.NOTION: (
        webhooks.TOKEN,
        "If it came from Notion: open the handshake on the workspace's page and verify the subscription once more.",
    ),
    Refusal.Door.SLACK: (
        "SLACK_SIGNING_SECRET",
        f"If it came from your app: compare SLACK_SIGNING_SECRET with its signing secret, and {CLOCK}.",
    ),
    Refusal.Door.MAIL: (
        "MAIL_WEBHOOK_SECRET",
        f"If it came from your provider: compare MAIL_WEBHOOK_SECRET with the key that it signs with, and {CLOCK}.",
    ),
}


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "type", "entity", "effect", "attempt")
    search_fields = ("=event_id", "=entity")
    search_help_text = "Notion's id of the event or of the page."


@admin.register(PageRead)
class PageReadAdmin(JobAdmin):
    list_display = ("source", "page_id", "shown_status", "due_at", "failures", "error")
    list_select_related = ("source",)


@admin.register(Intake)
class IntakeAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "channel", "sender", "place", "title", "where")
    list_filter = ("channel",)
    list_select_related = ("item",)
    search_fields = ("title", "sender")

    @display(description="the item is")
    def where(self, intake: Intake) -> str:
        return intake.item.get_state_display()


@admin.register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    """The last request at each door that was not let in, with what to do if it should have been."""

    list_display = ("door", "at", "why", "what_to_do")

    @display(description="what to do")
    def what_to_do(self, refusal: Refusal) -> str:
        name, fix = FIXES[Refusal.Door(refusal.door)]
        if name == webhooks.TOKEN:
            return fix if credentials.is_set(name) else f"No handshake was made yet. {fix}"
        return fix if getattr(settings, name) else SHUT.format(name)
