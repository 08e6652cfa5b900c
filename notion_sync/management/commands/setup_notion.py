from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from emm.audit import record
from emm.jobs import Later, Misconfigured, Never
from notion_sync import setup
from notion_sync.client import Ambiguous
from notion_sync.setup import Wishes
from notion_sync.workspace import DATABASES


class Command(BaseCommand):
    help = "Make the ten databases below a Notion page, or find them; nothing that exists is renamed or removed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        keys = ", ".join(DATABASES)
        parser.add_argument("--parent", default=settings.NOTION_PARENT_PAGE, help="The page's id or address.")
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="Use databases that people made. What is in their inbox waits until someone releases it.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would change, and change nothing.")
        parser.add_argument(
            "--database",
            action="append",
            default=[],
            metavar="KEY=WHICH",
            help=f"Id, address or name of one of: {keys}.",
        )
        parser.add_argument(
            "--data-source",
            action="append",
            default=[],
            metavar="KEY=WHICH",
            help="Id or name of the data source to use, of a database that has several.",
        )
        parser.add_argument("--take-over", action="store_true", help="Serve it although another installation has.")
        parser.add_argument("--reason", default="", help="Why it is taken over; needed with --take-over, and kept.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["parent"]:
            raise CommandError("No parent page: give --parent, or set NOTION_PARENT_PAGE, to a page's id or address.")
        if options["take_over"] and not options["dry_run"] and not options["reason"].strip():
            raise CommandError("Say with --reason why it is taken over, for whoever wonders later.")
        wishes = Wishes(
            adopt=options["adopt"],
            take_over=options["take_over"],
            databases=by_key(options["database"], "--database"),
            data_sources=by_key(options["data_source"], "--data-source"),
        )
        try:
            if options["dry_run"]:
                for line in setup.changes(setup.look(options["parent"], self.stdout.write, wishes)):
                    self.stdout.write(line)
                self.stdout.write("Nothing was changed.")
            else:
                if options["take_over"]:
                    said = {"parent": options["parent"]}
                    record("setup.take_over", None, by="a person at the terminal", after=said, reason=options["reason"])
                setup.prepare(options["parent"], self.stdout.write, wishes)
        except (Misconfigured, Never) as error:
            raise CommandError(str(error).strip()) from error
        except (Later, Ambiguous) as error:
            raise CommandError(f"{error} Run this again: it finds what it has made.") from error


def by_key(said: Iterable[str], option: str) -> dict[str, str]:
    """KEY=WHICH as a dictionary. Raises CommandError for a key that is none of the databases'."""
    found = {}
    for one in said:
        key, equals, which = one.partition("=")
        if key not in DATABASES or not equals or not which.strip():
            raise CommandError(f"{option} takes KEY=WHICH, KEY being one of: {', '.join(DATABASES)}. Not: {one}")
        found[key] = which.strip()
    return found
