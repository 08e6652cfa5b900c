"""The plan as it stands in the properties of an Action page, where a person changes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from analysis.answers import KillCriterion, Option, Plan, Resources, SynthesisAnswer


def plan_of(answer: SynthesisAnswer, today: date) -> Plan:
    """The proposed plan: the answer as plain text. `today`: from when on its days count."""
    premortem = "\n".join(f"- {_one_line(cause)}" for cause in answer.premortem)
    kills = "\n".join(f"- {kill_text(criterion, today)}" for criterion in answer.kill_criteria)
    return Plan(
        recommended_option=answer.recommended,
        scenario_options="\n\n".join(option_text(option) for option in answer.options),
        risk_assessment=(
            f"{answer.risk_assessment}\n\nIf it failed within a year, this would be why:\n{premortem}\n\nStop if:\n{kills}"
        ),
        required_resources=resources_text(answer.resources),
        tasks=[_one_line(task) for task in answer.tasks],
    )


def option_text(option: Option) -> str:
    """One option as plain text: what it is, what speaks for and against it, and its two figures."""
    lines = [
        f"{option.label}: {_one_line(option.name)} (risk {option.risk}/5, impact {option.impact}/10)",
        option.description,
        *(f"+ {_one_line(pro)}" for pro in option.pros),
        *(f"- {_one_line(con)}" for con in option.cons),
    ]
    return "\n".join(lines)


def resources_text(resources: Resources) -> str:
    """What an option takes, a line each."""
    said = {"Time": resources.time, "Money": resources.money, "Tools": resources.tools, "People": resources.people}
    return "\n".join(f"{name}: {text}" for name, text in said.items())


def kill_text(criterion: KillCriterion, today: date) -> str:
    """When to stop, on one line, with the day by which that is known."""
    days = criterion.within_days
    return _one_line(
        f"{criterion.metric}: {criterion.threshold}, within {days} days (by {today + timedelta(days=days)}); "
        f"watched by {criterion.owner}"
    )


def plan_values(plan: Plan) -> dict[str, Any]:
    """The five properties of an Action page that hold the plan; `plan_from_values` is the way back."""
    return {
        "Recommended_Option": plan.recommended_option or None,
        "Scenario_Options": plan.scenario_options,
        "Risk_Assessment": plan.risk_assessment,
        "Required_Resources": plan.required_resources,
        "Task_Generation_Template": "\n".join(plan.tasks),
    }


def plan_from_values(values: Mapping[str, Any]) -> Plan:
    """The plan that stands in the values of an Action mirror. What is missing or was emptied there is empty here."""
    tasks = str(values.get("Task_Generation_Template") or "").splitlines()
    return Plan(
        recommended_option=values.get("Recommended_Option") or "",
        scenario_options=values.get("Scenario_Options") or "",
        risk_assessment=values.get("Risk_Assessment") or "",
        required_resources=values.get("Required_Resources") or "",
        tasks=[task.strip() for task in tasks if task.strip()],
    )


def shorten(text: str, limit: int) -> str:
    """`text`, or its first `limit` characters and how long it really is."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()}… ({len(text):,} characters in all)"


def _one_line(text: str) -> str:
    return " ".join(text.split())
