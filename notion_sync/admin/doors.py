"""The console's pages about what comes in: Notion's events, texts from mail, Slack and programs, and what was refused."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import admin
from django.utils.text import Truncator
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
UNFIT = {
    400: "It is not of the form that we read: compare what the sender puts together with docs/INTAKE.md.",
    413: "Nothing is ever cut, so none of it was taken: send it in parts, or write it into the System Inbox yourself.",
}


def _short(name: str) -> Callable[[Intake], str]:
    """A column with the beginning of a text of any length."""

    @display(description=name)
    def shown(intake: Intake) -> str:
        return Truncator(getattr(intake, name)).chars(100)

    return shown


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
    list_display = ("received_at", "channel", _short("sender"), _short("place"), _short("title"), "where")
    list_filter = ("channel",)
    list_select_related = ("item",)
    search_fields = ("title", "sender")

    @display(description="the item is")
    def where(self, intake: Intake) -> str:
        return intake.item.get_state_display()


@admin.register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    """The last request that each door refused, with what to do if it should have been taken."""

    list_display = ("door", "at", "why", "what_to_do")

    @display(description="what to do")
    def what_to_do(self, refusal: Refusal) -> str:
        if refusal.status in UNFIT:
            return UNFIT[refusal.status]
        name, fix = FIXES[Refusal.Door(refusal.door)]
        if name == webhooks.TOKEN:
            return fix if credentials.is_set(name) else f"No handshake was made yet. {fix}"
        return fix if getattr(settings, name) else SHUT.format(name)
