"""The story of one item, from a question in a Notion inbox to tasks that somebody can do. Read it from top to bottom.

The stages run in this process, one after the other; the engines, the HTTP and both vendors' SDKs are real.
"""

from __future__ import annotations

from typing import Any

import pytest

from analysis.models import Analysis, LLMCall, Settlement
from notion_sync.models import (
    Action,
    DataSource,
    InboxItem,
    Intent,
    LogEntry,
    NotionCall,
    OutboxEntry,
    Project,
    Task,
    TrainingExample,
)
from tests.world import Sandbox, add_item, decide, poll_everything, poll_now, work

QUESTION = "Should we acquire our competitor Northwind Ltd for $400,000?"
CONTEXT = "They have 1,200 customers and lose $5,000 a month. The offer expires in March. The loan would bind us for five years."


@pytest.fixture
def proposed(workspace: Sandbox) -> InboxItem:
    """A strategic item that was argued over and now awaits a person."""
    add_item(workspace, QUESTION, CONTEXT)
    poll_now()
    work()
    return InboxItem.objects.get(title=QUESTION)


def body_of(sandbox: Sandbox, page_id: Any) -> str:
    return str(sandbox.as_person("GET", f"/pages/{page_id}/markdown")["markdown"])


def test_a_question_becomes_a_proposal(proposed: InboxItem, workspace: Sandbox) -> None:
    assert (proposed.state, proposed.values["Status"]) == ("proposed", "Triaged_to_Intent")

    analysis = Analysis.objects.get(item=proposed)
    assert {voice.persona for voice in analysis.perspectives.filter(status="done")} == {
        "entrepreneur",
        "quant",
        "auditor",
    }

    intent = Intent.objects.get(page_id__isnull=False)
    assert intent.values["Status"] == "Pending_Approval"
    page = body_of(workspace, intent.page_id)
    assert "sandbox analysis" in page.lower()
    assert "Northwind" in page
    for persona in ("The Entrepreneur", "The Quant", "The Auditor"):
        assert persona in page

    action = Action.objects.get()
    assert action.values["Approval_Status"] == "Pending"
    assert action.values["Intent"] == [str(intent.page_id)]
    assert analysis.synthesis.plan is not None
    assert action.values["Task_Generation_Template"].splitlines() == analysis.synthesis.plan["tasks"]
    assert LogEntry.objects.filter(page_id__isnull=False).count() == 1


def test_it_costs_five_calls_of_notion_and_five_of_the_model(workspace: Sandbox) -> None:
    add_item(workspace, QUESTION, CONTEXT)
    before = NotionCall.objects.count()
    poll_everything()
    polls = DataSource.objects.count()
    work()
    assert NotionCall.objects.count() - before - polls == 5
    assert LLMCall.objects.filter(status="answered").count() == 5


def test_an_approval_with_an_edit_is_settled_and_its_tasks_are_made(proposed: InboxItem, workspace: Sandbox) -> None:
    action = Action.objects.get()
    tasks = ["Ask the bank for terms", "Talk to three customers", "Read the lease"]
    decide(workspace, action, "Approved", Task_Generation_Template="\n".join(tasks))
    before = NotionCall.objects.exclude(route__contains="query").count()
    poll_now()
    work()

    settlement = Settlement.objects.get()
    assert settlement.decision == "Approved"
    assert settlement.acceptance_rate is not None
    assert 0 < settlement.acceptance_rate < 1
    assert settlement.changes

    action.refresh_from_db()
    assert action.values["Diff_Logged"] is True
    assert action.values["Acceptance_Rate"] == pytest.approx(settlement.acceptance_rate, abs=0.01)
    assert Intent.objects.get().values["Status"] == "Approved"
    assert TrainingExample.objects.filter(page_id__isnull=False).count() == 1

    project = Project.objects.get()
    made = Task.objects.filter(page_id__isnull=False)
    assert sorted(task.title for task in made) == sorted(tasks)
    assert all(task.values["Projects"] == [str(project.page_id)] for task in made)

    proposed.refresh_from_db()
    assert proposed.state == "done"
    assert NotionCall.objects.exclude(route__contains="query").count() - before <= 8


def test_an_untouched_approval_is_accepted_in_full(proposed: InboxItem, workspace: Sandbox) -> None:
    decide(workspace, Action.objects.get(), "Approved")
    poll_now()
    work()
    settlement = Settlement.objects.get()
    assert (settlement.acceptance_rate, settlement.changes) == (1.0, [])


def test_a_decision_is_not_settled_while_its_minute_is_open(proposed: InboxItem, workspace: Sandbox) -> None:
    action = Action.objects.get()
    decide(workspace, action, "Approved", wait=False)
    workspace.age(action.page_id, -60)  # the minute of the edit has surely not closed
    poll_now()
    work()
    assert not Settlement.objects.exists()


def test_a_rejection_makes_no_tasks(proposed: InboxItem, workspace: Sandbox) -> None:
    decide(workspace, Action.objects.get(), "Rejected", Rejection_Reason="Too risky")
    poll_now()
    work()
    proposed.refresh_from_db()
    assert (Settlement.objects.get().acceptance_rate, proposed.state) == (0.0, "done")
    assert Intent.objects.get().values["Status"] == "Rejected"
    assert not Task.objects.exists()


def test_a_wish_for_revision_argues_again_and_keeps_the_old_page(proposed: InboxItem, workspace: Sandbox) -> None:
    first = Action.objects.get()
    decide(workspace, first, "Needs_Revision", User_Notes="What if we only license their brand?")
    poll_now()
    work()
    proposed.refresh_from_db()
    assert proposed.state == "proposed"
    assert Settlement.objects.get().acceptance_rate is None
    second = Action.objects.exclude(pk=first.pk).get()
    assert second.values["Approval_Status"] == "Pending"
    assert "license their brand" in Analysis.objects.get(revision=2).note
    first.refresh_from_db()
    assert first.values["Approval_Status"] == "Needs_Revision"


def test_nothing_is_left_to_do_and_nothing_is_done_twice(proposed: InboxItem, workspace: Sandbox) -> None:
    workspace.age()
    pages, calls = workspace.http.get("/control/counts").json(), LLMCall.objects.count()
    poll_now()
    work()
    assert not OutboxEntry.objects.exclude(status="done").exists()
    assert LLMCall.objects.count() == calls
    assert workspace.http.get("/control/counts").json()["pages"] == pages["pages"]
