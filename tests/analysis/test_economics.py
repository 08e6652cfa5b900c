"""What chances and payoffs come to: added up here, compared only where they can be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
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
    assert (bet.expected, bet.worst) == (50, 0)


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


@pytest.mark.parametrize(
    ("basis", "source", "holds"),
    [
        ("given", "$400,000", True),
        ("given", "They LOSE\n $5,000", True),
        ("given", "$900,000", False),
        ("given", "", False),
        ("cited", "Statista 2025", True),
        ("cited", "", False),
        ("guessed", "", True),
    ],
)
def test_a_figure_counts_as_given_only_where_the_item_says_so(basis: str, source: str, holds: bool) -> None:
    (found,) = sourced([payoff(basis=basis, source=source)], "Buy it for $400,000?", "They lose $5,000 a month.")
    assert found.basis == (basis if holds else "guessed")
    assert ("called" in found.source) is not holds
    assert weigh([found])[0].guessed == (found.basis == "guessed")


@given(st.lists(payoffs, max_size=12))
def test_no_option_dominates_itself_or_the_one_that_dominates_it(found: list[Payoff]) -> None:
    beaten = dominated(weigh(found))
    assert all(loser != winner and beaten.get(winner) != loser for loser, winner in beaten.items())


@given(st.lists(payoffs, max_size=12))
def test_the_expected_value_lies_between_the_worst_and_the_best(found: list[Payoff]) -> None:
    for bet in weigh(found):
        if bet.expected is not None and bet.worst is not None and bet.best is not None:
            assert bet.worst - 1e-6 <= bet.expected <= bet.best * 1.02 + 1e-6


def test_doing_nothing_is_always_among_the_options() -> None:
    with pytest.raises(ValidationError, match="in this order"):
        perspective_answer(options=[*options("quant")[:2], options("quant")[0]])


def test_a_reject_signal_without_a_reason_does_not_fit() -> None:
    with pytest.raises(ValidationError, match="reject_reason"):
        perspective_answer(reject="values")
    assert isinstance(perspective_answer(reject="values", reject_reason="We don't."), PerspectiveAnswer)
