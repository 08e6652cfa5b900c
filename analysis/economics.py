"""What the advisers' probabilities and payoffs come to. The code computes; no model is asked to add up. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.answers import Label, Payoff
from analysis.figures import Figure, figures
from notion_sync.properties import unescaped

TOLERANCE = 0.01  # probabilities are written by hand
NO_QUOTE = "called given, but not found in the item:"
NO_AMOUNT = "called given, but these words of the item do not name the amount:"
NO_SOURCE = "called cited, but no source is named"
LONGEST_SOURCE = 300
_FORMAT = re.compile(r"[*_~`]|</?[bisu]>")
_EDGE = r"(?:(?<!\w)|(?!\w))"  # anywhere but inside a word
LABELS: tuple[Label, ...] = ("Option A", "Option B", "Option C")


@dataclass(frozen=True)
class Bet:
    """One option's outcomes. `expected`, `worst`, `best` in `unit`; None with a `problem` that says why.

    `figures`: how many outcomes were named, `guessed`: how many of their amounts rest on a guess. `left`: the chance that
    no outcome was named for, which counts as an amount of zero.
    """

    option: Label
    expected: float | None
    worst: float | None
    best: float | None
    unit: str
    figures: int
    guessed: int
    left: float = 0.0
    problem: str = ""


def weigh(payoffs: Sequence[Payoff]) -> list[Bet]:
    """A bet for each option that has outcomes, in the order of the options.

    The expected value is the sum of probability times value; what is left of the probability counts as zero, and an
    outcome of no probability as none. Outcomes of an option whose probabilities pass one, or that differ in their unit,
    are not added up.
    """
    found = ((label, [payoff for payoff in payoffs if payoff.option == label]) for label in LABELS)
    return [_bet(label, outcomes) for label, outcomes in found if outcomes]


def sourced(payoffs: Sequence[Payoff], *texts: str) -> list[Payoff]:
    """The payoffs, as guesses with the reason where the mark of their amount does not hold.

    `cited` has to name a source; `given` has to quote `texts`, as people or markdown have them, and the quote has to name
    the amount. A chance has no mark: it is always the adviser's own.
    """
    said = _plain(" ".join(texts))
    named = figures(said)
    return [_marked(payoff, _problem(payoff, said, named)) for payoff in payoffs]


def _marked(payoff: Payoff, problem: str) -> Payoff:
    source = f"{problem} {payoff.source}".strip()[:LONGEST_SOURCE]
    return payoff.model_copy(update={"basis": "guessed", "source": source}) if problem else payoff


def _problem(payoff: Payoff, said: str, named: Sequence[Figure]) -> str:
    """Why the mark of a payoff does not hold, in words; empty where it does. `named`: the figures of what was `said`."""
    if payoff.basis != "given":
        return NO_SOURCE if payoff.basis == "cited" and not payoff.source else ""
    quote = _plain(payoff.source)
    found = [match.span() for match in re.finditer(f"{_EDGE}{re.escape(quote)}{_EDGE}", said)] if quote else []
    if not found:
        return NO_QUOTE
    amount = figures(_plain(f"{abs(payoff.value):.6f} {payoff.unit}"))[0].amounts
    # Figures are read where they stand in the item, whole: a quote may begin within "1,500" or end before "million".
    quoted = (figure for figure in named if not amount.isdisjoint(figure.amounts) and _reaches(figure, found))
    return "" if any(quoted) else NO_AMOUNT


def _reaches(figure: Figure, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a part of the figure stands within one of `spans`, which are in order and apart."""
    before = bisect_left(spans, (figure.end, 0))  # how many begin before the figure ends
    return before > 0 and spans[before - 1][1] > figure.start


def _plain(text: str) -> str:
    """`text` without its format: one space between words, no letter case, no signs of markdown."""
    return " ".join(_FORMAT.sub("", unescaped(text)).split()).casefold()


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
    left = 1 - total if total < 1 - TOLERANCE else 0.0
    values = [outcome.value for outcome in outcomes if outcome.probability] + ([0.0] if left else [])
    whole = 1.0 if left else total  # what was rounded by hand is no chance of nothing
    expected = sum(outcome.probability * outcome.value for outcome in outcomes) / whole
    return Bet(label, expected, min(values), max(values), unit, *counts, left=left)


def _beats(one: Bet, other: Bet) -> bool:
    assert one.expected is not None
    assert one.worst is not None
    assert other.expected is not None
    assert other.worst is not None
    no_worse = one.expected >= other.expected and one.worst >= other.worst
    return no_worse and (one.expected, one.worst) != (other.expected, other.worst)
