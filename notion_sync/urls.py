"""The doors that are opened by a signature."""

from __future__ import annotations

from django.urls import path

from notion_sync import intake, webhooks

urlpatterns = [
    path("notion", webhooks.notion, name="webhook-notion"),
    path("slack", intake.slack, name="intake-slack"),
    path("mail", intake.mail, name="intake-mail"),
]
