"""The readiness page and a release's page: the same list, with what a person may do about each row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.text import slugify

from emm.admin import person
from emm.audit import record
from ops import bundle, checklist, deployments, duties, facts, figures, readiness, signoff
from ops.checklist import Area
from ops.duties import Duty
from ops.figures import Span
from ops.health import database_now
from ops.models import Confirmation, Release, Rollback, SignOff, Waiver
from ops.readiness import Standing

# Colours are classes of ops/static/ops/checklist.css.
TONES = {"pass": "green", "waived": "blue", "fail": "red", "unknown": "orange", "stale": "orange", "open": "orange"}
LATER = "due later"
WORDS = {
    "pass": "passes",
    "waived": "waived",
    "fail": "fails",
    "unknown": "unknown",
    "stale": "stale",
    "open": "to be confirmed",
}


def show(request: HttpRequest, release: Release | None = None) -> HttpResponse:
    """The page; a POST is one deed on one row."""
    if request.method == "POST":
        return _do(request, release)
    if release is not None:
        signoff.review()
        release.refresh_from_db()
    if release is not None and request.GET.get("bundle"):
        return _bundle(request, release)
    now = database_now()
    verdict = readiness.verdict(release)
    context = {
        **admin.site.each_context(request),
        "title": f"Release {release}" if release else "Readiness",
        "release": release,
        "verdict": verdict,
        "blocking": [_row(standing, now) for standing in verdict.blocking],
        "may_confirm": request.user.has_perm("ops.add_confirmation"),
        "may_waive": request.user.has_perm("ops.add_waiver"),
        "may_end": request.user.has_perm("ops.change_release"),
        "in_a_week": (now + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M"),
        "checklist": checklist.load(),
    }
    groups = _groups(_areas(release), release, now)
    if release is None:
        context["parts"] = [[groups[area.key] for area in areas] for areas in _parts(_areas(None))]
        context["counts"] = _counts(list(groups.values()))
        return TemplateResponse(request, "ops/readiness.html", context)
    context |= {
        "groups": groups,
        "common": [group for group in groups.values() if not group["area"].items[0].of_release],
        "roles": _roles(release, person(request)),
        "ended": SignOff.objects.filter(release=release)
        .exclude(ended_at=None)
        .select_related("by")
        .order_by("-ended_at"),
        "path": _path(release),
        **_deployment(release, now),
    }
    return TemplateResponse(request, "ops/release.html", context)


def _areas(release: Release | None) -> list[Area]:
    """What the page shows: for a release what it waits for and what is its own; else all that belongs to none."""
    areas = checklist.load().areas
    if release is None:
        return [area for area in areas if not area.items[0].of_release]
    return [area for area in areas if area.items[0].of_release or area.items[0].gates]


def _parts(areas: list[Area]) -> list[list[Area]]:
    """Gating areas, the others, and the duties, in this order."""
    gating = [area for area in areas if area.items[0].gates]
    duty = [area for area in areas if area.every is not None]
    return [gating, [area for area in areas if area not in gating and area not in duty], duty]


def _counts(groups: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Word, tone and number of each state that there is, over all rows but the duties."""
    states = [row["standing"].state for group in groups if group["area"].every is None for row in group["rows"]]
    return [(WORDS[state], TONES[state], states.count(state)) for state in WORDS if state in states]


def _path(release: Release) -> list[tuple[str, str]]:
    """The stations of a release, each done, here or ahead."""
    Status = Release.Status  # noqa: N806  # the class itself
    ends = release.status if release.status in signoff.OVER else Status.SUCCESSFUL
    stations = [Status.OPENED, Status.APPROVED, Status.DEPLOYED, Status.WATCHING, Status(ends)]
    place = stations.index(Status(release.status))
    path = [
        (station.label, "here" if at == place else "done" if at < place else "ahead")
        for at, station in enumerate(stations)
    ]
    if place > 1 and not _was_approved(release):
        path[1] = ("not approved", "missed")
    return path


def _was_approved(release: Release) -> bool:
    """Whether all five names stood when it was deployed."""
    standing = Q(ended_at=None) | Q(ended_at__gt=release.deployed_at)
    signed = SignOff.objects.filter(standing, release=release).values_list("role", flat=True)
    return set(signed) == set(checklist.ROLES)


def _bundle(request: HttpRequest, release: Release) -> HttpResponse:
    """The evidence of a release, as a file or to print; who took it is noted."""
    found = bundle.make(release)
    record("release.export", release, by=person(request), after={"sha256": found["sha256"]})
    if request.GET["bundle"] == "page":
        return TemplateResponse(request, "ops/bundle.html", found)
    name = f'attachment; filename="evidence-{slugify(release.version) or release.pk}.json"'
    return JsonResponse(found, json_dumps_params={"indent": 2}, headers={"Content-Disposition": name})


def _deployment(release: Release, now: datetime) -> dict[str, Any]:
    """What is known once a release is on its way: its clock, its figures, and the way back."""
    running = release.rollbacks.filter(finished_at=None).first()
    done = {step.key: step for step in running.steps.all()} if running else {}
    finished = []
    for one in release.rollbacks.exclude(finished_at=None).order_by("-pk"):
        one.minutes = f"{(one.finished_at - one.started_at).total_seconds() / 60:.1f}"  # type: ignore[attr-defined,operator]  # for the template; those without an end are left out
        finished.append(one)
    return {
        "watched": release.status in deployments.OUT,
        "minutes": min(int((now - release.stable_since).total_seconds() // 60), 30) if release.stable_since else 0,
        "figures": _figures(release, now),
        "running": running,
        "steps": [{"item": item, "done": done.get(item.key)} for item in deployments.steps()],
        "finished": finished,
        "last_good": deployments.last_good(release),
    }


def _figures(release: Release, now: datetime) -> list[tuple[str, str, str]]:
    """Name, value since the deployment, and value in the 24 hours before it."""
    if release.deployed_at is None:
        return []
    until = release.status_since if release.status in signoff.OVER else now
    since, before = (
        Span(release.deployed_at, until),
        Span(release.deployed_at - timedelta(hours=24), release.deployed_at),
    )
    shown = (
        ("Requests that failed", figures.errors, "%", 2),
        ("Response time of 95 % of requests, up to", figures.latency, "s", 2),
        ("Calls to Notion that were answered", figures.notion, "%", 1),
        ("Calls to Claude that were answered", figures.anthropic, "%", 1),
        ("Critical lines in the log", figures.critical, "", 0),
    )
    return [
        (name, _shown(figure(since), unit, digits), _shown(figure(before), unit, digits))
        for name, figure, unit, digits in shown
    ]


def _shown(figure: figures.Figure, unit: str, digits: int) -> str:
    if figure.value is None:
        return "not measured"
    return f"{figure.value:,.{digits}f} {unit}".strip() + f" ({figure.detail.rstrip('.')})"


def _groups(areas: list[Area], release: Release | None, now: datetime) -> dict[str, dict[str, Any]]:
    """The areas by their key, with their rows and how many of them are well."""
    items = [item for area in areas for item in area.items]
    found = {standing.item.key: standing for standing in readiness.standings(items, release)}
    waivers = {one.key: one for one in Waiver.objects.filter(withdrawn_at=None, expires_at__gt=now).order_by("pk")}
    done = {duty.item.key: duty for duty in duties.all_duties()}
    groups = {}
    for area in areas:
        rows = []
        for item in area.items:
            row = _row(found[item.key], now) | {"facts": facts.of(item.key, release), "waiver": waivers.get(item.key)}
            rows.append(row | _due(row, area, done.get(item.key), release, now))
        good = sum(row["standing"].state in readiness.GOOD or row["word"] == LATER for row in rows)
        worst = "red" if any(row["tone"] == "red" or row.get("overdue") for row in rows) else "orange"
        groups[area.key] = {"area": area, "rows": rows, "good": good, "tone": "green" if good == len(rows) else worst}
    return groups


def _due(row: dict[str, Any], area: Area, duty: Duty | None, release: Release | None, now: datetime) -> dict[str, Any]:
    """Until when a row has to be done: a duty, or what follows a deployment."""
    good = row["standing"].state in readiness.GOOD
    if duty is not None:
        waiting = {} if good or duty.overdue else {"word": LATER, "tone": "grey"}
        return {"due": duty.due_at, "overdue": duty.overdue, **waiting}
    if area.within is None or good or release is None or release.deployed_at is None:
        return {}
    due = release.deployed_at + area.within
    return {"due": due, "overdue": due < now}


def _row(standing: Standing, now: datetime) -> dict[str, Any]:
    return {
        "standing": standing,
        "tone": TONES[standing.state],
        "word": WORDS[standing.state],
        "age": now - standing.seen_at if standing.seen_at else None,
    }


def _roles(release: Release, who: User) -> list[dict[str, Any]]:
    standing = {one.role: one for one in SignOff.objects.filter(release=release, ended_at=None).select_related("by")}
    open_still = release.status in signoff.BEFORE_DEPLOYMENT
    held = set(who.groups.values_list("name", flat=True))
    return [
        {
            "role": role,
            "label": SignOff.Role(role).label,
            "group": checklist.ROLES[role],
            "signed": standing.get(role),
            "may_sign": open_still and checklist.ROLES[role] in held and role not in standing,
            "may_withdraw": open_still and role in standing and standing[role].by_id == who.pk,
        }
        for role in checklist.ROLES
    ]


def _do(request: HttpRequest, release: Release | None) -> HttpResponse:
    deeds: dict[str, Callable[[HttpRequest, Release | None], str]] = {
        "confirm": _confirm,
        "withdraw": _withdraw,
        "waive": _waive,
        "unwaive": _unwaive,
        "tell": _tell,
        "raise": _raise,
        "look": _look,
        "sign": _sign,
        "unsign": _unsign,
        "failed": _end,
        "rolled_back": _end,
        "drill": _start_rollback,
        "rollback": _start_rollback,
        "step": _step,
    }
    deed = deeds.get(request.POST.get("deed", ""))
    if deed is None:
        raise PermissionDenied
    try:
        messages.success(request, deed(request, release))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return HttpResponseRedirect(request.get_full_path())


def _needs(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _confirm(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.add_confirmation")
    signoff.confirm(request.POST.get("key", ""), person(request), request.POST.get("note", "")[:2_000], release)
    return "Confirmed."


def _withdraw(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.add_confirmation")
    words = Confirmation.objects.filter(key=request.POST.get("key", ""), withdrawn_at=None)
    of_release = checklist.load().items[request.POST["key"]].of_release if words else False
    word = words.filter(release=release if of_release else None).order_by("-pk").first()
    if word is None:
        raise ValidationError("Nothing is confirmed there.")
    signoff.unconfirm(word, person(request), request.POST.get("note", "")[:2_000])
    return "Withdrawn; it stays on record."


def _waive(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.add_waiver")
    try:
        until = datetime.fromisoformat(request.POST.get("until", "")).replace(tzinfo=UTC)
    except ValueError:
        raise ValidationError("Say until when, in UTC.") from None
    signoff.waive(request.POST.get("key", ""), person(request), request.POST.get("note", "")[:2_000], until)
    return "Waived."


def _unwaive(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.add_waiver")
    number = request.POST.get("waiver", "")
    waiver = get_object_or_404(Waiver, pk=number if number.isdecimal() else 0)
    signoff.unwaive(waiver, person(request), request.POST.get("note", "")[:2_000])
    return "The waiver has ended; it stays on record."


def _tell(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.add_confirmation")
    if release is None:
        raise PermissionDenied
    signoff.tell_team(release, person(request), request.POST.get("note", "")[:2_000])
    return "Sent over every enabled channel, and noted."


def _raise(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.add_confirmation")
    if release is None:
        raise PermissionDenied
    words = request.POST.get("note", "")[:2_000]
    deployments.raise_trigger(release, request.POST.get("key", ""), words, by=person(request))
    return "The way back is recommended, and everybody is told."


def _look(request: HttpRequest, release: Release | None) -> str:
    keys = [key for key in request.POST.getlist("key") if key in checklist.load().items]
    readiness.look_now(keys or checklist.load().items)
    return "The probes are looking. Load the page again in a moment."


def _sign(request: HttpRequest, release: Release | None) -> str:
    if release is None:
        raise PermissionDenied
    signoff.sign(release, request.POST.get("role", ""), person(request), request.POST.get("note", "")[:2_000])
    return "Signed."


def _unsign(request: HttpRequest, release: Release | None) -> str:
    if release is None:
        raise PermissionDenied
    signed = get_object_or_404(SignOff, release=release, role=request.POST.get("role", ""), ended_at=None)
    signoff.withdraw(signed, person(request), request.POST.get("note", "")[:2_000])
    return "Withdrawn; it stays on record."


def _end(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.change_release")
    if release is None:
        raise PermissionDenied
    status = Release.Status(request.POST["deed"])
    deployments.end(release, status, by=person(request), why=request.POST.get("note", "")[:2_000])
    return "Noted."


def _start_rollback(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.change_release")
    if release is None:
        raise PermissionDenied
    deployments.start_rollback(release, drill=request.POST["deed"] == "drill", by=person(request))
    return "The clock runs."


def _step(request: HttpRequest, release: Release | None) -> str:
    _needs(request, "ops.change_release")
    running = get_object_or_404(Rollback, release=release, finished_at=None)
    deployments.do_step(running, request.POST.get("key", ""), by=person(request))
    return "Noted, with its time."
