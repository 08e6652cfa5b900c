"""The console's pages about Notion."""

from notion_sync.admin import mirrors, outbox, setting_up

__all__ = ["mirrors", "outbox", "setting_up"]
