"""What breaks a file for training is named with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.exports import FORMATS, problems
from tests.analysis.test_exports import GOLDEN


def broken(tmp_path: Path, name: str, text: str) -> list[str]:
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    return list(problems(name, path))


GOOD = {name: json.loads((GOLDEN / f"{name}.json").read_text()) for name in FORMATS.keys() - {"csv"}}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_validator_names_the_line_of_what_breaks_a_format(tmp_path: Path, name: str) -> None:
    good = json.dumps(GOOD[name])
    key = next(iter(GOOD[name]))
    bad = [
        good,
        json.dumps({**GOOD[name], "more": 1}),
        json.dumps({other: value for other, value in GOOD[name].items() if other != key}),
        json.dumps({**GOOD[name], key: []}),
        good.replace('"assistant"', '"user"'),
        good.replace('"role"', '"Role"', 1),
        "[]",
        "{",
        "",
        "[" * 100_000,
        good,
    ]
    found = broken(tmp_path, name, "\n".join(bad) + "\n")
    assert [int(one.split(":")[0].removeprefix("line ")) for one in found] == list(range(2, 11))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("trl-dpo", "chosen", "rejected"), ("openai-preference", "preferred_output", "non_preferred_output")],
)
def test_a_pair_of_equals_teaches_nothing(tmp_path: Path, name: str, good: str, bad: str) -> None:
    record = {**GOOD[name], bad: GOOD[name][good]}
    assert broken(tmp_path, name, json.dumps(record)) == [f"line 1: {good} and {bad} are the same"]


def test_the_validator_of_tables_names_lines_and_formulas(tmp_path: Path) -> None:
    assert broken(tmp_path, "csv", 'a,b\r\n1,"two\r\nlines"\r\n') == []
    assert broken(tmp_path, "csv", 'a,b\r\n1,"x\r\ny"\r\n1\r\n2, =1+1\r\n') == [
        "line 4: 1 cells, the header has 2",
        "line 5: b begins like a formula",
    ]
    assert broken(tmp_path, "csv", 'a,b\r\n1,"never ends')[0].startswith("line 2")
    assert broken(tmp_path, "csv", "a,a\r\n")[0].startswith("line 1")
