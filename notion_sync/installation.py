"""Which installation serves a workspace. Two on one would fight over every page, so the Command Center page carries a mark."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from notion_sync import client, properties, standstill
from notion_sync.document import Callout
from notion_sync.models import Standstill, Workspace
from notion_sync.rich_text import plain

TITLE = "Command Center"
MARK = re.compile(r"[Ss]erved by installation ([0-9a-f-]{36})")
TO_TAKE_BACK = timedelta(hours=1)
OUSTED = (
    "If that is as it should be, stop this one for good. If not, stop the other one, press Ask Notion again on the row under "
    "Standstills in the console, and within the hour take the workspace over: under a look at it (Set up Notion), or with "
    "manage.py setup_notion --take-over."
)
MOST_CENTERS = 10  # pages of that title that are read: each is a call


@dataclass
class Center:
    """The Command Center page. `page_id` None: to be made. `foreign`: the other installation that has marked it.

    `blocks`: what stood on it when it was looked at; `block_id`: the callout that is kept current; `made`: in this run.
    """

    page_id: str | None = None
    blocks: Sequence[Mapping[str, Any]] = field(default_factory=list)
    mark_id: str | None = None
    foreign: str = ""
    block_id: str | None = None
    made: bool = False


def installation_id() -> uuid.UUID:
    """This installation's own id, chosen once. It is stored before it is written anywhere, so that a cut-off run keeps it."""
    return Workspace.objects.get_or_create(
        pk=1, defaults={"bot_id": uuid.UUID(int=0), "installation_id": uuid.uuid4()}
    )[0].installation_id


def mark(ours: uuid.UUID) -> Callout:
    """The block that keeps others away."""
    return Callout(f"Served by installation {ours}. Leave this line: it keeps a second installation away.", "🧭")


def marked(block: Mapping[str, Any]) -> str:
    """The installation that the block names; empty where it names none."""
    text = plain(block.get(block["type"], {}).get("rich_text", []))
    found = MARK.search(text)
    return found[1] if found else ""


def find_center(children: Sequence[Mapping[str, Any]]) -> Center:
    """The marked page among the blocks of the parent page, whatever else is called like it. Stores nothing."""
    row = Workspace.objects.filter(pk=1).first()
    stored = str(row.command_center_page_id) if row else ""
    pages = [b for b in children if b["type"] == "child_page" and not b["in_trash"]]
    candidates = [b["id"] for b in pages if b["id"] == stored or b["child_page"]["title"] == TITLE]
    for page_id in sorted(candidates, key=lambda one: one != stored)[:MOST_CENTERS]:
        center = _read(page_id, str(row.installation_id) if row else "")
        if center.mark_id or page_id == stored:
            return center
    return Center()


def other_center(database_ids: set[str], ours: Center) -> str:
    """The installation whose Command Center elsewhere leads to one of these databases; empty where there is none."""
    row = Workspace.objects.filter(pk=1).first()
    titled = [
        page["id"] for page in client.search(TITLE, "page") if properties.title(page) == TITLE and not page["in_trash"]
    ]
    for page_id in [one for one in titled if one != ours.page_id][:MOST_CENTERS]:
        center = _read(page_id, str(row.installation_id) if row else "")
        linked = {b["link_to_page"].get("database_id") for b in center.blocks if b["type"] == "link_to_page"}
        if center.foreign and linked & database_ids:
            return center.foreign
    return ""


def refusal(foreign: str) -> tuple[str, str]:
    """What to say of a workspace that another installation serves, and how to go on."""
    return (
        f"Another installation ({foreign}) serves this workspace, and two would fight over its pages.",
        "Stop that one for good, then take the workspace over: in the console under a look at it (Set up Notion), or with "
        "manage.py setup_notion --take-over. Or name another parent page.",
    )


def keep_watch() -> None:
    """Raises Misconfigured, with everything at a standstill, where our Command Center names another installation by now.

    After a person has lifted that standstill it says so again only after `TO_TAKE_BACK`: they may take it back meanwhile.
    """
    row = Workspace.objects.get(pk=1)
    center = _read(str(row.command_center_page_id), str(row.installation_id))
    if not center.foreign:
        return
    why = f"Another installation ({center.foreign}) has taken this workspace over, and two would fight over its pages."
    if not Standstill.objects.filter(why=why, lifted_at__gt=Now() - TO_TAKE_BACK).exists():
        raise standstill.begin(why, OUSTED)


def _read(page_id: str, ours: str) -> Center:
    center = Center(page_id, client.block_children(page_id))
    for block in center.blocks:
        if found := marked(block):
            center.mark_id = block["id"]
            center.foreign = "" if found == ours else found
            break
    return center
