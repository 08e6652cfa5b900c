"""The properties of the pages that an analysis makes, by name: Python values as properties.write takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from analysis.agreement import Conflict
from analysis.answers import Persona, PerspectiveAnswer, Plan, RebuttalAnswer, SynthesisAnswer, TriageAnswer
from analysis.pages.plan import plan_values, shorten
from analysis.personas import CHARACTERS

Ref = str | dict[str, str]  # as outbox.ref gives it

YOU = "You"
SYSTEM = "System"
PROPERTY_TEXT = 20_000  # characters of a text that we compose for one property
TITLE = 500
LISTED_CHANGES = 40
STANCES = {"go": "go ahead", "wait": "wait", "stop": "stop"}


@dataclass(frozen=True)
class Voice:
    """One persona's last word. `answer` is None where the voice failed; then `missing` says why, in words.

    `unanswered`: why it did not answer the others although it was asked to; "" where it did, or was not asked.
    """

    persona: Persona
    answer: PerspectiveAnswer | None
    missing: str = ""
    rebuttal: RebuttalAnswer | None = None
    unanswered: str = ""

    @property
    def name(self) -> str:
        return CHARACTERS[self.persona].name

    @property
    def verdict(self) -> PerspectiveAnswer | RebuttalAnswer | None:
        """Where its last stance, option and confidence stand; None for a voice that failed."""
        return self.rebuttal or self.answer


def priority(impact: float | None) -> str:
    """P0 from impact 8, P1 from 6, P2 below. None, an impact that a person cleared, is P2."""
    if impact is None or impact < 6:
        return "P2"
    return "P0" if impact >= 8 else "P1"


def intent_values(
    triage: TriageAnswer,
    synthesis: SynthesisAnswer,
    conflict: Conflict,
    *,
    description: str,
    created: datetime,
    source: Ref,
    area: Ref | None = None,
    persona_page: Ref | None = None,
    nodes: Sequence[Ref] = (),
) -> dict[str, Any]:
    """A question that awaits a decision. `description`: what the person wrote; `persona_page`: of the lead."""
    return {
        "Name": triage.title,
        "Description": shorten(description, PROPERTY_TEXT),
        "Status": "Pending_Approval",
        "Risk_Level": triage.risk,
        "Projected_Impact": triage.impact,
        "Priority": priority(triage.impact),
        "Success_Criteria": lines(synthesis.success_criteria),
        "Conflict_Level": conflict.value,
        "Confidence": synthesis.confidence,
        "Reversibility": synthesis.reversibility,
        "Created_Date": day(created),
        "Review_Date": day(created + timedelta(days=synthesis.review_in_days)),
        "Source": [source],
        **_relation("Agent_Persona", persona_page),
        **_relation("Area", area),
        **({"Related_Nodes": list(nodes)} if nodes else {}),
    }


def action_values(
    plan: Plan,
    *,
    title: str = "",
    consensus: bool = False,
    intent: Ref | None = None,
    persona_page: Ref | None = None,
) -> dict[str, Any]:
    """A plan that awaits a decision. `persona_page`: of the leading persona."""
    return {
        "Action_Title": title,
        **plan_values(plan),
        "Approval_Status": "Pending",
        "Consensus": consensus,
        "Diff_Logged": False,
        **_relation("Intent", intent),
        **_relation("Agent", persona_page),
    }


def log_values(
    title: str,
    taken: str,
    executor: str,
    at: datetime,
    *,
    intent: Ref | None = None,
    inbox: Ref | None = None,
    task: Ref | None = None,
) -> dict[str, Any]:
    """One entry of the Execution Log. `taken`: what was done, in words; `executor`: YOU, SYSTEM or a persona's name."""
    return {
        "Log_Entry_Title": shorten(title, TITLE),
        "Action_Taken": shorten(taken, PROPERTY_TEXT),
        "Executor": executor,
        "Decision_Date": day(at),
        **_relation("Intent", intent),
        **_relation("Inbox", inbox),
        **_relation("Task", task),
    }


def training_values(
    title: str,
    decision: str,
    at: datetime,
    *,
    rate: float | None,
    changes: Sequence[str],
    closest: str,
    intent: Ref | None = None,
) -> dict[str, Any]:
    """What a person made of one proposal. `closest`: a persona, "synthesis", or empty where nothing was rated."""
    return {
        "Title": shorten(title, TITLE),
        "Agent_Name": {**{p.value: CHARACTERS[p].name for p in Persona}, "synthesis": "Synthesis", "": None}[closest],
        "Timestamp": day(at),
        "Acceptance_Rate": rate,
        "Modifications_Count": len(changes),
        "Modifications": changes_text(changes),
        "Decision": decision,
        **_relation("Intent", intent),
    }


def changes_text(changes: Sequence[str]) -> str:
    """The changes, a line each; from a count on that nobody reads in a property, how many more there are."""
    listed = [*changes[:LISTED_CHANGES]]
    if len(changes) > LISTED_CHANGES:
        listed.append(f"… and {len(changes) - LISTED_CHANGES:,} more changes")
    return shorten("\n".join(listed), PROPERTY_TEXT)


def decision_text(decision: str, plan: Plan, changes: Sequence[str], reason: str, note: str) -> str:
    """A person's decision in words, for Decision_Made and the log."""
    said = [f"Reason: {reason}." if reason else "", f"Note: {note}" if note else ""]
    unchanged = "Approved as proposed." if decision == "Approved" else ""
    head = {
        "Approved": f"Approved: {plan.recommended_option or 'no option chosen'}, {_tasks(plan)}.",
        "Rejected": "Rejected.",
        "Needs_Revision": "Asked for a revision.",
    }[decision]
    return shorten("\n".join(part for part in (head, *said, changes_text(changes) or unchanged) if part), PROPERTY_TEXT)


def project_context(plan: Plan) -> str:
    """What a project is about: the option that was approved, and the plan's options as they were left."""
    return shorten(
        f"Approved: {plan.recommended_option or 'no option chosen'}\n\n{plan.scenario_options}".strip(), PROPERTY_TEXT
    )


def lines(entries: Sequence[str]) -> str:
    """A list as text, a line each."""
    return "\n".join(f"- {' '.join(entry.split())}" for entry in entries)


def _tasks(plan: Plan) -> str:
    return "1 task" if len(plan.tasks) == 1 else f"{len(plan.tasks)} tasks"


def _relation(name: str, to: Ref | None) -> Mapping[str, list[Ref]]:
    return {} if to is None else {name: [to]}


def day(at: datetime) -> str:
    """A date property: the UTC day of an aware time."""
    return at.date().isoformat()
