"""The typed answers that we ask a model for. Bounds are checked here: the API's JSON schemas carry none.

Field order is the order of generation: reasons come before verdicts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]


class Persona(StrEnum):
    ENTREPRENEUR = "entrepreneur"
    QUANT = "quant"
    AUDITOR = "auditor"


class Route(StrEnum):
    STRATEGIC = "strategic"
    OPERATIONAL = "operational"
    REFERENCE = "reference"


class Answer(BaseModel):
    """Base of all answers: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", use_enum_values=True)


class Concept(Answer):
    """Something worth keeping as a node of its own."""

    name: Line
    kind: Literal["Entity_Person", "Entity_Company", "Knowledge_Asset", "System_Component"]
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]


class TriageAnswer(Answer):
    """Where one inbox item goes, and what the next stage needs to know. `risk` and `impact` as in Executive Intents."""

    reasoning: Text
    title: Line
    route: Route
    lead_persona: Persona
    risk: Literal["Low", "Medium", "High"]
    impact: Annotated[int, Field(ge=1, le=10)]
    area: str
    concepts: Annotated[list[Concept], Field(max_length=10)]
    success_criteria: Annotated[list[Line], Field(max_length=6)]
    confidence: Annotated[float, Field(ge=0, le=1)]


class Option(Answer):
    """One way to go. `risk` 1 (none) to 5, `impact` 1 to 10."""

    label: Literal["Option A", "Option B", "Option C"]
    name: Line
    description: Text
    pros: Annotated[list[Line], Field(min_length=1, max_length=6)]
    cons: Annotated[list[Line], Field(min_length=1, max_length=6)]
    risk: Annotated[int, Field(ge=1, le=5)]
    impact: Annotated[int, Field(ge=1, le=10)]


class Resources(Answer):
    """What an option takes, in words."""

    time: Line
    money: Line
    people: Line


Options = Annotated[list[Option], Field(min_length=3, max_length=3)]
Confidence = Annotated[float, Field(ge=0, le=1)]


class PerspectiveAnswer(Answer):
    """One persona's argument: three options, one of them to do nothing, and the one it recommends."""

    options: Options
    assumptions: Annotated[list[Line], Field(max_length=6)]
    resources: Resources
    tasks: Annotated[list[Line], Field(min_length=1, max_length=8)]
    would_change_my_mind: Line
    rationale: Text
    stance: Literal["go", "wait", "stop"]
    recommended: Literal["Option A", "Option B", "Option C"]
    confidence: Confidence


class Conflict(Answer):
    """One point on which the personas differ."""

    topic: Line
    positions: Text


class SynthesisAnswer(Answer):
    """The synthesis by a caller that did not argue. Its plan is what a person may change."""

    options: Options
    conflicts: Annotated[list[Conflict], Field(max_length=6)]
    dissent: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)]
    premortem: Annotated[list[Line], Field(min_length=1, max_length=6)]
    risk_assessment: Text
    resources: Resources
    tasks: Annotated[list[Line], Field(min_length=1, max_length=10)]
    success_criteria: Annotated[list[Line], Field(min_length=1, max_length=6)]
    next_test: Line
    reversibility: Literal["Two-way door", "One-way door"]
    decision: Text
    recommended: Literal["Option A", "Option B", "Option C"]
    confidence: Confidence


class Plan(BaseModel):
    """What a person can change on an Action page, as text just as it stands there. The proposed one never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recommended_option: str
    scenario_options: str
    risk_assessment: str
    required_resources: str
    tasks: list[str]
