"""Message Batches: https://platform.claude.com/docs/en/build-with-claude/batch-processing.

The requests of a batch are answered one after the other, so that a marked prefix is read from the second on: better than
the real one promises. The batch shows as ended once its time is over.
"""

import json
import random
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.claude.errors import ApiError, invalid

MOST = 100_000
LIFETIME = timedelta(hours=24)
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
KINDS = ("succeeded", "errored", "canceled", "expired")

Result = dict[str, Any]


@dataclass
class Batch:
    """One batch with its results, by custom_id, from the start; `ended_at` says from when on they are shown."""

    results: dict[str, Result]
    created_at: datetime
    ended_at: datetime
    id: str = field(default_factory=lambda: f"msgbatch_sandbox{secrets.token_hex(10)}")

    @property
    def ended(self) -> bool:
        return datetime.now(UTC) >= self.ended_at

    def body(self, address: str) -> dict[str, Any]:
        """The batch as the API shows it. `address`: of the list of batches."""
        counts = dict.fromkeys(("processing", *KINDS), 0)
        for result in self.results.values():
            counts[result["type"] if self.ended else "processing"] += 1
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if self.ended else "in_progress",
            "request_counts": counts,
            "created_at": _time(self.created_at),
            "expires_at": _time(self.created_at + LIFETIME),
            "ended_at": _time(self.ended_at) if self.ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": f"{address}/{self.id}/results" if self.ended else None,
        }

    def lines(self) -> bytes:
        """The results as JSON lines, in no order. Raises ApiError 404 before the end."""
        if not self.ended:
            raise ApiError(404, f"Batch {self.id} has no available results: it is still in progress.")
        found = [json.dumps({"custom_id": key, "result": result}) for key, result in self.results.items()]
        random.shuffle(found)
        return "".join(f"{line}\n" for line in found).encode()


class Batches:
    """All batches, the newest first in lists."""

    def __init__(self) -> None:
        self._by_id: dict[str, Batch] = {}

    def create(self, body: Any, answer: Callable[[Any], Result], seconds: float) -> Batch:
        """Take a batch and answer its requests with `answer`. It ends after `seconds`. Raises ApiError 400."""
        requests = body.get("requests") if isinstance(body, dict) else None
        if not isinstance(requests, list) or not 1 <= len(requests) <= MOST:
            raise invalid(f"requests: expected a list of 1 to {MOST:,}")
        keys = [request.get("custom_id") if isinstance(request, dict) else None for request in requests]
        for place, key in enumerate(keys):
            if not isinstance(key, str) or not CUSTOM_ID.fullmatch(key):
                raise invalid(f"requests.{place}.custom_id: String should match pattern '^{CUSTOM_ID.pattern}$'")
            if set(requests[place]) != {"custom_id", "params"}:
                raise invalid(f"requests.{place}: expected custom_id and params")
        if len(set(keys)) < len(keys):
            raise invalid("requests: custom_id must be unique within a batch")
        results = {request["custom_id"]: answer(request["params"]) for request in requests}
        now = datetime.now(UTC)
        batch = Batch(results, now, now + timedelta(seconds=seconds))
        self._by_id[batch.id] = batch
        return batch

    def get(self, batch_id: str) -> Batch:
        """Raises ApiError 404."""
        if batch_id not in self._by_id:
            raise ApiError(404, f"Batch {batch_id} not found")
        return self._by_id[batch_id]

    def list(self, query: dict[str, str], address: str) -> dict[str, Any]:
        """A page of batches, the newest first, after or before the batch of an id."""
        limit = query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 1_000:
            raise invalid("limit: must be 1 to 1000")
        found = list(reversed(self._by_id.values()))
        ids = [batch.id for batch in found]
        if (after := query.get("after_id")) in ids:
            found = found[ids.index(after) + 1 :]
        elif (before := query.get("before_id")) in ids:
            found = found[: ids.index(before)]
        page = found[: int(limit)]
        ends = {"first_id": page[0].id if page else None, "last_id": page[-1].id if page else None}
        return {"data": [batch.body(address) for batch in page], "has_more": len(found) > len(page), **ends}

    def cancel(self, batch_id: str) -> Batch:
        """End it at once: what it had answered by then counts as canceled."""
        batch = self.get(batch_id)
        if not batch.ended:
            batch.results = {key: {"type": "canceled"} for key in batch.results}
            batch.ended_at = datetime.now(UTC)
        return batch

    def clear(self) -> None:
        self._by_id.clear()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
