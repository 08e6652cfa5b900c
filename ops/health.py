"""Whether we live, whether we are ready for traffic, and whether every part does its work. Nothing here calls out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from analysis import llm
from emm import heartbeat, schedule
from emm.jobs import Job, Misconfigured
from emm.tasks import job_model
from notion_sync import client, workspace
from notion_sync.models import DataSource, OutboxEntry, Poller

SILENT_AFTER = 4 * heartbeat.PERIOD
POLLS_MISSED = 3
POLL_GRACE = timedelta(minutes=1)  # a poll of a large source takes a while
OUTBOX_LATE_AFTER = timedelta(minutes=10)
DATABASE_DOWN = (DatabaseError, InterfaceError)


@dataclass(frozen=True)
class Component:
    """One part. `age_seconds`: of what it was judged by.

    `state`: ok, paused, busy, idle (all healthy), late, down, misconfigured.
    """

    state: str
    detail: str
    age_seconds: float | None = None

    @property
    def healthy(self) -> bool:
        return self.state not in ("late", "down", "misconfigured")


def components() -> dict[str, Component]:
    """Every part; those that only the database knows of are missing while it is down."""
    found = {"database": _database(), "broker": _broker()}
    if found["database"].healthy:
        found |= _from_database()
    return found


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Whether this process can serve: database, Redis, and a schema that is up to date."""
    components = {"database": _database(), "broker": _broker()}
    if components["database"].healthy:
        components["migrations"] = _guarded(_migrations)
    return report(components)


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return _fresh({"status": "ok"}, 200)


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """Who we are, for programs; people are sent to the console."""
    if request.get_preferred_type(["application/json", "text/html"]) == "text/html":
        return HttpResponseRedirect(reverse("admin:index"))
    running, detail = _poller_running()
    body = {"name": "Executive Mind Matrix", "poller_running": running, "poller": detail}
    return _fresh({**body, "health": "/health", "api": "/api/docs/", "console": "/admin/"}, 200)


def report(components: Mapping[str, Component], **more: object) -> JsonResponse:
    """The parts as an answer, `more` beside them; 503 if one is not healthy."""
    well = all(component.healthy for component in components.values())
    parts = {name: asdict(component) for name, component in components.items()}
    return _fresh({"status": "ok" if well else "failing", "components": parts, **more}, 200 if well else 503)


def _fresh(body: Mapping[str, object], status: int) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def _poller_running() -> tuple[bool, str]:
    try:
        row = Poller.objects.filter(pk=1).first()
    except DATABASE_DOWN:
        return False, "The database does not answer, or has no schema yet."
    if row is None:
        return False, "Not started yet."
    return row.status == Poller.Status.RUNNING, str(row)


def _guarded(look: Callable[[], Component]) -> Component:
    """`look` within 1.5 seconds of the database's time; a database that fails meanwhile is a component that is down."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1500")
            return look()
    except DATABASE_DOWN as error:
        return Component("down", f"The database could not say: {type(error).__name__}.")


def _database() -> Component:
    def ask() -> Component:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return Component("ok", "It answers.")

    return _guarded(ask)


def _broker() -> Component:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    try:
        client.ping()
    except redis.RedisError as error:
        return Component("down", f"Redis does not answer: {type(error).__name__}.")
    finally:
        client.close()
    return Component("ok", "It answers.")


@functools.cache
def _schema_is_current() -> bool:
    """True. Raises DatabaseError while migrations are missing, which is not remembered."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise DatabaseError(f"{len(missing)} migrations are not applied.")
    return True


def _migrations() -> Component:
    _schema_is_current()
    return Component("ok", "All are applied.")


def _from_database() -> dict[str, Component]:
    found = {f"worker_{queue}": _guarded(functools.partial(_worker, queue)) for queue in schedule.QUEUES}
    found["beat"] = _guarded(_beat)
    found["notion"] = _guarded(functools.partial(_key, client.access, client.is_sandbox))
    found["claude"] = _guarded(functools.partial(_key, llm.access, llm.is_sandbox))
    found["poll"] = _guarded(_poll)
    found["outbox"] = _guarded(_outbox)
    return found


def database_now() -> datetime:
    """Now on the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def _silence(process: str) -> float | None:
    row = heartbeat.Heartbeat.objects.filter(process=process).annotate(now=Now()).first()
    return (row.now - row.at).total_seconds() if row else None


def _worker(queue: str) -> Component:
    silence = _silence(heartbeat.worker(queue))
    if silence is not None and silence <= SILENT_AFTER.total_seconds():
        return Component("ok", "It works.", silence)
    if any(_holds_leases(stage) for stage in schedule.STAGES.values() if stage.model and stage.queue == queue):
        return Component(
            "busy", "All its threads hold work whose lease has not ended, so none notes a heartbeat.", silence
        )
    return Component(
        "down", "No worker of this queue has noted a heartbeat lately." if silence else "It never started.", silence
    )


def _holds_leases(stage: schedule.Stage) -> bool:
    return job_model(stage).objects.filter(status=Job.Status.RUNNING, leased_until__gt=Now()).exists()


def _beat() -> Component:
    silence = _silence(heartbeat.BEAT)
    if silence is not None and silence <= SILENT_AFTER.total_seconds():
        return Component("ok", "It sends.", silence)
    return Component("down", "Nothing that beat sends arrives at a worker.", silence)


def _key(access: Callable[[], object], is_sandbox: Callable[[], bool]) -> Component:
    """Whether we have a key. Whether it is accepted only the service could say: that is a probe's to ask."""
    if is_sandbox():
        return Component("ok", "The sandbox stands in.")
    try:
        access()
    except Misconfigured as error:
        return Component("misconfigured", f"Not set up. {error}")
    return Component("ok", "Its key is set.")


def _poll() -> Component:
    row = Poller.objects.filter(pk=1).first()
    keys = [key for key, database in workspace.DATABASES.items() if database.each_cycle]
    sources = DataSource.objects.filter(key__in=keys)
    oldest = sources.aggregate(at=Min("polled_at"))["at"]
    age = (database_now() - oldest).total_seconds() if oldest else None
    if row is None or not sources.exists():
        return Component("idle", "No Notion workspace is set up yet.")
    if row.status == Poller.Status.PAUSED:
        return Component("paused", "A person has paused polling.", age)
    held = sources.exclude(hold="").first()
    if held is not None:
        return Component("down", f"The source {held.key} is held: see Data sources in the console.", age)
    patience = POLLS_MISSED * row.interval + POLL_GRACE
    if age is None or age > patience.total_seconds():
        return Component("late", f"No poll has finished for more than {patience.total_seconds():.0f} s.", age)
    return Component("ok", f"Polled every {row.interval_seconds} s.", age)


def _outbox() -> Component:
    oldest = OutboxEntry.objects.due().aggregate(at=Min("due_at"))["at"]
    if oldest is None:
        return Component("ok", "Nothing is due.", 0.0)
    age = (database_now() - oldest).total_seconds()
    if age > OUTBOX_LATE_AFTER.total_seconds():
        return Component("late", "Writes to Notion wait for longer than they should.", age)
    return Component("ok", "Writes go out.", age)
