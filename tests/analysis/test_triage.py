"""Where items go, what is promised for each, and what an item shows that cannot go on."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from analysis import prompts, triage
from analysis.models import Analysis, BudgetPeriod, LLMCall, Perspective, Policy, Triage
from notion_sync.models import Area, BodyRead, InboxItem, Intent, Node, OutboxEntry, Task
from tests.analysis.rows import MINUTE, an_item
from tests.world import Sandbox, add_item, poll_now, run_stage, work

pytestmark = pytest.mark.django_db
STRATEGIC = "Open an office in Lisbon?"
OPERATIONAL = {"title": "Call the plumber about the kitchen tap", "body": ""}
REFERENCE = {"title": "Note: how the archive works", "body": "Boxes are sorted by year."}
THIN = {"title": "hmm", "body": ""}


def fresh(item: InboxItem) -> InboxItem:
    item.refresh_from_db()
    return item


def promised(item: InboxItem) -> list[OutboxEntry]:
    return list(OutboxEntry.objects.filter(item=item).order_by("pk"))


def last_patch(item: InboxItem) -> dict[str, Any]:
    return dict(promised(item)[-1].values)


def delivered(item: InboxItem, **values: Any) -> None:
    """What was promised stands in Notion now."""
    OutboxEntry.objects.filter(item=item).update(status="done")
    item = fresh(item)
    item.values |= values
    item.save(update_fields=["values"])


def test_it_opens_one_triage_for_an_item_that_was_read(sandbox: Sandbox) -> None:
    item = an_item()
    an_item(body_of=None)
    triage.open_triages()
    triage.open_triages()
    assert [job.item for job in Triage.objects.all()] == [item]
    assert fresh(item).state == "waiting"


def test_nothing_is_paid_for_a_page_that_was_trashed_since_the_last_poll_and_a_restored_one_goes_on(
    workspace: Sandbox,
) -> None:
    page = f"/pages/{add_item(workspace, STRATEGIC)}"
    poll_now()
    triage.open_triages()
    InboxItem.objects.update(body_read_at=F("body_read_at") - triage.FRESH)
    workspace.as_person("PATCH", page, {"in_trash": True})
    run_stage("triage")
    item = InboxItem.objects.get()
    assert (item.in_trash, item.state, item.state_reason) == (True, "skipped", triage.TRASHED)
    assert not LLMCall.objects.exists()
    workspace.as_person("PATCH", page, {"in_trash": False})
    poll_now()
    run_stage("triage")
    assert LLMCall.objects.count() == 1


def test_nothing_is_paid_for_a_page_whose_trashing_was_mirrored_after_its_triage_was_opened(sandbox: Sandbox) -> None:
    item = an_item()
    triage.open_triages()
    InboxItem.objects.update(in_trash=True)
    run_stage("triage")
    assert (fresh(item).state, LLMCall.objects.count()) == ("skipped", 0)


def test_a_page_that_was_read_a_moment_ago_costs_no_second_look(workspace: Sandbox) -> None:
    add_item(workspace, OPERATIONAL["title"])
    poll_now()
    workspace.control("log/clear")
    run_stage("triage")
    assert LLMCall.objects.exists()
    assert not [one for one in workspace.requests() if one["path"].startswith("/v1/pages/")]


@pytest.mark.parametrize("status", [None, "", "Unprocessed"])
def test_an_empty_status_means_unprocessed(status: str | None) -> None:
    an_item(values={"Status": status})
    triage.open_triages()
    assert Triage.objects.count() == 1


def test_what_was_dealt_with_before_we_came_is_skipped_with_the_reason_until_a_person_says_otherwise() -> None:
    item = an_item(values={"Status": "Triaged_to_Task"})
    triage.open_triages()
    assert (fresh(item).state, Triage.objects.count()) == ("skipped", 0)
    assert "Its Status was Triaged_to_Task" in item.state_reason
    InboxItem.objects.update(values={"Status": "Unprocessed"})
    triage.open_triages()
    assert (fresh(item).state, Triage.objects.count()) == ("waiting", 1)


def test_what_was_trashed_is_skipped_until_it_is_restored() -> None:
    item = an_item(in_trash=True, body_of=None)
    triage.open_triages()
    assert (fresh(item).state, item.state_reason) == ("skipped", triage.TRASHED)
    InboxItem.objects.update(in_trash=False, body_of=MINUTE)
    triage.open_triages()
    assert (fresh(item).state, Triage.objects.count()) == ("waiting", 1)


def test_a_page_whose_content_could_not_be_read_again_is_not_judged_by_the_old_one() -> None:
    item = an_item()
    BodyRead.objects.create(item=item, status="never")
    triage.open_triages()
    assert Triage.objects.count() == 0


def test_nothing_is_asked_about_an_empty_page_until_something_is_written_on_it(sandbox: Sandbox) -> None:
    item = an_item(" ", "")
    triage.open_triages()
    triage.open_triages()
    assert (fresh(item).state, Triage.objects.count()) == ("held", 0)
    assert "says nothing" in item.state_reason
    assert [entry.values for entry in promised(item)] == [{"Status": "Needs_Review"}]
    InboxItem.objects.update(title="Lisbon?", values={"Status": "Unprocessed"})
    triage.open_triages()
    assert (fresh(item).state, Triage.objects.count()) == ("waiting", 1)


def test_a_strategic_item_opens_an_analysis_and_three_voices(sandbox: Sandbox) -> None:
    item = an_item(digest="as read")
    run_stage("triage")
    analysis = Analysis.objects.get()
    assert (analysis.item, analysis.revision, analysis.item_digest) == (item, 1, "as read")
    assert sorted(Perspective.objects.values_list("persona", flat=True)) == ["auditor", "entrepreneur", "quant"]
    assert fresh(item).state == "analysing"
    job = Triage.objects.get()
    assert (job.status, job.route) == ("done", "strategic")
    assert job.answer is not None
    assert job.confidence == job.answer["confidence"]


def test_an_operational_item_promises_a_task_a_log_entry_and_its_own_status_once_both_are_there(
    sandbox: Sandbox,
) -> None:
    area = Area.objects.create(title="Operations", page_id=uuid.uuid4())
    item = an_item("Call the plumber about operations", "He knows the house.")
    run_stage("triage")
    task, log, patch = promised(item)
    assert (task.source_key, log.source_key, patch.source_key) == ("tasks", "log", "inbox")
    assert task.values["DB_System_Inbox"] == [str(item.page_id)]
    assert task.values["Area"] == [str(area.page_id)]
    assert task.values["Priority"] == "P2"
    assert "He knows the house." in str(task.children)
    assert log.values["Task"] == [{"ref": str(Task.objects.get().emm_id)}]
    assert patch.values == {"Status": "Triaged_to_Task", "Triage_Destination": "Operational (Task)"}
    assert fresh(item).state == "writing"
    for done in (task, log):
        assert OutboxEntry.claim(patch.pk) is None
        claimed = OutboxEntry.claim(done.pk)
        assert claimed is not None
        claimed.finish()
    assert OutboxEntry.claim(patch.pk) is not None


def test_signs_that_markdown_escapes_arrive_in_notion_as_they_were_typed(workspace: Sandbox) -> None:
    said, more = "Pay him $60 [cash], see note_1 * urgent", "He asked for $75 <first> | then ~$60~."
    add_item(workspace, "Call the plumber", said, more)
    chosen = {"Triage_Destination": {"select": {"name": "Strategic (Intent)"}}}
    add_item(workspace, STRATEGIC, said, more, **chosen)
    poll_now()
    work()
    task = Task.objects.get()
    shown = workspace.as_person("GET", f"/blocks/{task.page_id}/children")["results"]
    lines = ["".join(one["plain_text"] for one in block["paragraph"]["rich_text"]) for block in shown]
    assert lines == [said, more]
    assert Intent.objects.get().values["Description"] == f"{said}\n\n{more}"
    assert r"\\$60 \\[cash\\]" in prompts.triage_user(InboxItem.objects.get(title=STRATEGIC))


def test_a_reference_without_names_keeps_its_text_in_one_node(sandbox: Sandbox) -> None:
    item = an_item(**REFERENCE)
    run_stage("triage")
    node, _log, patch = promised(item)
    assert node.values["Node_Type"] == "Knowledge_Asset"
    assert node.values["Content"] == "Boxes are sorted by year."
    assert node.values["Source_Inbox"] == [str(item.page_id)]
    assert patch.values == {"Status": "Triaged_to_Node", "Triage_Destination": "Reference (Node)"}


def test_a_reference_too_long_for_a_property_keeps_its_text_in_the_page(sandbox: Sandbox) -> None:
    item = an_item(REFERENCE["title"], "Boxes are sorted by year.\n\n" * 3_000)
    run_stage("triage")
    node = promised(item)[0]
    assert node.values["Content"] == "The text stands on the page itself."
    pieces = [piece["text"]["content"] for block in node.children for piece in block["paragraph"]["rich_text"]]
    assert "".join(pieces) == item.body.strip()


NAMES = {"title": "Note: people at Vantor Ltd", "body": "Met with Dana Brightside and Robin Vale of Vantor Ltd."}


def test_a_reference_makes_a_node_for_each_new_name_and_links_those_that_exist(sandbox: Sandbox) -> None:
    first = an_item(**NAMES)
    run_stage("triage")
    made = sorted(Node.objects.values_list("title", flat=True))
    assert len(made) > 1
    assert all(e.values["Source_Inbox"] == [str(first.page_id)] for e in promised(first) if e.source_key == "nodes")
    assert "Routed_to_Node" not in last_patch(first)
    Node.objects.filter(title=made[0]).update(title=made[0].upper(), page_id=uuid.uuid4())
    second = an_item(**NAMES)
    run_stage("triage")
    assert Node.objects.count() == len(made) + 1  # nothing new is named, so the text has a node of its own
    assert promised(second)[0].values["Content"] == NAMES["body"]
    links = last_patch(second)["Routed_to_Node"]
    assert len(links) == len(made) + 1
    assert str(Node.objects.get(title=made[0].upper()).page_id) in links


def test_a_relation_to_nodes_is_written_on_one_side_only(sandbox: Sandbox) -> None:
    old = Node.objects.create(title="vantor ltd", page_id=uuid.uuid4())
    item = an_item(**NAMES)
    InboxItem.objects.update(values={"Routed_to_Node": ["there-before"]})
    run_stage("triage")
    made = [entry for entry in promised(item) if entry.source_key == "nodes"]
    assert made
    assert not any("Source_Inbox" in entry.values for entry in made)
    links = last_patch(item)["Routed_to_Node"]
    assert links[:2] == ["there-before", str(old.page_id)]
    assert links[2:] == [{"ref": str(entry.emm_id)} for entry in made]


def test_a_node_in_the_trash_is_made_anew(sandbox: Sandbox) -> None:
    Node.objects.create(title="Vantor Ltd", page_id=uuid.uuid4(), in_trash=True)
    item = an_item(**NAMES)
    run_stage("triage")
    assert "Routed_to_Node" not in last_patch(item)
    assert Node.objects.filter(title="Vantor Ltd", in_trash=False).count() == 1


def test_an_unsure_answer_is_held_for_a_person(sandbox: Sandbox) -> None:
    item = an_item(**THIN)
    run_stage("triage")
    assert fresh(item).state == "held"
    assert item.state_reason.startswith("Unsure where it goes: reference with a confidence of 20%.")
    assert last_patch(item) == {"Status": "Needs_Review"}
    assert Triage.objects.get().route == ""
    assert Node.objects.count() == 0


def test_a_person_who_chooses_the_destination_overrules_the_triage(sandbox: Sandbox) -> None:
    item = an_item(**THIN)
    run_stage("triage")
    delivered(item, Status="Needs_Review", Triage_Destination="Operational (Task)")
    run_stage("triage")
    assert fresh(item).state == "writing"
    assert Task.objects.count() == 1
    assert sandbox.claude_state()["calls"] == {"triage": 1}


def test_an_unsure_item_is_asked_about_again_once_a_person_said_more(sandbox: Sandbox) -> None:
    item = an_item(**THIN)
    run_stage("triage")
    run_stage("triage")  # Needs_Review is not written yet: nobody has answered
    assert fresh(item).state == "held"
    delivered(item, Status="Needs_Review")
    run_stage("triage")
    assert fresh(item).state == "held"
    delivered(item, Status="Unprocessed")
    InboxItem.objects.update(title=OPERATIONAL["title"], last_edited_time=F("last_edited_time") + timedelta(minutes=1))
    run_stage("triage")
    assert fresh(item).state == "held"  # the page was edited, and not read again yet
    InboxItem.objects.update(body_of=F("last_edited_time"))
    run_stage("triage")
    assert fresh(item).state == "writing"


def test_an_exhausted_budget_holds_the_item_with_the_reason_and_it_goes_on_the_next_day(
    sandbox: Sandbox, settings: Any
) -> None:
    done, item = an_item(**OPERATIONAL), an_item(**OPERATIONAL)
    run_stage("triage")
    Triage.objects.filter(item=item).delete()
    item.enter(InboxItem.State.WAITING)
    BudgetPeriod.objects.filter(budget__scope="day").update(spent_usd=settings.BUDGETS_USD["day"])
    run_stage("triage")
    assert fresh(item).state == "held"
    assert "The budget of 5 USD for a day has 0.0000 USD left" in item.state_reason
    assert run_stage("triage") == 0
    job = Triage.objects.get(item=item)
    assert (job.status, job.failures) == ("waiting", 0)
    # The day is over: yesterday's row is not today's, and the waiting job is due.
    BudgetPeriod.objects.filter(budget__scope="day").update(period="yesterday")
    Triage.objects.filter(pk=job.pk).update(due_at=F("due_at") - timedelta(days=1))
    run_stage("triage")
    assert (fresh(item).state, fresh(done).state) == ("writing", "writing")


def test_a_model_without_a_price_holds_the_item_and_asks_nobody(sandbox: Sandbox, settings: Any) -> None:
    settings.ANTHROPIC_MODELS = {**settings.ANTHROPIC_MODELS, "triage": "claude-unheard-of"}
    item = an_item()
    run_stage("triage")
    assert fresh(item).state == "held"
    assert "no price for the model claude-unheard-of" in item.state_reason
    assert "It is tried again by itself at " in item.state_reason
    assert (LLMCall.objects.count(), sandbox.claude_state()["calls"]) == (0, {})


def test_a_refusal_holds_the_item_until_a_person_queues_it_again(sandbox: Sandbox) -> None:
    sandbox.claude(script=[{"kind": "refusal"}])
    item = an_item(**OPERATIONAL)
    run_stage("triage")
    assert (fresh(item).state, Triage.objects.get().status) == ("held", "never")
    assert "declined" in item.state_reason
    Triage.objects.get().queue_again()
    assert fresh(item).state == "triaging"
    run_stage("triage")
    assert fresh(item).state == "writing"


def test_a_worker_that_lost_its_lease_promises_nothing(sandbox: Sandbox) -> None:
    item = an_item(**OPERATIONAL)
    triage.open_triages()
    slow = Triage.claim(Triage.objects.get().pk)
    assert slow is not None
    Triage.objects.update(claims=F("claims") + 1)
    slow.attempt(triage.triage)
    assert promised(item) == []
    assert Triage.objects.get().answer is None


def test_a_small_choice_is_operational(sandbox: Sandbox) -> None:
    item = an_item("Should we order blue or white labels for $60?", "")
    run_stage("triage")
    assert (Triage.objects.get().route, fresh(item).state) == ("operational", "writing")


@pytest.mark.parametrize(
    ("lane", "urgent", "patient"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_what_is_not_urgent_may_wait_for_the_patient_lane(
    sandbox: Sandbox, lane: bool, urgent: bool, patient: bool
) -> None:
    Policy.objects.create(patient_lane=lane)
    an_item(values={"Status": None, "Urgent": urgent})
    run_stage("triage")
    assert Analysis.objects.get().patient == patient
