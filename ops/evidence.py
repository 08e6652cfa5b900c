"""What was proved elsewhere about one commit, brought into the rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from emm import logs
from emm.schedule import nudge
from ops import readiness
from ops.health import database_now
from ops.models import Evidence, State

CLOCKS_DIFFER = timedelta(minutes=5)


class Refused(Exception):
    """The evidence is none. The text says why."""


class Proof(BaseModel):
    """One item."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=40)
    state: State
    evidence: str = Field(max_length=2_000)


class Proofs(BaseModel):
    """A file of scripts/evidence.py."""

    model_config = ConfigDict(extra="forbid")

    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    at: AwareDatetime | None = None  # when it was proved; None: now
    proofs: list[Proof] = Field(max_length=100)


def bring(found: Any) -> int:
    """Keep all proofs or none; the same file twice is kept once. Returns how many it holds.

    Raises Refused for anything but evidence of items that are proved elsewhere.
    """
    try:
        proofs = Proofs.model_validate(found)
    except ValidationError as error:
        raise Refused("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())) from None
    strange = [proof.key for proof in proofs.proofs if proof.key not in readiness.RECORDED]
    if strange:
        raise Refused(f"not proved elsewhere: {', '.join(strange)}.")
    now = database_now()
    at = proofs.at or now
    if at > now + CLOCKS_DIFFER:
        raise Refused(f"it was proved at {at:%Y-%m-%d %H:%M} UTC, which has not come yet.")
    with transaction.atomic():
        known = set(Evidence.objects.filter(commit=proofs.commit, release=None, at=at).values_list("key", flat=True))
        Evidence.objects.bulk_create(
            Evidence(key=one.key, state=one.state, evidence=str(logs.hide(one.evidence)), commit=proofs.commit, at=at)
            for one in proofs.proofs
            if one.key not in known
        )
        nudge("signoffs")
        nudge("releases")
    return len(proofs.proofs)
