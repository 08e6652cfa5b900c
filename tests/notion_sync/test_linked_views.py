"""The linked views on the Command Center: made once for each page and database, and never again for a person who deleted one."""

from __future__ import annotations

import pytest

from notion_sync import setup
from notion_sync.models import DataSource, Workspace
from tests.notion_sync.workspaces import prepare
from tests.world import Sandbox

pytestmark = pytest.mark.django_db


def views(sandbox: Sandbox) -> list[str]:
    """Ids of the blocks on the Command Center that show a view."""
    page_id = Workspace.objects.get().command_center_page_id
    blocks = sandbox.as_person("GET", f"/blocks/{page_id}/children?page_size=100")["results"]
    return [block["id"] for block in blocks if block["type"] == "child_database"]


def test_a_view_that_a_person_deleted_stays_deleted(sandbox: Sandbox) -> None:
    prepare(sandbox)
    sandbox.as_person("DELETE", f"/blocks/{views(sandbox)[0]}")
    prepare(sandbox)
    assert len(views(sandbox)) == 2


def test_a_command_center_that_is_made_anew_has_its_views(sandbox: Sandbox) -> None:
    prepare(sandbox)
    center = Workspace.objects.get().command_center_page_id
    sandbox.as_person("PATCH", f"/pages/{center}", {"in_trash": True})
    assert "Command Center: 3 views made." in prepare(sandbox)
    assert len(views(sandbox)) == 3


def test_the_command_center_below_another_page_has_its_views(sandbox: Sandbox) -> None:
    prepare(sandbox)
    other = {"parent": {"page_id": sandbox.root_page_id}, "properties": {"title": {"title": []}}}
    setup.prepare(sandbox.as_person("POST", "/pages", other)["id"], lambda line: None)
    assert len(views(sandbox)) == 3


def test_a_database_that_is_made_anew_gets_views_of_itself(sandbox: Sandbox) -> None:
    prepare(sandbox)
    actions = DataSource.objects.get(key="actions")
    sandbox.as_person("PATCH", f"/databases/{actions.database_id}", {"in_trash": True})
    assert "Command Center: 2 views made." in prepare(sandbox)
    made = str(DataSource.objects.get(key="actions").data_source_id)
    assert len(sandbox.as_person("GET", f"/views?data_source_id={made}")["results"]) >= 2
