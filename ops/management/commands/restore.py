"""`manage.py restore NAME`: put a copy back, or with --drill try it on a scratch database."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import connection

from emm.jobs import Misconfigured
from ops import backups
from ops.models import Backup, RestoreDrill


class Command(BaseCommand):
    """Raises CommandError, one line, where the copy is missing, changed, or does not fit."""

    help = "Restores a backup over this database (stop web, workers and beat first), or tries it on a scratch one."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="The backup's name; without it the newest.")
        parser.add_argument("--drill", action="store_true", help="Restore into a scratch database and compare.")
        parser.add_argument("--yes", action="store_true", help="Replace everything that this database holds.")

    def handle(self, *args: Any, **options: Any) -> None:
        done = Backup.objects.filter(status=Backup.Status.DONE).order_by("-made_at")
        backup = done.filter(name=options["name"]).first() if options["name"] else done.first()
        if backup is None:
            raise CommandError("There is no such backup: see Backups in the console, or run manage.py backup.")
        if options["drill"]:
            self.drill(backup)
            return
        if not options["yes"]:
            raise CommandError(f"This replaces everything in the database by {backup.name}. Say --yes if you mean it.")
        settings = dict(connection.settings_dict)
        connection.close()
        try:
            backups.restore_into(backup, settings)
        except (backups.Failed, Misconfigured) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{backup.name} was restored.")

    def drill(self, backup: Backup) -> None:
        job = RestoreDrill.claim(RestoreDrill.objects.create(backup=backup).pk)
        assert job is not None, "it was just made"
        job.attempt(backups.drill)
        job.refresh_from_db()
        if not job.passed:
            raise CommandError(job.findings or job.last_error)
        self.stdout.write(f"{job.findings} It took {job.seconds:.1f} s.")
