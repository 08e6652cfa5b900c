"""Stage 7: make the tasks of an approved plan, once the time to take the approval back is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from analysis import pages
from analysis.answers import Plan
from analysis.models import Analysis, Execution
from analysis.settlement import OTHERWISE, restate, seen_whole
from emm.jobs import Later, LostLease, Never
from notion_sync import outbox
from notion_sync.models import Action, DataSource, InboxItem, Intent, OutboxEntry, Project, Task

PROJECT_FROM = 3  # tasks
MOST_TASKS = 100  # more is a paste gone wrong, not a plan
TASK_NAME = 2_000  # characters; one piece of a Notion title
PENDING = "Pending_Approval"
NEXT_LOOK = timedelta(seconds=15)
THEN_AGAIN = "See to that write under Outbox entries, then queue this execution again."


def execute(job: Execution) -> None:
    """Promise the tasks of the settled plan and, from three tasks up, a project around them, in one transaction.

    Where the person has decided otherwise by then, that takes the approval's place, and the execution is gone. Raises
    Later until a poll has looked at the Action page after the time to undo and our own word on it is written, and Never
    when that can't be, when the approval was taken back, or when the plan is too long.
    """
    _wait_for_undo(job)
    _wait_for_approval(job)
    _wait_for_minute(job)
    with transaction.atomic():
        settlement = job.settlement
        analysis = settlement.synthesis.analysis
        action = Action.objects.select_for_update().get(pk=settlement.action_id)
        if redecided().filter(pk=job.pk).exists():
            job.finish()  # first: whoever lost the lease must not promise anything
            job.delete()
            restate(settlement, action)
            return
        plan = Plan.model_validate(settlement.final_plan)
        item, intent = analysis.item, analysis.intent
        assert intent is not None, "a proposal has its Intent"
        why_not = _why_not(action, plan)
        if not why_not:
            job.finish()  # first: whoever lost the lease must not promise anything
            if intent.values.get("Status") == PENDING:  # it was taken back, and is approved after all
                outbox.update_page(intent, {"Status": "Approved"}, purpose="approve after all", item=item)
            _promise_tasks(item, intent, analysis.revision, plan)
            item.enter(InboxItem.State.WRITING, _made(plan))
            return
        job.keep()
        if why_not == Execution.TAKEN_BACK and not intent.in_trash:
            outbox.update_page(intent, {"Status": PENDING}, purpose="take the approval back", item=item)
    raise Never(why_not)


def queue_redecided() -> None:
    """Queue again what ended because its approval was taken back, where the person has decided otherwise since."""
    for job in redecided().filter(status=Execution.Status.NEVER, last_error=Execution.TAKEN_BACK):
        try:
            job.queue_again()
        except LostLease:
            continue  # approved after all, at this moment


def redecided() -> QuerySet[Any]:
    """Executions whose Action page carries another decision than the approval, seen whole and no word of our own."""
    otherwise = seen_whole(Action.objects.filter(approval_status__in=OTHERWISE, in_trash=False))
    analysis = "settlement__synthesis__analysis"
    ours = OutboxEntry.objects.filter(
        item=OuterRef(f"{analysis}__item"),
        page_id=OuterRef("settlement__action__page_id"),
        values__has_key="Approval_Status",
    ).exclude(status=OutboxEntry.Status.DONE)
    # At the desk an approval that was taken back can be argued again: then the revision is what is decided on.
    revised = Analysis.objects.filter(
        item=OuterRef(f"{analysis}__item"), revision__gt=OuterRef(f"{analysis}__revision")
    ).exclude(note="")
    return Execution.objects.filter(~Exists(ours), ~Exists(revised), settlement__action__in=otherwise)


def _wait_for_undo(job: Execution) -> None:
    """A person takes an approval back in Notion, where only a poll sees it. Without time to undo nothing is awaited."""
    undo_over = job.settlement.status_since + timedelta(seconds=settings.UNDO_SECONDS)
    seen = DataSource.objects.filter(key=Action.key, polled_at__gte=undo_over).exists()
    if settings.UNDO_SECONDS and not seen:
        raise Later(NEXT_LOOK, "Waits for the poll that shows whether the approval was taken back.")


def _wait_for_approval(job: Execution) -> None:
    """A decision of the desk is carried to the Action page by a write: until it is there, the page says something else."""
    carried = OutboxEntry.objects.filter(page_id=job.settlement.action.page_id, values__has_key="Approval_Status")
    if carried.unfinished().exists():
        raise Later(NEXT_LOOK, "Waits for the decision to be written on the Action page.")
    if stuck := carried.stuck().first():
        raise Never(f"The decision could not be written on the Action page. {stuck.last_error} {THEN_AGAIN}")


def _wait_for_minute(job: Execution) -> None:
    """Another decision is read as the first one was: not before the minute of the edit has closed."""
    otherwise = Action.objects.filter(pk=job.settlement.action_id, approval_status__in=OTHERWISE, in_trash=False)
    if otherwise.exists() and not seen_whole(otherwise).exists():
        raise Later(
            NEXT_LOOK, "Another decision stands on the Action page: waits until the minute of that edit has closed."
        )


def _why_not(action: Action, plan: Plan) -> str:
    """Why the plan must not be carried out, or nothing."""
    if action.in_trash or action.approval_status != "Approved":
        return Execution.TAKEN_BACK
    if len(plan.tasks) > MOST_TASKS:
        return (
            f"The approved plan has {len(plan.tasks)} tasks; at most {MOST_TASKS} are made at once. None were made: make "
            "those that you want by hand, from the plan on the Action page."
        )
    return ""


def _promise_tasks(item: InboxItem, intent: Intent, revision: int, plan: Plan) -> None:
    """One creation a task, and before them the project: relations are written on the task's side only."""
    shared: dict[str, Any] = {"Source Intent": [outbox.ref(intent)]}
    if intent.values.get("Area"):
        shared["Area"] = intent.values["Area"]
    belongs: dict[str, Any] = {}
    if len(plan.tasks) >= PROJECT_FROM:
        project = outbox.create_page(
            Project,
            outbox.emm_id_for(str(item.page_id), "project", revision),
            {
                "Name": pages.shorten(intent.title, TASK_NAME),
                "Status": "Planning",
                "Context": pages.project_context(plan),
                **shared,
            },
            purpose="make the project",
            item=item,
        )
        belongs = {"Projects": [outbox.ref(project)]}
    priority = intent.values.get("Priority") or pages.priority(intent.values.get("Projected_Impact"))
    for ordinal, name in enumerate(plan.tasks, start=1):
        outbox.create_page(
            Task,
            outbox.emm_id_for(str(item.page_id), "task", revision, ordinal),
            {"Name": pages.shorten(name, TASK_NAME), "Priority": priority, "Auto Generated": True, **shared, **belongs},
            purpose=f"make task {ordinal} of {len(plan.tasks)}",
            item=item,
        )


def _made(plan: Plan) -> str:
    if not plan.tasks:
        return "Approved. The plan names no tasks, so none are made."
    if len(plan.tasks) == 1:
        return "Approved. Its task is being made."
    project = " and their project" if len(plan.tasks) >= PROJECT_FROM else ""
    return f"Approved. {len(plan.tasks)} tasks{project} are being made."
