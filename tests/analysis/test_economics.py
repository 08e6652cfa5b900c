"""What chances and payoffs come to: added up here, compared only where they can be."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from analysis.answers import Payoff, PerspectiveAnswer
from analysis.economics import LABELS, dominated, sourced, weigh
from tests.factories import options, perspective_answer


def payoff(option: str = "Option A", probability: float = 1, value: float = 0, **fields: Any) -> Payoff:
    said = {"outcome": "It works", "unit": "USD", "basis": "guessed", "source": "", **fields}
    return Payoff.model_validate({"option": option, "probability": probability, "value": value, **said})


def test_an_expected_value_is_the_sum_of_chance_times_value() -> None:
    (bet,) = weigh([payoff(probability=0.25, value=1_000), payoff(probability=0.75, value=-200, basis="given")])
    assert (bet.expected, bet.worst, bet.best) == (100, -200, 1_000)
    assert (bet.figures, bet.guessed) == (2, 1)


def test_what_is_left_of_the_chance_counts_as_zero() -> None:
    (bet,) = weigh([payoff(probability=0.5, value=100)])
    assert (bet.expected, bet.worst, bet.left) == (50, 0, 0.5)
    (bet,) = weigh([payoff(value=100)])
    assert (bet.expected, bet.worst, bet.left) == (100, 100, 0)


def test_an_outcome_without_a_chance_is_neither_the_worst_nor_the_best_and_saves_no_option() -> None:
    impossible = [payoff(probability=0, value=value) for value in (-1e6, 1e6)]
    bets = weigh([payoff(value=50), *impossible, payoff("Option B", value=100), payoff("Option B", 0, -1e6)])
    assert [(bet.worst, bet.best, bet.figures) for bet in bets] == [(50, 50, 3), (100, 100, 2)]
    assert dominated(bets) == {"Option A": "Option B"}


@pytest.mark.parametrize(
    ("payoffs", "problem"),
    [
        ([payoff(probability=0.7), payoff(probability=0.7)], "its chances add up to 140%"),
        ([payoff(probability=0.5), payoff(probability=0.5, unit="EUR")], "its outcomes are in different units"),
    ],
)
def test_what_cannot_be_added_up_is_refused_in_words(payoffs: list[Payoff], problem: str) -> None:
    (bet,) = weigh(payoffs)
    assert (bet.expected, bet.problem) == (None, problem)
    assert dominated([bet]) == {}


def test_an_option_that_is_worse_on_average_and_at_worst_is_dominated() -> None:
    bets = weigh([payoff("Option A", 1, -10), payoff("Option B", 1, 5), payoff("Option C", 1, 0, unit="EUR")])
    assert dominated(bets) == {"Option A": "Option B"}


payoffs = st.builds(
    payoff,
    option=st.sampled_from(LABELS),
    probability=st.floats(0, 0.3),
    value=st.floats(-1e6, 1e6),
)


ITEM = (
    "Buy it for $400,000?",
    "They lose \\$5,000 a month, and \\$1,500 more by May. Half of it is **3.5 Mio. \u20ac**, we hold 12,5 % of that.",
)


@pytest.mark.parametrize(
    ("basis", "source", "value", "unit"),
    [
        ("given", "$400,000", 400_000, "USD"),
        ("given", "They LOSE\n $5,000 a month", -5_000, "USD"),
        ("given", r"They lose \$5,000", -5_000, "USD"),
        ("given", "Half of it is 3.5 Mio. \u20ac", 3_500_000, "EUR"),
        ("given", "3.5 Mio. \u20ac", 3.5, "million EUR"),
        ("given", "we hold 12,5 % of that", 12.5, "percent"),
        ("given", "we hold 12,5 % of that", 0.125, "of it"),
        ("cited", "Statista 2025", 7, "USD"),
        ("guessed", "", 7, "USD"),
    ],
)
def test_an_amount_that_the_quoted_words_of_the_item_name_keeps_its_mark(
    basis: str, source: str, value: float, unit: str
) -> None:
    said = payoff(basis=basis, source=source, value=value, unit=unit)
    assert sourced([said], *ITEM) == [said]


@pytest.mark.parametrize(
    ("basis", "source", "value", "problem"),
    [
        ("given", "$900,000", 900_000, "not found in the item"),
        ("given", "", 5_000, "not found in the item"),
        ("given", "uy it for $400,000", 400_000, "not found in the item"),
        ("given", "\u20ac5,000 a month", 5_000, "not found in the item"),
        ("given", "a", 500_000, "do not name the amount"),
        ("given", "They lose $5,000 a month", 60_000, "do not name the amount"),
        ("given", "500 more by May", 500, "do not name the amount"),
        ("given", "Half of it is 3.5", 3.5, "do not name the amount"),
        ("given", "we hold 12,5", 12.5, "do not name the amount"),
        ("cited", "", 7, "no source is named"),
    ],
)
def test_an_amount_becomes_a_guess_with_the_reason_where_its_mark_does_not_hold(
    basis: str, source: str, value: float, problem: str
) -> None:
    (found,) = sourced([payoff(basis=basis, source=source, value=value)], *ITEM)
    assert found.basis == "guessed"
    assert problem in found.source
    assert found.source.endswith(source)
    assert weigh([found])[0].guessed == 1


def written(amount: int) -> list[str]:
    """How people write an amount of money."""
    grouped = f"{amount:,}"
    separated = [grouped.replace(",", sign) for sign in (",", ".", " ", "'", "\u2019", "\u202f")]
    return [str(amount), *separated, f"{grouped}.00", f"{grouped.replace(',', '.')},00", f"{amount / 1_000}k"]


@given(
    st.integers(1, 10**9).flatmap(lambda amount: st.tuples(st.just(amount), st.sampled_from(written(amount)))),
    st.integers(1, 10**9),
    st.sampled_from(["$", "\\$", "\u20ac ", "EUR", ""]),
)
def test_an_amount_is_recognised_however_it_is_written_and_no_other_is_taken_for_it(
    said: tuple[int, str], other: int, sign: str
) -> None:
    amount, words = said
    item = f"The lease costs {sign}{words} a year."
    own, wrong = (payoff(basis="given", source=item, value=-value) for value in (amount, other))
    (found, taken) = sourced([own, wrong], item)
    assert found.basis == "given"
    assert (taken.basis == "given") == (other == amount)


@given(st.text(max_size=80), st.text(max_size=20), st.floats(-1e12, 1e12), st.text(max_size=8))
def test_any_item_and_any_quote_can_be_compared(item: str, quote: str, value: float, unit: str) -> None:
    said = payoff(basis="given", value=value).model_copy(update={"source": quote, "unit": unit})
    (found,) = sourced([said], item, f"{item} {quote} {item}")
    assert found.basis in ("given", "guessed")


@pytest.mark.parametrize("text", ["5 " * 25_000, "111 " * 12_500, "1," * 25_000, "9" * 50_000, "a 5 k" * 10_000])
def test_no_item_makes_the_comparison_slow(text: str) -> None:
    started = time.process_time()
    sourced([payoff(basis="given", source=source, value=7) for source in ("5", "1", "9", "a")], f"{text} 7")
    assert time.process_time() - started < 1.5


@given(st.lists(payoffs, max_size=12))
def test_no_option_dominates_itself_or_the_one_that_dominates_it(found: list[Payoff]) -> None:
    beaten = dominated(weigh(found))
    assert all(loser != winner and beaten.get(winner) != loser for loser, winner in beaten.items())


@example([payoff(option="Option A", probability=p, value=1.0) for p in (0.25, 0.25, 0.25, 0.2421875)])
@given(st.lists(payoffs, max_size=12))
def test_the_expected_value_lies_between_the_worst_and_the_best(found: list[Payoff]) -> None:
    for bet in weigh(found):
        if bet.expected is not None and bet.worst is not None and bet.best is not None:
            assert bet.worst - 1e-6 <= bet.expected <= bet.best + 1e-6


def test_doing_nothing_is_always_among_the_options() -> None:
    with pytest.raises(ValidationError, match="in this order"):
        perspective_answer(options=[*options("quant")[:2], options("quant")[0]])


def test_a_reject_signal_without_a_reason_does_not_fit() -> None:
    with pytest.raises(ValidationError, match="reject_reason"):
        perspective_answer(reject="values")
    assert isinstance(perspective_answer(reject="values", reject_reason="We don't."), PerspectiveAnswer)
