"""`manage.py backup`: a copy of the database now."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandError

from ops import backups
from ops.models import Backup


class Command(BaseCommand):
    """Raises CommandError, one line, where it could not be made."""

    help = "Copies the whole database into BACKUP_DIR."

    def handle(self, *args: Any, **options: Any) -> None:
        row = Backup.claim(Backup.objects.create().pk)
        assert row is not None, "it was just made"
        row.attempt(backups.back_up)
        row.refresh_from_db()
        if row.status != Backup.Status.DONE:
            raise CommandError(row.last_error)
        self.stdout.write(f"{row.name}: {row.size_bytes:,} bytes, SHA-256 {row.sha256}")
