"""What people call the pages that Notion's errors name by their ids."""

from __future__ import annotations

import re
from dataclasses import replace

from django.apps import apps

from notion_sync.failures import Failure
from notion_sync.models import DataSource, Mirror
from notion_sync.workspace import DATABASES

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def both(ours: str, theirs: str) -> str:
    """Our name of a database, and what people call it where that differs."""
    return f"{ours} (called {theirs})" if theirs not in ("", ours) else ours


def explain(failure: Failure) -> Failure:
    """The failure as it came; a 404 of Notion's with the name of what was asked for, as far as we know it."""
    if failure.status != 404 or not failure.code:
        return failure
    found = ID.search(failure.text)
    name = named(found[0]) if found else ""
    what = name or "What we asked for"
    return replace(failure, text=f"{what} is not in Notion, or not shared with the integration. {failure.text}")


def named(notion_id: str) -> str:
    """The database or page of that id, in words; empty where it is unknown here."""
    for source in DataSource.objects.all():
        if notion_id in (str(source.data_source_id), str(source.database_id)):
            return f"The database {DATABASES[source.key].title}"
    for model in apps.get_app_config("notion_sync").get_models():
        if issubclass(model, Mirror):
            mirror = model._default_manager.filter(page_id=notion_id).first()
            if mirror is not None and mirror.title:
                return f"The page “{mirror.title}”"
    return ""
