"""Sorting of what went wrong in a request to Notion, once for all callers: `client` alone uses it.

https://developers.notion.com/reference/status-codes and https://developers.notion.com/reference/request-limits
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from emm.jobs import Later, Misconfigured, Never
from notion_sync import pace
from notion_sync.properties import clean

SOON = timedelta(seconds=10)
BLOCKED = timedelta(minutes=15)
WINDOW_SECONDS = 60  # of Notion's request limit: the pause where a refusal names none
LONGEST_PAUSE_SECONDS = 3600
LONGEST_TEXT = 2000


class Ambiguous(Exception):  # a fate of a write, as Later and Never are
    """A write that may have been applied: look before writing again."""


class Committed(Exception):  # a fate of a write, as Later and Never are
    """A write that Notion saved although it reports an error: never repeat it. `resource_id`: what it made."""

    def __init__(self, resource_id: uuid.UUID, why: str) -> None:
        super().__init__(why)
        self.resource_id = resource_id


class NotShared(Misconfigured):
    """What the request names is not there, or not shared with the integration: Notion tells no difference."""


@dataclass(frozen=True)
class Failure:
    """An attempt without a proper answer. `text` is for people and for rows.

    `status` None: no answer came. `sent` False: not even a byte of the request left this machine. `code` empty: the
    error is not Notion's but a gateway's. `retry_after`: as it came.
    """

    text: str
    status: int | None = None
    sent: bool = True
    code: str = ""
    request_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    retry_after: str = ""


def read_refusal(status: int, body: str, headers: Mapping[str, str]) -> Failure:
    """The failure that an answer other than 2xx tells of, whoever wrote it: Notion, or a gateway before it."""
    try:
        error = json.loads(body)
    except ValueError:
        error = None
    retry_after = headers.get("retry-after", "")
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        return Failure(f"The answer was {status}, without an error of Notion's.", status, retry_after=retry_after)
    details = error.get("additional_data")
    details = details if isinstance(details, dict) else {}
    return Failure(
        clipped(f"Notion answered {status} {error['code']}: {error.get('message')}"),
        status,
        code=error["code"],
        request_id=clean(str(error.get("request_id") or ""))[:64],
        details=details,
        retry_after=retry_after or str(details.get("retry_after", "")),
    )


def sort(failure: Failure, write: bool) -> Exception:
    """The exception to raise. A refusal for too many requests closes the pace for all processes first."""
    status = failure.status
    if status in (429, 529):
        return _pause(failure)
    if fix := _fix(failure):
        return (NotShared if status == 404 and failure.code else Misconfigured)(failure.text, fix)
    if status and 400 <= status < 500 and status not in (408, 409):
        return Never(failure.text)
    if not write or not failure.sent:
        return Later(SOON, failure.text)
    try:
        return Committed(uuid.UUID(str(failure.details.get("committed_resource_id"))), failure.text)
    except ValueError:
        return Ambiguous(failure.text)


def clipped(text: str) -> str:
    """The text as a row and a log line can hold it: cleaned, and cut visibly where it is very long."""
    text = clean(text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} [cut]"


def _pause(failure: Failure) -> Later:
    if failure.details.get("rate_limit_reason") == "public_api_request_blocked":
        pause = BLOCKED
        why = f"Notion blocks this integration's requests. We ask again in 15 minutes. {failure.text}"
    else:
        seconds = int(failure.retry_after) if re.fullmatch(r"[0-9]{1,9}", failure.retry_after) else WINDOW_SECONDS
        pause = timedelta(seconds=min(max(seconds, 1), LONGEST_PAUSE_SECONDS))
        reason = failure.details.get("rate_limit_reason") or failure.code or failure.status
        why = f"Notion asks for a pause of {pause.total_seconds():.0f} seconds ({reason})."
    pace.close(pause.total_seconds(), why)
    return Later(pause, why)


FIXES = {
    401: "Copy the integration's token into NOTION_API_KEY again.",
    403: "Give the integration the capabilities to read, insert and update content in its Notion settings.",
    404: "Open the page or database in Notion and add the integration under its menu, Connections.",
}


def _fix(failure: Failure) -> str | None:
    """What a person has to mend; None where the failure is not about settings."""
    status = failure.status or 0
    if 300 <= status < 400 or (status in FIXES and not failure.code):
        return "Check NOTION_BASE_URL, and what stands between this machine and Notion."
    if status == 403 and "limit" in failure.text.lower():
        return "Raise the plan of the Notion workspace, or free some of its blocks."
    return FIXES.get(status)
