"""The three ways that every voice weighs: boldly, tested first, not at all."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.analyst.reading import Reading
from sandbox.analyst.wording import clamp, clip, line

LABELS = ("Option A", "Option B", "Option C")


@dataclass(frozen=True)
class View:
    """How one voice sees one way."""

    name: str
    description: str
    pros: list[str]
    cons: list[str]


@dataclass(frozen=True)
class Verdict:
    """What a voice recommends, and how it stands to moving at all: go, wait or stop."""

    label: str
    stance: str
    confidence: float


@dataclass(frozen=True)
class Case:
    """One voice's whole argument for a verdict. `lean` shifts how grave it finds the risks and how great the gains."""

    views: tuple[View, View, View]
    lean: int
    assumptions: list[str]
    time: str
    money: str
    people: str
    tasks: list[str]
    turning_point: str
    rationale: list[str]
    tools: str = "A shared document"
    payoffs: list[dict[str, Any]] = field(default_factory=list)
    reject: str = "none"
    reject_reason: str = ""


def options(reading: Reading, case: Case) -> list[dict[str, Any]]:
    """The views as the answer's options, with risk 1 to 5 and impact 1 to 10."""
    risk = 1 + reading.one_way + bool(reading.legal) + (reading.money >= 25_000) + (reading.money >= 250_000)
    impact = 3 + sum(reading.money >= bound for bound in (1_000, 10_000, 50_000, 250_000)) + bool(reading.upside)
    risks = (risk + 1, risk - 1, 2 if reading.urgent else 1)
    impacts = (impact + 1, impact - 1, 1)
    return [
        {
            "label": label,
            "name": line(view.name),
            "description": clip(view.description, 4_000),
            "pros": [line(pro) for pro in view.pros],
            "cons": [line(con) for con in view.cons],
            "does_nothing": label == LABELS[-1],
            "risk": clamp(option_risk - case.lean, 1, 5),
            "impact": clamp(option_impact + case.lean, 1, 10),
        }
        for label, view, option_risk, option_impact in zip(LABELS, case.views, risks, impacts, strict=True)
    ]
