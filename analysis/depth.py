"""How much argument an item gets, and why. Pure."""

from __future__ import annotations

from analysis.answers import TriageAnswer
from analysis.models import Depth, Policy

LEAST_FOR_GRAVE = 8  # from this impact on, whatever the policy says, three personas argue


def choose(answer: TriageAnswer, wish: str, policy: Policy, strained: str = "") -> tuple[Depth, str]:
    """The depth, and the rule or the person that chose it, in words.

    `wish`: what a person set on the item (Quick, Standard or Deep), which wins; "" for none. `strained`: why new work
    gets less than it would, "" where money is no reason.
    """
    if wish.lower() in Depth.values:
        return Depth(wish.lower()), f"A person chose {wish.lower()}."
    depth, why = _by_rule(answer, policy)
    return cheaper(depth, why, answer, strained) if strained else (depth, why)


def cheaper(depth: Depth, why: str, answer: TriageAnswer, strained: str) -> tuple[Depth, str]:
    """The next cheaper depth where money is short, and why in words; what is grave is never argued by one alone."""
    if depth == Depth.DEEP:
        return Depth.STANDARD, f"{why} Standard instead, because {strained}"
    if depth == Depth.QUICK or _is_grave(answer):
        return depth, why
    return Depth.QUICK, f"{why} Quick instead, because {strained}"


def _is_grave(answer: TriageAnswer) -> bool:
    return answer.impact >= LEAST_FOR_GRAVE or answer.risk == "High"


def _by_rule(answer: TriageAnswer, policy: Policy) -> tuple[Depth, str]:
    if answer.impact >= policy.deep_from_impact:
        return Depth.DEEP, f"Impact {answer.impact} is {policy.deep_from_impact} or more."
    if answer.risk == "High":
        return Depth.STANDARD, "The risk is high."
    if answer.impact >= min(policy.standard_from_impact, LEAST_FOR_GRAVE):
        return Depth.STANDARD, f"Impact {answer.impact} is {policy.standard_from_impact} or more."
    return Depth.QUICK, f"Impact {answer.impact} is below {policy.standard_from_impact}, and the risk is not high."
