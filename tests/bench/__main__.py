"""Prints every figure beside its target. A target that is missed is shown, never hidden and never an error."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from tests.bench import engine  # first: it chooses the engines that Django's settings then find

import django  # isort: skip

django.setup()

from tests.bench import figures  # noqa: E402  # models can be imported only now
from tests.bench.table import Figure, as_markdown, as_text  # noqa: E402


def main() -> None:
    """Measure, print, and with --write keep the table in docs/figures.md."""
    before = os.getloadavg()[0]
    found: list[Figure] = figures.measure()
    where = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}; "
        f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after. State in {engine.STATE.name}."
    )
    print(as_text(found), where, sep="\n")
    if "--write" in sys.argv:
        Path("docs/figures.md").write_text(as_markdown(found, where.partition(" State in")[0]))


if __name__ == "__main__":
    main()
