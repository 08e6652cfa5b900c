"""Set-up from the console: the token once, a page, a look first, then steps that a person can watch."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.test import Client

from emm import credentials
from emm.audit import AuditEntry
from emm.credentials import Credential
from notion_sync import client as notion
from notion_sync import setup
from notion_sync.models import DataSource, SetupRun, Workspace
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.django_db
PAGE = "/admin/notion_sync/setuprun/"
TOKEN = "ntn_a_token_of_the_console"  # made up


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ada"))
    return client


def look(console: Client, page: str, **more: Any) -> SetupRun:
    console.post(PAGE, {"deed": "look", "address": page, **more})
    return SetupRun.objects.latest("pk")


def test_a_token_is_kept_encrypted_used_and_never_shown(sandbox: Sandbox, console: Client, settings: Any) -> None:
    settings.NOTION_API_KEY, settings.NOTION_IS_SANDBOX = "", False
    settings.NOTION_ADDRESS = settings.NOTION_BASE_URL
    assert b"Copy its token" in console.get(PAGE).content
    answer = console.post(PAGE, {"deed": "token", "token": f" {TOKEN} "}, follow=True)
    assert TOKEN.encode() not in answer.content
    assert b"A token is kept here, encrypted" in answer.content
    assert TOKEN.encode() not in bytes(Credential.objects.get().encrypted)
    assert notion.access()[0] == TOKEN
    assert b"Executive Mind Matrix" in answer.content  # the page that is shared with it
    assert AuditEntry.objects.get(action="credential.store").after == {"name": "NOTION_API_KEY"}


def test_a_token_that_cannot_be_decrypted_any_more_can_be_replaced(
    sandbox: Sandbox, console: Client, settings: Any
) -> None:
    credentials.store(notion.TOKEN, TOKEN, by="test")
    settings.EMM_ENCRYPTION_KEY = Fernet.generate_key().decode()
    assert b"EMM_ENCRYPTION_KEY has changed. Enter it again" in console.get(PAGE).content
    console.post(PAGE, {"deed": "token", "token": TOKEN})
    assert notion.access()[0] == TOKEN


def test_the_environments_token_wins_and_the_page_says_so(
    sandbox: Sandbox, console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTION_API_KEY", "ntn_of_the_environment")
    assert b"which wins over anything entered here" in console.get(PAGE).content
    answer = console.post(PAGE, {"deed": "token", "token": TOKEN}, follow=True)
    assert b"which wins: change it there" in answer.content
    assert credentials.Credential.objects.count() == 0


def test_a_look_comes_first_then_the_steps_are_watched(sandbox: Sandbox, console: Client) -> None:
    looked = look(console, sandbox.root_page_id)
    page = f"{PAGE}{looked.pk}/change/"
    assert b'http-equiv="refresh"' in console.get(page).content
    run_stage("setup")
    shown = console.get(page).content
    assert b"System Inbox: would be made" in shown
    assert b"refresh" not in shown
    assert not DataSource.objects.exists()
    console.post(page, {"reason": "we start"})
    run_stage("setup")
    built = SetupRun.objects.latest("pk")
    assert (built.status, built.only_look, built.lines[-1]) == ("done", False, "The workspace is ready.")
    assert DataSource.objects.count() == 10
    assert AuditEntry.objects.get(action="setup.start").reason == "we start"


def test_what_must_be_mended_ends_the_run_with_its_fix(sandbox: Sandbox, console: Client) -> None:
    looked = look(console, "d0000000-0000-4000-8000-00000000ffff")
    run_stage("setup")
    looked.refresh_from_db()
    assert looked.status == "never"
    shown = console.get(f"{PAGE}{looked.pk}/change/").content.decode()
    assert "not shared with the integration" in shown
    assert "Connections" in shown
    assert not SetupRun.objects.stuck().exists()  # whoever looked has seen it: nobody else is called


def test_the_command_center_of_another_installation_is_no_page_to_build_below(
    sandbox: Sandbox, console: Client
) -> None:
    setup.prepare(sandbox.root_page_id, lambda line: None)
    center = str(Workspace.objects.get().command_center_page_id)
    Workspace.objects.update(installation_id=uuid.uuid4(), command_center_page_id=None, parent_page_id=None)
    offered = re.findall(r'<option value="([0-9a-f-]{36})"', console.get(PAGE).content.decode())
    assert offered == [sandbox.root_page_id, center]
    looked = look(console, center)
    run_stage("setup")
    shown = console.get(f"{PAGE}{looked.pk}/change/").content.decode()
    assert "This page is a Command Center itself. Choose the page above it." in shown


def test_a_look_that_was_refused_is_taken_again_with_the_same_choices(sandbox: Sandbox, console: Client) -> None:
    said = {"deed": "look", "address": sandbox.root_page_id, "adopt": "on", "database_inbox": "My box"}
    console.post(PAGE, said)
    run_stage("setup")
    refused = SetupRun.objects.latest("pk")
    page = f"{PAGE}{refused.pk}/change/"
    assert b"My box" in console.get(page).content
    assert b"Set it up" not in console.get(page).content
    console.post(page, {"deed": "again"})
    again = SetupRun.objects.latest("pk")
    assert (again.only_look, again.adopt, again.databases) == (True, True, {"inbox": "My box"})
    assert again != refused


def test_a_set_up_that_stopped_needs_a_person_until_another_follows(sandbox: Sandbox, console: Client) -> None:
    nowhere = "d0000000-0000-4000-8000-00000000ffff"
    stopped = SetupRun.objects.create(parent=nowhere, asked_by="ada")
    run_stage("setup")
    assert list(SetupRun.objects.stuck()) == [stopped]
    console.post(f"{PAGE}{stopped.pk}/change/", {"deed": "again"})
    run_stage("setup")
    assert list(SetupRun.objects.stuck()) == [stopped]
    SetupRun.objects.create(parent=sandbox.root_page_id, asked_by="ada")
    run_stage("setup")
    assert not SetupRun.objects.stuck().exists()


def test_a_workspace_is_taken_over_once_a_person_has_confirmed_from_whom_and_said_why(
    sandbox: Sandbox, console: Client
) -> None:
    setup.prepare(sandbox.root_page_id, lambda line: None)
    other = str(Workspace.objects.get().installation_id)
    Workspace.objects.update(installation_id=uuid.uuid4(), view_ids={})
    refused = look(console, sandbox.root_page_id)
    run_stage("setup")
    page = f"{PAGE}{refused.pk}/change/"
    assert f"Installation <strong>{other}</strong> serves this workspace" in console.get(page).content.decode()
    console.post(page, {"reason": "not yet"})
    looked = SetupRun.objects.latest("pk")
    run_stage("setup")
    page = f"{PAGE}{looked.pk}/change/"
    shown = console.get(page).content.decode()
    assert "Command Center: would be taken over." in shown
    assert "linked views" not in shown
    assert f'name="stopped" value="{other}" required' in shown
    for said in (
        {"stopped": other},
        {"reason": "It is gone."},
        {"stopped": str(uuid.uuid4()), "reason": "It is gone."},
    ):
        assert f"Confirm that installation {other} is stopped" in console.post(page, said).content.decode()
    assert SetupRun.objects.latest("pk") == looked
    console.post(page, {"stopped": other, "reason": "It is gone."})
    run_stage("setup")
    done = SetupRun.objects.latest("pk")
    assert (done.status, "Command Center: taken over." in done.lines) == ("done", True)
    entry = AuditEntry.objects.get(action="setup.take_over")
    assert (entry.label, entry.reason) == ("ada", "It is gone.")
    assert entry.after is not None
    assert entry.after["served_by"] == other
    again = look(console, sandbox.root_page_id)
    run_stage("setup")
    again.refresh_from_db()
    assert again.served_by == ""


def test_a_page_can_be_chosen_though_more_pages_of_databases_than_one_answer_holds_come_before_it(
    sandbox: Sandbox, console: Client
) -> None:
    setup.prepare(sandbox.root_page_id, lambda line: None)
    sandbox.control("age", {"seconds": 3600})
    tasks = str(DataSource.objects.get(key="tasks").data_source_id)
    sandbox.control("bulk", {"data_source_id": tasks, "count": 120})
    assert f'<option value="{sandbox.root_page_id}"' in console.get(PAGE).content.decode()


def test_one_run_at_a_time_and_a_page_must_be_named(sandbox: Sandbox, console: Client) -> None:
    assert b"Choose a page, or paste its link." in console.post(PAGE, {"deed": "look"}).content
    look(console, sandbox.root_page_id)
    again = console.post(PAGE, {"deed": "look", "address": sandbox.root_page_id})
    assert b"Another run is under way" in again.content
    assert SetupRun.objects.count() == 1


def test_a_run_whose_answer_was_lost_goes_on_by_itself(sandbox: Sandbox, console: Client) -> None:
    row = SetupRun.objects.create(parent=sandbox.root_page_id, asked_by="ada")
    sandbox.control("faults", {"kind": "drop_after", "match": {"nth": 8}})
    run_stage("setup")
    row.refresh_from_db()
    assert row.status == "waiting"
    SetupRun.objects.update(due_at=row.asked_at)
    run_stage("setup")
    row.refresh_from_db()
    assert (row.status, row.lines[-1]) == ("done", "The workspace is ready.")


def test_only_superusers_see_it(client: Client) -> None:
    client.force_login(User.objects.create_user("bob", is_staff=True))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"deed": "token", "token": TOKEN}).status_code == 403
