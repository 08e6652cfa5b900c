"""A release after it has left: its clock, its eight criteria, and the measured reasons to take it back."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models.functions import Now

from emm.audit import Actor, record
from emm.jobs import Job
from notion_sync.models import PollCycle
from ops import backups, checklist, deployment, figures, notices, objectives, papers, readiness, signoff
from ops.figures import Span
from ops.health import components, database_now
from ops.models import (
    Alert,
    Channel,
    Confirmation,
    Evidence,
    ProbeRun,
    Recommendation,
    Release,
    Rollback,
    RollbackStep,
    State,
)
from ops.probes import REGISTRY, levels, monitoring, testing
from ops.probes.registry import Seen, fails, passes, unknown

log = structlog.get_logger(__name__)
WATCH = timedelta(minutes=30)
CRITICAL_ERRORS = 50.0  # percent of requests: nobody can work
LEAST_REQUESTS = 20  # fewer say nothing about a release
SLOWER = 1.5
COMPARED = timedelta(hours=24)
MEASURED = ("trigger.errors", "trigger.corruption", "trigger.performance", "trigger.unresolved")
OUT = (Release.Status.DEPLOYED, Release.Status.WATCHING)


def announce() -> None:
    """A web process has started: its commit says so. While the database is away, the next start says it."""
    commit = deployment.commit()
    try:
        if commit:
            report(commit)
    except (DatabaseError, InterfaceError) as error:
        log.warning("deployment_not_reported", error=type(error).__name__)
    finally:
        connection.close()


def report(commit: str) -> Release | None:
    """The commit that runs says so at its start. Returns its release; None where nobody opened one for it.

    Another release that is still watched is over: it has been replaced. An older one that comes back is a rollback.
    """
    with transaction.atomic():
        release = Release.objects.select_for_update().filter(commit=commit).order_by("-pk").first()
        for other in Release.objects.select_for_update().filter(status__in=OUT).exclude(commit=commit):
            back = release is not None and release.deployed_at is not None
            ended = Release.Status.ROLLED_BACK if back else Release.Status.FAILED
            other.enter(ended, note=f"Replaced by {release or commit[:8]} before it was stable.")
            record("release.end", other, by="system", after={"status": str(ended)}, reason=other.note)
        if release is None or release.status in (*OUT, Release.Status.SUCCESSFUL):
            return release
        note = "" if release.status == Release.Status.APPROVED else "It was deployed without approval."
        release.enter(Release.Status.DEPLOYED, deployed_at=Now(), note=note, stable_since=None)
        record("release.deploy", release, by="system", after={"commit": commit}, reason=note)
        notices.tell(
            f"Release {release} is deployed",
            f"{note} It is watched for 30 minutes.".strip(),
            about="release",
            channels=Channel.objects.filter(enabled=True),
        )
        readiness.look_now(REGISTRY)  # what was seen of the code before says nothing about this one
    return release


def watch() -> None:
    """Stage releases, every minute: look at the criteria of each release that is out, and end those that are stable."""
    for release in Release.objects.filter(status__in=signoff.BEFORE_DEPLOYMENT):
        _keep(release, "pre.backup", *levels.backup())
    for release in Release.objects.filter(status__in=OUT):
        found = criteria(release)
        reasons = _reasons(release, found, database_now())
        with transaction.atomic():
            _note(Release.objects.select_for_update().get(pk=release.pk), found, reasons)


def criteria(release: Release) -> dict[str, Seen]:
    """The first seven of the eight by their key; the eighth is that they held for 30 minutes."""
    span = Span(release.deployed_at or release.status_since, database_now())
    firing = [alert.key for alert in Alert.objects.filter(cleared_at=None)]
    down = [f"{name}: {one.detail}" for name, one in components().items() if not one.healthy]
    return {
        "ok.health": fails(" ".join(down)) if down else passes("Every part is well."),
        "ok.poller": _polled(release),
        "ok.no_critical": _judged("slo.no_critical", span),
        "ok.latency": _judged("slo.latency", span),
        "ok.monitoring": monitoring.metrics(),
        "ok.smoke": _smoke(release),
        "ok.alerts": fails(f"Firing: {', '.join(firing)}.") if firing else passes("No alert fires."),
    }


# What the walk through the release asks after the deployment, from the same looks.
AFTER = {
    "post.health": "ok.health",
    "post.poller": "ok.poller",
    "post.smoke": "ok.smoke",
    "post.metrics": "ok.monitoring",
    "post.no_critical": "ok.no_critical",
    "post.api": "ok.latency",
}


def _judged(key: str, span: Span) -> Seen:
    objective = objectives.BY_KEY[key]
    figure = objective.measure(span)
    if figure.value is None:
        return unknown(figure.detail)
    words = f"{figure.value:.{objective.digits}f} {objective.unit}, target {objective.target:g}. {figure.detail}"
    return passes(words) if objective.met(figure.value) else fails(words)


def _polled(release: Release) -> Seen:
    """The poller finishes its cycles, and has finished one of this release's."""
    last = PollCycle.objects.filter(status=PollCycle.Status.DONE, status_since__gt=release.deployed_at)
    return testing.poller() if last.exists() else unknown("No cycle has ended since the deployment.")


def _smoke(release: Release) -> Seen:
    """The newest smoke test since the deployment: our own, or one that somebody recorded from outside."""
    looked = ProbeRun.objects.filter(
        key="test.api", release=None, commit=release.commit, seen_at__gt=release.deployed_at
    ).first()
    recorded = Evidence.objects.filter(
        key="post.smoke", release=None, commit=release.commit, at__gt=release.deployed_at
    ).last()
    found = [(looked.seen_at, looked.state, looked.evidence)] if looked is not None and looked.seen_at else []
    if recorded is not None:
        found.append((recorded.at, recorded.state, recorded.evidence))
    if not found:
        return unknown("No smoke test has been made since the deployment.")
    _, state, evidence = max(found)
    return Seen(State(state), evidence)


def _note(release: Release, found: dict[str, Seen], reasons: dict[str, str]) -> None:
    if release.status == Release.Status.DEPLOYED:
        release.enter(Release.Status.WATCHING)
    now = database_now()
    good = all(seen.state == State.PASS for seen in found.values())
    since = (release.stable_since or now) if good else None
    Release.objects.filter(pk=release.pk).update(stable_since=since)
    stable = since is not None and now - since >= WATCH
    clock = passes("It held for 30 minutes.") if stable else unknown(_clock(since, now, found))
    seen = {**found, **{key: found[ok] for key, ok in AFTER.items()}, "ok.stable": clock, "post.watch": clock}
    seen["post.logs"] = (
        passes("Processes count the lines of their logs.") if _measured(now) else unknown("Nothing yet.")
    )
    for key, (state, evidence) in seen.items():
        _keep(release, key, state, evidence)
    for trigger in MEASURED:
        fired = trigger in reasons
        _keep(release, trigger, State.FAIL if fired else State.PASS, reasons.get(trigger, "It did not happen."))
    for trigger, metric in reasons.items():
        _recommend(release, trigger, metric)
    if stable:
        release.enter(Release.Status.SUCCESSFUL, note="All eight criteria held for 30 minutes.")
        record("release.succeed", release, by="system", after={"commit": release.commit})


def _clock(since: datetime | None, now: datetime, found: dict[str, Seen]) -> str:
    if since is None:
        return f"The clock stands: {', '.join(key for key, seen in found.items() if seen.state != State.PASS)}."
    return f"All hold since {since:%H:%M} UTC: {(now - since).total_seconds() / 60:.0f} of 30 minutes."


def _measured(now: datetime) -> bool:
    return figures.critical(Span(now - timedelta(minutes=10), now)).value is not None


def _keep(release: Release, key: str, state: State, evidence: str) -> None:
    run, _ = ProbeRun.objects.get_or_create(key=key, release=release, defaults={"status": Job.Status.DONE})
    run.keep_evidence(state, evidence, release.commit)


def _reasons(release: Release, found: dict[str, Seen], now: datetime) -> dict[str, str]:
    """Trigger to the metric that speaks for taking the release back."""
    reasons = {}
    span = Span(release.deployed_at or release.status_since, now)
    requests = figures.errors(span)
    if requests.value is not None and requests.value >= CRITICAL_ERRORS and figures.requests(span) >= LEAST_REQUESTS:
        reasons["trigger.errors"] = f"{requests.value:.0f} % of requests fail: {requests.detail}"
    if broken_rules := backups.violations():
        reasons["trigger.corruption"] = " ".join(broken_rules)
    if slower := _slower(release):
        reasons["trigger.performance"] = slower
    broken = [key for key, seen in found.items() if seen.state == State.FAIL]
    failing = ProbeRun.objects.filter(release=release, key__in=broken, state=State.FAIL, failing_since__lt=now - WATCH)
    if failing.exists():
        reasons["trigger.unresolved"] = f"For 30 minutes: {', '.join(run.key for run in failing)}."
    return reasons


def _slower(release: Release) -> str:
    """By how much responses are slower than before the deployment. "": not by half, or too little is known."""
    at = release.deployed_at
    if at is None:
        return ""
    before, after = Span(at - COMPARED, at), Span(at, database_now())
    if min(figures.requests(before), figures.requests(after)) < LEAST_REQUESTS:
        return ""
    old, new = figures.latency(before).value, figures.latency(after).value
    if old is None or new is None or new <= SLOWER * old:
        return ""
    return f"95 % of requests take up to {new:.2f} s; in the 24 hours before it was {old:.2f} s."


def _recommend(release: Release, trigger: str, metric: str) -> None:
    _, made = Recommendation.objects.get_or_create(release=release, trigger=trigger, defaults={"metric": metric})
    if made:
        title = checklist.load().items[trigger].title
        notices.tell(
            f"Roll {release} back? {title}",
            f"{metric}\nThe procedure, on the clock: {settings.PUBLIC_URL}/admin/ops/release/{release.pk}/change/#rollback"
            f"\nIts runbook: {settings.PUBLIC_URL}{papers.address('docs/runbooks/deployment.md')}",
            about="release",
            channels=Channel.objects.filter(enabled=True),
        )


def raise_trigger(release: Release, key: str, what: str, *, by: Actor) -> None:
    """A person's word that a reason to roll back is there. Raises ValidationError for what is none, or without words."""
    item = checklist.load().items.get(key)
    if item is None or item.area != "triggers" or release.status not in (*OUT, Release.Status.SUCCESSFUL):
        raise ValidationError("Only a release that is deployed has reasons to go back.")
    if not what.strip():
        raise ValidationError("Say what happened.")
    with transaction.atomic():
        _recommend(release, key, f"{by}: {what.strip()}")
        record("release.trigger", release, by=by, after={"trigger": key}, reason=what)


def end(release: Release, status: Release.Status, *, by: Actor, why: str) -> None:
    """A person's word that a release failed or was rolled back. Raises ValidationError for one that is not out."""
    if status not in (Release.Status.FAILED, Release.Status.ROLLED_BACK):
        raise ValidationError("A person says that it failed, or was rolled back; success is measured.")
    if not why.strip():
        raise ValidationError("Say why.")
    with transaction.atomic():
        row = Release.objects.select_for_update().get(pk=release.pk)
        if row.status not in (*OUT, Release.Status.SUCCESSFUL):
            raise ValidationError("It is not deployed.")
        before = row.status
        row.enter(status, note=why.strip())
        record("release.end", row, by=by, before={"status": before}, after={"status": str(status)}, reason=why)


def start_rollback(release: Release, *, drill: bool, by: Actor) -> Rollback:
    """Begin the procedure, on the clock. Raises ValidationError while one runs."""
    with transaction.atomic():
        Release.objects.select_for_update().get(pk=release.pk)
        if Rollback.objects.filter(release=release, finished_at=None).exists():
            raise ValidationError("One is under way already.")
        begun = Rollback.objects.create(release=release, drill=drill, started_by=str(by)[:150])
        record("rollback.start", release, by=by, after={"drill": drill})
    return begun


def steps() -> list[checklist.Item]:
    """The steps of the procedure, in order."""
    return [item for item in checklist.load().items.values() if item.area == "rollback"]


def do_step(rollback: Rollback, key: str, *, by: Actor) -> None:
    """Note one step with its time; the last one ends the procedure. Raises ValidationError for an unknown step."""
    wanted = [item.key for item in steps()]
    if key not in wanted:
        raise ValidationError("There is no such step.")
    with transaction.atomic():
        row = Rollback.objects.select_for_update().get(pk=rollback.pk)
        if row.finished_at is not None:
            raise ValidationError("It is over.")
        RollbackStep.objects.get_or_create(rollback=row, key=key, defaults={"by": str(by)[:150]})
        if isinstance(by, User):
            Confirmation.objects.create(key=key, release=row.release, by=by, note=f"Done in the {str(row).lower()}.")
        if row.steps.count() == len(wanted):
            Rollback.objects.filter(pk=row.pk).update(finished_at=Now())
            readiness.look_now(["infra.rollback"])
            if not row.drill and row.release.status in (*OUT, Release.Status.SUCCESSFUL):
                end(row.release, Release.Status.ROLLED_BACK, by=by, why="Rolled back, step by step.")
        record("rollback.step", row.release, by=by, after={"step": key})


def last_good(release: Release) -> Release | None:
    """The newest release before this one that was successful: where a rollback leads."""
    before = Release.objects.filter(status=Release.Status.SUCCESSFUL).exclude(pk=release.pk)
    return before.order_by("-deployed_at").first()
