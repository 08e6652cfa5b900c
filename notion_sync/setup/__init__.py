"""The workspace: looked at first, then made whole. Nothing of a person's is renamed or removed, only added to.

`look` only reads, and finds everything that stands in the way at once; `prepare` looks and then writes. Every step looks
before it writes, so a run that was cut off at any call is simply run again: it finds what it made.
"""

from __future__ import annotations

from notion_sync.setup import command_center, databases, seeds
from notion_sync.setup.addresses import notion_id
from notion_sync.setup.preview import changes
from notion_sync.setup.survey import Report, Survey, Unfit, Wishes, look

__all__ = ["Survey", "Unfit", "Wishes", "changes", "look", "notion_id", "prepare"]


def prepare(parent: str, report: Report, wishes: Wishes | None = None) -> None:
    """Make the workspace below the page `parent` (id or address) ready, and store where everything is.

    `report` is given a line for each step. Raises Misconfigured (Unfit where it lists several things) where a person must
    act first, Later and Never as Notion answers, client.Ambiguous where a write's fate is unknown. Run it again then:
    nothing is made twice.
    """
    wishes = wishes or Wishes()
    survey = look(parent, report, wishes)
    survey.refuse()
    report(command_center.occupy(survey, take_over=wishes.take_over))
    for line in databases.complete(survey):
        report(line)
    seeds.store(survey, wishes)
    for key, (kind, pages) in seeds.wanted().items():
        report(seeds.plant(survey.found[key], kind, pages))
    for line in command_center.furnish(survey):
        report(line)
    report("The workspace is ready.")
