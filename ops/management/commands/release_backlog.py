from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notion_sync import backlog
from ops.backlog import estimate

BY = "manage.py release_backlog"


class Command(BaseCommand):
    help = "Says what is held since the workspace was adopted and what it would cost; with --yes, releases it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=date.fromisoformat, help="Only pages made on that day (UTC) or later.")
        parser.add_argument("--before", type=date.fromisoformat, help="Only pages made before that day (UTC).")
        parser.add_argument("--title", default="", help="Only pages whose title holds this.")
        parser.add_argument("--limit", type=int, help="At most so many, the oldest first.")
        parser.add_argument("--reason", default="", help="Why: goes into the audit log.")
        parser.add_argument("--yes", action="store_true", help="Release them.")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = backlog.held().filter(title__icontains=options["title"])
        if options["since"]:
            chosen = chosen.filter(created_time__date__gte=options["since"])
        if options["before"]:
            chosen = chosen.filter(created_time__date__lt=options["before"])
        if options["limit"] is not None:
            if options["limit"] < 1:
                raise CommandError("--limit is at least 1.")
            chosen = backlog.held().filter(pk__in=list(chosen.values_list("pk", flat=True)[: options["limit"]]))
        count = chosen.count()
        self.stdout.write(f"{count} of {backlog.held().count()} held items. Working on them costs {estimate(count)}.")
        if not options["yes"]:
            self.stdout.write("Nothing was released: say --yes and --reason to release them.")
            return
        if not options["reason"].strip():
            raise CommandError("Say --reason: why they are released.")
        self.stdout.write(f"{backlog.release(chosen, by=BY, reason=options['reason'])} released.")
