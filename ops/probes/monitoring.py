"""Area monitoring: whether somebody would notice."""

from __future__ import annotations

import os
from datetime import timedelta

import httpx
import yaml
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from emm import environment
from ops import papers, rules
from ops import sentry as sentry_project
from ops.probes.outside import unreached, visit
from ops.probes.registry import Seen, fails, passes, probe, unknown, verdict

ALERTS = settings.BASE_DIR / "config" / "alerts.yaml"
OURS = "emm_"


@probe("mon.sentry", every=timedelta(hours=12))
def sentry() -> Seen:
    """The DSN has a key, a host and a project, and what stands behind it takes an event."""
    dsn = environment.value_of("SENTRY_DSN", os.environ)
    return Seen(*sentry_project.send_test_event(dsn)) if dsn else fails("SENTRY_DSN is unset.")


@probe("mon.metrics")
def metrics() -> Seen:
    """A scrape parses and holds our own series."""
    if not settings.ENABLE_METRICS:
        return fails("ENABLE_METRICS is false.")
    asked = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"} if settings.METRICS_TOKEN else {}
    try:
        with visit() as http:
            answer = http.get("/metrics", headers=asked)
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    if answer.status_code != 200:
        return fails(f"/metrics answers {answer.status_code}: set METRICS_TOKEN.")
    try:
        names = {family.name for family in text_string_to_metric_families(answer.text) if family.samples}
    except ValueError:
        return fails("/metrics does not parse.")
    own = sum(name.startswith(OURS) for name in names)
    if not own:
        return fails(f"/metrics holds no series that begins with {OURS}: the alert rules were not judged yet.")
    return passes(f"{len(names)} series can be scraped, {own} of them our own.")


@probe("mon.alerts")
def alerts() -> Seen:
    """The rules parse, are those of the code, fire at their threshold and not beside it, and name a runbook's section."""
    if not ALERTS.is_file():
        return fails("config/alerts.yaml is missing.")
    try:
        found = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
        written = {rule["alert"]: rule for group in found["groups"] for rule in group["rules"]}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        return fails(f"config/alerts.yaml does not parse: {type(error).__name__}.")
    wanted = {rule["alert"]: rule for group in rules.for_prometheus()["groups"] for rule in group["rules"]}
    differing = sorted(name for name in written.keys() | wanted.keys() if written.get(name) != wanted.get(name))
    problems = [f"{name} is not as the code has it: run manage.py alert_rules." for name in differing]
    for rule in rules.RULES:
        beside = rule.threshold + (0.5 if rule.at_least else -0.5)
        if (rule.bad(rule.threshold), rule.bad(beside), rule.bad(None)) != (True, False, None):
            problems.append(f"{rule.key} does not fire at its threshold alone.")
        if not papers.has_section(rule.runbook):
            problems.append(f"{rule.key} leads to {rule.runbook}, which is not there.")
    return verdict(problems, f"{len(written)} rules parse, fire at their thresholds, and lead to a runbook's section.")
