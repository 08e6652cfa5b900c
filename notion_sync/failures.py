"""Sorting of what went wrong in a request to Notion, once for all callers: `client` alone uses it.

https://developers.notion.com/reference/status-codes and https://developers.notion.com/reference/request-limits
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from emm.jobs import Later, Misconfigured, Never
from notion_sync import pace, standstill
from notion_sync.properties import clean

SOON = timedelta(seconds=10)
WINDOW_SECONDS = 60  # of Notion's request limit: the pause where a refusal names none
LONGEST_PAUSE_SECONDS = 3600
LONGEST_TEXT = 2000


class Ambiguous(Exception):  # a fate of a write, as Later and Never are
    """A write that may have been applied: look before writing again."""


class Committed(Exception):  # a fate of a write, as Later and Never are
    """A write that Notion saved although it reports an error: never repeat it.

    `resource_id`: what it made, or the page that it appended to; `child_ids`: the blocks that it appended.
    """

    def __init__(self, resource_id: uuid.UUID, why: str, child_ids: Sequence[str] = ()) -> None:
        super().__init__(why)
        self.resource_id = resource_id
        self.child_ids = child_ids


class Refused(Never):
    """Notion itself refuses the request as it is: 400, and what is like it."""


class TooSlow(Later):
    """Notion ran out of time over a reading: a smaller page of results may do."""


class NotShared(Misconfigured):
    """What the request names is not there, or not shared with the integration: Notion tells no difference."""


@dataclass(frozen=True)
class Failure:
    """An attempt without a proper answer. `text` is for people and for rows.

    `status` None: no answer came, and `timed_out` says whether we gave up waiting. `sent` False: not even a byte of the
    request left this machine. `code` empty: the
    error is not Notion's but a gateway's. `retry_after`: as it came.
    """

    text: str
    status: int | None = None
    sent: bool = True
    timed_out: bool = False
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


def sort(failure: Failure, write: bool, asked: str = "") -> Exception:
    """The exception to raise. `asked`: method and route. A refusal for too many requests closes the pace for all first."""
    status = failure.status
    if status in (429, 529):
        return _pause(failure)
    if fix := _fix(failure, asked):
        return (NotShared if status == 404 and failure.code else Misconfigured)(failure.text, fix)
    if status and 400 <= status < 500 and status not in (408, 409):
        return Refused(f"{failure.text} {_way_on(failure)}")
    if not write or not failure.sent:
        return (TooSlow if _asks_for_less(failure) else Later)(SOON, failure.text)
    try:
        made = uuid.UUID(str(failure.details.get("committed_resource_id")))
        return Committed(made, failure.text, [str(one) for one in failure.details.get("committed_child_ids") or ()])
    except ValueError:
        return Ambiguous(failure.text)


def _asks_for_less(failure: Failure) -> bool:
    guided = failure.status == 503 and "page_size" in str(failure.details.get("retry_guidance"))
    return failure.status == 504 or failure.timed_out or guided


def clipped(text: str) -> str:
    """The text as a row and a log line can hold it: cleaned, and cut visibly where it is very long."""
    text = clean(text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} [cut]"


def _pause(failure: Failure) -> Later:
    reason = failure.details.get("rate_limit_reason")
    if reason == "public_api_request_blocked":
        return standstill.begin(standstill.BLOCKED.format(failure.text))
    seconds = int(failure.retry_after) if re.fullmatch(r"[0-9]{1,9}", failure.retry_after) else WINDOW_SECONDS
    pause = timedelta(seconds=min(max(seconds, 1), LONGEST_PAUSE_SECONDS))
    named = reason or failure.code or failure.status
    why = f"Notion asks for a pause of {pause.total_seconds():.0f} seconds ({named})."
    # The other reasons tell of budgets that we share: they say nothing about our own.
    too_many = failure.status == 429 and reason in (None, "public_api_request_rate_limit")
    pace.close(pause.total_seconds(), why, too_many=too_many)
    return Later(pause, why)


def capability(asked: str) -> str:
    """What Notion's settings call the capability that a call needs. https://developers.notion.com/reference/capabilities"""
    method, _, route = asked.partition(" ")
    if route.startswith("/v1/users"):
        return "Read user information"
    if route.startswith("/v1/comments"):
        return "Read comments" if method == "GET" else "Insert comments"
    if method == "GET" or route.endswith(("/query", "/search")):
        return "Read content"
    return "Insert content" if method == "POST" or route.endswith("/children") else "Update content"


BLOCK_LIMIT = (
    "Notion's free plan allows a workspace of several members 1,000 blocks for all time, and deleting blocks gives none "
    "back. Upgrade the workspace's plan, or use one with a single member (guests do not count)."
)
FIXES = {
    401: "Copy the integration's token into NOTION_API_KEY again.",
    404: "Open the page or database in Notion and add the integration under its menu, Connections.",
}
GATEWAY = "Check NOTION_BASE_URL, and what stands between this machine and Notion."


def _fix(failure: Failure, asked: str) -> str | None:
    """What a person has to mend; None where the failure is not about settings."""
    status = failure.status or 0
    if 300 <= status < 400 or (status in (401, 403, 404) and not failure.code):
        return GATEWAY
    said = f"{failure.text} {json.dumps(failure.details)}".lower().replace("_", " ")
    # The wording is not documented: no other 403 speaks of a limit; a 400 may of those of one request.
    if (status == 403 and "limit" in said) or (status == 400 and "block limit" in said):
        return BLOCK_LIMIT
    if status == 403:
        return f"Open the integration in Notion's settings and switch on the capability {capability(asked)}."
    return FIXES.get(status)


def _way_on(failure: Failure) -> str:
    """What can be done about a request that Notion refuses as it is."""
    if not failure.code:
        return GATEWAY
    report = f"report it with Notion's request id ({failure.request_id or 'none came'})"
    if failure.code == "validation_error":
        return (
            f"Mend in Notion what it names, then try again; where nothing is wrong there, the fault is ours: {report}."
        )
    return f"The fault is ours, nothing in Notion is wrong: {report}."
