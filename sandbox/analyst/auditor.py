"""The Auditor: law, lock-in, and what cannot be undone."""

import re

from sandbox.analyst.options import Case, Verdict, View
from sandbox.analyst.reading import Reading
from sandbox.analyst.wording import listed, pick, quoted


def decide(reading: Reading) -> Verdict:
    """Stop where law and lock-in meet or much money has no way back; wait where either is present."""
    hazards = len(reading.legal) + len(reading.irreversible)
    confidence = min(0.9, 0.5 + 0.06 * hazards + 0.05 * (reading.money >= 25_000))
    if reading.small:
        return Verdict("Option A", "go", 0.64)
    grave = len(reading.legal) > 1 and (reading.one_way or reading.money >= 100_000)
    if grave or (reading.one_way and reading.money >= 250_000):
        return Verdict("Option C", "stop", confidence)
    if reading.one_way or reading.legal or reading.money >= 25_000:
        return Verdict("Option B", "wait", confidence)
    return Verdict("Option B", "go", confidence)


def argue(reading: Reading, verdict: Verdict) -> Case:
    """The case for care."""
    cap = reading.exposure
    ground, reason = _ground(reading)
    return Case(
        views=_views(reading),
        lean=-1,
        assumptions=[
            "Nothing has been signed yet",
            "What the item leaves unsaid is not in our favour",
            f"We shall be held to the letter by {_other(reading)}",
        ],
        time=f"{pick(reading.seed, ('Five working days', 'One week', 'Two weeks'))} of review before any signature",
        money=f"A review fee now; at worst the whole of {cap.text}"
        if cap
        else "A review fee; the exposure is not stated",
        people="Counsel or an outside reviewer, and one signatory who did not propose it",
        tasks=_tasks(reading, verdict),
        turning_point=f"A written way out of {reading.topic} at a known cost, confirmed by a second reader",
        rationale=_rationale(reading, verdict),
        tools="The contract and its annexes",
        reject=ground,
        reject_reason=reason,
    )


UNLAWFUL = re.compile(
    r"\b(?:bribe\w{0,2}|illegal\w{0,2}|unlawful|fraud\w{0,6}|launder\w{0,3}|backdat\w{0,3}|forg(?:e|ed|ing)|tax evasion)\b",
    re.I,
)
RUIN = re.compile(r"\b(?:bankrupt\w{0,2}|insolven\w{0,2}|whole savings|all our cash|bet the company)\b", re.I)


def _ground(reading: Reading) -> tuple[str, str]:
    """The ground on which the matter must not go on, and why; "none" and nothing where there is none."""
    if found := UNLAWFUL.search(reading.text):
        return "unethical or unlawful", f"The item speaks of {quoted(found[0])}."
    if found := RUIN.search(reading.text):
        return "existential risk", f"The item speaks of {quoted(found[0])}: a loss there would end everything else."
    if reading.irreversible and len(reading.legal) > 1 and reading.money >= 1_000_000:
        return "irreversible lock-in", f"{listed(reading.hazards)} bind for good."
    return "none", ""


def _other(reading: Reading) -> str:
    return reading.counterpart or "the other side"


def _views(reading: Reading) -> tuple[View, View, View]:
    cap = reading.exposure
    exposure = f"At worst {cap.text} is lost" if cap else "The worst case is not stated, which is itself a finding"
    hazards = f", and {listed(reading.hazards)} would bind us" if reading.hazards else ""
    return (
        View(
            f"Bind ourselves to {reading.topic} now",
            f"{exposure}{hazards}. Speed removes the only free protection there is: reading before signing.",
            ["Ends the uncertainty for the other side"],
            [exposure, "Whatever was overlooked becomes ours"],
        ),
        View(
            f"Stages with an exit for {reading.topic}",
            "Each stage is small enough to lose, has an owner, and ends with a written right to leave.",
            ["Loss is capped at the stage", "Obligations are read before they bind"],
            ["Slower, and the terms may be less generous"],
        ),
        View(
            "Do nothing until the open points are answered",
            "No obligation arises. The present state is known and documented.",
            ["No new liability", "All ways stay open"],
            ["The offer may lapse"],
        ),
    )


def _tasks(reading: Reading, verdict: Verdict) -> list[str]:
    hazard = f" on {listed(reading.hazards[:2])}" if reading.hazards else ""
    cap = f"Cap the exposure below {reading.exposure.text}" if reading.exposure else "Set a cap on the exposure"
    first = {
        "Option A": f"Record who approved {reading.topic} and why",
        "Option B": f"Have the terms of {reading.topic} read by counsel{hazard} before anyone signs",
        "Option C": f"Halt {reading.topic} in writing and list the open points{hazard}",
    }[verdict.label]
    return [
        first,
        f"Ask {_other(reading)} for the exit terms in writing",
        "List what cannot be undone, each with its cost and its owner",
        f"{cap} and name who may raise it",
    ]


def _rationale(reading: Reading, verdict: Verdict) -> list[str]:
    found = (
        f"The item speaks of {listed(reading.hazards)}. Such words carry duties and losses that outlive the enthusiasm."
        if reading.hazards
        else f"I find no legal or irreversible word in {reading.topic}. That lowers the risk without proving it absent."
    )
    cap = reading.exposure
    worst = f"Plan for the loss of {cap.text} in full." if cap else "No exposure is stated, so none is capped."
    closed, open_ = "This is a one-way door: it closes behind us.", "The way back looks open, if it is put in writing."
    door = closed if reading.one_way else open_
    ending = {
        "Option A": "At this size, a review costs more than the worst case. Proceed, and keep the record.",
        "Option B": "I can support stages with an exit. I cannot support a signature first and a reading later.",
        "Option C": "Stop. Not for ever, but until law, exit and cap are on paper.",
    }[verdict.label]
    return [found, worst, door, ending]
