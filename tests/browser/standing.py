"""What stands behind the checklist without a person: rows as probes, workers and the host leave them."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from emm import heartbeat, schedule
from emm.jobs import Job
from notion_sync.models import DataSource, PollCycle, Poller
from ops import alerts, checklist, deployment, evidence, readiness
from ops.checklist import Item
from ops.models import ProbeRun, Release, State
from tests.factories import make_source
from tests.ops.test_levels import minute


def gating() -> list[Item]:
    """The rows that a release waits for."""
    return [item for item in checklist.load().items.values() if item.gates]


def probes_pass(release: Release | None = None) -> None:
    """Every probe of a gating row has looked and saw that all is well; what only the repository can prove was brought."""
    commit = release.commit if release else deployment.commit()
    proofs = [{"key": key, "state": "pass", "evidence": "Proved."} for key in readiness.BROUGHT]
    evidence.bring({"commit": commit, "proofs": proofs})
    for item in gating():
        if not item.by_probe or item.key in readiness.BROUGHT or (item.of_release and release is None):
            continue
        of = release if item.of_release else None
        run, _ = ProbeRun.objects.get_or_create(key=item.key, release=of, defaults={"status": Job.Status.DONE})
        run.keep_evidence(State.PASS, "It is as it should be.", commit)


def installation_lives() -> None:
    """Workers and beat beat, a cycle has just ended, requests were counted, and the alert rules were judged."""
    heartbeat.note(heartbeat.BEAT, *(heartbeat.worker(queue) for queue in schedule.QUEUES))
    Poller.objects.get_or_create(pk=1, defaults={"interval_seconds": 600})
    for key in ("inbox", "actions"):
        if not DataSource.objects.filter(key=key).exists():
            make_source(key)
    DataSource.objects.update(polled_at=Now())
    PollCycle.objects.create(source=DataSource.objects.get(key="inbox"), status=PollCycle.Status.DONE)
    minute(0, requests=100)
    alerts.review()


def smoke_test_passes(release: Release) -> None:
    """What scripts/smoke-test.py --record brings."""
    proof = {"key": "post.smoke", "state": "pass", "evidence": "Every call was answered as described."}
    evidence.bring({"commit": release.commit, "proofs": [proof]})


def pass_minutes(release: Release, minutes: int) -> None:
    """Everything of the release was so much earlier: clocks are never moved, rows are."""
    earlier = timedelta(minutes=minutes)
    Release.objects.filter(pk=release.pk).update(
        deployed_at=F("deployed_at") - earlier, stable_since=F("stable_since") - earlier, status_since=Now() - earlier
    )
