"""Where the model gives no answer that can be used, a person says where the item goes, and it goes there."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from analysis import corrections, prompts, triage
from analysis.answers import Route
from analysis.models import Analysis, Correction, LLMCall, Triage
from emm.audit import AuditEntry
from notion_sync.models import Area, InboxItem, OutboxEntry, Task
from tests.analysis.rows import an_item
from tests.analysis.test_corrections import choose, close_minute, reroute
from tests.world import Sandbox, add_item, poll_now, run_stage, work

pytestmark = pytest.mark.django_db
REFUSAL = {"kind": "refusal", "match": {"purpose": "triage"}, "times": 1}
UNFIT = {"kind": "wrong_schema", "match": {"purpose": "triage"}, "times": 2}
CHOSEN = {"Triage_Destination": {"select": {"name": "Operational (Task)"}}}


def stopped(workspace: Sandbox, script: dict[str, Any] = REFUSAL, **values: Any) -> InboxItem:
    workspace.claude(script=[script])
    page = add_item(workspace, "Call the plumber", "He asks for $60.", **values)
    poll_now()
    work()
    item: InboxItem = InboxItem.objects.get(page_id=page)
    return item


def shown(workspace: Sandbox, item: InboxItem, name: str) -> str:
    found = workspace.as_person("GET", f"/pages/{item.page_id}")["properties"][name]
    return str((found[found["type"]] or {}).get("name"))


@pytest.mark.parametrize(("script", "why"), [(REFUSAL, "Claude declined"), (UNFIT, "did not fit what was asked for")])
def test_an_item_without_an_answer_is_held_and_goes_where_a_person_sends_it_in_notion(
    workspace: Sandbox, script: dict[str, Any], why: str
) -> None:
    item = stopped(workspace, script)
    assert (item.state, shown(workspace, item, "Status")) == ("held", "Needs_Review")
    assert why in item.state_reason
    assert "Choose a Triage_Destination in Notion" in item.state_reason
    bought = LLMCall.objects.count()
    choose(workspace, item, "Operational (Task)")
    for _ in range(2):
        work()
        poll_now()
    item.refresh_from_db()
    assert (item.state, item.values["Status"], LLMCall.objects.count()) == ("done", "Triaged_to_Task", bought)
    task = Task.objects.get()
    assert (task.title, task.values["Priority"]) == ("Call the plumber", "P2")
    assert "He asks for $60." in str(OutboxEntry.objects.get(source_key="tasks").children)
    assert "risk and impact are not judged" in OutboxEntry.objects.get(source_key="log").values["Action_Taken"].lower()


def test_a_destination_that_stood_there_before_is_followed_although_the_model_refuses(workspace: Sandbox) -> None:
    item = stopped(workspace, **CHOSEN)
    close_minute(workspace, item)
    work()
    item.refresh_from_db()
    assert (item.state, Task.objects.count()) == ("done", 1)


def test_the_choice_of_a_person_is_no_correction_of_an_answer_that_never_was(workspace: Sandbox) -> None:
    item = stopped(workspace)
    choose(workspace, item, "Operational (Task)")
    work()
    assert not Correction.objects.exists()
    assert sum(one.items for one in corrections.suggestions().values()) == 0
    entry = AuditEntry.objects.get(action="triage.reroute")
    assert (entry.label, entry.after) == (corrections.IN_NOTION, {"route": "operational"})


def test_in_the_console_it_is_sent_to_an_argument_of_three(admin_client: Client, sandbox: Sandbox) -> None:
    Area.objects.create(title="Operations")
    item = an_item("Sell the shop?", "")
    sandbox.claude(script=[REFUSAL])
    run_stage("triage")
    job = Triage.objects.get()
    assert job.status == "never"
    assert reroute(admin_client, job, "strategic", "It is a choice") == "It goes to strategic now."
    analysis = Analysis.objects.get()
    assert (analysis.depth, analysis.perspectives.count()) == ("standard", 3)
    job.refresh_from_db()
    assert (job.status, job.route, job.confidence) == ("done", "strategic", None)
    item.refresh_from_db()
    assert item.state == "analysing"


def test_a_text_too_long_to_be_read_becomes_a_task_whole(sandbox: Sandbox) -> None:
    item = an_item("", "Sum " * (prompts.LONGEST_TEXT // 4 + 1))
    run_stage("triage")
    job = Triage.objects.get()
    assert (job.status, LLMCall.objects.count()) == ("never", 0)
    corrections.correct(job, Route.OPERATIONAL, by="ana", how=Correction.How.CONSOLE, reason="It is one.")
    task = OutboxEntry.objects.get(source_key="tasks")
    assert task.values["Name"].startswith("Sum Sum")
    pieces = [piece["text"]["content"] for block in task.children for piece in block["paragraph"]["rich_text"]]
    assert item.body.strip() in "".join(pieces)


def test_sent_elsewhere_afterwards_it_makes_pages_of_its_own_each_time(sandbox: Sandbox) -> None:
    item = an_item("Call the plumber", "")
    sandbox.claude(script=[REFUSAL])
    run_stage("triage")
    for route in (Route.OPERATIONAL, Route.REFERENCE, Route.OPERATIONAL):
        corrections.correct(Triage.objects.get(item=item), route, by="ana", how=Correction.How.CONSOLE, reason="It is.")
    assert Task.objects.count() == 2
    with pytest.raises(ValidationError, match="operational already"):
        corrections.correct(Triage.objects.get(item=item), route, by="ana", how=Correction.How.CONSOLE)
    assert sum(one.items for one in corrections.suggestions().values()) == 0


def test_a_person_who_says_more_and_resets_the_status_has_it_asked_about_again(workspace: Sandbox) -> None:
    item = stopped(workspace)
    triage.open_triages()
    item.refresh_from_db()
    assert item.state == "held"
    reset = {"Status": {"select": {"name": "Unprocessed"}}}
    workspace.as_person("PATCH", f"/pages/{item.page_id}", {"properties": reset})
    close_minute(workspace, item)
    work()
    item.refresh_from_db()
    assert (item.state, Triage.objects.get().route) == ("done", "operational")
