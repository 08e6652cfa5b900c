"""`manage.py readiness`: may a release go? The same answer as the page and the API."""

from __future__ import annotations

import json
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from emm import logs
from ops import readiness, signoff
from ops.models import Release, SignOff


class Command(BaseCommand):
    """Exit code 0: nothing stands in the way, and a release that was named is approved. 1: something does."""

    help = "Prints the verdict of the readiness checklist."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--release", metavar="VERSION", help="a release that was opened")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, release: str | None, json: bool, **options: Any) -> None:
        logs.aside()
        of = Release.objects.filter(version=release).first() if release else None
        if release and of is None:
            raise CommandError(f"There is no release {release}.")
        found = answer(of)
        self.stdout.write(dumped(found) if json else in_words(found))
        raise SystemExit(0 if found["approved" if of else "ready"] else 1)


def answer(release: Release | None) -> dict[str, Any]:
    """`ready`: no blocking item is red, stale, unknown or open. `approved`: besides, all five have signed."""
    if release is not None:
        signoff.review()
        release.refresh_from_db()
    verdict = readiness.verdict(release)
    signed = SignOff.objects.filter(release=release, ended_at=None).select_related("by") if release else []
    return {
        "release": release.version if release else None,
        "status": release.status if release else None,
        "ready": verdict.ready,
        "approved": release is not None and release.status not in ("opened", "failed", "rolled_back"),
        "signed": {one.role: str(one.by) for one in signed},
        "blocking": [
            {
                "key": one.item.key,
                "state": one.state,
                "evidence": one.evidence,
                "fix": one.item.fix,
                "owner": one.item.owner,
            }
            for one in verdict.blocking
        ],
    }


def dumped(found: dict[str, Any]) -> str:
    """For machines."""
    return json.dumps(found, indent=2)


def in_words(found: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{one['state']:9}{one['key']:24}{one['evidence']}\n{'':33}→ {one['fix']}" for one in found["blocking"]]
    said = "Nothing stands in the way." if found["ready"] else f"In the way: {len(found['blocking'])}."
    if found["release"]:
        who = ", ".join(f"{role}: {name}" for role, name in found["signed"].items()) or "nobody"
        said += f" Release {found['release']} is {found['status']}; signed by {who}."
    return "\n".join([*lines, said])
