"""Names under a release: who may sign, what exactly they sign, and when a name no longer counts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from emm.audit import Actor, record
from ops import checklist, deployment, notices, readiness
from ops.health import database_now
from ops.models import Channel, Confirmation, Release, SignOff, Waiver

OVER = (Release.Status.SUCCESSFUL, Release.Status.FAILED, Release.Status.ROLLED_BACK)
BEFORE_DEPLOYMENT = (Release.Status.OPENED, Release.Status.APPROVED)


def open_release(version: str, commit: str, *, by: Actor, changes: str = "") -> Release:
    """Open a release of the full hash `commit`. Raises ValidationError for a version that is there, or no hash."""
    if not deployment.FULL_HASH.fullmatch(commit.lower()):
        raise ValidationError({"commit": ["Forty hexadecimal digits: the full hash."]})
    if not version.strip() or len(version) > 60:
        raise ValidationError({"version": ["Say a version of at most 60 characters."]})
    try:
        with transaction.atomic():
            release = Release.objects.create(
                version=version.strip(),
                commit=commit.lower(),
                schema_hash=deployment.schema_hash(),
                changes=changes,
                opened_by=str(by)[:150],
            )
            record("release.open", release, by=by, after={"version": version, "commit": commit})
    except IntegrityError:
        raise ValidationError({"version": ["A release of this version is there already."]}) from None
    return release


def statement(release: Release) -> dict[str, Any]:
    """What a signature is bound to: states, waivers and notes of the gating items, and the subject. No times, no readings."""
    items = {
        standing.item.key: {
            "state": standing.underlying,
            "waived": standing.state == readiness.WAIVED,
            "note": standing.note,
        }
        for standing in readiness.verdict(release).standings
    }
    return {"items": items, "commit": release.commit, "schema": release.schema_hash}


def digest(said: dict[str, Any]) -> str:
    """SHA-256 of a statement, in hex; it can be checked offline from the evidence bundle."""
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def sign(release: Release, role: str, person: User, note: str = "") -> SignOff:
    """Sign for `role`. Raises ValidationError for whoever doesn't hold it, has signed, or a release that is over."""
    group = checklist.ROLES.get(role)
    if group is None or not person.groups.filter(name=group).exists():
        raise ValidationError(f"Only members of “{group or role}” sign for this role.")
    with transaction.atomic():
        release = Release.objects.select_for_update().get(pk=release.pk)
        if release.status not in BEFORE_DEPLOYMENT:
            raise ValidationError("The release has left: signatures belong before the deployment.")
        standing = SignOff.objects.filter(release=release, ended_at=None)
        if standing.filter(role=role).exists():
            raise ValidationError("This role has signed already.")
        if standing.filter(by=person).exists() and not settings.ONE_PERSON_MANY_ROLES:
            raise ValidationError("You have signed for another role: each role is another person's.")
        said = statement(release)
        signed = SignOff.objects.create(
            release=release, role=role, by=person, note=note, digest=digest(said), statement=said
        )
        record("release.sign", release, by=person, after={"role": role, "digest": signed.digest}, reason=note)
        _settle(release)
    return signed


def withdraw(signed: SignOff, person: User, why: str) -> None:
    """Take one's own name back. Raises ValidationError for somebody else's, or one that has ended."""
    if signed.by_id != person.pk:
        raise ValidationError("Only whoever signed can withdraw it.")
    with transaction.atomic():
        release = Release.objects.select_for_update().get(pk=signed.release_id)
        ended = SignOff.objects.filter(pk=signed.pk, ended_at=None).update(
            ended_at=Now(), ended_because=f"Withdrawn: {why}"
        )
        if not ended:
            raise ValidationError("It has ended already.")
        record("release.withdraw", release, by=person, before={"role": signed.role}, reason=why)
        _settle(release)


def review() -> None:
    """Stage signoffs: void the names whose subject has changed, and move releases that may or may no longer go."""
    for pk in Release.objects.filter(status__in=BEFORE_DEPLOYMENT).values_list("pk", flat=True):
        with transaction.atomic():
            _settle(Release.objects.select_for_update().get(pk=pk))


def _settle(release: Release) -> None:
    now = statement(release)
    wanted = digest(now)
    void = list(SignOff.objects.filter(release=release, ended_at=None).exclude(digest=wanted).select_related("by"))
    for signed in void:
        difference = differences(signed.statement, now)
        SignOff.objects.filter(pk=signed.pk).update(ended_at=Now(), ended_because=f"Void: {difference}")
        record(
            "release.void", release, by="system", before={"role": signed.role, "by": str(signed.by)}, reason=difference
        )
    if void:
        names = ", ".join(f"{one.get_role_display()} ({one.by})" for one in void)
        notices.tell(
            f"Release {release}: {len(void)} sign-off{'s are' if len(void) > 1 else ' is'} void",
            f"What was signed has changed: {differences(void[0].statement, now)}\nVoid: {names}. Look at it, then sign again.",
            about="release",
            channels=Channel.objects.filter(enabled=True),
        )
    signed_roles = SignOff.objects.filter(release=release, ended_at=None).values_list("role", flat=True)
    complete = set(signed_roles) == set(checklist.ROLES)
    approved = complete and readiness.verdict(release).ready
    release.enter(Release.Status.APPROVED if approved else Release.Status.OPENED)


def differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What differs between two statements, in words."""
    lines = [
        f"{name} was {before[name][:12]}, is {after[name][:12]}"
        for name in ("commit", "schema")
        if before[name] != after[name]
    ]
    old, new = before["items"], after["items"]
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        if one == other:
            continue
        if one is None or other is None:
            lines.append(f"{key} {'is new' if one is None else 'is gone'}")
        else:
            lines += [
                f"{key}: {name} was {one[name]!r}, is {other[name]!r}" for name in one if one[name] != other[name]
            ]
    return "; ".join(lines) + "."


def confirm(key: str, person: User, note: str, release: Release | None = None) -> Confirmation:
    """A person's word on an item. Raises ValidationError for one that no person confirms, or without a note."""
    item = checklist.load().items.get(key)
    if item is None or not item.by_human:
        raise ValidationError("No person confirms this item.")
    if not note.strip():
        raise ValidationError({"note": ["Say what you saw, or link it."]})
    if item.of_release and release is None:
        raise ValidationError("This item belongs to a release.")
    of = release if item.of_release else None
    if item.by_probe and readiness.standings([item], release)[0].underlying not in (readiness.PASS, readiness.OPEN):
        raise ValidationError("The probe has to pass first.")
    with transaction.atomic():
        word = Confirmation.objects.create(key=key, release=of, by=person, note=note.strip())
        record("item.confirm", word, by=person, after={"key": key, "release": str(of or "")}, reason=note)
        _review_within()
    return word


def unconfirm(word: Confirmation, person: User, why: str) -> None:
    """Take a word back: it stays on record."""
    with transaction.atomic():
        Confirmation.objects.filter(pk=word.pk, withdrawn_at=None).update(withdrawn_at=Now(), withdrawn_by=person)
        record("item.withdraw", word, by=person, before={"key": word.key}, reason=why)
        _review_within()


def waive(key: str, person: User, reason: str, expires_at: Any) -> Waiver:
    """Let a release go on without an item. Raises ValidationError without a reason or an end in the future."""
    item = checklist.load().items.get(key)
    if item is None or not item.gates:
        raise ValidationError("Only an item that stands in a release's way can be waived.")
    if not reason.strip():
        raise ValidationError({"reason": ["Say why."]})
    if expires_at <= database_now():
        raise ValidationError({"expires_at": ["The end lies in the past (UTC)."]})
    with transaction.atomic():
        waiver = Waiver.objects.create(key=key, by=person, reason=reason.strip(), expires_at=expires_at)
        record("item.waive", waiver, by=person, after={"key": key, "until": expires_at}, reason=reason)
        _review_within()
    return waiver


def unwaive(waiver: Waiver, person: User, why: str) -> None:
    """End a waiver before its time: it stays on record. Raises ValidationError without a reason."""
    if not why.strip():
        raise ValidationError({"reason": ["Say why."]})
    with transaction.atomic():
        Waiver.objects.filter(pk=waiver.pk, withdrawn_at=None).update(withdrawn_at=Now())
        record("item.unwaive", waiver, by=person, before={"key": waiver.key}, reason=why)
        _review_within()


def tell_team(release: Release, person: User, words: str) -> Confirmation:
    """Send `words` over every enabled channel, and note that the team knows. Raises ValidationError where there is none."""
    channels = list(Channel.objects.filter(enabled=True))
    if not channels:
        raise ValidationError("There is no channel to send it over: add one under Channels.")
    with transaction.atomic():
        notices.tell(f"Release {release}", f"{words.strip()}\n{person}", about="release", channels=channels)
        named = ", ".join(map(str, channels))
        return confirm("pre.team", person, f"Sent over {named}: {words.strip()}", release)


def _review_within() -> None:
    for release in Release.objects.select_for_update().filter(status__in=BEFORE_DEPLOYMENT):
        _settle(release)
