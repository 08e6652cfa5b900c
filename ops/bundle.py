"""All that is known about one release, in one document with a hash that anybody can verify without us."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db.models import Q

from ops import checklist, readiness
from ops.health import database_now
from ops.models import Evidence, Release


def make(release: Release) -> dict[str, Any]:
    """`bundle`, and the SHA-256 over its canonical JSON (sorted keys, no white space, ASCII): scripts/verify-bundle.py."""
    found = {
        "written_at": _time(database_now()),
        "release": {
            "version": release.version, "commit": release.commit, "schema_hash": release.schema_hash,
            "changes": release.changes, "opened_by": release.opened_by, "opened_at": _time(release.opened_at),
            "status": release.status, "status_since": _time(release.status_since),
            "deployed_at": _time(release.deployed_at), "note": release.note,
        },
        "checklist_version": checklist.load().version,
        "items": [
            {
                "key": one.item.key, "title": one.item.title, "state": one.state, "evidence": one.evidence,
                "seen_at": _time(one.seen_at), "who": one.who, "note": one.note,
            }
            for one in readiness.standings(checklist.load().items.values(), release)
        ],
        "signoffs": [
            {
                "role": one.role, "by": str(one.by), "at": _time(one.at), "note": one.note, "digest": one.digest,
                "statement": one.statement,
                "ended_at": _time(one.ended_at), "ended_because": one.ended_because,
            }
            for one in release.signoffs.select_related("by").order_by("pk")
        ],
        "history": [
            {"key": one.key, "state": one.state, "evidence": one.evidence, "commit": one.commit, "at": _time(one.at)}
            for one in Evidence.objects.filter(
                Q(release=release) | Q(release=None, commit=release.commit, key__in=readiness.RECORDED)
            ).order_by("pk")
        ],
        "recommendations": [
            {"trigger": one.trigger, "metric": one.metric, "at": _time(one.at)}
            for one in release.recommendations.order_by("pk")
        ],
        "rollbacks": [
            {
                "drill": one.drill, "started_by": one.started_by, "started_at": _time(one.started_at),
                "finished_at": _time(one.finished_at),
                "steps": [{"key": step.key, "by": step.by, "at": _time(step.at)} for step in one.steps.all()],
            }
            for one in release.rollbacks.order_by("pk")
        ],
    }  # fmt: skip
    return {"bundle": found, "sha256": sha256(found)}


def sha256(found: dict[str, Any]) -> str:
    """Over the canonical JSON, in hex."""
    canonical = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
