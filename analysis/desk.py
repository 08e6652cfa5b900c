"""The review desk: what waits for a person, and their decision, taken here instead of in Notion and settled at once.

What a person leaves on the desk is the final plan. Notion is asked afresh before it counts: a page that was changed since the
person looked at it decides nothing, and says what changed. The decision reaches the Action page as one promised write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import DecimalField, Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from analysis import acceptance, pages, settlement, versions
from analysis.answers import Plan, Reject
from analysis.economics import LABELS
from analysis.execution import MOST_TASKS, PENDING, TASK_NAME
from analysis.models import Analysis, Execution, LLMCall, Perspective, Proposal, Settlement
from emm.audit import Actor, record
from emm.jobs import Job
from notion_sync import outbox, properties, workspace
from notion_sync.models import Action, Intent

Decision = Settlement.Decision
REASONS = workspace.DATABASES[Action.key].property("Rejection_Reason").options
LONGEST_TEXT = 100_000  # characters; a text property of Notion holds 200,000 of the widest
GROUNDS = [ground.value for ground in Reject if ground != Reject.NONE]


class Changed(Exception):
    """The Action page is not what the person saw, so nothing was decided. `changes`: since then, in words."""

    def __init__(self, changes: list[str]) -> None:
        super().__init__("; ".join(changes))
        self.changes = changes


@dataclass(frozen=True)
class Shown:
    """What stood on an Action page when a person looked at it."""

    plan: Plan
    note: str


@dataclass(frozen=True)
class Wish:
    """What a person decides: the plan as they leave it, why they reject it (one of REASONS), and their note."""

    decision: str
    plan: Plan
    reason: str = ""
    note: str = ""


def proposals() -> QuerySet[Any]:
    """Plans that were proposed, decided or not.

    Annotated with `rejected` (a persona raised a stop signal), `newer` (a later version exists), `since` and `cost`: US
    dollars for the whole item so far, an open call at what it reserves.
    """
    voices = Perspective.objects.filter(analysis=OuterRef("pk"), status=Job.Status.DONE, round=1)
    later = Analysis.objects.filter(item=OuterRef("item"), revision__gt=OuterRef("revision"), superseded="")
    calls = LLMCall.objects.filter(item=OuterRef("item")).order_by().values("item")
    spent = calls.annotate(usd=Sum(Coalesce("cost_usd", "reserved_usd"))).values("usd")
    return (
        Proposal.objects.filter(synthesis__status=Job.Status.DONE, action__isnull=False)
        .annotate(
            rejected=Exists(voices.filter(answer__reject__in=GROUNDS)),
            newer=Exists(later),
            since=F("synthesis__status_since"),
            cost=Coalesce(Subquery(spent), Decimal(0), output_field=DecimalField()),
        )
        .select_related("item", "action", "intent", "synthesis")
        .prefetch_related("perspectives")
    )


def waiting() -> QuerySet[Any]:
    """Proposals that a person has to decide on: those with a stop signal first, then the oldest."""
    undecided = proposals().filter(
        superseded="", action__page_id__isnull=False, action__in_trash=False, action__settlement=None
    )
    return undecided.exclude(action__approval_status__in=Decision.values).order_by("-rejected", "since", "pk")


def undoable() -> QuerySet[Execution]:
    """Approvals whose tasks are not made yet, the next to be made first."""
    return (
        Execution.objects.filter(status=Job.Status.WAITING)
        .select_related("settlement__action", "settlement__synthesis__analysis")
        .order_by("due_at")
    )


def shown(action: Action) -> Shown:
    """What stands on the Action page, as far as we know."""
    return Shown(pages.plan_from_values(action.values), action.values.get("User_Notes") or "")


def sealed(seen: Shown) -> str:
    """`seen` as text that a form can carry to and fro."""
    parts = {"plan": seen.plan.model_dump(), "note": seen.note}
    return signing.dumps(parts, salt="desk", compress=True)


def unsealed(text: str) -> Shown:
    """The way back. Raises ValidationError for what is not ours."""
    try:
        parts = signing.loads(text, salt="desk")
    except signing.BadSignature:
        raise ValidationError("The form was not whole. Load the page again.") from None
    return Shown(Plan.model_validate(parts["plan"]), parts["note"])


def changes_since(seen: Shown, action: Action) -> list[str]:
    """What was changed on the Action page since `seen`, in words; layout alone is no change."""
    now = shown(action)
    found = acceptance.compare(seen.plan, now.plan, Decision.APPROVED).changes
    if now.note.split() != seen.note.split():
        found.append(f"User_Notes is now: {now.note or '(empty)'}")
    return found


def why_not(analysis: Analysis) -> str:
    """Why nobody can decide on it at the desk, in words; "" where they can."""
    action = analysis.action
    if analysis.superseded:
        return analysis.superseded
    if action is None or analysis.synthesis.status != Job.Status.DONE:
        return "It is still being argued about."
    if action.page_id is None:
        return "Its page is not made in Notion yet: wait for the write, under Outbox entries."
    if action.in_trash:
        return "Its page is in Notion's trash. Restore it there first."
    if action.approval_status in Decision.values:
        return f"Decided in Notion meanwhile: {action.approval_status}. It is settled when the minute of that edit has closed."
    return ""


def decide(analysis: Analysis, wish: Wish, *, by: Actor, seen: Shown) -> Settlement:
    """Settle the proposal as the person wishes, once, and promise all that follows, the Action page's values among it.

    The same decision by the same person again gives the same settlement. Raises ValidationError with why it is refused
    (a bound, a missing reason, somebody else's decision), Changed where Notion says something else than `seen`, and Later,
    Misconfigured or Never where Notion cannot be asked.
    """
    action = analysis.action
    if action is None:
        raise ValidationError(why_not(analysis))
    wish = _checked(wish, action)
    if (earlier := _earlier(action, wish, by)) is not None:
        return earlier
    if action.page_id is not None:
        outbox.refresh(action)
    with transaction.atomic():
        # In this order: whoever sends the item elsewhere locks the analysis first, too.
        analysis = Analysis.objects.select_for_update().get(pk=analysis.pk)
        action = Action.objects.select_for_update().get(pk=action.pk)
        analysis.action = action
        if (earlier := _earlier(action, wish, by)) is not None:
            return earlier
        if why := why_not(analysis):
            raise ValidationError(why)
        if changes := changes_since(seen, action):
            raise Changed(changes)
        return _settle(analysis, action, wish, by)


def _settle(analysis: Analysis, action: Action, wish: Wish, by: Actor) -> Settlement:
    job = Settlement.objects.create(
        action=action, synthesis=analysis.synthesis, status=Job.Status.DONE, decided_by=str(by)[:150]
    )
    reading = settlement.judge(
        analysis, wish.decision, wish.plan, reason=wish.reason, note=wish.note, at=timezone.now()
    )
    settlement.conclude(job, action, reading, _carried(wish))
    record(
        "proposal.decide",
        job,
        by=by,
        before={"plan": reading.proposed.model_dump()},
        after={"decision": wish.decision, "plan": wish.plan.model_dump(), "acceptance": reading.comparison.rate},
        reason=" ".join(part for part in (wish.reason, wish.note) if part),
    )
    job.refresh_from_db()
    return job


def _carried(wish: Wish) -> Mapping[str, Any]:
    """What the Action page has to say of a decision that was taken here."""
    rejected = {"Rejection_Reason": wish.reason} if wish.decision == Decision.REJECTED else {}
    return {**pages.plan_values(wish.plan), "User_Notes": wish.note, "Approval_Status": wish.decision, **rejected}


def _earlier(action: Action, wish: Wish, by: Actor) -> Settlement | None:
    """The settlement that this very wish has made already, such as by a double click. Raises ValidationError for another."""
    found: Settlement | None = Settlement.objects.filter(action=action).first()
    if found is None:
        return None
    if (
        found.decided_by == str(by)[:150]
        and found.decision == wish.decision
        and found.final_plan == wish.plan.model_dump()
    ):
        return found
    who = found.decided_by or "A person in Notion"
    what = found.get_decision_display() or "it is being settled"
    raise ValidationError(f"{who} has decided already: {what}. Nothing of yours was kept.")


def _checked(wish: Wish, action: Action) -> Wish:
    """The wish as it will stand in Notion. Raises ValidationError for what passes a bound or lacks its reason."""
    plan = _clean(wish.plan)
    wish = replace(wish, plan=plan, note=_text(wish.note), reason=wish.reason.strip())
    texts = (plan.scenario_options, plan.risk_assessment, plan.required_resources, wish.note, "\n".join(plan.tasks))
    problems = []
    if wish.decision not in Decision.values:
        problems.append("Approve, reject, or ask for a revision.")
    if any(len(text) > LONGEST_TEXT for text in texts):
        problems.append(f"A text is longer than {LONGEST_TEXT:,} characters.")
    if len(plan.tasks) > MOST_TASKS:
        problems.append(f"The plan has {len(plan.tasks)} tasks; at most {MOST_TASKS} are made at once.")
    if any(len(task) > TASK_NAME for task in plan.tasks):
        problems.append(f"A task is longer than {TASK_NAME:,} characters.")
    if plan.recommended_option not in ("", *LABELS, shown(action).plan.recommended_option):
        problems.append("There is no such option.")
    if wish.decision == Decision.REJECTED and wish.reason not in REASONS:
        problems.append("Say why it is rejected.")
    if wish.decision == Decision.NEEDS_REVISION and not wish.note:
        problems.append("Say in the note what the personas should think about again.")
    if problems:
        raise ValidationError(problems)
    return wish


def _clean(plan: Plan) -> Plan:
    """The plan just as it comes back from the properties of an Action page."""
    tidy = Plan(
        recommended_option=_text(plan.recommended_option),
        scenario_options=_text(plan.scenario_options),
        risk_assessment=_text(plan.risk_assessment),
        required_resources=_text(plan.required_resources),
        tasks=[_text(task) for task in plan.tasks],
    )
    return pages.plan_from_values(pages.plan_values(tidy))


def _text(text: str) -> str:
    """Browsers end lines in two signs, Notion in one."""
    return properties.clean(text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def undo_until(job: Settlement) -> datetime:
    """Until when an approval can be taken back for sure; afterwards only while the tasks still wait."""
    return job.status_since + timedelta(seconds=settings.UNDO_SECONDS)


def take_back(job: Settlement, *, by: Actor, reason: str = "") -> None:
    """Take an approval back before its tasks are made. Raises ValidationError where that is too late."""
    with transaction.atomic():
        stopped = Execution.objects.filter(settlement=job, status=Job.Status.WAITING).update(
            status=Job.Status.NEVER, status_since=Now(), last_error=Execution.TAKEN_BACK
        )
        if not stopped:
            raise ValidationError("Too late: its tasks are made, or it was taken back or decided otherwise before.")
        Execution.objects.get(settlement=job).moved()
        _say(job, "Pending", PENDING, "take the approval back")
        record("proposal.take_back", job, by=by, before={"decision": job.decision}, reason=reason)


def approve_after_all(job: Settlement, *, by: Actor, reason: str = "") -> None:
    """Have the tasks of an approval that was taken back made after all. Raises ValidationError where none was."""
    with transaction.atomic():
        execution = Execution.objects.select_for_update().filter(settlement=job).first()
        _refuse_unless_taken_back(execution)
        assert execution is not None
        noted = Analysis.objects.filter(item=job.item_id).exclude(note="")
        if any(version.revised == job.synthesis.analysis for version in noted):
            raise ValidationError("It is argued again with a note by now: decide on the new version.")
        _say(job, "Approved", "Approved", "approve after all")
        execution.queue_again()
        record("proposal.approve_after_all", job, by=by, reason=reason)


def argue_again(job: Settlement, note: str, *, by: Actor) -> Analysis:
    """Open the next revision, with a note, of an approval that was taken back; the settlement counted, and stays.

    Raises ValidationError without a note, where nothing was taken back, and where the item is beyond this version.
    """
    note = _text(note)
    if not note or len(note) > LONGEST_TEXT:
        raise ValidationError(f"Say in a note of at most {LONGEST_TEXT:,} characters what to think about again.")
    with transaction.atomic():
        # The analysis first: whoever sends the item elsewhere locks it first, too.
        analysis = Analysis.objects.select_for_update().get(synthesis=job.synthesis_id)
        _refuse_unless_taken_back(Execution.objects.select_for_update().filter(settlement=job).first())
        if analysis.superseded:
            raise ValidationError(analysis.superseded)
        if analysis.item.analyses.filter(revision__gt=analysis.revision).exists():
            raise ValidationError("There is a newer version already: decide on that one.")
        revision = versions.open_revision(analysis, note)
        _say(job, "Needs_Revision", "In_Analysis", "argue again with a note")
        record("proposal.argue_again", job, by=by, after={"revision": revision.revision}, reason=note)
    return revision


def _refuse_unless_taken_back(execution: Execution | None) -> None:
    if execution is None or execution.status != Job.Status.NEVER or execution.last_error != Execution.TAKEN_BACK:
        raise ValidationError("It was not taken back.")


def _say(job: Settlement, approval: str, status: str, purpose: str) -> None:
    analysis = job.synthesis.analysis
    assert isinstance(analysis.intent, Intent), "a proposal has its Intent"
    action = Action.objects.select_for_update().get(pk=job.action_id)
    if action.approval_status in settlement.OTHERWISE:
        raise ValidationError(f"Decided otherwise in Notion meanwhile: {action.approval_status}. That takes its place.")
    outbox.update_page(action, {"Approval_Status": approval}, purpose=purpose, item=analysis.item)
    outbox.update_page(analysis.intent, {"Status": status}, purpose=purpose, item=analysis.item)
