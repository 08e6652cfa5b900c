"""Stage 6: read a person's decision once, measure what they changed, and promise what follows from it.

An approval of which nothing was made yet may be restated, once, as what the person decided instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Subquery
from django.db.models.functions import Now

from analysis import acceptance, pages, versions
from analysis.acceptance import Comparison
from analysis.answers import Persona, PerspectiveAnswer, Plan, RebuttalAnswer, SynthesisAnswer
from analysis.models import Analysis, Execution, Outcome, Settlement
from emm.audit import record
from emm.jobs import Job
from emm.schedule import nudge
from notion_sync import outbox
from notion_sync.document import blocks
from notion_sync.models import Action, DataSource, InboxItem, LogEntry, TrainingExample

Decision = Settlement.Decision
OTHERWISE = (Decision.REJECTED, Decision.NEEDS_REVISION)
IN_NOTION = "a person in Notion"

# Notion floors the time of an edit to its minute: only a poll that began after that minute has seen the whole edit.
MINUTE = timedelta(minutes=1)
STORED = (
    "decision", "rejection_reason", "note", "final_plan", "changes", "acceptance_rate", "field_rates", "persona_rates",
    "closest", "decided_by",
)  # fmt: skip
INTENT_STATUS = {Decision.APPROVED: "Approved", Decision.REJECTED: "Rejected", Decision.NEEDS_REVISION: "In_Analysis"}


@dataclass(frozen=True)
class Reading:
    """One decision: what was proposed, what the person left of it, and the difference. `at`: the minute of the edit."""

    decision: str
    reason: str
    note: str
    at: datetime
    proposed: Plan
    final: Plan
    comparison: Comparison
    persona_rates: dict[str, float]
    closest: str


def decided() -> QuerySet[Action]:
    """Proposals that carry a person's decision and have not been settled."""
    return Action.objects.filter(
        approval_status__in=Decision.values,
        in_trash=False,
        settlement=None,
        analysis__synthesis__status=Job.Status.DONE,
        analysis__superseded="",
    )


def seen_whole(actions: QuerySet[Action]) -> QuerySet[Action]:
    """Those of them whose last edit's minute had closed, by Notion's clock, when the last finished poll began."""
    began = DataSource.objects.filter(key=Action.key).values("cursor")
    return actions.filter(last_edited_time__lte=Subquery(began) - MINUTE)


def open_settlements() -> None:
    """Open the settlement of every decision that was seen whole."""
    found = seen_whole(decided()).select_related("analysis__synthesis")
    rows = [Settlement(action=action, synthesis=action.analysis.synthesis) for action in found]
    Settlement.objects.bulk_create(rows, ignore_conflicts=True)


def settle(job: Settlement) -> None:
    """Store what the person decided and changed, and promise its pages, in one transaction.

    A decision that was taken back before it was read leaves no settlement: the next one opens its own.
    """
    with transaction.atomic():
        job.finish()  # first: whoever lost the lease must not promise anything
        action = Action.objects.select_for_update().get(pk=job.action_id)
        if action.in_trash or action.approval_status not in Decision.values:
            job.delete()
            return
        conclude(job, action, read(action, job.synthesis.analysis))


def conclude(job: Settlement, action: Action, reading: Reading, carried: Mapping[str, Any] | None = None) -> None:
    """Store what was decided, promise its pages and what follows, in the caller's transaction with `action` locked.

    `carried`: what the Action page does not say yet, because the person decided elsewhere.
    """
    analysis = job.synthesis.analysis
    _store(job, reading)
    _promise_pages(job, action, reading, carried or {})
    _follow(job, analysis, reading)


def restate(job: Settlement, action: Action) -> None:
    """Put the decision that stands on the Action page now in the place of an approval of which nothing was made.

    Call it in a transaction with `action` locked that also ends the execution: that makes it happen once.
    """
    reading = read(action, job.synthesis.analysis)
    before = {"decision": job.decision, "by": job.decided_by, "plan": job.final_plan, "acceptance": job.acceptance_rate}
    job.decided_by = ""
    Outcome.objects.filter(settlement=job).delete()  # there is none to wait for
    _store(job, reading)
    Settlement.objects.filter(pk=job.pk).update(status_since=Now())  # the days of its digests are those from now on
    _promise_pages(job, action, reading, {}, restated=True)
    _follow(job, job.synthesis.analysis, reading)
    record(
        "proposal.restate",
        job,
        by=IN_NOTION,
        before=before,
        after={"decision": reading.decision, "plan": job.final_plan, "acceptance": job.acceptance_rate},
        reason=" ".join(part for part in (reading.reason, reading.note) if part),
    )


def read(action: Action, analysis: Analysis) -> Reading:
    """The decision that stands on an Action page, beside the plan that was proposed there."""
    values = action.values
    return judge(
        analysis,
        action.approval_status,
        pages.plan_from_values(values),
        reason=values.get("Rejection_Reason") or "",
        note=values.get("User_Notes") or "",
        at=action.last_edited_time or analysis.synthesis.status_since,
    )


def judge(analysis: Analysis, decision: str, final: Plan, *, reason: str, note: str, at: datetime) -> Reading:
    """A decision and the plan that the person left, beside the proposed one. Only an approval rates the personas."""
    proposed = Plan.model_validate(analysis.synthesis.plan)
    answers = last_words(analysis)
    rates: dict[str, float] = {}
    closest = ""
    if decision == Decision.APPROVED:
        rates = {name: acceptance.persona_rate(final, answer) for name, answer in answers.items()}
        closest = acceptance.closest(final, proposed, answers)
    return Reading(
        decision=decision,
        reason=reason if decision == Decision.REJECTED else "",
        note=note,
        at=at,
        proposed=proposed,
        final=final,
        comparison=acceptance.compare(proposed, final, decision),
        persona_rates=rates,
        closest=closest,
    )


def last_words(analysis: Analysis) -> dict[str, PerspectiveAnswer]:
    """Persona to its advice, with the verdict that it had in the end; a voice that failed is missing."""
    words = {voice.persona: PerspectiveAnswer.model_validate(voice.answer) for voice in analysis.voices}
    for reply in analysis.rebuttals:
        said = RebuttalAnswer.model_validate(reply.answer)
        verdict = {"stance": said.stance, "recommended": said.recommended, "confidence": said.confidence}
        words[reply.persona] = words[reply.persona].model_copy(update=verdict)
    return {persona.value: words[persona.value] for persona in Persona if persona.value in words}


def _store(job: Settlement, reading: Reading) -> None:
    job.decision = reading.decision
    job.rejection_reason = reading.reason
    job.note = reading.note
    job.final_plan = reading.final.model_dump()
    job.changes = reading.comparison.changes
    job.acceptance_rate = reading.comparison.rate
    job.field_rates = reading.comparison.field_rates if reading.decision == Decision.APPROVED else {}
    job.persona_rates = reading.persona_rates
    job.closest = reading.closest
    job.save(update_fields=STORED)


def _promise_pages(
    job: Settlement, action: Action, reading: Reading, carried: Mapping[str, Any], *, restated: bool = False
) -> None:
    """Four writes: the training example, the Action page, the Intent and the log, where a restated decision is an entry
    of its own."""
    analysis = job.synthesis.analysis
    item, intent = analysis.item, analysis.intent
    assert intent is not None, "a proposal has its Intent"
    rate, changes = reading.comparison.rate, reading.comparison.changes
    in_words = pages.decision_text(reading.decision, reading.final, changes, reading.reason, reading.note)
    if job.decided_by:
        in_words += f"\nAt the review desk, by {job.decided_by}."
    if restated:
        in_words += "\nIt had been approved before; nothing was made of that."
    body = pages.training_page(reading.proposed, reading.final, changes, reading.persona_rates, reading.note)
    training = pages.training_values(
        f"{reading.decision}: {intent.title}",
        reading.decision,
        reading.at,
        rate=rate,
        changes=changes,
        closest=reading.closest,
        intent=outbox.ref(intent),
    )
    example = outbox.create_page(
        TrainingExample,
        outbox.emm_id_for(str(item.page_id), "training", analysis.revision),
        training,
        purpose="keep what the person changed",
        item=item,
        children=blocks(body),
    )
    if restated and not example.in_trash:
        outbox.update_page(example, training, purpose="keep what the person decided instead", item=item)
    emptied = {"Acceptance_Rate": None, "Approved_Date": None} if restated else {}
    settled = {"Diff_Logged": True}
    rated = {} if rate is None else {"Acceptance_Rate": rate}
    approved = {"Approved_Date": pages.day(reading.at)} if reading.decision == Decision.APPROVED else {}
    closing = {**carried, **emptied, **settled, **rated, **approved}
    outbox.update_page(action, closing, purpose="close the proposal", item=item)
    outbox.update_page(
        intent,
        {"Status": INTENT_STATUS[Decision(reading.decision)], "Decision_Made": in_words},
        purpose="write the decision down",
        item=item,
    )
    outbox.create_page(
        LogEntry,
        outbox.emm_id_for(str(item.page_id), "decision", analysis.revision, int(restated)),
        pages.log_values(
            f"{reading.decision}: {intent.title}",
            in_words,
            pages.YOU,
            reading.at,
            intent=outbox.ref(intent),
            inbox=outbox.ref(item),
        )
        | _foreseen(analysis, reading),
        purpose="log the decision",
        item=item,
    )


def _foreseen(analysis: Analysis, reading: Reading) -> dict[str, str]:
    """What an approval is to be held against, for its log entry; nothing for another decision."""
    if reading.decision != Decision.APPROVED:
        return {}
    said, option = SynthesisAnswer.model_validate(analysis.synthesis.answer), reading.final.recommended_option
    confidence = pages.confidence_in(said, option)
    text = pages.projected(said.prediction, said.prediction_probability, option, confidence)
    return {"Actual_vs_Projected": pages.outcome_values(text, "", "", "")["Actual_vs_Projected"]}


def _follow(job: Settlement, analysis: Analysis, reading: Reading) -> None:
    """What comes next: the making of the tasks, nothing more, or the next revision."""
    item = analysis.item
    if reading.decision == Decision.APPROVED:
        Execution.objects.create(settlement=job, due_at=Now() + timedelta(seconds=settings.UNDO_SECONDS))
        nudge("rules")  # whoever makes an edit for the third time need not wait a day for the proposal
        item.enter(
            InboxItem.State.DECIDED,
            f"Approved. The tasks are made {settings.UNDO_SECONDS} seconds later, unless the approval is taken back.",
        )
    elif reading.decision == Decision.REJECTED:
        # Nothing is made, so only the pages above remain to be written.
        item.enter(InboxItem.State.WRITING, f"Rejected: {reading.reason}." if reading.reason else "Rejected.")
    else:
        versions.open_revision(analysis, reading.note)
        item.enter(InboxItem.State.ANALYSING, "A person asked for a revision.")
