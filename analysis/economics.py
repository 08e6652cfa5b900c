"""What the advisers' probabilities and payoffs come to. The code computes; no model is asked to add up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.answers import Label, Payoff

TOLERANCE = 0.01  # probabilities are written by hand
NOT_FOUND = {"given": "called given, but not found in the item:", "cited": "called cited, but no source is named"}
LABELS: tuple[Label, ...] = ("Option A", "Option B", "Option C")


@dataclass(frozen=True)
class Bet:
    """One option's outcomes. `expected`, `worst`, `best` in `unit`; None with a `problem` that says why.

    `figures`: how many outcomes were named, `guessed`: how many of them rest on a guess.
    """

    option: Label
    expected: float | None
    worst: float | None
    best: float | None
    unit: str
    figures: int
    guessed: int
    problem: str = ""


def weigh(payoffs: Sequence[Payoff]) -> list[Bet]:
    """A bet for each option that has outcomes, in the order of the options.

    The expected value is the sum of probability times value; what is left of the probability counts as zero. Outcomes
    of an option whose probabilities pass one, or that differ in their unit, are not added up.
    """
    found = ((label, [payoff for payoff in payoffs if payoff.option == label]) for label in LABELS)
    return [_bet(label, outcomes) for label, outcomes in found if outcomes]


def sourced(payoffs: Sequence[Payoff], *texts: str) -> list[Payoff]:
    """The payoffs, as guesses where their mark does not hold: `given` has to quote `texts`, `cited` to name a source."""
    said = _plain(" ".join(texts))
    return [_sourced(payoff, said) for payoff in payoffs]


def _sourced(payoff: Payoff, said: str) -> Payoff:
    if payoff.basis == "guessed" or (payoff.basis == "cited" and payoff.source):
        return payoff
    if payoff.basis == "given" and payoff.source and _plain(payoff.source) in said:
        return payoff
    source = f"{NOT_FOUND[payoff.basis]} {payoff.source}".strip()[:300]
    return payoff.model_copy(update={"basis": "guessed", "source": source})


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def dominated(bets: Sequence[Bet]) -> dict[Label, Label]:
    """The options that another one beats, to the option that does.

    The rule is dominance in mean and in the worst case: no smaller expected value, no worse worst case, and one of them
    better. Bets in different units, or with a problem, are not compared.
    """
    sound = [bet for bet in bets if not bet.problem]
    beaten: dict[Label, Label] = {}
    for bet in sound:
        for other in sound:
            if other is not bet and other.unit == bet.unit and _beats(other, bet):
                beaten[bet.option] = other.option
                break
    return beaten


def _bet(label: Label, outcomes: list[Payoff]) -> Bet:
    total = sum(outcome.probability for outcome in outcomes)
    units = {outcome.unit.casefold() for outcome in outcomes}
    counts = len(outcomes), sum(outcome.basis == "guessed" for outcome in outcomes)
    unit = outcomes[0].unit
    if total > 1 + TOLERANCE:
        return Bet(label, None, None, None, unit, *counts, problem=f"its chances add up to {total:.0%}")
    if len(units) > 1:
        return Bet(label, None, None, None, unit, *counts, problem="its outcomes are in different units")
    values = [outcome.value for outcome in outcomes] + ([0.0] if total < 1 - TOLERANCE else [])
    expected = sum(outcome.probability * outcome.value for outcome in outcomes)
    return Bet(label, expected, min(values), max(values), unit, *counts)


def _beats(one: Bet, other: Bet) -> bool:
    assert one.expected is not None
    assert one.worst is not None
    assert other.expected is not None
    assert other.worst is not None
    no_worse = one.expected >= other.expected and one.worst >= other.worst
    return no_worse and (one.expected, one.worst) != (other.expected, other.worst)
