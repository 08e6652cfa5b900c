"""A worker may die between any two of its steps: nothing is lost, no page is made twice, no stored answer bought again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models.functions import Now

from analysis import ledger
from analysis.models import BudgetPeriod, LLMCall
from emm import schedule, tasks
from notion_sync import workspace as declared
from notion_sync.models import Action, DataSource, InboxItem, OutboxEntry
from tests.faults.killing import steps, survives
from tests.world import Sandbox, add_item, decide, poll_now, run_stage, work

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

QUESTION = "Should we open a second office in Lyon for $120,000 a year?"


def recover() -> None:
    """What time does after a crash: leases expire, waits end, quarantines close, and the sweeps come round."""
    for _ in range(4):
        for stage in schedule.STAGES.values():
            if stage.model:
                model = tasks.job_model(stage)
                model.objects.filter(status="running").update(leased_until=Now() - timedelta(seconds=1))
                model.reap()
                model.objects.filter(status="waiting").update(due_at=Now())
        OutboxEntry.objects.exclude(sent_at=None).update(sent_at=Now() - timedelta(hours=1))
        LLMCall.objects.filter(status="open").update(opened_at=Now() - timedelta(hours=1))
        work()
    ledger.close_lost()


def pages_by_key(sandbox: Sandbox) -> Counter[str]:
    """EMM_ID to the number of live pages that carry it."""
    found: Counter[str] = Counter()
    for source in DataSource.objects.filter(key__in=[k for k, d in declared.DATABASES.items() if d.we_create]):
        answer = sandbox.as_person("POST", f"/data_sources/{source.data_source_id}/query", {"page_size": 100})
        for page in answer["results"]:
            key = "".join(part["plain_text"] for part in page["properties"]["EMM_ID"]["rich_text"])
            if key:
                found[key] += 1
    return found


def assert_whole(sandbox: Sandbox, state: str, bought: int) -> None:
    item = InboxItem.objects.get()
    assert item.state == state, item.state_reason
    assert set(pages_by_key(sandbox).values()) == {1}
    assert not OutboxEntry.objects.exclude(status="done").exists()
    lost = LLMCall.objects.filter(status="lost").count()
    assert lost <= 1
    assert LLMCall.objects.filter(status="answered").count() == bought
    assert sum(sandbox.claude_state()["calls"].values()) <= bought + lost
    assert not BudgetPeriod.objects.exclude(reserved_usd=0).exists()


def seen(sandbox: Sandbox) -> None:
    add_item(sandbox, QUESTION, "We have offers from two landlords.")
    poll_now()


def triaged(sandbox: Sandbox) -> None:
    seen(sandbox)
    run_stage("triage")


def argued(sandbox: Sandbox) -> None:
    triaged(sandbox)
    run_stage("argue")


def synthesised(sandbox: Sandbox) -> None:
    argued(sandbox)
    run_stage("synthesise")


def decided(sandbox: Sandbox) -> None:
    seen(sandbox)
    work()
    decide(
        sandbox,
        Action.objects.get(),
        "Approved",
        Task_Generation_Template="Call the bank\nAsk the team\nRead the lease",
    )
    poll_now()


def settled(sandbox: Sandbox) -> None:
    decided(sandbox)
    run_stage("settle")
    for _ in range(3):
        run_stage("deliver")


@pytest.mark.parametrize(
    ("before", "stage", "state", "bought"),
    [
        (seen, "triage", "proposed", 5),
        (triaged, "argue", "proposed", 5),
        (argued, "synthesise", "proposed", 5),
        (synthesised, "deliver", "proposed", 5),
        (decided, "settle", "done", 5),
        (settled, "execute", "done", 5),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_worker_may_be_killed_at_any_step(
    before: Callable[[Sandbox], None], stage: str, state: str, bought: int, fresh_workspace: Callable[[], Sandbox]
) -> None:
    for step in steps():
        sandbox = fresh_workspace()
        before(sandbox)
        survived = survives(partial(run_one, stage), step)
        recover()
        assert_whole(sandbox, state, bought)
        if survived:
            break
    assert step > 5, "the stage did nothing"
    print(f"{stage}: killed at {step - 1} steps")


def run_one(stage: str) -> Any:
    """One row of the stage, as one worker takes it."""
    declared_stage = schedule.STAGES[stage]
    if declared_stage.opens:
        from django.utils.module_loading import import_string

        import_string(declared_stage.opens)()
    model = tasks.job_model(declared_stage)
    tasks.run(stage, str(model.objects.due().order_by("due_at").values_list("pk", flat=True)[0]))
