"""Set-up as a job: started from the console, its lines kept in a row so that a person can watch."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from emm import schedule
from emm.audit import Actor, record
from emm.jobs import Misconfigured, Never
from notion_sync import setup
from notion_sync.models import SetupRun
from notion_sync.setup import Wishes

BUSY = "Another run is under way: watch it to its end."


def start(parent: str, wishes: Wishes, *, only_look: bool, by: Actor, reason: str, served_by: str = "") -> SetupRun:
    """Open a run. `served_by`: the installation that it takes the workspace from. Raises ValidationError while one is under way."""
    chosen = {
        "parent": parent,
        "adopt": wishes.adopt,
        "take_over": wishes.take_over,
        "databases": dict(wishes.databases),
        "data_sources": dict(wishes.data_sources),
        "served_by": served_by,
    }
    deed = "setup.look" if only_look else "setup.take_over" if served_by else "setup.start"
    try:
        with transaction.atomic():
            row = SetupRun.objects.create(**chosen, only_look=only_look, asked_by=str(by)[:150])
            record(deed, row, by=by, after=chosen, reason=reason)
            schedule.nudge("setup", row.pk)
    except IntegrityError:
        raise ValidationError(BUSY) from None
    return row


def run(job: SetupRun) -> None:
    """Stage setup. What a person must mend ends the run: it is started again when that is done."""
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        job.keep(lines=lines)

    wishes = Wishes(job.adopt, job.take_over, job.databases, job.data_sources)
    try:
        if job.only_look:
            survey = setup.look(job.parent, report, wishes)
            job.keep(lines=lines + setup.changes(survey), served_by=survey.served_by)
        else:
            setup.prepare(job.parent, report, wishes)
    except Misconfigured as error:
        raise Never(str(error).strip()) from error
