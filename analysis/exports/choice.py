"""Which decisions a person wants to take out, and how many records each format makes of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from analysis import training
from analysis.exports.formats import FORMATS
from analysis.exports.redaction import Kind
from analysis.models import Settlement

Decision = Settlement.Decision


@dataclass(frozen=True)
class Choice:
    """What to take out. An empty filter asks for everything.

    `since`, `until`: days of the settlement in UTC, both included. `persona`: whose advice the final plan is closest to.
    `prompt`: the beginning of the hash of the synthesis' prompt. `min_acceptance`: a fraction that approvals need; it
    says nothing about other decisions. `validation_percent`: of 100 items, how many go into the validation files.
    """

    formats: tuple[str, ...] = tuple(FORMATS)
    since: date | None = None
    until: date | None = None
    persona: str = ""
    route: str = ""
    prompt: str = ""
    decision: str = ""
    min_acceptance: float = 0.0
    redact: frozenset[Kind] = field(default=frozenset(Kind))
    validation_percent: int = 10

    def decisions(self) -> QuerySet[Settlement]:
        """The settled decisions that fit, the oldest first, each with its route, prompt and model."""
        found = training.settled().annotate(
            route=F("synthesis__analysis__item__triage__route"),
            prompt=training.last_call("synthesis", "prompt_hash"),
            model=training.last_call("synthesis", "model"),
        )
        if self.since:
            found = found.filter(status_since__gte=datetime.combine(self.since, time.min, UTC))
        if self.until:
            found = found.filter(status_since__lte=datetime.combine(self.until, time.max, UTC))
        equal = {"closest": self.persona, "route": self.route, "decision": self.decision}
        found = found.filter(**{name: value for name, value in equal.items() if value})
        if self.prompt:
            found = found.filter(prompt__startswith=self.prompt)
        if self.min_acceptance:
            found = found.filter(~Q(decision=Decision.APPROVED) | Q(acceptance_rate__gte=self.min_acceptance))
        chosen: QuerySet[Settlement] = found.order_by("pk")
        return chosen

    def as_json(self) -> dict[str, Any]:
        """For the manifest and the audit log."""
        days = {name: day.isoformat() if day else None for name, day in (("since", self.since), ("until", self.until))}
        return {**asdict(self), **days, "formats": list(self.formats), "redact": sorted(self.redact)}


@dataclass(frozen=True)
class Counts:
    """The decisions that fit, and how many records of each format they make before duplicates are dropped."""

    decisions: int
    records: dict[str, int]


def counts(choice: Choice) -> Counts:
    """What an export would hold."""
    approved = Q(decision=Decision.APPROVED)
    found = choice.decisions().aggregate(
        table=Count("pk"),
        approved=Count("pk", filter=approved),
        edited=Count("pk", filter=approved & Q(acceptance_rate__lt=1)),
        rejected=Count("pk", filter=Q(decision=Decision.REJECTED)),
    )
    of = {name: sum(found[group] for group in FORMATS[name].made_of) for name in choice.formats}
    return Counts(found["table"], of)
