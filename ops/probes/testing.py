"""Area testing: what runs, and what was proved elsewhere and brought here."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
from django.conf import settings
from django.db.models import Max, Min
from django.db.models.functions import Now

from emm.measures import ProcessMinute
from notion_sync.models import PollCycle, Poller
from ops import connections, health
from ops.probes.outside import own_token, script, unreached, visit
from ops.probes.registry import FAR, Seen, fails, passes, probe, unknown, verdict


@probe("test.connections", every=FAR)
def services() -> Seen:
    """Every service that we need answers."""
    found = connections.check()
    problems = [f"{one.name}: {one.detail}" for one in found if one.ok is False]
    if problems:
        return fails(" ".join(problems))
    unseen = [f"{one.name}: {one.detail}" for one in found if one.ok is None]
    if unseen:
        return unknown(" ".join(unseen))
    return passes(", ".join(f"{one.name} in {one.milliseconds} ms" for one in found) + ".")


@probe("test.health")
def healthy() -> Seen:
    """/health, asked over HTTP: it answers 200 and names every component."""
    try:
        with visit() as http:
            answer = http.get("/health")
        parts = answer.json()["components"]
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    except (ValueError, KeyError, TypeError):
        return fails(f"/health answers {answer.status_code} without its components.")
    problems = [f"{name} is missing." for name in sorted(health.components().keys() - parts.keys())]
    problems += [f"{name}: {part['detail']}" for name, part in parts.items() if part["state"] in ("late", "down")]
    if answer.status_code != 200 and not problems:
        problems = [f"/health answers {answer.status_code}."]
    return verdict(problems, f"/health answers 200; {len(parts)} parts are well.")


@probe("test.api", every=FAR)
def api() -> Seen:
    """The smoke test, with a token of its own."""
    smoke = script("smoke-test.py")
    try:
        with visit() as http:
            rows = smoke.run(http, own_token("smoke probe", 600))
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    if rows[0]["lost"]:
        return unknown(f"Nothing answered at {settings.PUBLIC_URL}: check PUBLIC_URL.")
    return Seen(*smoke.summary(rows))


@probe("test.poller")
def poller() -> Seen:
    """A cycle was finished within three intervals."""
    row = Poller.objects.filter(pk=1).first()
    if row is None:
        return unknown("The poller has never started.")
    last = PollCycle.objects.filter(status=PollCycle.Status.DONE).aggregate(at=Max("status_since"))["at"]
    if last is None:
        return fails("No cycle was ever finished.")
    started = _started()
    if started is not None and last < started:
        return unknown(f"No cycle has ended since the workers started at {started:%Y-%m-%d %H:%M} UTC.")
    age = health.database_now() - last
    patience = health.POLLS_MISSED * row.interval + health.POLL_GRACE
    if age > patience:
        state = "paused" if row.status == Poller.Status.PAUSED else f"asked every {row.interval_seconds} s"
        return fails(f"The last cycle ended {age.total_seconds():.0f} s ago; the poller is {state}.")
    return passes(f"A cycle ended {age.total_seconds():.0f} s ago.")


def _started() -> datetime | None:
    """When the oldest of the workers that live began. None: none has measured itself lately."""
    rows = ProcessMinute.objects.filter(kind="worker")
    living = rows.filter(minute__gt=Now() - timedelta(minutes=3)).values("process")
    begun: datetime | None = rows.filter(process__in=living).aggregate(at=Min("minute"))["at"]
    return begun
