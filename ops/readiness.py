"""Where every item of the checklist stands, and whether a release may go: one answer for page, API, doctor and CI."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from django.db import transaction
from django.db.models.functions import Now

from emm.schedule import nudge
from ops import checklist, deployment, duties
from ops.checklist import Item
from ops.health import database_now
from ops.models import Confirmation, Evidence, ProbeRun, Release, Waiver
from ops.probes import REGISTRY

# Proved where the repository is, and brought here with the commit that it was proved of: rows of Evidence.
BROUGHT = (
    "env.no_secrets_in_git",
    "sec.env_ignored",
    "sec.no_hardcoded",
    "test.local",
    "test.image",
    "pre.checks",
)
RECORDED = (*BROUGHT, "post.smoke")  # the last one is what a smoke test by hand came to; the watch takes it over

PASS, FAIL, UNKNOWN, STALE, WAIVED, OPEN = "pass", "fail", "unknown", "stale", "waived", "open"
STATES = [(name, name) for name in (PASS, FAIL, UNKNOWN, STALE, WAIVED, OPEN)]
GOOD = (PASS, WAIVED)
Looked: TypeAlias = tuple[str, str, datetime | None]  # state, evidence, and when it was seen


@dataclass(frozen=True)
class Standing:
    """One item now. `state`: pass, fail, unknown, stale, waived, or open, which waits for a person's word.

    `underlying`: the same as if nothing aged: what a sign-off is bound to. `who`: whoever confirmed or waived it.
    """

    item: Item
    state: str
    underlying: str
    evidence: str
    seen_at: datetime | None
    who: str
    note: str

    @property
    def blocks(self) -> bool:
        """Whether a release waits for it."""
        return self.item.gates and not self.item.advisory and self.state not in GOOD

    @property
    def seen(self) -> str:
        """What the program saw: an item that only waits for a person's word passes here."""
        return PASS if self.state == OPEN else self.state


@dataclass(frozen=True)
class Verdict:
    """Whether the checklist stands in the way of a release."""

    standings: list[Standing]

    @property
    def blocking(self) -> list[Standing]:
        return [standing for standing in self.standings if standing.blocks]

    @property
    def ready(self) -> bool:
        return not self.blocking


def verdict(release: Release | None = None) -> Verdict:
    """The items that gate a release. Without one, those that belong to a release are left out."""
    items = [i for i in checklist.load().items.values() if i.gates and (release is not None or not i.of_release)]
    return Verdict(standings(items, release))


def standings(items: Iterable[Item], release: Release | None = None) -> list[Standing]:
    """Where these items stand, in their order. Rows of one release count for it alone."""
    items = list(items)
    now = database_now()
    keys = [item.key for item in items]
    runs = {(run.key, run.release_id): run for run in ProbeRun.objects.filter(key__in=keys)}
    said: dict[tuple[str, int | None], Confirmation] = {}
    for one in Confirmation.objects.filter(key__in=keys, withdrawn_at=None).order_by("pk").select_related("by"):
        said[one.key, one.release_id] = one
    waivers = Waiver.objects.filter(key__in=keys, withdrawn_at=None, expires_at__gt=now).select_related("by")
    waived = {waiver.key: waiver for waiver in waivers.order_by("pk")}
    pk = release.pk if release else None
    commit = release.commit if release else deployment.commit()
    about = Evidence.objects.filter(key__in=BROUGHT, commit=commit, release=None).exclude(commit="").order_by("pk")
    brought = {one.key: one for one in about}
    forgotten = {duty.item.key for duty in duties.overdue()} if any(item.leans_on for item in items) else set()
    found = []
    for item in items:
        of = pk if item.of_release else None
        word = said.get((item.key, of))
        is_brought = item.key in BROUGHT
        looked = _brought(brought.get(item.key), commit) if is_brought else _looked(runs.get((item.key, of)))
        standing = _standing(item, looked, word, waived.get(item.key), now)
        if item.leans_on in forgotten and standing.state == PASS:
            title = checklist.load().items[item.leans_on].title
            standing = replace(standing, state=STALE, evidence=f"{standing.evidence} Overdue: {title}.".strip())
        found.append(standing)
    return found


def _standing(
    item: Item,
    looked: Looked,
    word: Confirmation | None,
    waiver: Waiver | None,
    now: datetime,
) -> Standing:
    state, evidence, seen_at = looked if item.by_probe else (PASS, "", None)
    who, note = "", ""
    if item.by_human and state == PASS:
        if word is None:
            state, evidence = OPEN, f"{evidence} A person has to confirm it.".strip()
        else:
            who, note, seen_at = str(word.by), word.note, min(filter(None, (word.at, seen_at)))
    underlying = state
    if state == PASS and seen_at is not None and now - seen_at > item.fresh:
        state = STALE
    if waiver is not None:
        who, note = str(waiver.by), f"{waiver.reason} (until {waiver.expires_at:%Y-%m-%d %H:%M} UTC)"
        if state != PASS:
            state = WAIVED
    return Standing(item, state, underlying, evidence, seen_at, who, note)


def _looked(run: ProbeRun | None) -> Looked:
    if run is None or run.seen_at is None:
        return UNKNOWN, "It was not looked at yet.", None
    return run.state, run.evidence, run.seen_at


def _brought(proof: Evidence | None, commit: str) -> Looked:
    if proof is not None:
        return proof.state, proof.evidence, proof.at
    if not commit:
        return UNKNOWN, "Nobody knows which commit runs here, so no proof counts for it.", None
    return UNKNOWN, f"Nothing was proved about commit {commit[:8]} yet.", None


def open_probes() -> None:
    """Stage probe: a row for each probe, waiting when its time has come again."""
    known = set(ProbeRun.objects.filter(release=None).values_list("key", flat=True))
    fresh = [ProbeRun(key=key) for key in REGISTRY if key not in known]
    ProbeRun.objects.bulk_create(fresh, ignore_conflicts=True)
    over = (ProbeRun.Status.DONE, ProbeRun.Status.DEAD, ProbeRun.Status.NEVER)
    for every in {probe.every for probe in REGISTRY.values()}:
        keys = [probe.key for probe in REGISTRY.values() if probe.every == every]
        ProbeRun.objects.filter(key__in=keys, release=None, status__in=over, seen_at__lt=Now() - every).update(
            status=ProbeRun.Status.WAITING, status_since=Now(), due_at=Now(), failures=0, last_error=""
        )


def look_now(keys: Iterable[str]) -> None:
    """Make these probes due at once."""
    open_probes()
    with transaction.atomic():
        ProbeRun.objects.filter(key__in=list(keys), release=None).exclude(status=ProbeRun.Status.RUNNING).update(
            status=ProbeRun.Status.WAITING, status_since=Now(), due_at=Now(), failures=0, last_error=""
        )
        nudge("probe")
