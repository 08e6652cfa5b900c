"""The wordings of the prompts: drafted by people, tried on past decisions, put into service, taken back.

A wording is never changed once it was tried or served: ledger rows point to it by its hash.
"""

from __future__ import annotations

import hashlib
import re
from difflib import SequenceMatcher
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from analysis import prompts
from analysis.models import PromptVersion, ReplayCase
from emm.audit import Actor, record
from emm.jobs import Job
from emm.schedule import nudge

Origin = PromptVersion.Origin

LONGEST_TEXT = 20_000  # characters
RELEASE = "the release"
_BLANK = re.compile(r"{{.*?}}", re.DOTALL)
_FENCE = re.compile(r"<[a-z]+>")
_WORDS = re.compile(r"\s+|[^\s]+")
_CONTEXT = 12  # words and gaps around a change that the difference shows


class Piece(NamedTuple):
    """A stretch of a difference. `kind`: same, added, removed, or left for words that are not shown."""

    kind: str
    text: str


def names() -> list[str]:
    """The prompts there are: one for each seed file."""
    return sorted(path.stem for path in prompts.SEEDS.glob("*.md"))


def seed(name: str) -> str:
    """The wording that this release brings."""
    return (prompts.SEEDS / f"{name}.md").read_text(encoding="utf-8")


def digest(text: str) -> str:
    """The hash under which the ledger knows a wording."""
    return hashlib.sha256(text.encode()).hexdigest()


def tidy(text: str) -> str:
    """A wording as it is kept: lines end as in the seed files, whatever a browser made of them."""
    return f"{text.replace(chr(13) + chr(10), chr(10)).strip()}\n"


def problems(name: str, text: str) -> list[str]:
    """What keeps a wording from being a version of the prompt `name`, in words.

    What the seed fills in or fences is part of the program: it has to stay, and nothing else is filled in.
    """
    if name not in names():
        return ["There is no such prompt."]
    origin = seed(name)
    wrong = []
    if not text.strip():
        wrong.append("It says nothing.")
    if len(text) > LONGEST_TEXT:
        wrong.append(f"It has {len(text):,} characters; at most {LONGEST_TEXT:,} are sent.")
    if any(not (char.isprintable() or char in "\n\t") for char in text):
        wrong.append("It holds characters that nobody can see: write it in plain text.")
    blanks, theirs = set(_BLANK.findall(origin)), set(_BLANK.findall(text))
    wrong += [f"{blank} is missing: it is filled in for each call." for blank in sorted(blanks - theirs)]
    wrong += [f"{blank} is nothing that we fill in." for blank in sorted(theirs - blanks)]
    fences = set(_FENCE.findall(origin)) - set(_FENCE.findall(text))
    wrong += [f"{fence} is missing: the model has to know what is material and no order." for fence in sorted(fences)]
    return wrong


def draft(name: str, text: str, *, by: Actor, why: str) -> PromptVersion:
    """Keep a new wording, which is not served. Raises ValidationError with what is wrong with it."""
    text = tidy(text)
    _check(name, text)
    with transaction.atomic():
        made = PromptVersion.objects.create(
            name=name, text=text, hash=digest(text), origin=Origin.PERSON, author=str(by)[:150], why=why
        )
        record("promptversion.draft", made, by=by, after={"hash": made.hash}, reason=why)
    return made


def reword(version: PromptVersion, text: str, *, by: Actor, why: str) -> None:
    """Change a draft. Raises ValidationError for what is wrong with it, or where it was tried or served meanwhile."""
    text = tidy(text)
    with transaction.atomic():
        locked = PromptVersion.objects.select_for_update().get(pk=version.pk)
        if not is_draft(locked):
            raise ValidationError("This wording was tried or served: it stays as it is. Make a new draft of it.")
        if locked.hash != digest(text):
            _check(locked.name, text)
        before = {"hash": locked.hash}
        locked.text, locked.hash, locked.why = text, digest(text), why
        locked.save(update_fields=["text", "hash", "why"])
        record("promptversion.reword", locked, by=by, before=before, after={"hash": locked.hash}, reason=why)


def is_draft(version: PromptVersion) -> bool:
    """Whether a person may still change it."""
    return version.origin == Origin.PERSON and version.waits and not version.replays.exists()


def promote(version: PromptVersion, *, by: Actor, reason: str, without_replay: str = "") -> None:
    """Serve a wording that never was, from the next call on.

    Raises ValidationError where it is served already or was before, and where no replay of it has ended well and
    `without_replay` does not say why it goes without.
    """
    with transaction.atomic():
        locked = _lock(version)
        if not locked.waits:
            raise ValidationError("It is served, or was served before: roll back to it instead.")
        if not without_replay.strip() and not replayed(locked):
            raise ValidationError("No replay of it has ended well: replay it, or say why it goes without.")
        _serve(locked, "promptversion.promote", by, reason, {"without_replay": without_replay.strip()})
        nudge("registry")


def roll_back(version: PromptVersion, *, by: Actor, reason: str) -> None:
    """Serve a wording again that was served before, from the next call on. Raises ValidationError where it never was."""
    with transaction.atomic():
        locked = _lock(version)
        if locked.active:
            raise ValidationError("It is served already.")
        if locked.waits:
            raise ValidationError("It was never served: promote it instead.")
        _serve(locked, "promptversion.roll_back", by, reason, {})
        nudge("registry")


def before(version: PromptVersion) -> PromptVersion | None:
    """The wording that was served last before this one; None where there is none."""
    others = PromptVersion.objects.filter(name=version.name, active=False, served_at__isnull=False)
    return others.exclude(pk=version.pk).order_by("-served_at", "-pk").first()


def replayed(version: PromptVersion) -> bool:
    """Whether all cases of one of its replays were answered."""
    failed = ReplayCase.objects.exclude(status=Job.Status.DONE)
    return version.replays.filter(cases__isnull=False).exclude(cases__in=failed).exists()


def take_seeds() -> list[str]:
    """Take in what a release brings, and say so. Call it once for each deployment; a second time changes nothing.

    A new seed takes the place of a seed that nobody chose. A wording that a person put into service stays, and the new
    seed waits beside it.
    """
    lines = []
    for name in names():
        with transaction.atomic():
            if line := _take_seed(name):
                lines.append(line)
    return lines


def newer_seed(version: PromptVersion) -> PromptVersion | None:
    """The seed that a release brought after `version` was put into service, and that was never served."""
    waiting = PromptVersion.objects.filter(name=version.name, origin=Origin.SEED, active=False, served_at=None)
    newest = waiting.order_by("-pk").first()
    since = version.served_at or version.created_at
    return newest if newest is not None and newest.created_at > since else None


def difference(old: str, new: str) -> list[Piece]:
    """What changed between two wordings, word by word, with a little of what stayed the same around it."""
    one, other = _WORDS.findall(old), _WORDS.findall(new)
    pieces: list[Piece] = []
    for tag, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces += _same(one[a:b], first=a == 0, last=b == len(one))
            continue
        pieces += [Piece("removed", "".join(one[a:b]))] if b > a else []
        pieces += [Piece("added", "".join(other[c:d]))] if d > c else []
    return pieces


def _same(words: list[str], *, first: bool, last: bool) -> list[Piece]:
    head, tail = 0 if first else _CONTEXT, 0 if last else _CONTEXT
    hidden = len(words) - head - tail
    if hidden <= _CONTEXT:
        return [Piece("same", "".join(words))]
    shown = [Piece("same", "".join(words[:head])), Piece("left", f"{hidden // 2:,} words the same")]
    return [piece for piece in [*shown, Piece("same", "".join(words[len(words) - tail :]))] if piece.text]


def _check(name: str, text: str) -> None:
    if wrong := problems(name, text):
        raise ValidationError(wrong)
    if known := PromptVersion.objects.filter(name=name, hash=digest(text)).first():
        raise ValidationError(f"This wording is there already: {known}.")


def _lock(version: PromptVersion) -> PromptVersion:
    """This version, all wordings of its prompt locked in one order, so that two people never serve two."""
    rows = {one.pk: one for one in PromptVersion.objects.select_for_update().filter(name=version.name).order_by("pk")}
    return rows[version.pk]


def _serve(version: PromptVersion, action: str, by: Actor, reason: str, more: dict[str, str]) -> None:
    rivals = PromptVersion.objects.filter(name=version.name, active=True)
    served = {"served": [rival.hash for rival in rivals]}
    rivals.update(active=False)
    chosen = "" if by == RELEASE else str(by)[:150]
    PromptVersion.objects.filter(pk=version.pk).update(active=True, served_at=Now(), served_by=chosen)
    record(action, version, by=by, before=served, after={"served": version.hash, **more}, reason=reason)


def _take_seed(name: str) -> str:
    text = seed(name)
    row = PromptVersion(name=name, text=text, hash=digest(text))
    PromptVersion.objects.bulk_create([row], ignore_conflicts=True)
    version = _lock(PromptVersion.objects.get(name=name, hash=row.hash))
    served = PromptVersion.objects.filter(name=name, active=True).first()
    if served == version:
        return ""
    if served is None or (served.origin == Origin.SEED and not served.served_by):
        why = "A newer seed came, and nobody had chosen the one that was served." if served else "Nothing was served."
        _serve(version, "promptversion.seed", RELEASE, why, {})
        return f"The prompt {name} is served as this release words it." if served else ""
    if newer_seed(served) == version:
        return (
            f"The prompt {name} stays as {served.served_by or 'a person'} chose it; a newer seed waits in the console."
        )
    return ""
