"""Agreement is computed from verdicts, whatever anybody says about it."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from analysis.agreement import Conflict, conflict, contradictions
from analysis.answers import Reject

A, B, C = "Option A", "Option B", "Option C"


@pytest.mark.parametrize(
    ("verdicts", "level"),
    [
        ([("go", A), ("go", A), ("go", A)], Conflict.CONSENSUS),
        ([("go", A), ("go", B), ("go", A)], Conflict.MINOR),
        ([("wait", B), ("wait", C)], Conflict.MINOR),
        ([("go", B), ("wait", B), ("go", B)], Conflict.SPLIT),
        ([("stop", C), ("wait", C), ("wait", B)], Conflict.SPLIT),
        ([("go", A), ("stop", C), ("wait", B)], Conflict.MAJOR),
        ([("go", A), ("go", A), ("stop", C)], Conflict.MAJOR),
    ],
)
def test_it_names_the_level_in_any_order(verdicts: list[tuple[str, str]], level: Conflict) -> None:
    assert {conflict(order) for order in permutations(verdicts)} == {level}


def test_equal_stances_are_never_a_split() -> None:
    for stance, options in product(("go", "wait", "stop"), product((A, B, C), repeat=3)):
        assert conflict((stance, option) for option in options) in (Conflict.CONSENSUS, Conflict.MINOR)


def test_two_verdicts_contradict_themselves_and_no_others() -> None:
    found = {pair for pair in product(("go", "wait", "stop"), (A, B, C)) if contradictions(*pair)}
    assert found == {("go", C), ("stop", A)}


def test_what_must_not_go_on_cannot_go_ahead() -> None:
    assert contradictions("go", B, Reject.UNLAWFUL) == [
        "reject is unethical or unlawful, but stance is go: what must not go on as it stands cannot go ahead"
    ]
    assert contradictions("wait", B, Reject.UNLAWFUL) == contradictions("go", B, Reject.NONE) == []
