#!/usr/bin/env python3
"""Proves what only the repository can show about the commit that is checked out, and writes it as JSON.

    python scripts/evidence.py --tests RESULT.xml [--image RECORD] [--checks passed|failed] --out evidence.json

The file is imported by `manage.py evidence FILE` or `POST /api/v1/evidence`. Exit code 0: all that was looked at here is well.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
# What a real key looks like; examples in this repository never do.
SECRETS = re.compile(
    r"sk-ant-(?:api|admin)\d\d-[\w-]{40,}|\bntn_[A-Za-z0-9]{40,}|\bsecret_[A-Za-z0-9]{43}\b|\bxox[abpr]-[\w-]{20,}"
    r"|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|https://[0-9a-f]{32}@[\w.-]*sentry\.io/\d+"
)


def git(*words: str) -> str:
    """The output of a git command. Raises CalledProcessError where it fails."""
    asked = ["git", "-C", str(ROOT), *words]
    return subprocess.run(asked, check=True, capture_output=True).stdout.decode("utf-8", "replace")  # noqa: S603  # fixed words


def proof(key: str, well: bool | None, evidence: str) -> dict[str, str]:
    """One row; `well` None: it could not be found out."""
    return {"key": key, "state": "unknown" if well is None else "pass" if well else "fail", "evidence": evidence}


def in_tree() -> dict[str, str]:
    """Tracked files with something like a secret, by name and line, never its value."""
    places = []
    for name in git("ls-files", "-z").split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        places += [f"{name}:{number}" for number, line in enumerate(lines, start=1) if SECRETS.search(line)]
    return proof(
        "sec.no_hardcoded", not places, f"Found at {', '.join(places[:10])}." if places else "None in the tree."
    )


def in_history() -> dict[str, str]:
    """Commits that ever added something like a secret."""
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        return proof("env.no_secrets_in_git", None, "The clone is shallow: fetch the whole history first.")
    commit, commits = "", set()
    for line in git("log", "--all", "-p", "--no-color", "--format=commit %H").splitlines():
        if line.startswith("commit "):
            commit = line.removeprefix("commit ")[:12]
        elif line.startswith("+") and SECRETS.search(line):
            commits.add(commit)
    said = f"Added in {', '.join(sorted(commits)[:10])}." if commits else "None in the history."
    return proof("env.no_secrets_in_git", not commits, said)


def ignored() -> dict[str, str]:
    """Whether git ignores .env, and has none."""
    rules = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    tracked = bool(git("ls-files", ".env").strip())
    well = ".env" in rules and not tracked
    return proof("sec.env_ignored", well, "Ignored." if well else "Tracked, or not ignored: see .gitignore.")


def tests(file: Path) -> dict[str, str]:
    """The result of the suite, from pytest's --junit-xml."""
    if not file.is_file():
        return proof("test.local", None, "No result file was given.")
    suites = ElementTree.parse(file).getroot().iter("testsuite")  # noqa: S314  # our own file
    ran = failed = 0
    for suite in suites:
        ran += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return proof("test.local", ran > 0 and failed == 0, f"{ran} tests ran, {failed} failed.")


def main() -> int:
    """Reads the command line, writes the file, and says what it found."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tests", type=Path, metavar="XML", help="pytest's --junit-xml of this commit")
    parser.add_argument(
        "--image", metavar="RECORD", help="digest or address of the image that was built of this commit"
    )
    parser.add_argument("--checks", choices=("passed", "failed"), help="what scripts/pre-deploy-check.sh came to")
    parser.add_argument("--out", type=Path, default=Path("evidence.json"))
    options = parser.parse_args()
    proofs = [in_tree(), in_history(), ignored()]
    if options.tests:
        proofs.append(tests(options.tests))
    if options.image:
        proofs.append(proof("test.image", True, f"Built: {options.image[:200]}."))
    if options.checks:
        well = options.checks == "passed" and all(row["state"] == "pass" for row in proofs)
        proofs.append(
            proof("pre.checks", well, "All checks passed." if well else "A check failed, or a proof above did.")
        )
    at = datetime.now(UTC).isoformat(timespec="seconds")
    found = {"commit": git("rev-parse", "HEAD").strip(), "at": at, "proofs": proofs}
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for row in proofs:
        print(f"{row['state']:9}{row['key']:24}{row['evidence']}")
    return 0 if all(row["state"] == "pass" for row in proofs if row["key"] != "pre.checks") else 1


if __name__ == "__main__":
    sys.exit(main())
