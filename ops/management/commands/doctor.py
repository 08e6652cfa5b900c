"""`manage.py doctor`: every probe, run now, with what it saw and how to mend it."""

from __future__ import annotations

import json
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.db.models.functions import Now

from emm import logs
from ops import checklist, readiness, signoff
from ops.checklist import Item
from ops.models import ProbeRun, Release
from ops.probes import REGISTRY, run
from ops.readiness import Standing

MARKS = {"pass": "ok", "waived": "ok (waived)", "fail": "FAILS", "unknown": "unknown", "stale": "stale", "open": "open"}


class Command(BaseCommand):
    """Exit code 0: all is well. 1: something fails. 2: nothing fails, but something is unknown or stale."""

    help = "Runs the readiness probes and prints each with its evidence and its fix."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", metavar="AREA", help="one area alone, such as security")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, only: str | None, json: bool, **options: Any) -> None:
        logs.aside()
        areas = [area for area in checklist.load().areas if only in (None, area.key)]
        if not areas:
            known = ", ".join(area.key for area in checklist.load().areas)
            raise CommandError(f"There is no area {only}. There are: {known}.")
        release = Release.objects.exclude(status__in=signoff.OVER).order_by("-pk").first()
        items = [item for area in areas for item in area.items if item.by_probe and belongs(item, release)]
        look([item.key for item in items])
        # What runs here is judged by its own commit, and only the release's own rows by the release's.
        general = readiness.standings([item for item in items if not item.of_release])
        own = readiness.standings([item for item in items if item.of_release], release)
        by_key = {standing.item.key: standing for standing in (*general, *own)}
        found = [by_key[item.key] for item in items]
        self.stdout.write(as_json(found) if json else as_text(found))
        states = {standing.seen for standing in found if not standing.item.advisory}
        raise SystemExit(1 if "fail" in states else 2 if states & {"unknown", "stale"} else 0)


def belongs(item: Item, release: Release | None) -> bool:
    """Whether doctor judges an item now: those of a release where one is on its way, each in its own time."""
    if not item.of_release or release is None:
        return not item.of_release
    return item.gates if release.deployed_at is None else not item.gates


def look(keys: list[str]) -> None:
    """Run these probes here, as the jobs that they are: a crash makes one unknown and leaves the others."""
    readiness.open_probes()
    for key in keys:
        if key not in REGISTRY:
            continue
        rows = ProbeRun.objects.filter(key=key, release=None).exclude(status=ProbeRun.Status.RUNNING)
        rows.update(status=ProbeRun.Status.WAITING, due_at=Now(), failures=0)
        row = rows.first()
        job = ProbeRun.claim(row.pk) if row else None
        if job is not None:
            job.attempt(run)


def as_json(found: list[Standing]) -> str:
    """The list under `probes`."""
    rows = [
        {
            "key": standing.item.key,
            "area": standing.item.area,
            "state": standing.seen,
            "advisory": standing.item.advisory,
            "evidence": standing.evidence,
            "fix": standing.item.fix,
            "owner": standing.item.owner,
            "seen_at": standing.seen_at.isoformat() if standing.seen_at else None,
        }
        for standing in found
    ]
    return json.dumps({"probes": rows}, indent=2)


def as_text(found: list[Standing]) -> str:
    """Grouped by area, with a hint under what is not well."""
    lines: list[str] = []
    titles = {area.key: area.title for area in checklist.load().areas}
    area = ""
    for standing in found:
        if standing.item.area != area:
            area = standing.item.area
            lines += ["", titles[area]]
        state = standing.seen
        advisory = " (advisory)" if standing.item.advisory else ""
        lines.append(f"  {MARKS[state]:12}{standing.item.key:24}{standing.evidence}{advisory}")
        if state not in readiness.GOOD:
            lines.append(f"  {'':12}{'':24}→ {standing.item.fix}")
    states = [standing.seen for standing in found]
    count = {state: states.count(state) for state in ("pass", "waived", "fail", "unknown", "stale") if state in states}
    return "\n".join([*lines, "", ", ".join(f"{number} {state}" for state, number in count.items()) + "."])
