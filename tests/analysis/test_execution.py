"""An approved plan becomes tasks, once, unless the approval was taken back in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from analysis import execution
from analysis.answers import Plan
from analysis.execution import execute
from analysis.models import Analysis, Execution, Settlement
from analysis.settlement import settle
from emm.jobs import MAX_FAILURES, Job
from notion_sync import outbox
from notion_sync.models import Action, DataSource, InboxItem, Intent, OutboxEntry, Project, Task
from tests.factories import make_proposal, make_settlement, make_source, proposed_plan

pytestmark = pytest.mark.django_db


def approved(plan: Plan | None = None, analysis: Analysis | None = None) -> Execution:
    """The execution of a plan that was approved and settled."""
    make_source()
    settling = Settlement.claim(make_settlement(analysis or make_proposal(), plan=plan).pk)
    assert settling is not None
    settling.attempt(settle)
    return Execution.objects.get(settlement=settling)


def run(job: Execution) -> Execution:
    Execution.objects.update(due_at=Now())
    claimed = Execution.claim(job.pk)
    assert claimed is not None
    claimed.attempt(execute)
    return claimed


def with_tasks(*tasks: str) -> Plan:
    return proposed_plan().model_copy(update={"tasks": list(tasks)})


def promised(key: str) -> list[dict[str, Any]]:
    return [entry.values for entry in OutboxEntry.objects.filter(source_key=key).order_by("pk")]


def test_three_tasks_and_their_project_are_made_with_eight_writes_in_all() -> None:
    job = run(approved())
    assert job.status == Job.Status.DONE
    assert [task["Name"] for task in promised("tasks")] == proposed_plan().tasks
    assert len(promised("projects")) == 1
    assert OutboxEntry.objects.count() == 8
    assert OutboxEntry.objects.filter(kind="update").count() == 2
    assert InboxItem.objects.get().state == InboxItem.State.WRITING


def test_a_task_knows_its_intent_its_project_and_its_priority() -> None:
    run(approved())
    project, intent = Project.objects.get(), Intent.objects.get()
    assert promised("tasks")[0] == {
        "Name": "Compare three offers",
        "Priority": "P1",
        "Auto Generated": True,
        "Source Intent": [str(intent.page_id)],
        "Projects": [outbox.ref(project)],
        "EMM_ID": str(Task.objects.order_by("pk").values_list("emm_id", flat=True)[0]),
    }
    assert promised("projects")[0]["Name"] == "Should we buy a van?"
    assert promised("projects")[0]["Status"] == "Planning"


def test_the_area_and_the_priority_that_a_person_set_on_the_intent_are_taken_over() -> None:
    job = approved()
    intent = Intent.objects.get()
    intent.values |= {"Area": ["4f0e8a31-0000-4000-8000-000000000001"], "Priority": "P0"}
    intent.save()
    run(job)
    for values in (*promised("tasks"), *promised("projects")):
        assert values["Area"] == ["4f0e8a31-0000-4000-8000-000000000001"]
    assert promised("tasks")[0]["Priority"] == "P0"


def test_two_tasks_need_no_project() -> None:
    run(approved(with_tasks("Sign", "Pay")))
    assert [task["Name"] for task in promised("tasks")] == ["Sign", "Pay"]
    assert not promised("projects")
    assert "Projects" not in promised("tasks")[0]


def test_the_plan_of_the_person_is_carried_out_not_the_proposed_one() -> None:
    run(approved(with_tasks("Buy a bicycle")))
    assert [task["Name"] for task in promised("tasks")] == ["Buy a bicycle"]


def test_two_tasks_of_one_name_are_two_tasks() -> None:
    run(approved(with_tasks("Call", "Call")))
    assert Task.objects.count() == 2


def test_a_plan_without_tasks_makes_none_and_is_done() -> None:
    job = run(approved(with_tasks()))
    assert job.status == Job.Status.DONE
    assert not Task.objects.exists()
    assert "no tasks" in InboxItem.objects.get().state_reason


def test_a_pasted_list_of_hundreds_is_held_and_says_so() -> None:
    job = run(approved(with_tasks(*(f"Line {number}" for number in range(300)))))
    assert job.status == Job.Status.NEVER
    assert not Task.objects.exists()
    item = InboxItem.objects.get()
    assert item.state == InboxItem.State.HELD
    assert "300 tasks" in item.state_reason


@pytest.mark.parametrize("change", [{"approval_status": "Pending"}, {"approval_status": ""}, {"in_trash": True}])
def test_an_approval_taken_back_in_time_makes_nothing_and_says_why(change: dict[str, Any]) -> None:
    job = approved()
    Action.objects.update(**change)
    job = run(job)
    assert job.status == Job.Status.NEVER
    assert not Task.objects.exists()
    item = InboxItem.objects.get()
    assert (item.state, item.state_reason) == (InboxItem.State.HELD, Execution.TAKEN_BACK)
    assert promised("intents")[-1] == {"Status": "Pending_Approval"}
    assert not Settlement.objects.standing().exists()


def test_an_approval_given_again_is_carried_out_when_it_is_queued_again() -> None:
    job = approved()
    Action.objects.update(approval_status="Pending")
    job = run(job)
    Action.objects.update(approval_status="Approved")
    Intent.objects.update(values={"Status": "Pending_Approval"})
    job.queue_again()
    assert run(job).status == Job.Status.DONE
    assert Task.objects.count() == 3
    assert promised("intents")[-1] == {"Status": "Approved"}
    assert Settlement.objects.standing().exists()


def test_a_worker_that_lost_its_lease_says_nothing_of_an_approval_taken_back() -> None:
    job = approved()
    Action.objects.update(approval_status="Pending")
    late = Execution.claim(job.pk)
    assert late is not None
    Execution.objects.update(leased_until=Now() - timedelta(seconds=1))
    Execution.reap()
    late.attempt(execute)
    assert promised("intents")[-1]["Status"] == "Approved"


@pytest.mark.parametrize("status", ["Approved", "Rejected", "Needs_Revision"])
def test_a_decision_stands_unless_its_approval_was_taken_back(status: str) -> None:
    settling = Settlement.claim(make_settlement(make_proposal(), status).pk)
    assert settling is not None
    settling.attempt(settle)
    assert Settlement.objects.standing().get() == settling


def test_with_time_to_undo_the_tasks_wait_for_a_poll_after_it(settings: LazySettings) -> None:
    settings.UNDO_SECONDS = 60
    job = approved()
    Settlement.objects.update(status_since=Now() - timedelta(seconds=100))
    DataSource.objects.update(polled_at=Now() - timedelta(seconds=50))
    job = run(job)
    assert job.status == Job.Status.WAITING
    assert "Waits for the poll" in job.last_error
    DataSource.objects.update(polled_at=Now() - timedelta(seconds=30))
    assert run(job).status == Job.Status.DONE


def test_before_its_time_nothing_is_made(settings: LazySettings) -> None:
    settings.UNDO_SECONDS = 60
    assert Execution.claim(approved().pk) is None


def test_an_execution_that_breaks_off_leaves_nothing_and_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    job = approved()
    with monkeypatch.context() as broken:
        broken.setattr(execution, "_made", lambda plan: 1 / 0)
        run(job)
    assert not Task.objects.exists()
    assert run(job).status == Job.Status.DONE
    assert Task.objects.count() == 3


def test_a_worker_that_lost_its_lease_makes_nothing() -> None:
    job = approved()
    late = Execution.claim(job.pk)
    assert late is not None
    Execution.objects.update(leased_until=Now() - timedelta(seconds=1))
    Execution.reap()
    late.attempt(execute)
    assert not Task.objects.exists()


def test_an_item_whose_tasks_failed_too_often_is_held_until_they_are_queued_again() -> None:
    job = approved()
    Execution.objects.filter(pk=job.pk).update(failures=MAX_FAILURES - 1, due_at=Now() - timedelta(seconds=1))
    taken = Execution.claim(job.pk)
    assert taken is not None
    taken.attempt(crash)
    item = InboxItem.objects.get()
    assert item.state == InboxItem.State.HELD
    assert "the disk is full" in item.state_reason
    Execution.objects.get().queue_again()
    item.refresh_from_db()
    assert (item.state, item.state_reason) == (InboxItem.State.DECIDED, "")


def crash(job: Job) -> None:
    raise OSError("the disk is full")
