"""Whether the services that we need answer: one small call each."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, ProgrammingError, connection

from analysis import llm
from emm import environment
from emm.jobs import Job, Later, Misconfigured, Never
from notion_sync import client
from notion_sync.models import DataSource
from ops import notices, sentry
from ops.models import Channel, State

SET_UP = "Open Set up Notion in the console, or run manage.py setup_notion --parent PAGE."


@dataclass(frozen=True)
class Connection:
    """One service. `ok`: None where it could not be found out now. `detail`: what it said, or what to do."""

    name: str
    ok: bool | None
    detail: str
    milliseconds: int


def check(*, buy: bool = False) -> list[Connection]:
    """Ask each service once, one after the other. `buy`: also make one tiny call to Claude, which costs a little."""
    asked = [
        _timed("PostgreSQL", _postgresql),
        _timed("Redis", _redis),
        _timed("Notion", _notion),
        _timed("Notion databases", _databases),
        _timed("Notion writes", _writing),
        _timed("Claude", _claude),
    ]
    if buy:
        asked.append(_timed("Claude's answer", _answer))
    if environment.value_of("SENTRY_DSN", os.environ):
        asked.append(_timed("Sentry", _sentry))
    return [*asked, *(_timed(f"Channel {channel}", functools.partial(_channel, channel)) for channel in _enabled())]


def _timed(name: str, ask: Callable[[], str]) -> Connection:
    started = time.monotonic()
    try:
        ok, detail = True, ask()
    except Misconfigured as error:
        ok, detail = False, error.why
    except Later as error:
        return Connection(name, None, error.why, _since(started))
    except Never as error:
        ok, detail = False, error.why
    except ProgrammingError:
        ok, detail = False, "Our own database has no schema yet: run manage.py migrate."
    except (DatabaseError, InterfaceError, redis.RedisError) as error:
        ok, detail = False, f"It does not answer: {type(error).__name__}."
    return Connection(name, ok, detail, _since(started))


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1_000)


def _postgresql() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"Version {cursor.fetchone()[0]}."


def _redis() -> str:
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, socket_timeout=5) as server:
        server.ping()
    return "It answers."


def _notion() -> str:
    bot = client.me()
    where = "the sandbox" if client.is_sandbox() else "Notion"
    return f"{where} knows us as {bot.get('name') or bot['id']}."


def _databases() -> str:
    sources = list(DataSource.objects.order_by("key"))
    if not sources:
        raise Misconfigured("No workspace is set up.", SET_UP)
    for source in sources:
        client.retrieve_data_source(str(source.data_source_id))
    return f"{len(sources)} are shared with us."


def _writing() -> str:
    """Gives a property the name that it has: a change that changes nothing, and needs the permission to write."""
    source = DataSource.objects.order_by("key").first()
    if source is None:
        raise Misconfigured("No workspace is set up.", SET_UP)
    name, number = next(iter(source.property_ids.items()))
    client.update_data_source(str(source.data_source_id), {number: {"name": name}})
    return "We may write."


def _claude() -> str:
    where = "the sandbox" if llm.is_sandbox() else "Claude"
    offered = llm.models()
    wanted = set(settings.ANTHROPIC_MODELS.values())
    if absent := sorted(wanted - offered):
        raise Misconfigured(f"{where} does not offer {', '.join(absent)}.", "Choose another ANTHROPIC_MODEL.")
    return f"{where} offers {len(offered)} models, {', '.join(sorted(wanted))} among them."


def _answer() -> str:
    return f"{llm.greet()} answered."


def _sentry() -> str:
    state, evidence = sentry.send_test_event(environment.value_of("SENTRY_DSN", os.environ))
    if state == State.UNKNOWN:
        raise Later(timedelta(minutes=1), evidence)
    if state == State.FAIL:
        raise Misconfigured(evidence, "Check SENTRY_DSN.")
    return evidence


def _enabled() -> list[Channel]:
    try:
        return list(Channel.objects.filter(enabled=True).order_by("name"))
    except (DatabaseError, InterfaceError):
        return []  # the database has its own line


def _channel(channel: Channel) -> str:
    """What became of the last message: a look that wakes nobody. A test is sent from the channel's page."""
    last = notices.tried().filter(channel=channel).first()
    if last is None:
        raise Later(timedelta(hours=1), "It was never tried: send a test from its page in the console.")
    if last.status != Job.Status.DONE:
        raise Misconfigured(f"It took no message: {last.last_error}", "Check its address in the console.")
    return f"It took a message on {last.status_since:%Y-%m-%d %H:%M} UTC."
