"""Random lives of an installation, each from a seed: whatever happens, the invariants hold in the end.

`make test` lives a hundred short ones and `make test-faults` a thousand, every fourth of them a long one. A seed that fails is
in the name of the test and in its message. `make test ARGS="tests/simulation --seed 17"` replays it, `make test-faults
ARGS="tests/simulation --lives 5000"` goes on for as long as you like.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.invariants import broken
from tests.simulation.machine import FEW, FEW_ROUNDS, LIVES, ROUNDS, Installation


def live(make: Callable[[int], Installation], seed: int, rounds: int) -> None:
    world = make(seed)
    try:
        world.live(rounds)
        world.come_to_rest()
        found = broken(world)
    except Exception as error:
        raise AssertionError(told(world, seed)) from error
    assert not found, told(world, seed, *found)


def told(world: Installation, seed: int, *found: str) -> str:
    return "\n".join([f"seed {seed}", *found, "what happened:", *world.story])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.config.getoption("--seed", None) is not None:
        metafunc.parametrize("seed", [metafunc.config.getoption("--seed")])
    else:
        few = "few" in metafunc.function.__name__
        lives = metafunc.config.getoption("--lives", LIVES)
        metafunc.parametrize("seed", range(1, FEW + 1) if few else range(101, 101 + lives))


def test_few_lives(installation: Callable[[int], Installation], seed: int) -> None:
    live(installation, seed, FEW_ROUNDS)


@pytest.mark.faults
def test_many_lives(installation: Callable[[int], Installation], seed: int) -> None:
    live(installation, seed, ROUNDS[seed % len(ROUNDS)])
