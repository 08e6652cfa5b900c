"""The pages of the desk: what they show, what their forms take, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from analysis import desk
from analysis.models import Analysis, Settlement, Synthesis
from emm.audit import AuditEntry
from emm.jobs import Job
from notion_sync.models import Action
from tests.analysis.test_desk import action_of, take
from tests.factories import decide, make_item, make_proposal, make_source, proposed_plan, staff
from tests.world import Sandbox

pytestmark = pytest.mark.django_db


def test_a_page_in_the_trash_and_a_notion_that_is_down_decide_nothing(
    proposal: Analysis, workspace: Sandbox, admin_client: Client
) -> None:
    workspace.as_person("PATCH", f"/pages/{action_of(proposal).page_id}", {"in_trash": True})
    assert "trash" in send(admin_client, proposal, "approve").content.decode()
    workspace.control("faults", {"kind": "drop_before", "match": {"method": "GET"}})
    assert "Notion could not be asked" in send(admin_client, proposal, "approve").content.decode()
    assert not Settlement.objects.exists()


def send(client: Client, analysis: Analysis, deed: str, **more: Any) -> Any:
    """What the form of the desk sends, as it was rendered."""
    stands = desk.shown(action_of(analysis))
    plan = stands.plan.model_dump()
    form = {**plan, "task": plan.pop("tasks"), "note": stands.note, "seen": desk.sealed(stands), "deed": deed}
    return client.post(f"/admin/analysis/proposal/{analysis.pk}/change/", {**form, **more})


def test_a_person_edits_the_tasks_without_javascript_and_approves(alone: Analysis, admin_client: Client) -> None:
    tasks = proposed_plan().tasks
    moved = send(admin_client, alone, "down 0", task=tasks).content.decode()
    assert moved.index(f"\n{tasks[1]}</textarea>") < moved.index(f"\n{tasks[0]}</textarea>")
    assert "moved to place" in moved
    assert f"\n{tasks[2]}</textarea>" not in send(admin_client, alone, "drop 2", task=tasks).content.decode()
    assert 'aria-label="Task 4"' in send(admin_client, alone, "add", task=tasks).content.decode()
    answer = send(admin_client, alone, "approve", task=[tasks[1], "My own"])
    assert answer.status_code == 302
    page = admin_client.get(answer["Location"]).content.decode()
    assert "Decided: approved." in page
    assert "by admin" in page
    assert "Take it back" in page
    final = Settlement.objects.get().final_plan
    assert final is not None
    assert final["tasks"] == [tasks[1], "My own"]
    assert AuditEntry.objects.get(action="proposal.decide").user == User.objects.get(username="admin")


def test_the_page_shows_the_argument_and_what_was_changed_in_notion_since(
    alone: Analysis, admin_client: Client
) -> None:
    decide(alone, "Pending", proposed_plan().model_copy(update={"tasks": ["Sign for one month"]}))
    page = admin_client.get(f"/admin/analysis/proposal/{alone.pk}/change/").content.decode()
    for words in (
        "The options side by side", "The dissent", "The auditor has thought about it for long.", "Nobody had a licence",
        "fewer than five, within 30 days (by ", "Changed in Notion since it was proposed",
        "Task 1 removed: &quot;Compare three offers&quot;",
    ):  # fmt: skip
        assert words in page


def test_a_blocked_approval_keeps_the_persons_edits_and_shows_the_difference(
    alone: Analysis, admin_client: Client
) -> None:
    seen = desk.sealed(desk.shown(action_of(alone)))
    decide(alone, "Pending", proposed_plan().model_copy(update={"tasks": ["Theirs"]}))
    page = send(admin_client, alone, "approve", seen=seen, task=["Mine"]).content.decode()
    assert "nothing was decided" in page
    assert "Task 1 reworded" in page or "Task 1 removed" in page
    assert "\nMine</textarea>" in page
    assert not Settlement.objects.exists()


@pytest.mark.parametrize("seen", ["", "forged", "eyJ9:1:x"])
def test_a_form_that_is_not_whole_decides_nothing(alone: Analysis, admin_client: Client, seen: str) -> None:
    answer = send(admin_client, alone, "approve", seen=seen)
    assert answer.status_code == 302
    assert not Settlement.objects.exists()


@pytest.mark.parametrize("deed", ["", "up", "up 99", "drop -1", "down 9999999999", "eval(1)", "up ²"])
def test_a_strange_button_changes_nothing(alone: Analysis, admin_client: Client, deed: str) -> None:
    assert send(admin_client, alone, deed).status_code == 200
    assert not Settlement.objects.exists()


def test_who_may_only_look_sees_no_button_and_decides_nothing(alone: Analysis) -> None:
    client = staff("view_proposal")
    page = client.get(f"/admin/analysis/proposal/{alone.pk}/change/")
    assert page.status_code == 200
    assert "Approve my plan" not in page.content.decode()
    assert send(client, alone, "approve").status_code == 403
    assert send(client, alone, "take_back").status_code == 403
    assert not Settlement.objects.exists()


def test_the_desk_is_for_those_who_may_and_needs_no_other_right() -> None:
    make_source()
    analysis = make_proposal()
    address = f"/admin/analysis/proposal/{analysis.pk}/change/"
    assert Client().get(address).status_code == 302
    assert staff("view_action").get(address).status_code == 403
    User.objects.all().delete()
    client = staff("decide_proposal")
    assert "Approve my plan" in client.get(address).content.decode()
    assert client.get("/admin/analysis/proposal/").status_code == 200


def test_a_foreign_page_cannot_decide_in_a_persons_name(alone: Analysis) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("eve"))
    assert send(client, alone, "approve").status_code == 403
    assert not Settlement.objects.exists()


def test_what_is_foreign_is_escaped_on_both_pages(admin_client: Client) -> None:
    evil = "<script>alert(1)</script>"
    make_source()
    item = make_item(evil, state="proposed", orders=[{"kind": "role", "means": "x", "quote": evil}])
    analysis = make_proposal(item, decision=evil, dissent=evil, tasks=[evil])
    Action.objects.update(title=evil, url="https://www.notion.so/x")
    for address in ("", f"{analysis.pk}/change/"):
        page = admin_client.get(f"/admin/analysis/proposal/{address}").content.decode()
        assert evil not in page
        assert "&lt;script&gt;alert(1)" in page
    assert "orders to a model" in admin_client.get("/admin/analysis/proposal/").content.decode()


@pytest.mark.parametrize("pk", ["0", "999999", "x", "1e9"])
def test_what_is_no_proposal_is_not_found(admin_client: Client, pk: str) -> None:
    assert admin_client.get(f"/admin/analysis/proposal/{pk}/change/").status_code == 404


def test_what_was_argued_and_decided_is_read_in_words_not_in_json(alone: Analysis, admin_client: Client) -> None:
    settled = take(alone, tasks=["Sign for one month"])
    page = admin_client.get(f"/admin/analysis/analysis/{alone.pk}/change/").content.decode()
    for words in ("The options side by side", "The dissent", "What each persona says", "emm/reading.css"):
        assert words in page
    page = admin_client.get(f"/admin/analysis/settlement/{settled.pk}/change/").content.decode()
    for words in (
        "Task 1 removed: &quot;Compare three offers&quot;",
        "How close each persona came",
        "The plan as decided",
    ):
        assert words in page
    assert "decided_by" not in page
    Synthesis.objects.filter(pk=alone.synthesis.pk).update(status=Job.Status.WAITING)
    page = admin_client.get(f"/admin/analysis/analysis/{alone.pk}/change/").content.decode()
    assert "The quant has thought about it for long." in page
    assert "The dissent" not in page


def test_the_first_page_says_what_waits(alone: Analysis, admin_client: Client) -> None:
    assert "1 proposal waits for a person." in admin_client.get("/admin/").content.decode()
    decide(alone)
    assert "No proposal waits." in admin_client.get("/admin/").content.decode()


def test_an_empty_desk_says_what_to_do(admin_client: Client) -> None:
    assert "Write a question into System Inbox" in admin_client.get("/admin/analysis/proposal/").content.decode()
