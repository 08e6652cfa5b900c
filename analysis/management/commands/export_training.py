"""`manage.py export_training FILE.zip`: take training files out; `--check FILE --format NAME`: look at one by itself."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize

from analysis import exports
from analysis.answers import Persona, Route
from analysis.exports import FORMATS, Choice, Kind
from analysis.models import Settlement
from emm.audit import record

SHOWN = 20


class Command(BaseCommand):
    """Exit code 1: a file breaks its format, or nothing could be written."""

    help = "Writes people's decisions as training files into a zip file, with a manifest; or checks such a file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="the zip file to write")
        parser.add_argument("--check", type=Path, metavar="FILE", help="check this file instead; needs one --format")
        parser.add_argument(
            "--format", action="append", choices=FORMATS, help="again for more; all where none is named"
        )
        parser.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="decisions of this day (UTC) and later")
        parser.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="decisions of this day (UTC) and earlier")
        parser.add_argument("--persona", default="", choices=[*Persona, "synthesis"], help="whose advice was closest")
        parser.add_argument("--route", default="", choices=list(Route))
        parser.add_argument("--prompt", default="", help="the beginning of the hash of the synthesis' prompt")
        parser.add_argument("--decision", default="", choices=Settlement.Decision.values)
        parser.add_argument("--min-acceptance", type=_percent, default=0, metavar="PERCENT", help="of approvals")
        parser.add_argument(
            "--validation", type=_percent, default=10, metavar="PERCENT", help="of items; 10 by default"
        )
        parser.add_argument("--keep", action="append", default=[], choices=list(Kind), help="do not redact these")
        parser.add_argument("--reason", default="", help="what it is for; goes into the audit log")

    def handle(self, *args: Any, file: Path | None, check: Path | None, **options: Any) -> None:
        if check is not None:
            self._check(check, options["format"] or [])
        elif file is not None:
            self._export(file, _choice(options), options["reason"])
        else:
            raise CommandError("Name the zip file to write, or a file to --check.")

    def _check(self, path: Path, formats: list[str]) -> None:
        if len(formats) != 1:
            raise CommandError("Name the --format of the file, one.")
        try:
            found = list(islice(exports.problems(formats[0], path), SHOWN + 1))
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        if found:
            more = "\n…" if len(found) > SHOWN else ""
            raise CommandError("\n".join(found[:SHOWN]) + more)
        self.stdout.write(f"{path} keeps to the format {formats[0]}.")

    def _export(self, path: Path, choice: Choice, reason: str) -> None:
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as target:
                os.chmod(part, 0o600)  # what people decided is not for everybody on the machine
                manifest = exports.pack(choice, target)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        by = f"{getpass.getuser()} at the command line"
        record("training.export", None, by=by, after=exports.summary(manifest), reason=reason)
        for one in manifest["files"]:
            tokens = one["tokens"]
            self.stdout.write(
                f"{one['name']:36}{one['records']:>8} record{pluralize(one['records'])}, about {tokens['estimate']:,} tokens "
                f"(at most {tokens['at_most']:,}), {one['duplicates_dropped']} "
                f"duplicate{pluralize(one['duplicates_dropped'])} dropped"
            )
        for name in choice.formats:
            self.stdout.write(f"{name}: {FORMATS[name].trains}")
        broken = [f"{one['name']}: {what}" for one in manifest["files"] for what in one["problems"]]
        if broken:
            raise CommandError("\n".join(broken))


def _choice(options: dict[str, Any]) -> Choice:
    return Choice(
        formats=tuple(options["format"] or FORMATS),
        since=options["since"],
        until=options["until"],
        persona=options["persona"],
        route=options["route"],
        prompt=options["prompt"],
        decision=options["decision"],
        min_acceptance=options["min_acceptance"] / 100,
        redact=frozenset(Kind) - frozenset(map(Kind, options["keep"])),
        validation_percent=options["validation"],
    )


def _percent(text: str) -> int:
    percent = int(text)
    if not 0 <= percent <= 100:
        raise ValueError(text)
    return percent


_day: Callable[[str], date] = date.fromisoformat
