"""What was in an adopted inbox: held with its reason, released by a person who has seen what it may cost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client

from analysis.models import Budget, LLMCall, Triage
from emm.audit import AuditEntry
from notion_sync import backlog
from notion_sync.models import DataSource, InboxItem
from ops.backlog import estimate
from tests.factories import make_item
from tests.world import Sandbox, add_item, poll_now, run, run_stage


@pytest.fixture
def adopted(workspace: Sandbox) -> Sandbox:
    """Two pages that were there before us, one of them dealt with, and one that came after."""
    DataSource.objects.filter(key="inbox").update(backlog_until=Now() - timedelta(minutes=2), cursor=None)
    old = add_item(workspace, "Old question", body="Shall we?")
    dealt = add_item(workspace, "Dealt with", Status={"select": {"name": "Triaged_to_Task"}})
    for page_id in (old, dealt):
        workspace.age(page_id, 600)
    add_item(workspace, "New question")
    poll_now()
    run(["triage"])
    return workspace


def state(title: str) -> tuple[str, str]:
    item = InboxItem.objects.get(title=title)
    return item.state, item.state_reason


def test_what_was_there_is_held_unread_and_unasked_what_came_after_goes_on(adopted: Sandbox) -> None:
    assert state("Old question") == ("held", backlog.HELD)
    assert InboxItem.objects.get(title="Old question").body_of is None
    assert state("Dealt with")[0] == "skipped"
    assert "Triaged_to_Task" in state("Dealt with")[1]
    assert [triage.item.title for triage in Triage.objects.all()] == ["New question"]


def test_a_persons_edit_of_a_held_page_does_not_release_it(adopted: Sandbox) -> None:
    page_id = InboxItem.objects.get(title="Old question").page_id
    adopted.as_person("PATCH", f"/pages/{page_id}", {"properties": {"Urgent": {"checkbox": True}}})
    poll_now()
    run(["triage"])
    assert state("Old question") == ("held", backlog.HELD)


def test_the_command_shows_the_cost_first_and_releases_what_is_chosen(adopted: Sandbox) -> None:
    out = StringIO()
    call_command("release_backlog", title="old", stdout=out)
    assert "1 of 1 held items." in out.getvalue()
    assert "at most 1.00 USD" in out.getvalue()
    assert state("Old question")[0] == "held"
    with pytest.raises(CommandError, match="--reason"):
        call_command("release_backlog", yes=True, stdout=out)
    call_command("release_backlog", yes=True, reason="we want it", stdout=out)
    assert "1 released." in out.getvalue()
    assert state("Old question")[0] == "waiting"
    assert AuditEntry.objects.get(action="backlog.release").reason == "we want it"
    run_stage("body")
    run(["triage"])
    assert Triage.objects.filter(item__title="Old question").exists()
    poll_now()
    assert state("Old question")[1] != backlog.HELD  # released for good


def test_a_filter_that_holds_nothing_releases_nothing(adopted: Sandbox) -> None:
    out = StringIO()
    call_command("release_backlog", title="no such", yes=True, reason="x", stdout=out)
    assert "0 released." in out.getvalue()


@pytest.mark.django_db
def test_the_estimate_is_the_mean_of_what_items_cost_and_never_more_than_their_budget() -> None:
    Budget.objects.update_or_create(scope="item", defaults={"limit_usd": Decimal(1)})
    assert estimate(10).likely is None
    assert estimate(10).most == Decimal(10)
    for number in range(5):
        for cost in ("0.01", "0.03"):
            LLMCall.objects.create(
                item=make_item(f"Item {number}") if cost == "0.01" else InboxItem.objects.get(title=f"Item {number}"),
                status="answered", cost_usd=Decimal(cost), reserved_usd=Decimal(1), purpose="triage", model="m",
                key="k", closed_at=Now(),
            )  # fmt: skip
    assert estimate(10).likely == Decimal("0.4")
    assert str(estimate(10)).startswith(
        "about 0.40 USD (0.0400 USD an item, the mean of the last n = 5); at most 10.00"
    )


def test_the_console_asks_once_more_with_the_cost_then_releases(adopted: Sandbox, client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    page = "/admin/notion_sync/backlog/"
    assert b"at most 1.00 USD" in client.get(page).content
    chosen: dict[str, Any] = {
        "action": "release",
        "_selected_action": [InboxItem.objects.get(title="Old question").pk],
        "index": "0",
        "select_across": "1",
    }
    asked = client.post(page, chosen)
    assert b"Release 1" in asked.content
    assert state("Old question")[0] == "held"
    assert b"Say why." in client.post(page, {**chosen, "confirmed": "yes"}).content
    client.post(page, {**chosen, "confirmed": "yes", "reason": "go"})
    assert state("Old question")[0] == "waiting"
    assert b"Nothing is held." in client.get(page).content


def test_who_may_only_look_cannot_release(adopted: Sandbox, client: Client) -> None:
    client.force_login(User.objects.create_user("bob", is_staff=True))
    assert client.get("/admin/notion_sync/backlog/").status_code == 403
