"""Area environment: what is set, and whether it is accepted."""

from __future__ import annotations

import json
import logging
import os

from django.conf import settings

from analysis import llm
from emm import credentials, environment
from emm.jobs import Later, Misconfigured, Never
from notion_sync import client, drift
from notion_sync.models import DataSource
from notion_sync.workspace import DATABASES
from ops.probes.registry import FAR, Seen, fails, passes, probe, unknown, verdict


@probe("env.required")
def required() -> Seen:
    """Names only, never values. What was entered in the console counts where the console takes it."""
    needed = [variable for variable in environment.VARIABLES if variable.production]
    unset = [one for one in needed if not os.environ.get(one.name, "").strip()]
    kept = [one.name for one in unset if one.console and credentials.is_set(one.name)]
    missing = [one for one in unset if one.name not in kept]
    if missing:
        ways = [f"{one.name} may be entered at {credentials.page(one.name)}." for one in missing if one.console]
        return fails(" ".join([f"Unset: {', '.join(one.name for one in missing)}.", *ways]))
    entered = f" Entered in the console: {', '.join(kept)}." if kept else ""
    return passes(f"All {len(needed)} required variables are set.{entered}")


@probe("env.keys_valid", every=FAR)
def keys_valid() -> Seen:
    """A pattern check, then one authenticated call each."""
    problems = []
    for name, is_sandbox, access in (
        (client.TOKEN, client.is_sandbox, client.access),
        (llm.KEY, llm.is_sandbox, llm.access),
    ):
        if is_sandbox():
            problems.append(f"{name} is unset: the sandbox stands in.")
            continue
        try:
            key, _ = access()
        except Misconfigured as error:
            problems.append(str(error))
            continue
        if environment.looks_like_placeholder(key):
            problems.append(f"{name} is a placeholder.")
    if problems:
        return fails(" ".join(problems))
    try:
        bot = client.me()
        models = llm.models()
    except Later as error:
        return unknown(error.why)
    except Never as error:
        return fails(error.why)
    return passes(f"Notion knows us as {bot.get('name') or bot['id']}; Claude offers {len(models)} models.")


@probe("env.database_ids", every=FAR)
def database_ids() -> Seen:
    """A retrieve per database, and a comparison property by property."""
    sources = {source.key: source for source in DataSource.objects.all()}
    missing = [database.title for key, database in DATABASES.items() if key not in sources]
    if missing:
        return fails(f"Not set up: {', '.join(missing)}.")
    problems = []
    for source in sources.values():
        try:
            problems += drift.differences(source)
        except Later as error:
            return unknown(f"{source}: {error.why}")
        except Never as error:
            problems.append(f"{DATABASES[source.key].title}: {error.why}")
    return verdict(problems, f"All {len(sources)} databases have the properties that we need.")


@probe("env.production")
def production() -> Seen:
    """The setting."""
    return verdict(
        [] if settings.PRODUCTION else [f"ENVIRONMENT is {settings.ENVIRONMENT}."], "ENVIRONMENT is production."
    )


@probe("env.log_level")
def log_level() -> Seen:
    """The setting."""
    level = settings.LOG_LEVEL
    return verdict([] if level in ("INFO", "WARNING") else [f"LOG_LEVEL is {level}."], f"LOG_LEVEL is {level}.")


@probe("env.json_logs")
def json_logs() -> Seen:
    """The root handler's own rendering of a line parses as JSON."""
    handlers = [handler for handler in logging.getLogger().handlers if handler.formatter is not None]
    if not handlers:
        return unknown("This process has no log handler.")
    line = handlers[0].format(logging.LogRecord("ops", logging.INFO, __file__, 1, "a line", None, None))
    try:
        json.loads(line)
    except ValueError:
        return fails("A line of the log is no JSON.")
    return passes("A line of the log parses as JSON.")
