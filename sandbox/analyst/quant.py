"""The Quant: expected value from the item's own numbers, and plain words where numbers are missing."""

import re
from dataclasses import dataclass
from typing import Any

from sandbox.analyst.options import Case, Verdict, View
from sandbox.analyst.reading import Amount, Reading
from sandbox.analyst.wording import listed, pick

GUESSES = (0.35, 0.4, 0.45)


@dataclass(frozen=True)
class Sums:
    """The item's numbers as a bet: `gain` is 0 where none is named; `guessed` when the chance is the analyst's own."""

    cost: Amount
    gain: float
    chance: float
    guessed: bool

    @property
    def expected(self) -> float:
        return self.chance * self.gain - self.cost.value

    @property
    def needed(self) -> str:
        """The gain that the cost calls for at this chance, as a sum."""
        return self.cost.show(self.cost.value / self.chance)

    @property
    def formula(self) -> str:
        spent = self.cost.show(self.cost.value)
        return f"{self.chance:.0%} x {self.cost.show(self.gain)} - {spent} = {self.cost.show(self.expected)}"

    @property
    def test(self) -> str:
        """What a test may cost: a twentieth."""
        return self.cost.show(self.cost.value / 20)

    @property
    def break_even(self) -> float:
        """The chance at which the bet is worth nothing; 1 where no chance is good enough."""
        return min(1.0, self.cost.value / self.gain) if self.gain else 1.0


def sums(reading: Reading) -> Sums | None:
    """The largest sum to spend against the largest to earn. None where the item names nothing to spend."""
    cost = max((a for a in reading.amounts if not a.gain and a.value > 0), key=lambda a: a.value, default=None)
    if cost is None:
        return None
    gain = max((amount.value for amount in reading.amounts if amount.gain), default=0.0)
    chances = [float(re.sub(r"[^0-9.]", "", text.replace(",", "."))) for text in reading.percents]
    named = next((chance for chance in chances if 1 <= chance <= 99), None)
    return Sums(cost, gain, named / 100 if named else pick(reading.seed, GUESSES), named is None)


def decide(reading: Reading) -> Verdict:
    """By the sign and size of the expected value; the tested way where it cannot be computed."""
    bet = sums(reading)
    numbers = len(reading.amounts) + len(reading.percents)
    confidence = min(0.85, 0.38 + 0.1 * numbers)
    if reading.small:
        return Verdict("Option A", "go", max(confidence, 0.6))
    if bet is None:
        return Verdict("Option B", "wait", confidence)
    if bet.gain:
        label = "Option C" if bet.expected <= 0 else "Option A" if bet.expected >= bet.cost.value / 2 else "Option B"
        if label == "Option A" and reading.reversible:
            label = "Option B"
        return Verdict(label, "stop" if label == "Option C" else "go", confidence)
    return Verdict("Option B", "wait" if reading.one_way or bet.cost.value >= 100_000 else "go", confidence)


def argue(reading: Reading, verdict: Verdict) -> Case:
    """The case by numbers."""
    bet = sums(reading)
    return Case(
        views=_views(reading, bet),
        lean=0,
        assumptions=_assumptions(bet),
        time="Two days to collect numbers, two to four weeks for a test",
        money=f"{bet.test} for a test, 5% of the cost ({bet.cost.text})"
        if bet
        else "Unknown: no sum to spend is named",
        people="One person for the model, half a day of whoever holds the numbers",
        tasks=_tasks(reading, bet),
        turning_point=_turning_point(bet),
        rationale=_rationale(reading, bet, verdict),
        tools="A spreadsheet",
        payoffs=_payoffs(bet),
    )


def _payoffs(bet: Sums | None) -> list[dict[str, Any]]:
    """The bet as chances and payoffs; none where the item names no gain, since a made-up one would look like a sum."""
    if bet is None or not bet.gain:
        return []
    unit = {"$": "USD", "€": "EUR", "£": "GBP"}.get(bet.cost.symbol, "units")
    rows = [
        ("Option A", "It works", bet.chance, bet.gain - bet.cost.value),
        ("Option A", "It fails", 1 - bet.chance, -bet.cost.value),
        ("Option B", "The test costs its price", 1.0, -bet.cost.value / 20),
        ("Option C", "Nothing changes", 1.0, 0.0),
    ]
    basis = "guessed" if bet.guessed else "given"
    return [
        {
            "option": option,
            "outcome": outcome,
            "probability": round(chance, 4),
            "value": round(value, 2),
            "unit": unit,
            "basis": "given" if chance == 1.0 and not value else basis,
            "source": bet.cost.text,
        }
        for option, outcome, chance, value in rows
    ]


def _assumptions(bet: Sums | None) -> list[str]:
    if bet is None:
        return ["No sum to spend is named, so nothing is computed", "Plans like this run over (a guess, no source)"]
    chance = f"A chance of {bet.chance:.0%} ({'my guess: the item names none' if bet.guessed else 'named in the item'})"
    gain = (
        f"A gain of {bet.cost.show(bet.gain)} (the largest that the item hopes for)"
        if bet.gain
        else "The gain is not named"
    )
    return [f"A cost of {bet.cost.show(bet.cost.value)}, from {bet.cost.text}", gain, chance]


def _views(reading: Reading, bet: Sums | None) -> tuple[View, View, View]:
    if bet is None:
        worth, tested = "Its expected value cannot be computed: no cost is named.", "A test yields the missing numbers."
    elif bet.gain:
        worth = f"Expected value: {bet.formula}."
        tested = f"{bet.test} buys an estimate of the chance, which decides above or below {bet.break_even:.0%}."
    else:
        worth = (
            f"It costs {bet.cost.show(bet.cost.value)}; at {bet.chance:.0%} it must bring {bet.needed} to break even."
        )
        tested = f"Spend {bet.test} to learn whether the gain can exceed the cost at all."
    return (
        View(
            f"Full stake on {reading.topic}",
            worth,
            ["The whole expected value, if the inputs hold"],
            ["The whole variance too"],
        ),
        View(
            f"Measure {reading.topic}, then decide",
            tested,
            ["Buys information at a known price"],
            ["Costs time", "Small samples mislead"],
        ),
        View(
            "Do nothing, keep the baseline",
            "Value zero by definition, and the yardstick for both others.",
            ["No variance"],
            ["Forgoes any positive expected value"],
        ),
    )


def _tasks(reading: Reading, bet: Sums | None) -> list[str]:
    missing = [] if bet and bet.gain else ["the expected gain"]
    missing += [] if bet else ["the full cost"]
    missing += [] if bet and not bet.guessed else ["the chance of success"]
    collect = f"Collect {listed(missing)}" if missing else "Check the item's numbers at their source"
    when = f", {reading.dates[0]}" if reading.dates else ""
    threshold = f"{bet.break_even:.0%} chance" if bet and bet.gain else "break-even"
    return [
        f"{collect} for {reading.topic}",
        "Find five comparable cases and note how many paid off",
        f"Put low, middle and high values into one table and mark where {reading.topic} crosses {threshold}",
        f"Write down the threshold and the date of the decision{when}",
    ]


def _turning_point(bet: Sums | None) -> str:
    if bet is None:
        return "Any two numbers: what it costs and what it brings"
    if bet.gain:
        return f"Evidence that the true chance lies on the other side of {bet.break_even:.0%}"
    return f"A sourced estimate of the gain above {bet.needed}"


def _rationale(reading: Reading, bet: Sums | None, verdict: Verdict) -> list[str]:
    if bet is None:
        return [
            f"No cost is named in {reading.topic}, so I will not pretend to a calculation. Numbers are missing:"
            " what it costs, what it brings, how likely that is.",
            "No base rate is given either. Until two of the three are known, the cheapest step is to measure.",
        ]
    source = "a guess of mine, since the item gives none" if bet.guessed else "the item's own figure"
    parts = [f"Taking {bet.cost.text} as the cost and {bet.chance:.0%} as the chance ({source}):"]
    if bet.gain:
        dearer = bet.chance * bet.gain - 1.25 * bet.cost.value
        parts.append(
            f"{bet.formula}. Break-even lies at a chance of {bet.break_even:.0%};"
            f" were the cost a quarter higher, the value would be {bet.cost.show(dearer)}."
        )
    else:
        likelier = bet.cost.show(bet.cost.value / min(1, bet.chance + 0.15))
        parts.append(f"No gain is named. To break even it must bring {bet.needed}; with 15 points more, {likelier}.")
    ending = {
        "Option A": "The sign survives these tests, or the sum is too small to study: take the full stake.",
        "Option B": "The answer hangs on inputs that a small test can tell: buy that information first.",
        "Option C": "The value is negative on the item's own numbers. Hope is not a term in the sum.",
    }
    mixed = len({amount.symbol for amount in reading.amounts}) > 1
    return [*parts, ending[verdict.label], "Different currencies are counted at par." if mixed else ""]
