"""The alert rules: what is bad, how often in a row before somebody is told, and where to look. One source for our own
alerts and for Prometheus (config/alerts.yaml)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models.functions import Now

from emm.jobs import Job
from notion_sync.models import Reconciliation, Standstill
from ops import backups, health, notices, objectives, overview
from ops.models import Alert
from ops.objectives import Objective

CLEAR_AFTER = 3  # good rounds, of a minute each
STUCK = (Job.Status.NEVER, Job.Status.DEAD)


class Judged(NamedTuple):
    """`value` None: nothing could be measured, which is neither bad nor good. `detail`: in words."""

    value: float | None
    detail: str


@dataclass(frozen=True)
class Rule:
    """One rule. Bad: a value of `threshold` or more, or, where `at_least`, of `threshold` or less."""

    key: str
    title: str
    severity: Alert.Severity
    look: Callable[[], Judged]
    threshold: float
    fire_after: int
    at_least: bool = False

    @property
    def runbook(self) -> str:
        """The section of a document that says what to do."""
        return RUNBOOKS[self.key]

    def bad(self, value: float | None) -> bool | None:
        """Whether `value` breaks the rule. None: unknown."""
        if value is None:
            return None
        return value <= self.threshold if self.at_least else value >= self.threshold


def _parts() -> Judged:
    down = [f"{name}: {one.detail}" for name, one in health.components().items() if not one.healthy]
    return Judged(len(down), " ".join(down) or "Every part is well.")


def _stuck() -> Judged:
    found = [one for one in overview.stuck() if one.stage not in ("probe", "notify")]  # they have rules of their own
    named = ", ".join(f"{one.jobs} of {one.stage}" for one in found)
    return Judged(sum(one.jobs for one in found), f"Jobs that need a person: {named or 'none'}.")


def _channels() -> Judged:
    dead = notices.dead_channels()
    return Judged(len(dead), f"Channels that take no messages: {', '.join(map(str, dead)) or 'none'}.")


def _backup() -> Judged:
    age = backups.age()
    if age is None:
        return Judged(None, "No backup was made yet.")
    return Judged(age.total_seconds() / 3600, f"The newest backup is {age.total_seconds() / 3600:.0f} hours old.")


def _standstill() -> Judged:
    row = Standstill.objects.filter(lifted_at=None).first()
    return Judged(int(row is not None), f"{row.why} {row.fix}" if row else "Notion answers us.")


def _mirror() -> Judged:
    """What last night's comparisons found, and those that came to no end."""
    found = Reconciliation.objects.filter(opened_at__gte=Now() - timedelta(days=1)).select_related("source")
    bad = [f"{one.source}: {one.verdict}" for one in found if one.missed or one.doubled or one.status in STUCK]
    if not found:
        return Judged(None, "Nothing was compared in the last 24 hours.")
    return Judged(len(bad), f"Mirrors that differed from Notion: {'; '.join(bad) or 'none'}.")


def _objective(objective: Objective) -> Judged:
    return Judged(*objectives.recent(objective))


def _of(objective: Objective) -> Rule:
    assert objective.target is not None
    assert objective.alert is not None
    return Rule(
        objective.key,
        f"Missed: {objective.title}",
        Alert.Severity.CRITICAL if objective.key in CRITICAL else Alert.Severity.WARNING,
        functools.partial(_objective, objective),
        objective.target,
        objective.alert,
        at_least=not objective.at_most,
    )


CRITICAL = ("slo.errors", "slo.poller", "slo.disk")
# The section of a runbook that each alert leads to.
RUNBOOKS = {
    "parts": "docs/runbooks/service-down.md#first",
    "stuck": "docs/runbooks/high-error-rate.md#jobs-that-need-a-person",
    "channels": "docs/MONITORING_SETUP.md#channels",
    "backup": "docs/MONITORING_SETUP.md#backups",
    "notion.blocked": "docs/runbooks/api-failures.md#nothing-is-sent-to-notion",
    "mirror": "docs/runbooks/api-failures.md#the-mirror-differed",
    "slo.latency": "docs/runbooks/performance.md#slow-pages",
    "slo.errors": "docs/runbooks/high-error-rate.md#first",
    "slo.poller": "docs/runbooks/service-down.md#the-poller-stands",
    "slo.no_critical": "docs/runbooks/high-error-rate.md#first",
    "slo.notion": "docs/runbooks/api-failures.md#notion",
    "slo.anthropic": "docs/runbooks/api-failures.md#claude",
    "slo.api_latency": "docs/runbooks/performance.md#slow-services",
    "slo.tokens": "docs/runbooks/api-failures.md#a-budget-is-used-up",
    "slo.cpu": "docs/runbooks/performance.md#the-machine-is-full",
    "slo.memory": "docs/runbooks/performance.md#the-machine-is-full",
    "slo.growth": "docs/runbooks/performance.md#memory-that-grows",
    "slo.disk": "docs/runbooks/performance.md#the-machine-is-full",
    "slo.analyses": "docs/runbooks/api-failures.md#claude",
}
WARNING = Alert.Severity.WARNING
RULES: tuple[Rule, ...] = (
    Rule("parts", "A part of the product is down", Alert.Severity.CRITICAL, _parts, 1, 2),
    Rule("stuck", "Work needs a person", WARNING, _stuck, 1, 1),
    Rule("channels", "A channel takes no messages", WARNING, _channels, 1, 1),
    Rule("backup", "The newest backup is old", WARNING, _backup, 26, 1),
    Rule("notion.blocked", "Nothing is sent to Notion", Alert.Severity.CRITICAL, _standstill, 1, 1),
    Rule("mirror", "The mirror differed from Notion", WARNING, _mirror, 1, 1),
    *(_of(objective) for objective in objectives.OBJECTIVES if objective.alert is not None),
)
BY_KEY = {rule.key: rule for rule in RULES}


def for_prometheus() -> dict[str, Any]:
    """The same rules as a rule file: `emm_rule_value` is what our own rounds found (ops/metrics.py exports it)."""
    found = []
    for rule in RULES:
        sign = "<=" if rule.at_least else ">="
        found.append(
            {
                "alert": "".join(part.capitalize() for part in rule.key.replace("_", ".").split(".")),
                "expr": f'emm_rule_value{{rule="{rule.key}"}} {sign} {rule.threshold:g}',
                "for": f"{rule.fire_after}m",
                "labels": {"severity": str(rule.severity)},
                "annotations": {"summary": rule.title, "runbook": rule.runbook},
            }
        )
    silent = {
        "alert": "EmmSilent",
        "expr": "absent(emm_rule_value)",
        "for": "5m",
        "labels": {"severity": "critical"},
        "annotations": {"summary": "Nothing is measured", "runbook": "docs/runbooks/service-down.md#first"},
    }
    return {"groups": [{"name": "executive-mind-matrix", "interval": "1m", "rules": [*found, silent]}]}
