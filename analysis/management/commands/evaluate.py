"""`manage.py evaluate`: the labelled inbox through the configured models, and what it cost."""

from __future__ import annotations

import getpass
import json as encoder
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from analysis import evaluation
from analysis.evaluation import Incomplete
from analysis.models import Evaluation
from emm import logs


class Command(BaseCommand):
    """Exit code 1: the run could not be completed; the report of what was seen is printed all the same."""

    help = "Runs the labelled inbox against the configured models. It costs real money with a real key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--only", action="append", default=[], metavar="ID", help="only this item; again for more")
        parser.add_argument("--no-arguments", action="store_true", help="do not compare standard with quick: cheaper")

    def handle(self, *args: Any, json: bool, only: list[str], no_arguments: bool, **options: Any) -> None:
        logs.aside()
        known = {label.id: label for label in evaluation.labels()}
        if unknown := sorted(set(only) - known.keys()):
            raise CommandError(f"There is no labelled item {', '.join(unknown)}.")
        chosen = [known[name] for name in only] or list(known.values())
        by = f"{getpass.getuser()} at the command line"
        try:
            run = evaluation.evaluate(chosen, by=by, argue=not no_arguments, say=self.stderr.write)
        except Incomplete as stopped:
            last = Evaluation.objects.filter(by=by).order_by("-pk")[0]
            self._print(last.report, json)
            raise CommandError(f"The run could not be completed. {stopped}") from stopped
        self._print(run.report, json)

    def _print(self, report: dict[str, Any], json: bool) -> None:
        self.stdout.write(encoder.dumps(report, indent=2) if json else evaluation.in_words(report))
