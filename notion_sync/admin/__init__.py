"""The console's pages about Notion."""

from notion_sync.admin import doors, mirrors, outbox, setting_up

__all__ = ["doors", "mirrors", "outbox", "setting_up"]
