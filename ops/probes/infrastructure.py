"""Area infrastructure, and what else stands around the code: the domain, the papers, the recommended values."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import Group
from django.utils import timezone

from analysis.models import ModelPrice
from emm import measures
from notion_sync import polling
from ops import checklist, papers
from ops.probes.outside import script
from ops.probes.registry import FAR, Seen, fails, passes, probe, verdict

MEMORY_PER_WORKER = 256 * 1024**2


@probe("infra.domain", every=FAR)
def domain() -> Seen:
    """The host of PUBLIC_URL has an address."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if host in ("", "localhost", "127.0.0.1"):
        return fails("PUBLIC_URL names this machine.")
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return fails(f"{host} has no address.")
    return passes(f"{host} has an address.")


@probe("paper.groups")
def groups() -> Seen:
    """Each of the five groups has a member who may log in."""
    empty = [
        name
        for name in checklist.ROLES.values()
        if not Group.objects.filter(name=name, user__is_active=True, user__is_staff=True).exists()
    ]
    return verdict([f"Nobody is in {name}." for name in empty], "Each group has a member.")


@probe("paper.review")
def review() -> Seen:
    """The date of the next review lies ahead."""
    due = checklist.load().next_review
    if due < timezone.now().date():
        return fails(f"The review was due on {due}.")
    return passes(f"The next review is due on {due}.")


@probe("paper.links")
def links() -> Seen:
    """The documents that the help page links are there."""
    return verdict([f"{name} is missing." for name in papers.missing()], f"{len(papers.TITLES)} documents are there.")


def _advice(*names: str) -> Seen:
    """What scripts/validate-env.py recommends for these variables, against what this process was started with."""
    validate = script("validate-env.py")
    problems = [f"{name}: {line}" for name in names for line in validate.advice(name, os.environ)]
    return verdict(problems, f"{', '.join(names)} stand as recommended.")


@probe("value.basics")
def basics() -> Seen:
    """Environment and logs."""
    if not settings.PRODUCTION:
        return fails(f"ENVIRONMENT is {settings.ENVIRONMENT}.")
    return _advice("LOG_LEVEL", "JSON_LOGS")


@probe("value.polling")
def interval() -> Seen:
    """What the console says, which wins over the environment."""
    seconds = polling.poller().interval_seconds
    if not 60 <= seconds <= 300:
        return fails(f"The interval is {seconds} s; 60 to 300 s are recommended.")
    return passes(f"The interval is {seconds} s.")


@probe("value.api")
def api() -> Seen:
    """The API's doors."""
    return _advice("RATE_LIMIT_ENABLED", "RATE_LIMIT_PER_MINUTE", "ALLOWED_ORIGINS", "API_KEY")


@probe("value.monitoring")
def monitoring() -> Seen:
    """Errors and figures."""
    return _advice("SENTRY_DSN", "SENTRY_TRACES_SAMPLE_RATE", "ENABLE_METRICS")


@probe("value.model")
def model() -> Seen:
    """Each model that is configured has a price: what has none is refused."""
    names = sorted(set(settings.ANTHROPIC_MODELS.values()))
    unpriced = [name for name in names if not ModelPrice.objects.filter(model=name).exists()]
    return verdict([f"{name} has no price." for name in unpriced], f"Priced: {', '.join(names)}.")


@probe("value.workers")
def workers() -> Seen:
    """Web workers that were asked for by hand, against the memory that the machine has."""
    asked = os.environ.get("WEB_CONCURRENCY", "").strip()
    if not asked.isdecimal():
        return passes("Chosen from the memory that there is.")
    memory = measures.memory_limit()
    most = max(memory // MEMORY_PER_WORKER, 1)
    if int(asked) > most:
        return fails(f"{asked} workers do not fit into {memory // 1024**2} MB: {most} do.")
    return passes(f"{asked} workers fit into {memory // 1024**2} MB.")
