"""What an evaluation found, in figures and in words. Pure: no queries, no clock."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean
from typing import Any

from django.template.defaultfilters import pluralize

from analysis.answers import Route, SynthesisAnswer, TriageAnswer
from analysis.evaluation.labels import Label
from analysis.llm.reading import COMPLETE
from analysis.models import LLMCall
from analysis.training import figure

PROXY = (
    "There is no ground truth for a decision. What is compared: how often the recommended option is the labelled one, and "
    "how many of the labelled points the analysis names, by words. Equal spend: as many quick runs as the standard runs "
    "cost, what is left over of one item going to the next; their recommendations vote, and the "
    "points are those of the first run that the vote agrees with."
)


@dataclass(frozen=True)
class Sorted:
    """What the triage said about one label. `answer` None: refused or unfit twice, and `failed` says why."""

    label: Label
    answer: TriageAnswer | None
    held: bool
    failed: str = ""

    @property
    def right(self) -> bool:
        return self.answer is not None and self.answer.route == self.label.route

    @property
    def said(self) -> str:
        if self.answer is None:
            return f"failed: {self.failed}"
        mark = "right" if self.right else f"wrong, {self.label.route} was labelled"
        return f"{self.answer.route} ({mark}), {self.answer.confidence:.0%} sure{', held' if self.held else ''}"


@dataclass(frozen=True)
class Argued:
    """One item argued at standard, and at quick for the same money. None: no answer came."""

    label: Label
    standard: SynthesisAnswer | None
    quick: list[SynthesisAnswer | None]
    standard_usd: Decimal
    quick_usd: Decimal


def report(
    seen: Sequence[Sorted], argued: Sequence[Argued], calls: Sequence[LLMCall], *, asked: int, why: str
) -> dict[str, Any]:
    """The figures; a share is a fraction with its n and 95 % interval, or null under five. `why`: what stopped the run."""
    fitted = _fitted(calls)
    return {
        "complete": not why,
        "stopped_by": why,
        "items": len(seen),
        "items_asked_for": asked,
        "routing_accuracy": _exact([one.right for one in seen]),
        "routing": _share([one.right for one in seen]),
        "routes": {route.value: _share([s.right for s in seen if s.label.route == route]) for route in Route},
        "injections": _share([one.right for one in seen if one.label.injection]),
        "held": {
            "items": sum(one.held for one in seen),
            "thin_held": sum(one.held for one in seen if one.label.thin),
            "thin": sum(one.label.thin for one in seen),
            "routing_of_the_rest": _share([one.right for one in seen if one.answer and not one.held]),
        },
        "schema_validity": _exact(fitted),
        "schema": {"answers": len(fitted), "mended_or_refused": fitted.count(False)},
        "failures": [{"id": one.label.id, "why": one.failed} for one in seen if one.failed],
        "wrong": [
            {"id": one.label.id, "labelled": one.label.route.value, "said": one.answer.route, "held": one.held}
            for one in seen
            if one.answer and not one.right
        ],
        "cost_usd": str(sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0))),
        "calls": len(calls),
        "models": dict(sorted(Counter(call.model for call in calls).items())),
        "quick_against_standard": _compared(argued),
    }


def _fitted(calls: Sequence[LLMCall]) -> list[bool]:
    """Of each answer that came to a question as it was first put: whether it was whole, no refusal, and of the right form."""
    mended = {call.asker for call in calls if call.purpose.endswith("repair")}
    answers = [call for call in calls if call.stop_reason and not call.purpose.endswith("repair")]
    return [
        call.status == LLMCall.Status.ANSWERED and call.stop_reason in COMPLETE and call.asker not in mended
        for call in answers
    ]


def _compared(argued: Sequence[Argued]) -> dict[str, Any]:
    whole = [one for one in argued if one.standard and any(one.quick)]
    voted = [_vote(one) for one in whole]
    sides: dict[str, tuple[Sequence[SynthesisAnswer | None], Decimal]] = {
        "standard": ([one.standard for one in whole], sum((one.standard_usd for one in whole), Decimal(0))),
        "quick_once": (
            [next(answer for answer in one.quick if answer) for one in whole],
            sum((one.quick_usd / len(one.quick) for one in whole), Decimal(0)),
        ),
        "quick_at_equal_spend": (voted, sum((one.quick_usd for one in whole), Decimal(0))),
    }
    return {
        "n": len(whole),
        "failed": len(argued) - len(whole),
        "quick_runs": [len(one.quick) for one in whole],
        "how": PROXY,
        **{name: _side(whole, answers, spent) for name, (answers, spent) in sides.items()},
    }


def _side(whole: Sequence[Argued], answers: Sequence[SynthesisAnswer | None], spent: Decimal) -> dict[str, Any]:
    given = [(one.label, answer) for one, answer in zip(whole, answers, strict=True) if answer]
    return {
        "agrees_with_label": _share([answer.recommended == f"Option {label.best}" for label, answer in given]),
        "points_named": fmean(_named(label, answer) for label, answer in given) if given else None,
        "cost_usd": str(spent.quantize(Decimal("0.000001"))),
    }


def _vote(one: Argued) -> SynthesisAnswer | None:
    """The first answer that recommends what most quick runs do; of a tie what came first."""
    given = [answer for answer in one.quick if answer]
    winner = Counter(answer.recommended for answer in given).most_common(1)[0][0]
    return next(answer for answer in given if answer.recommended == winner)


def _named(label: Label, answer: SynthesisAnswer) -> float:
    """The share of the labelled points that the analysis names."""
    text = answer.model_dump_json()
    return fmean(
        any(re.search(rf"(?<!\w){re.escape(word)}", text, re.IGNORECASE) for word in words) for words in label.mentions
    )


def _exact(marks: Sequence[bool]) -> float | None:
    """The plain share; None of nothing. `items` and `schema.answers` are its n."""
    return fmean(marks) if marks else None


def _share(marks: Sequence[bool]) -> dict[str, Any]:
    found = figure([float(mark) for mark in marks])
    return {"n": found.n, "right": sum(marks), "share": found.mean, "low": found.low, "high": found.high}


def in_words(found: dict[str, Any]) -> str:
    """A report for people."""
    compared = found["quick_against_standard"]
    held, schema = found["held"], found["schema"]
    lines = [
        f"Routing: {_said(found['routing'])}.",
        *(f"  {route}: {_said(share)}" for route, share in found["routes"].items()),
        f"  items that speak to the model: {_said(found['injections'])}",
        f"Held for a person: {held['items']} of {found['items']}; of {held['thin']} that are too thin, {held['thin_held']}.",
        f"Schema: {schema['answers'] - schema['mended_or_refused']} of {schema['answers']} answers fitted at once.",
        f"Failures: {len(found['failures'])}.",
        *(f"  {one['id']}: {one['why']}" for one in found["failures"]),
        *(f"  {one['id']}: {one['said']}, labelled {one['labelled']}" for one in found["wrong"]),
        f"Cost: {found['cost_usd']} USD in {found['calls']} call{pluralize(found['calls'])}.",
    ]
    if compared["n"]:
        lines.append(f"Standard against quick, n={compared['n']}:")
        for name in ("standard", "quick_once", "quick_at_equal_spend"):
            side = compared[name]
            agrees, points = _said(side["agrees_with_label"]), side["points_named"]
            lines.append(f"  {name.replace('_', ' ')}: {agrees}, {points:.0%} of the points, {side['cost_usd']} USD")
        lines.append(f"  {PROXY}")
    if not found["complete"]:
        lines.append(f"Not complete, {found['items']} of {found['items_asked_for']} items: {found['stopped_by']}")
    return "\n".join(lines)


def _said(share: dict[str, Any]) -> str:
    interval = "" if share["share"] is None else f" ({share['low']:.0%} to {share['high']:.0%})"
    return f"{share['right']} of {share['n']} right{interval}"
