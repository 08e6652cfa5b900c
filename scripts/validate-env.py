#!/usr/bin/env python3
"""Says of each environment variable whether it is set, valid and fit for production. Values are never shown.

    python scripts/validate-env.py                      the process environment, then .env
    python scripts/validate-env.py --env-file FILE      that file alone
    python scripts/validate-env.py --json               for machines
    python scripts/validate-env.py --example            the text of .env.production.example
    python scripts/validate-env.py --table              the text of docs/ENVIRONMENT.md

Exit code 0: it would start as it is. 1: something stops it or, with ENVIRONMENT=production, makes it unsafe. 2: it would
start in production, but lacks what has to be entered in the console, which cannot be seen from here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emm import environment

Values = Mapping[str, str]
ENV_FILE = Path(__file__).resolve().parent.parent / ".env"

# Allowed in production, and still not what we recommend there: what is unfit, and what to set.
ADVICE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "LOG_LEVEL": (lambda level: level not in ("INFO", "WARNING"), "INFO or WARNING"),
    "JSON_LOGS": (lambda on: not on, "true"),
    "POLLING_INTERVAL_SECONDS": (lambda n: not 60 <= n <= 300, "60 for high, 120 for standard, 300 for low frequency"),
    "RATE_LIMIT_ENABLED": (lambda on: not on, "true"),
    "RATE_LIMIT_PER_MINUTE": (lambda n: not 30 <= n <= 120, "30 for low, 60 for standard, 120 for high traffic"),
    "ALLOWED_ORIGINS": (lambda origins: not origins, "the https origins whose pages may call the API"),
    "API_KEY": (lambda key: not key or len(key) < 32, "a random value of at least 32 characters"),
    "SENTRY_DSN": (lambda dsn: not dsn, "your project's DSN, so that errors reach you"),
    "SENTRY_TRACES_SAMPLE_RATE": (lambda rate: rate > 0.5, "0.1"),
    "ENABLE_METRICS": (lambda on: not on, "true"),
}


def main() -> int:
    """Reads the command line and prints one of the three answers."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--env-file", metavar="FILE", help="read this file alone, not the process environment")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--example", action="store_true", help="print .env.production.example")
    parser.add_argument("--table", action="store_true", help="print docs/ENVIRONMENT.md")
    options = parser.parse_args()
    if options.example or options.table:
        print(example() if options.example else document(), end="")
        return 0
    if options.env_file and not Path(options.env_file).is_file():
        print(f"There is no file {options.env_file}.", file=sys.stderr)
        return 1
    if options.env_file:
        source = environment.read_file(options.env_file)
    else:
        given = {name: value for name, value in os.environ.items() if value.strip()}
        source = environment.read_file(str(ENV_FILE)) | given
    found = verdict(source)
    print(json.dumps(found, indent=2) if options.json else table(found))
    if not found["valid"]:
        return 1
    in_production = environment.value_of("ENVIRONMENT", source) == "production"
    return 2 if in_production and found["left_to_console"] else 0


def verdict(source: Values) -> dict[str, Any]:
    """Per variable: `set`, `valid`, `placeholder`, `production` (fit for it), `notes`. And the same of the whole.

    `left_to_console`: what is unset here, and may be set there.
    """
    now, there = environment.problems(source), environment.problems({**source, "ENVIRONMENT": "production"})
    variables = {}
    elsewhere = environment.left_to_console(source)
    for variable in environment.VARIABLES:
        name, text = variable.name, source.get(variable.name, "").strip()
        stops = [line for line in now if line.startswith(f"{name} ")]
        later = [line for line in there if line.startswith(f"{name} ") and line not in stops]
        if name == "ENVIRONMENT":
            later = [] if text.lower() == "production" else ["ENVIRONMENT is not production."]
        if name in elsewhere:
            later.append("not set: needed unless it was entered in the console.")
        variables[name] = {
            "set": bool(text),
            "valid": not stops,
            "placeholder": bool(text) and variable.secret and environment.looks_like_placeholder(text),
            "production": not stops and not later,
            "notes": stops + [f"In production: {line}" for line in later] + advice(name, source),
        }
    return {
        "valid": not now,
        "production": all(row["production"] for row in variables.values()),
        "left_to_console": elsewhere,
        "variables": variables,
        "unknown": environment.unknown(source),
    }


def advice(name: str, source: Values) -> list[str]:
    """What we recommend for `name` in production, if its value is another one."""
    if name not in ADVICE:
        return []
    unfit, recommended = ADVICE[name]
    try:
        value = environment.value_of(name, source)
    except environment.Malformed:
        return []
    return [f"Recommended in production: {recommended}."] if unfit(value) else []


def table(found: Mapping[str, Any]) -> str:
    """The verdict for people."""
    lines = []
    for name, row in found["variables"].items():
        state = "invalid" if not row["valid"] else "set" if row["set"] else "unset"
        lines.append(f"{name:32}{state:9}{' '.join(row['notes'])}".rstrip())
    lines += ["", *found["unknown"]] if found["unknown"] else []
    starts = "It would start." if found["valid"] else "It would not start."
    unfit = [name for name, row in found["variables"].items() if not row["production"]]
    fit = "It is fit for production"
    if set(unfit) - set(found["left_to_console"]):
        fit = "It is not fit for production"
    elif unfit:
        fit = f"{fit} if the console holds {' and '.join(unfit)}"
    return "\n".join([*lines, "", f"{starts} {fit}."])


def example() -> str:
    """The text of .env.production.example: every variable, with what production needs first."""
    needed = [variable for variable in environment.VARIABLES if variable.production]
    others = [variable for variable in environment.VARIABLES if not variable.production]
    lines = ["# The environment of a production installation. Made by: python scripts/validate-env.py --example"]
    lines += ["# Copy it, fill it in, check it: python scripts/validate-env.py --env-file FILE", "", "# Required"]
    for variable in needed:
        lines += ["", f"# {variable.help}", f"{variable.name}={variable.example}"]
    lines += ["", "", "# Optional; what is commented out stands at its default"]
    for variable in others:
        default = "" if variable.default in (None, []) else str(variable.default)
        line = f"{variable.name}={variable.example}" if variable.example else f"# {variable.name}={default}"
        recommended = f" Recommended: {ADVICE[variable.name][1]}." if variable.name in ADVICE else ""
        lines += ["", f"# {variable.help}{recommended}", line]
    return "\n".join(lines) + "\n"


def document() -> str:
    """The text of docs/ENVIRONMENT.md: every variable in a table."""
    lines = [
        "# Environment variables",
        "",
        "Made by `python scripts/validate-env.py --table`. Values come from the process environment, then from `.env`; empty",
        "means unset. `python scripts/validate-env.py` says which of yours are missing, malformed or unfit for production.",
        "",
        "| variable | what it is | default | in production |",
        "| --- | --- | --- | --- |",
    ]
    for variable in environment.VARIABLES:
        default = ", ".join(variable.default) if isinstance(variable.default, list) else variable.default
        shown = (
            f"`{str(default).lower() if isinstance(default, bool) else default}`" if default not in (None, "") else ""
        )
        required = "required, here or in the console" if variable.console else "required"
        words = [required] if variable.production else []
        words += ["secret"] if variable.secret else []
        words += [f"recommended: {ADVICE[variable.name][1]}"] if variable.name in ADVICE else []
        lines.append(f"| `{variable.name}` | {variable.help} | {shown} | {'; '.join(words)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
