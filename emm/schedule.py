"""The stages in order: what wakes each, how long one attempt may hold a row, and which worker threads it uses.

A stage is a job model and one verb. Its *sweep* runs every `period`: it opens the rows that are missing (`opens`), returns the
rows whose worker died, and sends one message per due row. A *nudge* asks for the same at once, after the commit that left the
work; losing it costs at most one period. Upper apps appear here only as dotted names.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerDown
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
ASKED_FOR = 60  # seconds after which a sweep that was asked for and never began may be asked for again


@dataclass(frozen=True)
class Stage:
    """`model`: app label and class of the job rows. `verb`: dotted name of the function that one row is given to.

    `opens`: dotted name of a function without arguments that opens the rows which the state of the world asks for; empty
    where another stage's transaction opens them. A stage without a model only opens. `lease` is longer than the longest outside
    call of the verb; one that makes several renews it before each.
    """

    name: str
    model: str
    verb: str
    opens: str
    period: timedelta
    lease: timedelta
    queue: str


def _stage(name: str, model: str, verb: str, opens: str, period: float, lease: float, queue: str) -> Stage:
    return Stage(name, model, verb, opens, timedelta(seconds=period), timedelta(seconds=lease), queue)


OUTBOX_LEASE = settings.OUTBOX_LEASE.total_seconds()

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        _stage("poll", "notion_sync.PollCycle", "notion_sync.polling.poll", "notion_sync.polling.open_cycles", 5, 180, "sync"),
        _stage("page", "notion_sync.PageRead", "notion_sync.webhooks.read_page", "", 15, 180, "sync"),
        _stage("setup", "notion_sync.SetupRun", "notion_sync.setup.runs.run", "", 15, 180, "sync"),
        _stage("drift", "notion_sync.SchemaCheck", "notion_sync.drift.check", "notion_sync.drift.open_checks", 60, 120, "sync"),
        _stage("window", "notion_sync.Window", "notion_sync.windows.read", "", 15, 180, "sync"),
        _stage("reconcile", "notion_sync.Reconciliation", "notion_sync.reconciliation.reconcile", "notion_sync.reconciliation.open_nightly", 300, 180, "sync"),
        _stage("body", "notion_sync.BodyRead", "notion_sync.bodies.read", "", 15, 180, "sync"),
        _stage("triage", "analysis.Triage", "analysis.triage.triage", "analysis.triage.open_triages", 15, 1000, "llm"),
        _stage("argue", "analysis.Perspective", "analysis.dialectic.argue", "", 15, 1000, "llm"),
        _stage("synthesise", "analysis.Synthesis", "analysis.dialectic.synthesise", "", 15, 1000, "llm"),
        _stage("collect", "analysis.Batch", "analysis.llm.batches.collect", "analysis.llm.batches.open_batches", 30, 1000, "llm"),
        _stage("replay", "analysis.ReplayCase", "analysis.replay.run", "", 15, 1000, "llm"),
        _stage("deliver", "notion_sync.OutboxEntry", "notion_sync.outbox.deliver", "", 15, OUTBOX_LEASE, "write"),
        _stage("doubles", "notion_sync.DoublesCheck", "notion_sync.doubles.check", "notion_sync.doubles.open_checks", 60, 180, "sync"),
        _stage("advance", "", "", "analysis.progress.advance_items", 15, 60, "sync"),
        _stage("settle", "analysis.Settlement", "analysis.settlement.settle", "analysis.settlement.open_settlements", 15, 60, "sync"),
        _stage("execute", "analysis.Execution", "analysis.execution.execute", "analysis.execution.queue_redecided", 15, 60, "sync"),
        _stage("outcome", "analysis.Outcome", "analysis.outcome.ask", "analysis.outcome.open_outcomes", 60, 60, "sync"),
        _stage("rules", "", "", "analysis.rules.propose", 86_400, 60, "sync"),
        _stage("registry", "", "", "analysis.registry.keep_current", 3600, 60, "sync"),
        _stage("probe", "ops.ProbeRun", "ops.probes.run", "ops.readiness.open_probes", 15, 120, "sync"),
        _stage("signoffs", "", "", "ops.signoff.review", 60, 60, "sync"),
        _stage("objectives", "", "", "ops.objectives.note", 60, 60, "sync"),
        _stage("alerts", "", "", "ops.alerts.review", 60, 60, "sync"),
        _stage("budgets", "", "", "ops.ladder.review", 60, 60, "sync"),
        _stage("notify", "ops.Notice", "ops.notices.send", "", 15, 120, "sync"),
        _stage("command_center", "ops.CommandCenter", "ops.command_center.refresh", "ops.command_center.open_refresh", 60, 180, "write"),
        _stage("digests", "", "", "ops.digest.write_due", 60, 60, "sync"),
        _stage("call", "ops.Call", "ops.calls.send", "ops.calls.open_due", 60, 180, "write"),
        _stage("releases", "", "", "ops.deployments.watch", 60, 60, "sync"),
        _stage("duties", "", "", "ops.duties.remind", 3600, 60, "sync"),
        _stage("backup", "ops.Backup", "ops.backups.back_up", "ops.backups.open_backups", 300, 3600, "sync"),
        _stage("restore", "ops.RestoreDrill", "ops.backups.drill", "", 300, 3600, "sync"),
        _stage("prune", "", "", "notion_sync.retention.prune", 3600, 60, "sync"),
    )
}  # fmt: skip

QUEUES = ("sync", "llm", "write")


def nudge(name: str, pk: Any = None, *, after: timedelta = timedelta(0)) -> None:
    """Ask for stage `name` to look at row `pk` (or at all that is due) once the current transaction commits.

    `after`: so much later; seconds only, since a worker holds the message meanwhile. A broker that cannot be reached is
    logged and forgotten: the sweep finds the row. Of many that ask for the same sweep before it begins one message is sent.
    """
    transaction.on_commit(functools.partial(_send, name, pk, after), robust=True)


def _send(name: str, pk: Any, after: timedelta) -> None:
    task, arguments, queue = (
        ("emm.sweep", [name], "sync") if pk is None else ("emm.run", [name, str(pk)], STAGES[name].queue)
    )
    try:
        if pk is None and not cache.add(_asked(name), True, ASKED_FOR):
            return
        current_app.send_task(task, args=arguments, queue=queue, retry=False, countdown=after.total_seconds() or None)
    except (BrokerDown, RedisError):
        log.warning("nudge_lost", stage=name, pk=pk)


def begin_sweep(name: str) -> None:
    """Called by a sweep before it looks: who asks from now on gets another one."""
    cache.delete(_asked(name))


def _asked(name: str) -> str:
    return f"sweep:{name}"
