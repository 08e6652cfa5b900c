"""Counted tokens: four bytes each, a memory of cached prefixes, and the rate-limit headers that follow from them."""

import hashlib
import time
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from sandbox.claude.requests import MessageRequest

SECONDS = {"5m": 300, "1h": 3_600}
LIMITS = {"requests": 4_000, "input-tokens": 2_000_000, "output-tokens": 400_000}


def tokens(text: str) -> int:
    """About one token for four bytes of UTF-8, at least one."""
    return max(1, -(-len(text.encode("utf-8", "replace")) // 4))


def input_tokens(request: MessageRequest) -> int:
    return sum(tokens(block.text) for block in request.blocks)


class PromptCache:
    """Prefixes whose answer has begun, each until its time to live has passed; a read starts it anew."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def count(self, request: MessageRequest) -> tuple[dict[str, Any], dict[bytes, int]]:
        """A usage object's input side, and the request's prefixes that end at a cache_control with their seconds to live.

        Nothing is remembered before `begin`: of requests that are sent side by side, each writes.
        """
        now = time.monotonic()
        marked: dict[bytes, int] = {}
        self._until = {prefix: until for prefix, until in self._until.items() if until > now}
        total = input_tokens(request)
        lengths = accumulate(tokens(block.text) for block in request.blocks)
        read = written = 0
        ttl = "5m"
        digest = hashlib.sha256(request.model.id.encode())
        for block, length in zip(request.blocks, lengths, strict=True):
            digest.update(hashlib.sha256(block.text.encode("utf-8", "replace")).digest())
            if block.ttl is None or length < request.model.cache_floor:
                continue
            prefix = digest.digest()
            if prefix in self._until:
                read, written = length, 0
            else:
                written = length - read
            ttl = block.ttl
            marked[prefix] = SECONDS[ttl]
        return {
            "input_tokens": total - read - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written if ttl == "5m" else 0,
                "ephemeral_1h_input_tokens": written if ttl == "1h" else 0,
            },
        }, marked

    def begin(self, marked: dict[bytes, int]) -> None:
        """The answer begins: from now on its prefixes can be read."""
        now = time.monotonic()
        self._until |= {prefix: now + seconds for prefix, seconds in marked.items()}

    def clear(self) -> None:
        self._until.clear()


class Meter:
    """What was used in the present minute. Nothing is enforced: limits are hit by script only."""

    def __init__(self) -> None:
        self._minute = 0
        self._used = dict.fromkeys(LIMITS, 0)

    def headers(self, input_count: int, output_count: int) -> dict[str, str]:
        """The anthropic-ratelimit-* headers after a request of that size."""
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._used = minute, dict.fromkeys(LIMITS, 0)
        reset = datetime.fromtimestamp((minute + 1) * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {}
        for name, count in zip(LIMITS, (1, input_count, output_count), strict=True):
            self._used[name] += count
            headers[f"anthropic-ratelimit-{name}-limit"] = str(LIMITS[name])
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, LIMITS[name] - self._used[name]))
            headers[f"anthropic-ratelimit-{name}-reset"] = reset
        return headers
