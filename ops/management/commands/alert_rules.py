"""`manage.py alert_rules > config/alerts.yaml`: our alert rules, for Prometheus."""

from __future__ import annotations

from typing import Any

import yaml
from django.core.management import BaseCommand

from ops import rules

HEAD = "# Written by manage.py alert_rules from ops/rules.py: change the rules there.\n"


class Command(BaseCommand):
    """Writes to standard output."""

    help = "Prints the alert rules as a Prometheus rule file."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(HEAD + yaml.safe_dump(rules.for_prometheus(), sort_keys=False, width=120), ending="")
