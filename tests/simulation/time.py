"""Time in a simulation: rows and Notion's pages are moved into the past, clocks are left alone."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.conf import settings
from django.db import connection, models

from notion_sync import pace
from tests.world import Sandbox

MINUTE = 60  # Notion's times are whole minutes, so time passes in whole minutes


def pass_minutes(sandbox: Sandbox, minutes: int) -> None:
    """Let `minutes` pass for everything that keeps a time: our rows, Notion's pages, the shared pace."""
    with connection.cursor() as cursor:
        cursor.execute(_shift().replace("SPAN", f"interval '{minutes} minutes'"))
    sandbox.age(seconds=minutes * MINUTE)
    redis = pace._redis(settings.REDIS_URL)
    for field in ("next", "closed"):
        at = redis.hget(pace.KEY, field)
        if at is not None:
            redis.hset(pace.KEY, field, f"{int(str(at)) - minutes * MINUTE * 1_000_000}")


@cache
def _shift() -> str:
    statements = []
    for label in ("notion_sync", "analysis"):
        for model in apps.get_app_config(label).get_models():
            names = [field.column for field in model._meta.local_fields if isinstance(field, models.DateTimeField)]
            if names and not model._meta.proxy and model._meta.managed:
                changes = ", ".join(f"{name} = {name} - SPAN" for name in names)
                statements.append(f"UPDATE {model._meta.db_table} SET {changes}")  # noqa: S608 - names of our own models
    return "; ".join(statements)
