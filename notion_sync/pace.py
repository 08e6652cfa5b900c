"""One request budget for all processes, kept in Redis, and closed for everyone when Notion says so.

Notion allows NOTION_REQUESTS_PER_MINUTE in 60 seconds (https://developers.notion.com/reference/request-limits).
NOTION_BURST of them may be spent at once; the rest is given out evenly, one every 60 s / (limit - burst). Any 60
seconds then hold at most the limit, wherever Notion's own window begins.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from emm.jobs import Later, Misconfigured

KEY = "notion:pace"
PATIENCE = 20.0
REDIS_DOWN = timedelta(seconds=5)

# All times are integer microseconds of the server's clock. `next` is when the next request would start if they were
# evenly spaced; a request may run ahead of it by `burst - 1` steps. A turn is handed out even where it lies in the
# future, so that callers are served in the order they came. The key outlives its use by two minutes: by then all values
# in it are past, and change nothing.
TAKE = """
local clock = redis.call('TIME')
local now = ARGV[1] == '' and clock[1] * 1000000 + clock[2] or tonumber(ARGV[1])
local step, burst, patience = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HMGET', KEYS[1], 'next', 'closed', 'why')
local due, closed = tonumber(state[1] or 0), tonumber(state[2] or 0)
local turn = math.max(now, closed, due - (burst - 1) * step)
if turn - now <= patience then
  redis.call('HSET', KEYS[1], 'next', string.format('%.0f', math.max(due, turn) + step))
  redis.call('PEXPIRE', KEYS[1], math.ceil((math.max(due, turn, closed) - now) / 1000) + 120000)
end
return {string.format('%.0f', turn - now), closed > now and string.format('%.0f', closed) or '0', state[3] or ''}
"""

CLOSE = """
local clock = redis.call('TIME')
local now = ARGV[1] == '' and clock[1] * 1000000 + clock[2] or tonumber(ARGV[1])
local closed = now + tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'next', 'closed')
if closed > tonumber(state[2] or 0) then
  redis.call('HSET', KEYS[1], 'closed', string.format('%.0f', closed), 'why', ARGV[3])
end
local last = math.max(closed, tonumber(state[1] or 0), tonumber(state[2] or 0))
redis.call('PEXPIRE', KEYS[1], math.ceil((last - now) / 1000) + 120000)
"""


@dataclass(frozen=True)
class Turn:
    """A request may start `wait` seconds from now. `closed_until` None: the pace is open. `why` it was closed last."""

    wait: float
    closed_until: datetime | None
    why: str


def wait(patience: float = PATIENCE) -> float:
    """Block until one request may be sent. Returns the seconds waited.

    Raises Later where the turn is more than `patience` seconds away, where the pace was closed meanwhile, and where
    Redis does not answer: never is a request sent unpaced.
    """
    turn = take(patience)
    if turn.wait > patience and turn.closed_until:
        raise Later(turn.closed_until, turn.why)
    if turn.wait > patience:
        why = f"The Notion request budget is spent for the next {turn.wait:.0f} seconds."
        raise Later(timedelta(seconds=turn.wait), why)
    if turn.wait > 0:
        time.sleep(turn.wait)
        if until := closed_until():
            raise Later(until, "Notion asked for a pause while this request waited for its turn.")
    return turn.wait


def take(patience: float, now: int | None = None) -> Turn:
    """Take the next turn if it is at most `patience` seconds away. `now`: microseconds, in place of the server's clock.

    Raises Later where Redis does not answer, Misconfigured where the burst leaves nothing to refill with.
    """
    limit, burst = settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST
    if not 1 <= burst < limit:
        raise Misconfigured(
            f"NOTION_BURST ({burst}) must be at least 1 and below NOTION_REQUESTS_PER_MINUTE ({limit}).",
            "Set NOTION_BURST to 8, or leave it unset.",
        )
    step = -(-60_000_000 // (limit - burst))
    delay, closed, why = _run(TAKE, "" if now is None else now, step, burst, int(patience * 1_000_000))
    return Turn(int(delay) / 1_000_000, _moment(int(closed)) if int(closed) else None, why)


def close(seconds: float, reason: str, now: int | None = None) -> None:
    """Let nobody send anything for `seconds`, for `reason` (a sentence). Never shortens a longer pause."""
    _run(CLOSE, "" if now is None else now, int(seconds * 1_000_000), reason)


def closed_until() -> datetime | None:
    """When requests may be sent again; None if the pace is open. Raises Later where Redis does not answer."""
    return take(-1).closed_until


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _run(script: str, *arguments: str | int) -> list[str]:
    try:
        answer: list[str] = _redis(settings.REDIS_URL).eval(script, 1, KEY, *arguments)
    except redis.RedisError as error:
        raise Later(REDIS_DOWN, f"Redis, which keeps the Notion request budget, does not answer: {error}") from error
    return answer


@functools.lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=3, socket_connect_timeout=3, retry=Retry(NoBackoff(), 1)
    )
