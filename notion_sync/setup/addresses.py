"""How people name a page or a database: by its id, or by the address that Notion's Copy link gives."""

from __future__ import annotations

import re
import uuid

from emm.jobs import Misconfigured

ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$", re.IGNORECASE)


def id_in(text: str) -> str | None:
    """The id, with dashes, in an id or a Notion address, whatever follows its path; None where there is none."""
    match = ID.search(re.split(r"[?#]", text.strip())[0].rstrip("/"))
    return str(uuid.UUID(match[0])) if match else None


def notion_id(text: str, what: str) -> str:
    """The id in an id or an address. Raises Misconfigured about `what` where there is none."""
    found = id_in(text)
    if found is None:
        raise Misconfigured(f"{what} is not named by a Notion id or address.", "Copy its link in Notion and use that.")
    return found
