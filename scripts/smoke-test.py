#!/usr/bin/env python3
"""Looks at a running deployment from outside: health, headers, doors, documents, and every API call that changes nothing.

    python scripts/smoke-test.py URL [--token T] [--record] [--json]

With --record the result is kept as the evidence of the release whose commit runs there; the token then needs the scope
operate besides read. Exit code 0: all is well. 1: something is not.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

SLOW_MS = 2_000
HEADERS = ("x-content-type-options", "x-frame-options", "referrer-policy", "content-security-policy")
PARAMETER = re.compile(r"\{[^}]+\}")
LOCAL = ("localhost", "127.0.0.1", "::1")


class Failed(Exception):
    """A check did not hold; the text says how."""


class Skipped(Exception):
    """A check could not be made here; the text says why. It counts neither as passed nor as failed."""


class Smoke:
    """The checks, in the order in which they are made."""

    def __init__(self, http: httpx.Client, token: str) -> None:
        self.http, self.token = http, token
        self.schema: dict[str, Any] = {}

    @property
    def checks(self) -> list[Callable[[], str]]:
        """In their order: the doors and the operations need the documents."""
        return [
            self.health, self.poller, self.headers, self.tls, self.metrics, self.documents, self.doors, self.operations,
        ]  # fmt: skip

    def health(self) -> str:
        """Every part is well."""
        answer = self.http.get("/health")
        parts = answer.json().get("components", {})
        bad = [f"{name}: {part['detail']}" for name, part in parts.items() if part["state"] in ("late", "down")]
        if answer.status_code != 200 or bad:
            raise Failed(" ".join(bad) or f"/health answers {answer.status_code}.")
        return f"{len(parts)} parts are well."

    def poller(self) -> str:
        """It runs."""
        found = self.http.get("/", headers={"Accept": "application/json"}).json()
        if not found.get("poller_running"):
            raise Failed(str(found.get("poller") or "The poller does not run."))
        return str(found["poller"])

    def headers(self) -> str:
        """They are sent with a page of the console."""
        answer = self.http.get("/admin/login/")
        missing = [name for name in HEADERS if name not in answer.headers]
        if answer.status_code != 200 or missing:
            raise Failed(f"/admin/login/ answers {answer.status_code}; missing: {', '.join(missing) or 'nothing'}.")
        return f"{len(HEADERS)} headers are sent."

    def tls(self) -> str:
        """Plain HTTP is not served, except on this machine."""
        base = self.http.base_url
        if base.host in LOCAL:
            raise Skipped("This is a local address.")
        if base.scheme != "https":
            raise Failed("The address is not https.")
        if "strict-transport-security" not in self.http.get("/health/live").headers:
            raise Failed("Strict-Transport-Security is not sent.")
        return "HTTPS, and browsers are told to stay with it."

    def metrics(self) -> str:
        """They are there, and not for everybody."""
        status = self.http.get("/metrics").status_code
        if status == 401 or (status == 200 and self.http.base_url.host in LOCAL):
            return "They are there, behind their token."
        raise Failed(f"/metrics answers {status} to somebody without a token.")

    def documents(self) -> str:
        """The API's description answers and parses."""
        answer = self.http.get("/api/schema/", headers={"Accept": "application/json"})
        page = self.http.get("/api/docs/")
        if answer.status_code != 200 or page.status_code != 200:
            raise Failed(f"/api/schema/ answers {answer.status_code}, /api/docs/ {page.status_code}.")
        self.schema = answer.json()
        return f"{len(self.schema['paths'])} paths are described."

    def doors(self) -> str:
        """Nothing under /api/v1/ answers without a token."""
        paths = [path for path in self.schema.get("paths", {}) if path.startswith("/api/v1/")]
        if not paths:
            raise Failed("The API's description names no route.")
        open_ones = [path for path in paths if self.http.get(PARAMETER.sub("0", path)).status_code not in (401, 429)]
        if open_ones:
            raise Failed(f"Open without a token: {', '.join(open_ones)}.")
        return f"{len(paths)} routes refuse an anonymous call."

    def operations(self) -> str:
        """Every documented call that only reads answers as described, and quickly."""
        if not self.token:
            raise Skipped("No token was given.")
        paths = [path for path, methods in self.schema.get("paths", {}).items() if "get" in methods]
        slowest, problems = 0.0, []
        for path in sorted(path for path in paths if path.startswith("/api/v1/")):
            number = self._first_of(PARAMETER.sub("", path).rstrip("/")) if "{" in path else None
            started = time.monotonic()
            answer = self._get(PARAMETER.sub(str(number or 0), path))
            slowest = max(slowest, 1_000 * (time.monotonic() - started))
            wanted = 404 if "{" in path and number is None else 200  # where there is none yet, that is the answer
            if answer.status_code != wanted:
                problems.append(f"GET {path} answers {answer.status_code}, not {wanted}.")
        if problems:
            raise Failed(" ".join(problems))
        if slowest > SLOW_MS:
            raise Failed(f"The slowest of {len(paths)} calls took {slowest:.0f} ms.")
        return f"All {len(paths)} documented calls that only read answer, the slowest in {slowest:.0f} ms."

    def record(self, rows: list[dict[str, Any]]) -> str:
        """Keep the result as evidence of the commit that runs there. Raises Failed where it is refused."""
        commit = self._get("/api/v1/readiness").json().get("commit")
        if not commit:
            raise Failed("The installation does not know which commit it runs: nothing was recorded.")
        state, evidence = summary(rows)
        proofs = [{"key": "post.smoke", "state": state, "evidence": evidence[:2_000]}]
        asked = {"Authorization": f"Bearer {self.token}"}
        answer = self.http.post("/api/v1/evidence", json={"commit": commit, "proofs": proofs}, headers=asked)
        if answer.status_code != 200:
            raise Failed(f"The evidence was refused with {answer.status_code}: the token needs the scope operate.")
        return f"Recorded for commit {commit[:12]}."

    def _get(self, path: str) -> httpx.Response:
        return self.http.get(path, headers={"Authorization": f"Bearer {self.token}"})

    def _first_of(self, path: str) -> int | None:
        """The id of the first row of a list, if the API has that list and there is one."""
        if path not in self.schema["paths"]:
            return None
        rows = self._get(path).json().get("results", [])
        return rows[0].get("id") if rows else None


def run(http: httpx.Client, token: str) -> list[dict[str, Any]]:
    """Make the checks. A row for each: `check`, `ok`, `detail`, and `skipped` or `lost`, where no answer came at all."""
    return [{"check": check.__name__, **_made(check)} for check in Smoke(http, token).checks]


def summary(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """State and evidence of a whole run."""
    failed = [f"{row['check']}: {row['detail']}" for row in rows if not row["ok"]]
    if failed:
        return "fail", " ".join(failed)
    skipped = [f"{row['check']} was not looked at: {row['detail']}" for row in rows if row["skipped"]]
    operations = next(row["detail"] for row in rows if row["check"] == "operations" and not row["skipped"])
    return "pass", " ".join([f"{len(rows) - len(skipped)} checks passed.", operations, *skipped])


def main() -> int:
    """Reads the command line, makes the checks, and says what each came to."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("url", help="such as https://emm.example.com")
    parser.add_argument("--token", default="", help="an API token with the scope read")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--record", action="store_true", help="keep the result as evidence of the release that runs there"
    )
    options = parser.parse_args()
    if urlsplit(options.url).scheme not in ("http", "https"):
        parser.error("the URL begins with http:// or https://")
    if options.record and not options.token:
        parser.error("--record needs --token, with the scopes read and operate")
    with httpx.Client(base_url=options.url.rstrip("/"), timeout=20) as http:
        rows = run(http, options.token)
        if options.record:
            smoke = Smoke(http, options.token)
            rows.append({"check": "record", **_made(lambda: smoke.record(rows))})
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            state = "skipped" if row["skipped"] else "ok" if row["ok"] else "FAILS"
            print(f"{state:9}{row['check']:14}{row['detail']}")
    return 0 if all(row["ok"] for row in rows) else 1


def _made(check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"ok": True, "skipped": False, "lost": False, "detail": check()}
    except Skipped as reason:
        return {"ok": True, "skipped": True, "lost": False, "detail": str(reason)}
    except Failed as error:
        return {"ok": False, "skipped": False, "lost": False, "detail": str(error)}
    except httpx.HTTPError as error:
        return {"ok": False, "skipped": False, "lost": True, "detail": f"It did not answer: {type(error).__name__}."}
    except (ValueError, KeyError) as error:
        return {
            "ok": False,
            "skipped": False,
            "lost": False,
            "detail": f"It answered what it should not: {type(error).__name__} {error}",
        }


if __name__ == "__main__":
    sys.exit(main())
