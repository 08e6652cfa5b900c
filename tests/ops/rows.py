"""What the tests of readiness start from and look with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http.server import HTTPServer
from typing import TypeAlias

from django.contrib.auth.models import User
from django.db.models.functions import Now

from ops import checklist, readiness
from ops.models import Confirmation, Evidence, ProbeRun, Release, State
from ops.probes import REGISTRY
from tests.world import run_stage

COMMIT = "a" * 40
Serve: TypeAlias = Callable[[HTTPServer], int]


def standing(key: str, release: Release | None = None) -> readiness.Standing:
    return readiness.standings([checklist.load().items[key]], release)[0]


def look_again() -> None:
    ProbeRun.objects.update(seen_at=Now() - timedelta(minutes=5), due_at=Now() - timedelta(seconds=1))
    run_stage("probe")


def all_pass(release: Release | None = None) -> None:
    """Every gating item passes, and people have confirmed what is theirs."""
    someone = User.objects.get_or_create(username="someone")[0]
    for item in checklist.load().items.values():
        if not item.gates:
            continue
        of = release if item.of_release else None
        if item.key in readiness.BROUGHT:
            Evidence.objects.create(key=item.key, state=State.PASS, evidence="Proved.", commit=COMMIT)
        elif item.by_probe:
            ProbeRun.objects.update_or_create(
                key=item.key,
                release=of,
                defaults={"state": State.PASS, "seen_at": Now(), "status": "done", "commit": COMMIT},
            )
        if item.by_human:
            Confirmation.objects.create(key=item.key, release=of, by=someone, note="Seen.")


def look(key: str) -> tuple[str, str]:
    state, evidence = REGISTRY[key].look()
    return str(state), evidence
