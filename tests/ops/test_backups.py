"""Copies of the database and the proof that they can be restored: real pg_dump, real scratch databases."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from pytest_django import Settings

from notion_sync.models import InboxItem
from ops import backups
from ops.models import Backup, RestoreDrill, State
from ops.probes import levels

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.BACKUP_DIR = str(tmp_path)
    kind = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {**settings.STORAGES, "backups": {"BACKEND": kind, "OPTIONS": {"location": str(tmp_path)}}}
    return tmp_path


def databases() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", ["%_drill"])
        return [row[0] for row in cursor.fetchall()]


def test_a_copy_is_made_restored_elsewhere_and_compared(folder: Path) -> None:
    InboxItem.objects.create(title="A question")
    out = StringIO()
    call_command("backup", stdout=out)
    copy = Backup.objects.get()
    assert (folder / copy.name).stat().st_size == copy.size_bytes
    assert copy.sha256 in out.getvalue()
    assert copy.rows["notion_sync_inboxitem"] == 1
    call_command("restore", drill=True, stdout=out)
    assert "tables and 4 invariants agree" in out.getvalue()
    assert levels.backup().state == State.PASS
    assert databases() == []
    Backup.objects.update(made_at=Now() - timedelta(hours=27))
    assert levels.backup().state == State.FAIL


def test_a_drill_on_a_copy_that_lacks_a_table_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("backup", stdout=StringIO())
    restore = backups.restore_into

    def lossy(copy: Backup, database: dict[str, Any]) -> None:
        restore(copy, database)
        with backups._connect(database) as server:
            server.execute("DROP TABLE analysis_budgetperiod CASCADE")

    monkeypatch.setattr(backups, "restore_into", lossy)
    with pytest.raises(CommandError, match="The table analysis_budgetperiod is missing"):
        call_command("restore", drill=True)
    assert RestoreDrill.objects.get().passed is False
    assert levels.backup().state == State.FAIL
    assert databases() == []


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_file_that_was_changed_or_lost_is_not_restored(harm: str, folder: Path) -> None:
    call_command("backup", stdout=StringIO())
    file = folder / Backup.objects.get().name
    if harm == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    else:
        storages["backups"].delete(file.name)
    with pytest.raises(CommandError, match="SHA-256 differs" if harm == "changed" else "could not be restored"):
        call_command("restore", drill=True)


def test_a_restore_asks_before_it_replaces_everything() -> None:
    call_command("backup", stdout=StringIO())
    with pytest.raises(CommandError, match="--yes"):
        call_command("restore")
    with pytest.raises(CommandError, match="no such backup"):
        call_command("restore", "nothing.dump")


def test_a_restore_brings_back_what_was_lost() -> None:
    InboxItem.objects.create(title="A question")
    call_command("backup", stdout=StringIO())
    InboxItem.objects.all().delete()
    call_command("restore", yes=True, stdout=StringIO())
    assert InboxItem.objects.get().title == "A question"


def test_copies_and_drills_come_by_themselves(settings: Settings) -> None:
    backups.open_backups()
    backups.open_backups()
    assert Backup.objects.count() == 1
    assert not RestoreDrill.objects.exists()
    Backup.objects.update(status="done", name="x", sha256="y", made_at=Now())
    backups.open_backups()
    backups.open_backups()
    assert RestoreDrill.objects.count() == 1
    settings.BACKUP_DIR = ""
    Backup.objects.all().delete()
    backups.open_backups()
    assert not Backup.objects.exists()
