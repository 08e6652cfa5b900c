"""The typed answers that we ask a model for. Bounds are checked here: the API's JSON schemas carry none.

Field order is the order of generation: reasons come before verdicts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

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


Label = Literal["Option A", "Option B", "Option C"]
DO_NOTHING: Label = "Option C"


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
    lead_persona: Literal["entrepreneur", "quant", "auditor", "unclear"]
    risk: Literal["Low", "Medium", "High"]
    impact: Annotated[int, Field(ge=1, le=10)]
    area: Annotated[str, StringConstraints(max_length=300)]
    concepts: Annotated[list[Concept], Field(max_length=10)]
    success_criteria: Annotated[list[Line], Field(max_length=6)]
    confidence: Annotated[float, Field(ge=0, le=1)]


class Option(Answer):
    """One way to go. `does_nothing`: it leaves things as they are; Option C does, and no other. `risk` 1 (none) to 5,
    `impact` 1 to 10."""

    label: Label
    name: Line
    description: Text
    pros: Annotated[list[Line], Field(min_length=1, max_length=6)]
    cons: Annotated[list[Line], Field(min_length=1, max_length=6)]
    does_nothing: Annotated[bool, Field(exclude=True)]
    risk: Annotated[int, Field(ge=1, le=5)]
    impact: Annotated[int, Field(ge=1, le=10)]

    @model_validator(mode="before")
    @classmethod
    def _as_stored(cls, found: Any, info: ValidationInfo) -> Any:
        """What a model writes is JSON and has to say it. A stored answer was checked, and the release before refuses a
        field that it does not know: so it is not stored, and its label tells."""
        if info.mode == "json" or not isinstance(found, dict):
            return found
        return {"does_nothing": found.get("label") == DO_NOTHING, **found}


class Resources(Answer):
    """What an option takes, in words."""

    time: Line
    money: Line
    tools: Line
    people: Line


Confidence = Annotated[float, Field(ge=0, le=1)]


def _in_order(options: list[Option]) -> list[Option]:
    if [option.label for option in options] != ["Option A", "Option B", "Option C"]:
        raise ValueError("the options have to be Option A, Option B and Option C, in this order")
    if [option.label for option in options if option.does_nothing] != [DO_NOTHING]:
        raise ValueError(f"{DO_NOTHING} has to leave things as they are, and no other option: see does_nothing")
    return options


Options = Annotated[list[Option], Field(min_length=3, max_length=3), AfterValidator(_in_order)]


class Payoff(Answer):
    """One way that an option may turn out. `value` in `unit`, a loss negative; `source`: the item's words it rests on."""

    option: Label
    outcome: Line
    probability: Confidence
    value: Annotated[float, Field(ge=-1e12, le=1e12)]
    unit: Line
    basis: Literal["given", "cited", "guessed"]
    source: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)]


class Reject(StrEnum):
    """Grounds on which an adviser says that the matter must not go on as it stands."""

    NONE = "none"
    VALUES = "values"
    EXISTENTIAL = "existential risk"
    UNLAWFUL = "unethical or unlawful"
    LOCK_IN = "irreversible lock-in"


class PerspectiveAnswer(Answer):
    """One persona's argument: three options, the last of them to do nothing, and the one it recommends."""

    options: Options
    assumptions: Annotated[list[Line], Field(max_length=6)]
    resources: Resources
    tasks: Annotated[list[Line], Field(min_length=1, max_length=8)]
    payoffs: Annotated[list[Payoff], Field(max_length=12)]
    would_change_my_mind: Line
    reject_reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]
    reject: Reject
    rationale: Text
    stance: Literal["go", "wait", "stop"]
    recommended: Label
    confidence: Confidence

    @model_validator(mode="after")
    def _reject_with_reason(self) -> Self:
        if self.reject != Reject.NONE and not self.reject_reason:
            raise ValueError("reject_reason is empty although reject names a ground")
        return self


class KillCriterion(Answer):
    """When to stop: `metric` at `threshold` within so many days, watched by `owner`."""

    metric: Line
    threshold: Line
    within_days: Annotated[int, Field(ge=1, le=730)]
    owner: Line


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
    kill_criteria: Annotated[list[KillCriterion], Field(min_length=1, max_length=5)]
    next_test: Line
    review_in_days: Annotated[int, Field(ge=1, le=730)]
    prediction: Line
    prediction_probability: Confidence
    reversibility: Literal["Two-way door", "One-way door"]
    decision: Text
    recommended: Label
    confidence: Confidence


class Attack(Answer):
    """A claim of another adviser, quoted, and what speaks against it."""

    adviser: Line
    quote: Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=1_000)]
    reply: Text


class Concession(Answer):
    """A claim of another adviser, quoted, that is right."""

    adviser: Line
    quote: Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=1_000)]
    why: Text


class RebuttalAnswer(Answer):
    """One persona's answer to the others. `changed_by`: the quote that changed its verdict, empty where none did."""

    attacks: Annotated[list[Attack], Field(min_length=1, max_length=4)]
    concessions: Annotated[list[Concession], Field(max_length=4)]
    changed_by: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]
    rationale: Text
    stance: Literal["go", "wait", "stop"]
    recommended: Label
    confidence: Confidence


class Plan(BaseModel):
    """What a person can change on an Action page, as text just as it stands there. The proposed one never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recommended_option: str
    scenario_options: str
    risk_assessment: str
    required_resources: str
    tasks: list[str]
