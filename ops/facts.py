"""What the product knows already about an item that a person has to look at, so that they start with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models import Count
from django.db.models.functions import Now

from emm.tokens import ApiToken
from ops import backups, figures, notices, objectives
from ops.figures import Span
from ops.health import database_now
from ops.models import Alert, Channel, Contact, ProbeRun, Release, Rollback, on_call
from ops.probes.dependencies import OUTDATED
from ops.probes.levels import backup, rollback

MONTH = timedelta(days=30)
# The service levels that come with a row.
LEVELS: dict[str, tuple[str, ...]] = {
    "day.errors": ("slo.errors", "slo.no_critical"),
    "day.resources": ("slo.cpu", "slo.memory", "slo.disk"),
    "day.poller": ("slo.poller",),
    "week.performance": ("slo.latency", "slo.api_latency"),
    "week.logs": ("slo.no_critical",),
    "month.cost": ("slo.tokens",),
    "month.performance": ("slo.latency", "slo.growth"),
    "quarter.capacity": ("slo.items", "slo.disk", "slo.memory"),
    "day1.cost": ("slo.tokens",),
    "day1.integrations": ("slo.notion", "slo.anthropic"),
    "week1.logs": ("slo.no_critical",),
}


def of(key: str, release: Release | None = None) -> str:
    """What is known about the subject of a row, in words; "" where nothing is."""
    if key in LEVELS:
        return " ".join(_level(name) for name in LEVELS[key])
    if key in PLAIN:
        return PLAIN[key]()
    if key in OF_A_RELEASE and release is not None:
        return OF_A_RELEASE[key](release)
    return ""


def _level(key: str) -> str:
    objective = objectives.BY_KEY[key]
    figure = objectives.standing(objective).figure
    value = "not measured yet" if figure.value is None else f"{figure.value:.{objective.digits}f} {objective.unit}"
    return f"{objective.title}: {value}. {figure.detail}"


def _backup_age() -> str:
    age = backups.age()
    return "There is no backup." if age is None else f"The newest backup is {age.total_seconds() / 3600:.0f} hours old."


def _firing() -> str:
    keys = [alert.key for alert in Alert.objects.filter(cleared_at=None)]
    return f"Firing: {', '.join(keys)}." if keys else "No alert fires."


def _fired() -> str:
    rows = Alert.objects.filter(fired_at__gt=Now() - MONTH).values_list("key").annotate(n=Count("pk")).order_by("-n")
    return f"Fired in 30 days: {', '.join(f'{key} {n} times' for key, n in rows) or 'none'}."


def _tokens() -> str:
    live = ApiToken.objects.live()
    endless = [str(token) for token in live.filter(expires_at=None)]
    return f"{live.count()} API tokens are open; without an end: {', '.join(endless) or 'none'}."


def _channels() -> str:
    dead = notices.dead_channels()
    said = []
    for channel in Channel.objects.filter(enabled=True).order_by("name"):
        last = channel.notices.filter(status="done").order_by("-pk").first()
        if channel in dead:
            said.append(f"{channel} took no message the last time")
        else:
            said.append(
                f"{channel} last took one on {last.opened_at:%Y-%m-%d}" if last else f"{channel} was never tried"
            )
    return f"{'; '.join(said)}." if said else "There is no channel yet: add one under Channels."


def _rotation() -> str:
    people = on_call(database_now())
    return f"Called now, in this order: {', '.join(map(str, people))}." if people else "There is no contact yet."


def _contacts() -> str:
    found = [f"{one} ({one.role})" for one in Contact.objects.all()]
    return f"Contacts: {', '.join(found)}." if found else "There is no contact yet: enter them under Contacts."


def _outdated() -> str:
    row = ProbeRun.objects.filter(key=OUTDATED, release=None).exclude(seen_at=None).first()
    return f"{row.evidence} ({row.seen_at:%Y-%m-%d})" if row and row.seen_at else "Not looked up yet."


def _changes(release: Release) -> str:
    count = len(release.changes.splitlines())
    return f"{count} lines of changes stand above." if count else "The release lists no changes: read git log yourself."


def _since(release: Release, figure: Callable[[Span], figures.Figure], unit: str) -> str:
    if release.deployed_at is None:
        return "It is not deployed yet."
    now = database_now()
    before = figure(Span(release.deployed_at - timedelta(hours=24), release.deployed_at))
    after = figure(Span(release.deployed_at, now))
    words = ["nothing measured" if one.value is None else f"{one.value:.2f} {unit}" for one in (after, before)]
    return f"Since the deployment {words[0]}; in the 24 hours before it {words[1]}."


def _problems(release: Release) -> str:
    fired = Alert.objects.filter(fired_at__gt=release.deployed_at or release.opened_at).count()
    rollbacks = Rollback.objects.filter(release=release, drill=False).count()
    return f"{fired} alerts since the deployment, {release.incident_set.count()} incidents, {rollbacks} rollbacks."


PLAIN: dict[str, Callable[[], str]] = {
    "week.backups": lambda: backup().evidence,
    "week.dependencies": _outdated,
    "quarter.dependencies": _outdated,
    "quarter.disaster": _backup_age,
    "day.alerts": _firing,
    "month.security": _tokens,
    "month.rollback": lambda: rollback().evidence,
    "month.thresholds": _fired,
    "call.channels": _channels,
    "call.rotation": _rotation,
    "call.escalation": _rotation,
    "call.contacts": _contacts,
    "paper.contacts": _contacts,
}
OF_A_RELEASE: dict[str, Callable[[Release], str]] = {
    "pre.changes": _changes,
    "day1.errors": lambda release: _since(release, figures.errors, "% of requests failed"),
    "day1.performance": lambda release: _since(release, figures.latency, "s for 95 % of requests"),
    "day1.postmortem": _problems,
}
