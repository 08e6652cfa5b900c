"""What the package index has newer versions of. It proves no row of the checklist; it comes with the duty to update."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

from ops.probes.registry import Seen, passes, probe, unknown

OUTDATED = "fact.dependencies"
PIP = (sys.executable, "-m", "pip", "list", "--outdated", "--format", "json", "--disable-pip-version-check")
LONGEST = 100.0  # seconds, within the lease of a probe


@probe(OUTDATED, every=timedelta(days=7))
def outdated() -> Seen:
    """pip asks the index of this installation."""
    try:
        told = subprocess.run(PIP, capture_output=True, text=True, timeout=LONGEST, check=False)  # noqa: S603  # fixed words
    except subprocess.TimeoutExpired:
        return unknown("The package index did not answer in time.")
    if told.returncode:
        return unknown("pip could not ask the package index.")
    found = json.loads(told.stdout)
    if not found:
        return passes("No dependency is behind, as far as the package index says.")
    words = ", ".join(f"{one['name']} {one['version']} (newest {one['latest_version']})" for one in found)
    return passes(f"{len(found)} dependencies are behind: {words}.")
