"""What people's decisions teach: how much of each persona's advice they keep, where, and what they keep changing.

Acceptance is measured on decisions that were settled: an approval counts by how much of the plan was kept, a rejection
of the plan as 0; a request for revision is not rated. Personas are rated on approvals only. No figure is without its
count, and under FEWEST none is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from math import sqrt
from statistics import fmean, median
from typing import Any

from django.db.models import CharField, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Concat

from analysis import acceptance, edits, rules
from analysis.answers import Persona, Plan
from analysis.edits import Decided
from analysis.models import HouseRule, LLMCall, Perspective, Settlement

FEWEST = 5  # below it a figure would say more about chance than about people
LOW = 0.5  # an acceptance rate under which a decision is listed
LISTED = 20
WEEKS = 12
Z = 1.959964  # 95 %
PLAN = "plan"
WHO = (PLAN, *(persona.value for persona in Persona))
UNKNOWN = "unknown"

OWN = {"persona model": "model", "persona prompt": "prompt_hash"}  # in which each persona has its own value
SEGMENTS = (
    "route", "depth", "lead", "risk", *OWN, "synthesis model", "synthesis prompt",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """The mean of `n` fractions with Wilson's 95 % interval; all None where n is under FEWEST.

    For shares it is the usual interval. For rates between 0 and 1, which never scatter more than shares of the same
    mean, it is rather too wide than too narrow, and it holds where all of them are equal.
    """

    n: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.mean is None:
            return too_few(self.n)
        return f"{self.mean:.0%} ({self.low:.0%} to {self.high:.0%}, n={self.n})"


@dataclass(frozen=True)
class Median:
    """The median of `n` numbers; None where n is under FEWEST."""

    n: int
    value: float | None

    def __str__(self) -> str:
        return too_few(self.n) if self.value is None else f"{self.value:.2f} (n={self.n})"


@dataclass(frozen=True)
class Case:
    """One rated settlement. `rates`: by WHO; `fields`: of an approval, by field of the plan.

    `segments`: by SEGMENTS without OWN; `own`: by OWN and persona, of the personas whose call is known.
    """

    settlement: int
    at: datetime
    opened_at: datetime
    argued_at: datetime
    closest: str
    rates: dict[str, float]
    fields: dict[str, float]
    segments: dict[str, str]
    own: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Row:
    """The figures by WHO of the cases that share one value."""

    value: str
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Duel:
    """How often the advice of `one` came closer to the final plan than that of `other`; ties are counted apart."""

    one: str
    other: str
    won: Figure
    ties: int


@dataclass(frozen=True)
class Effect:
    """The acceptance of plans that were argued before the models were told a rule, and after."""

    rule: HouseRule
    before: Figure
    after: Figure


@dataclass(frozen=True)
class Tone:
    """How many of 100 words are of one sort, in the plans as proposed and as decided."""

    proposed: Median
    final: Median


@dataclass(frozen=True)
class Report:
    """Everything that is shown.

    `rated`: the settlements behind the figures of acceptance; `plans`: the approved ones behind those of edits.
    """

    rated: int
    personas: dict[str, Figure]
    by_field: dict[str, Figure]
    effects: list[Effect]
    left_out: list[HouseRule]
    awaiting: int
    weeks: list[Row]
    closest: dict[str, Figure]
    duels: list[Duel]
    plans: int
    repeats: list[edits.Repeat]
    length: Median
    hedges: Tone
    orders: Tone
    low: list[Settlement]
    low_count: int
    segments: dict[str, list[Row]]


def report() -> Report:
    """What the decisions teach up to now."""
    settlements = rated()
    found = cases(settlements)
    plans = rules.decided_plans()
    low = lowest(settlements)
    return Report(
        rated=len(found),
        personas=by_persona(found),
        by_field=by_field(found),
        effects=effects(found),
        left_out=rules.in_force()[1],
        awaiting=HouseRule.objects.filter(status=HouseRule.Status.PROPOSED).count(),
        weeks=trend(found),
        closest=closest(found),
        duels=head_to_head(found),
        plans=len(plans),
        repeats=repeats(plans),
        length=length_shift(plans),
        hedges=tone_shift(plans, edits.HEDGES),
        orders=tone_shift(plans, edits.ORDERS),
        low=list(low[:LISTED]),
        low_count=low.count(),
        segments=by_segment(found),
    )


def too_few(n: int) -> str:
    """What stands in the place of a figure that rests on less than FEWEST."""
    return f"too few (n={n})"


def figure(values: Sequence[float]) -> Figure:
    """The mean of fractions, with its interval."""
    n = len(values)
    if n < FEWEST:
        return Figure(n)
    mean = fmean(values)
    middle = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(max(mean * (1 - mean), 0.0) / n + Z**2 / (4 * n**2))
    return Figure(n, mean, max(0.0, min(mean, middle - half)), min(1.0, max(mean, middle + half)))


def settled() -> QuerySet[Settlement]:
    """The decisions that teach: every one that was settled, and not taken back."""
    return Settlement.objects.standing().filter(status=Settlement.Status.DONE)


def rated() -> QuerySet[Settlement]:
    """The settlements that have an acceptance rate."""
    return settled().filter(acceptance_rate__isnull=False)


def cases(settlements: QuerySet[Settlement]) -> list[Case]:
    """The rated settlements of `settlements`, oldest first, with what each belongs to as far as the rows tell."""
    item = "synthesis__analysis__item__triage__"
    rows: Iterable[Any] = settlements.order_by("status_since", "pk").values(
        "pk",
        "status_since",
        "closest",
        "acceptance_rate",
        "persona_rates",
        "field_rates",
        opened_at=F("synthesis__analysis__opened_at"),
        argued_at=F("synthesis__status_since"),
        depth=F("synthesis__analysis__depth"),
        lead=F("synthesis__analysis__lead"),
        route=F(f"{item}route"),
        risk=F(f"{item}answer__risk"),
        synthesis_model=last_call("synthesis", "model"),
        synthesis_prompt=last_call("synthesis", "prompt_hash"),
        **{f"{who.value}_{field}": last_call("persona", field, who) for who in Persona for field in OWN.values()},
    )
    return [
        Case(
            settlement=row["pk"],
            at=row["status_since"],
            opened_at=row["opened_at"],
            argued_at=row["argued_at"],
            closest=row["closest"],
            rates={PLAN: row["acceptance_rate"], **row["persona_rates"]},
            fields=row["field_rates"],
            segments={
                name: _shown(name, row[name.replace(" ", "_")] or UNKNOWN) for name in SEGMENTS if name not in OWN
            },
            own={
                name: {who.value: _shown(name, told) for who in Persona if (told := row[f"{who.value}_{field}"])}
                for name, field in OWN.items()
            },
        )
        for row in rows
    ]


def by_persona(found: Iterable[Case]) -> dict[str, Figure]:
    """The acceptance of the plan and of each persona's own advice, by WHO."""
    rates: dict[str, list[float]] = {who: [] for who in WHO}
    for case in found:
        for who, rate in case.rates.items():
            rates[who].append(rate)
    return {who: figure(values) for who, values in rates.items()}


def by_field(found: Sequence[Case]) -> dict[str, Figure]:
    """How much of each field of the plan is kept in approvals, by field; one that was empty on both sides is not counted."""
    return {
        field: figure([case.fields[field] for case in found if field in case.fields]) for field in acceptance.WEIGHTS
    }


def by_segment(found: Sequence[Case]) -> dict[str, list[Row]]:
    """The same for each value of each of SEGMENTS.

    For those in OWN a persona's rate counts under its own value, and the plan's under each value that took part in it.
    """
    return {
        name: _rows(part for case in found for part in _parts(case, name))
        if name in OWN
        else _rows((case.segments[name], case) for case in found)
        for name in SEGMENTS
    }


def trend(found: Sequence[Case]) -> list[Row]:
    """The same for the last WEEKS calendar weeks (UTC, by their Monday) with a decision, oldest first."""
    mondays = (case.at.date() - timedelta(days=case.at.weekday()) for case in found)
    return _rows(zip((day.isoformat() for day in mondays), found, strict=True))[-WEEKS:]


def closest(found: Sequence[Case]) -> dict[str, Figure]:
    """The share of approvals whose final plan is closest to each persona's advice, or to the synthesis."""
    named = [case.closest for case in found if case.closest]
    return {who: figure([float(one == who) for one in named]) for who in (*WHO[1:], acceptance.SYNTHESIS)}


def head_to_head(found: Sequence[Case]) -> list[Duel]:
    """Each pair of personas, over the approvals in which both advised."""
    duels = []
    for one, other in combinations(WHO[1:], 2):
        pairs = [(case.rates[one], case.rates[other]) for case in found if {one, other} <= case.rates.keys()]
        decided = [float(a > b) for a, b in pairs if a != b]
        duels.append(Duel(one, other, figure(decided), len(pairs) - len(decided)))
    return duels


def length_shift(plans: Sequence[Decided]) -> Median:
    """Words of the final plan over words of the proposed one."""
    return _median([ratio for plan in plans if (ratio := edits.length(plan)) is not None])


def tone_shift(plans: Sequence[Decided], of: frozenset[str]) -> Tone:
    """How many of 100 words are in `of`."""

    def middle(sides: Iterable[Plan]) -> Median:
        shares = (edits.share(acceptance.words(plan), of) for plan in sides)
        return _median([one for one in shares if one is not None])

    return Tone(middle(plan.proposed for plan in plans), middle(plan.final for plan in plans))


def repeats(plans: Sequence[Decided]) -> list[edits.Repeat]:
    """The edits of tasks that at least two plans show, the most frequent first, LISTED at most."""
    found = [one for one in edits.repeated(plans) if len(one.settlements) > 1]
    return sorted(found, key=lambda one: -len(one.settlements))[:LISTED]


def lowest(settlements: QuerySet[Settlement]) -> QuerySet[Settlement]:
    """The decisions that kept less than LOW of the plan, the latest first."""
    low = settlements.filter(acceptance_rate__lt=LOW).order_by("-status_since", "-pk")
    return low.select_related("action", "synthesis__analysis__item")


def effects(found: Sequence[Case]) -> list[Effect]:
    """Each rule that is or was accepted, oldest first. A plan that was being argued when the models were told is in neither."""
    decided = list(HouseRule.objects.filter(decided_at__isnull=False).exclude(status=HouseRule.Status.REFUSED))
    decided.sort(key=lambda rule: (rule.decided_at, rule.pk))
    shown = []
    for rule in decided:
        since, until = rules.told_since(rule, decided), rule.retired_at
        before = [case.rates[PLAN] for case in found if since is None or case.argued_at < since]
        after = [
            case.rates[PLAN]
            for case in found
            if since is not None and case.opened_at >= since and (until is None or case.argued_at < until)
        ]
        shown.append(Effect(rule, figure(before), figure(after)))
    return shown


def _rows(named: Iterable[tuple[str, Case]]) -> list[Row]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for name, case in named:
        groups[name].append(case)
    return [Row(name, by_persona(groups[name])) for name in sorted(groups)]


def _parts(case: Case, name: str) -> Iterator[tuple[str, Case]]:
    """Each value of one of OWN in this case, with the rates that count under it."""
    values = {who: case.own[name].get(who, UNKNOWN) for who in case.rates | case.own[name] if who != PLAN}
    for value in set(values.values()) or {UNKNOWN}:
        rates = {who: rate for who, rate in case.rates.items() if who == PLAN or values[who] == value}
        yield value, replace(case, rates=rates)


def _median(values: Sequence[float]) -> Median:
    return Median(len(values), median(values) if len(values) >= FEWEST else None)


def last_call(purpose: str, field: str, persona: Persona | None = None) -> Subquery:
    """For settlements: a column of the last call for this purpose that was answered before the plan was proposed.

    `persona`: of its calls only. A voice that a new version took over was paid for under an earlier one of the item.
    """
    calls = LLMCall.objects.filter(
        item=OuterRef("synthesis__analysis__item"),
        purpose__startswith=purpose,
        status=LLMCall.Status.ANSWERED,
        opened_at__lte=OuterRef("synthesis__status_since"),
    )
    if persona:
        voices = Perspective.objects.filter(
            analysis__item=OuterRef(OuterRef("synthesis__analysis__item")), persona=persona
        )
        asker = Concat(Value(f"{Perspective.stage} "), Cast("pk", CharField()))
        calls = calls.filter(asker__in=voices.annotate(asker=asker).values("asker"))
    return Subquery(calls.order_by("-opened_at", "-pk").values(field)[:1])


def _shown(name: str, value: str) -> str:
    """A segment's value as people know it: of a prompt's hash eight characters, and of the house rules behind it."""
    if not name.endswith("prompt"):
        return value
    version, _, told = value.partition("+")
    return f"{version[:8]} with rules {told[:8]}" if told else version[:8]
