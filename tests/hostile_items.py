"""The hostile corpus: tests/hostile/*.yaml, one list of items a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "hostile"


@dataclass(frozen=True)
class Hostile:
    """One inbox page that wants more than to be read. `expect`: the kinds of sign that should be found in it.

    `route`: where a person sends it on its way through the whole product; empty for one that is only searched.
    """

    what: str
    title: str
    expect: list[str]
    route: str = ""
    content: str = ""
    body: str = ""
    repeat: int = 1

    @property
    def said(self) -> str:
        return self.content * self.repeat


def corpus() -> list[Hostile]:
    files = sorted(FOLDER.glob("*.yaml"))
    return [Hostile(**entry) for file in files for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]
