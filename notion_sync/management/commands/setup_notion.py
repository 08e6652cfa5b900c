from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from emm.jobs import Later, Misconfigured, Never
from notion_sync import setup
from notion_sync.client import Ambiguous


class Command(BaseCommand):
    help = "Make the ten databases below a Notion page, or find them; nothing that exists is renamed or removed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--take-over", action="store_true", help="Serve it although another installation has.")
        parser.add_argument("--parent", default=settings.NOTION_PARENT_PAGE, help="The page's id or address.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["parent"]:
            raise CommandError("No parent page: give --parent, or set NOTION_PARENT_PAGE, to a page's id or address.")
        try:
            setup.prepare(options["parent"], self.stdout.write, take_over=options["take_over"])
        except (Misconfigured, Never) as error:
            raise CommandError(str(error)) from error
        except (Later, Ambiguous) as error:
            raise CommandError(f"{error} Run this again: it finds what it has made.") from error
