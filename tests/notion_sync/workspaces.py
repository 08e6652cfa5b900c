"""What tests of set-up look at: the workspace in Notion, as a person sees it."""

from __future__ import annotations

from typing import Any

from notion_sync import setup
from notion_sync.models import DataSource
from tests.world import Sandbox


def prepare(sandbox: Sandbox) -> list[str]:
    lines: list[str] = []
    setup.prepare(sandbox.root_page_id, lines.append)
    return lines


def titles(sandbox: Sandbox) -> list[str]:
    """Titles of the live databases under the parent page."""
    blocks = sandbox.as_person("GET", f"/blocks/{sandbox.root_page_id}/children?page_size=100")["results"]
    return sorted(block["child_database"]["title"] for block in blocks if block["type"] == "child_database")


def schema(sandbox: Sandbox, key: str) -> dict[str, Any]:
    source = DataSource.objects.get(key=key)
    return dict(sandbox.as_person("GET", f"/data_sources/{source.data_source_id}")["properties"])


def pages(sandbox: Sandbox, key: str) -> list[dict[str, Any]]:
    source = DataSource.objects.get(key=key)
    answer = sandbox.as_person("POST", f"/data_sources/{source.data_source_id}/query", {"page_size": 100})
    return list(answer["results"])
