"""One figure, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEADS = ("what", "measured", "target", "", "the public predecessor")


@dataclass(frozen=True)
class Figure:
    """`holds` None: there is no target, the figure explains another one."""

    what: str
    measured: str
    target: str
    holds: bool | None
    predecessor: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        verdict = {True: "ok", False: "MISSED", None: ""}[self.holds]
        return (self.what, self.measured, self.target, verdict, self.predecessor)


def as_text(figures: Sequence[Figure]) -> str:
    """The table in columns."""
    rows = [HEADS, *(figure.cells for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_markdown(figures: Sequence[Figure], where: str) -> str:
    """The page docs/figures.md."""
    lines = [
        "# Figures",
        "",
        "Measured by `make bench ARGS=--write` on real engines, real HTTP to the sandbox and, where processes matter, real",
        f"workers and a real beat. {where}",
        "",
        f"| {' | '.join(HEADS)} |",
        "| --- | --- | --- | --- | --- |",
        *(f"| {' | '.join(figure.cells)} |" for figure in figures),
        "",
    ]
    return "\n".join(lines)
