"""`manage.py evidence FILE`: import what scripts/evidence.py proved where the repository is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from ops import evidence


class Command(BaseCommand):
    """Raises CommandError for a file that holds no evidence."""

    help = "Imports the evidence that CI has written about one commit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            count = evidence.bring(json.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except (ValueError, evidence.Refused) as error:
            raise CommandError(f"{file} holds no evidence: {error}") from error
        self.stdout.write(f"{count} items were proved.")
