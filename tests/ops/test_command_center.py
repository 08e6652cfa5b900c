"""The Command Center page: true, refreshed when something has changed, one call each time, and nobody else's text touched."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from emm.jobs import Job
from notion_sync import outbox, setup
from notion_sync.models import Action, InboxItem, OutboxEntry, Poller, Standstill, Task, Workspace
from ops import rules
from ops.models import CommandCenter
from tests.factories import make_item, make_proposal, make_settlement
from tests.world import Sandbox, run_stage


def refresh() -> CommandCenter:
    run_stage("command_center")
    return CommandCenter.objects.get()


def page_of(sandbox: Sandbox) -> str:
    return str(Workspace.objects.get().command_center_page_id)


def callouts(sandbox: Sandbox) -> list[str]:
    blocks = sandbox.as_person("GET", f"/blocks/{page_of(sandbox)}/children")["results"]
    texts = [block["callout"]["rich_text"] for block in blocks if block["type"] == "callout"]
    return ["".join(part["plain_text"] for part in text) for text in texts]


def writes(sandbox: Sandbox) -> list[tuple[str, str]]:
    found = [(one["method"], one["path"]) for one in sandbox.requests()]
    return [(method, path) for method, path in found if method != "GET" and "/query" not in path]


def test_it_says_what_stands_where_and_leaves_the_mark_of_the_installation(workspace: Sandbox) -> None:
    make_item("Held one", state=InboxItem.State.HELD)
    waiting = make_proposal()
    InboxItem.objects.filter(pk=waiting.item_id).update(state_since=Now() - timedelta(days=2, hours=3))
    settled = make_settlement(make_proposal(make_item("Old", state=InboxItem.State.DONE)))
    earlier = Now() - timedelta(minutes=1)
    type(settled).objects.update(status="done", status_since=earlier, decision="Approved", acceptance_rate=0.8)
    assert refresh().status == Job.Status.DONE
    mark, text = callouts(workspace)
    assert "Served by installation" in mark
    assert "Inbox: awaits a person 1, done 1, held 1" in text
    assert "Waiting for your decision: 1" in text
    assert "Van: a plan, for 2 days" in text
    assert "Last poll: " in text
    assert "every " in text
    assert "Decided in the last 7 days: 1 approved; acceptance 80% (n = 1)" in text


def test_what_has_not_changed_is_not_written_again_until_it_is_old(workspace: Sandbox) -> None:
    refresh()
    workspace.control("log/clear")
    refresh()
    assert writes(workspace) == []
    CommandCenter.objects.update(shown_at=Now() - timedelta(minutes=16))
    refresh()
    assert [method for method, _ in writes(workspace)] == ["PATCH"]


def test_a_change_is_shown_with_two_calls(workspace: Sandbox) -> None:
    refresh()
    workspace.control("log/clear")
    Poller.objects.update(status=Poller.Status.PAUSED)
    refresh()
    assert [one["method"] for one in workspace.requests()] == ["GET", "PATCH"]
    assert "Last poll: paused since" in callouts(workspace)[-1]


def test_a_block_that_a_person_removed_is_made_again(workspace: Sandbox) -> None:
    refresh()
    block_id = Workspace.objects.get().command_center_block_id
    workspace.as_person("DELETE", f"/blocks/{block_id}")
    CommandCenter.objects.update(shown_key="")
    refresh()
    again = refresh()
    assert again.status == Job.Status.DONE
    assert Workspace.objects.get().command_center_block_id not in (None, block_id)
    assert len(callouts(workspace)) == 2


def test_a_block_whose_answer_was_lost_is_found_and_not_made_twice(workspace: Sandbox) -> None:
    workspace.as_person("DELETE", f"/blocks/{Workspace.objects.get().command_center_block_id}")
    Workspace.objects.update(command_center_block_id=None)
    workspace.control(
        "faults", {"kind": "drop_after", "match": {"method": "PATCH", "path_regex": "/children$"}, "times": 1}
    )
    assert refresh().status == Job.Status.WAITING
    CommandCenter.objects.update(due_at=Now())
    assert refresh().status == Job.Status.DONE
    assert len(callouts(workspace)) == 2


def test_without_its_page_it_says_what_to_do(workspace: Sandbox) -> None:
    workspace.as_person("PATCH", f"/pages/{page_of(workspace)}", {"in_trash": True})
    refresh()
    job = refresh()
    assert job.status == Job.Status.WAITING
    assert "run Set up Notion in the console" in job.last_error


def test_a_block_that_is_refused_for_what_it_says_is_not_tried_for_ever(workspace: Sandbox) -> None:
    fault = {"kind": "refuse", "match": {"method": "PATCH", "path_regex": "/blocks/[0-9a-f-]+$"}, "times": None}
    workspace.control("faults", fault)
    assert refresh().status == Job.Status.WAITING, "the block may be gone"
    assert refresh().status == Job.Status.NEVER
    assert len(callouts(workspace)) == 2


def test_an_installation_whose_workspace_was_taken_over_sends_nothing_more_and_says_so(
    workspace: Sandbox, admin_client: Client
) -> None:
    refresh()
    ours = Workspace.objects.get().installation_id
    Workspace.objects.update(installation_id=uuid.uuid4())  # it is another one for a moment, and takes over
    setup.prepare(workspace.root_page_id, lambda line: None, setup.Wishes(take_over=True))
    before = callouts(workspace)
    Workspace.objects.update(installation_id=ours)
    CommandCenter.objects.update(shown_key="")
    job = refresh()
    assert job.status == Job.Status.WAITING
    assert "has taken this workspace over" in job.last_error
    workspace.control("log/clear")
    outbox.create_page(Task, uuid.uuid4(), {"Name": "Sell the van"}, purpose="a task", item=None)
    run_stage("deliver")
    assert workspace.requests() == []
    assert "has taken this workspace over" in OutboxEntry.objects.get(source_key="tasks").last_error
    assert callouts(workspace) == before
    found = rules.BY_KEY["notion.blocked"].look()
    assert (found.value, "take the workspace over" in found.detail) == (1, True)

    row = Standstill.objects.get()
    admin_client.post(
        f"/admin/notion_sync/standstill/{row.pk}/lift/", {"_form_submitted": "True", "reason": "A mistake."}
    )
    assert refresh().status == Job.Status.DONE, "for an hour it may be taken back"
    setup.prepare(workspace.root_page_id, lambda line: None, setup.Wishes(take_over=True))
    Standstill.objects.update(lifted_at=Now() - timedelta(hours=2))
    CommandCenter.objects.update(shown_key="")
    assert refresh().status == Job.Status.DONE
    assert not Standstill.objects.filter(lifted_at=None).exists()


def test_what_people_wrote_is_shown_as_text_and_long_titles_are_marked(workspace: Sandbox) -> None:
    make_proposal()
    Action.objects.update(title="[x](javascript:alert(1)) " + "long " * 900)
    assert refresh().status == Job.Status.DONE
    block_id = Workspace.objects.get().command_center_block_id
    blocks = workspace.as_person("GET", f"/blocks/{page_of(workspace)}/children")["results"]
    parts: list[dict[str, Any]] = next(one for one in blocks if one["id"] == str(block_id))["callout"]["rich_text"]
    assert all(not (part["href"] or "").startswith("javascript") for part in parts)
    assert "…" in callouts(workspace)[-1]


@pytest.mark.django_db
def test_before_set_up_nothing_is_asked() -> None:
    assert run_stage("command_center") == 0
    assert not CommandCenter.objects.exists()
