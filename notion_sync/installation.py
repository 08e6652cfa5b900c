"""Which installation serves a workspace. Two on one would fight over every page, so the Command Center page carries a mark."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from emm.jobs import Misconfigured
from notion_sync import client
from notion_sync.document import Block, Callout, Paragraph, blocks
from notion_sync.models import Workspace

TITLE = "Command Center"
MARK = re.compile(r"[Ss]erved by installation ([0-9a-f-]{36})")


def installation_id() -> uuid.UUID:
    """This installation's own id, chosen once. It is stored before it is written anywhere, so that a cut-off run keeps it."""
    return Workspace.objects.get_or_create(
        pk=1, defaults={"bot_id": uuid.UUID(int=0), "installation_id": uuid.uuid4()}
    )[0].installation_id


def occupy(parent_id: str, children: Iterable[Mapping[str, Any]], *, take_over: bool) -> str:
    """Mark the workspace as ours. `children`: the blocks of the parent page. Returns a line that says what was found.

    Raises Misconfigured where another installation has marked it, unless `take_over`.
    """
    ours = installation_id()
    page_id = next(
        (b["id"] for b in children if b.get("child_page", {}).get("title") == TITLE and not b["in_trash"]), None
    )
    if page_id is not None:
        marks = MARK.findall(client.page_markdown(page_id).markdown)
        if str(ours) in marks:
            return f"{TITLE}: found."
        if marks and not take_over:
            raise Misconfigured(
                f"Another installation ({marks[-1]}) serves this workspace, and two would fight over its pages.",
                "Stop that one, then run manage.py setup_notion --take-over; or name another parent page.",
            )
        client.update_page(page_id, in_trash=True)
    text: list[Block] = [
        Callout(f"Served by installation {ours}. Leave this line: it keeps a second installation away.", "🧭"),
        Paragraph("Write into System Inbox. Decide in Action Pipes."),
    ]
    title = {"title": {"title": [{"text": {"content": TITLE}}]}}
    with suppress(client.Committed):  # saved, whatever the answer says
        client.create_page(title, parent_page_id=parent_id, children=blocks(text))
    return f"{TITLE}: {'made' if page_id is None else 'taken over'}."
