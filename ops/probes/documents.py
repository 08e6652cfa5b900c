"""Area documents: whether what is written matches what runs."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
from django.conf import settings

from emm import environment
from ops.probes.outside import unreached, visit
from ops.probes.registry import FAR, Seen, fails, probe, unknown, verdict

EXAMPLE = settings.BASE_DIR / ".env.production.example"
TABLE = settings.BASE_DIR / "docs" / "ENVIRONMENT.md"
RUNBOOKS = settings.BASE_DIR / "docs" / "runbooks"
SCENARIOS = ("service-down", "high-error-rate", "api-failures", "performance", "deployment")
COMMAND = re.compile(r"`[^`]*(?:manage\.py|scripts/|curl) ?[^`]*`")
HEADINGS = ("## Signs", "## First", "## Then", "## Back to normal")


@probe("doc.env")
def variables() -> Seen:
    """The example file and the document have every variable and no other."""
    if not EXAMPLE.is_file():
        return fails(".env.production.example is missing.")
    lines = [line.removeprefix("# ") for line in EXAMPLE.read_text(encoding="utf-8").splitlines()]
    named = {line.partition("=")[0] for line in lines if "=" in line.split(" ")[0]}
    known = {variable.name for variable in environment.VARIABLES}
    problems = [f"Missing in the example: {name}." for name in sorted(known - named)]
    problems += [f"Unknown in the example: {name}." for name in sorted(named - known) if name.isupper()]
    if not TABLE.is_file():
        return fails("docs/ENVIRONMENT.md is missing.")
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", TABLE.read_text(encoding="utf-8"), re.M))
    problems += [f"Missing in docs/ENVIRONMENT.md: {name}." for name in sorted(known - told)]
    problems += [f"Unknown in docs/ENVIRONMENT.md: {name}." for name in sorted(told - known)]
    return verdict(
        problems, f"All {len(known)} variables stand in the example and in docs/ENVIRONMENT.md, and no other."
    )


@probe("doc.api", every=FAR)
def api() -> Seen:
    """The schema and its page answer."""
    problems = []
    try:
        with visit() as http:
            for path in ("/api/schema/", "/api/docs/"):
                answer = http.get(path)
                if answer.status_code != 200:
                    problems.append(f"{path} answers {answer.status_code}.")
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    return verdict(problems, "The schema and its page answer.")


@probe("doc.runbooks")
def runbooks() -> Seen:
    """A file for each scenario, with the headings that whoever is on call looks for."""
    problems = [problem for name in SCENARIOS for problem in runbook_problems(name)]
    return verdict(problems, f"{len(SCENARIOS)} runbooks have all their headings.")


def runbook_problems(name: str) -> list[str]:
    """What is wrong with one runbook; nothing for a whole one."""
    file = RUNBOOKS / f"{name}.md"
    if not file.is_file():
        return [f"docs/runbooks/{name}.md is missing."]
    text = file.read_text(encoding="utf-8")
    problems = [f"{name} lacks “{heading}”." for heading in HEADINGS if heading not in text]
    return problems if COMMAND.search(text) else [*problems, f"{name} names no command to run."]


def _of(name: str) -> Callable[[], Seen]:
    return lambda: verdict(runbook_problems(name), "It has all its headings, and commands to run.")


for scenario in SCENARIOS:
    probe(f"run.{scenario.replace('-', '_')}")(_of(scenario))
