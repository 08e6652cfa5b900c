"""One request budget for all processes, kept in Redis, and closed for everyone when Notion says so.

Notion allows NOTION_REQUESTS_PER_MINUTE in a window of 60 seconds that begins we don't know when
(https://developers.notion.com/reference/request-limits). So no 61 seconds hold more turns than that, wherever they begin;
the second more is for requests that overtake each other on the way. Inside, NOTION_BURST may go at once and the rest
evenly, which also suits a limit that counts by the second. Where Notion refuses us below our limit, the limit was
wrong: for an hour we keep to what went through.

People come first: their requests queue for a turn, while `background` work only takes turns that nobody waits for.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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
WINDOW = 61_000_000

# All times are integer microseconds of the server's clock. `next` is when the next request would start if they were
# evenly spaced; a request may run ahead of it by `burst - 1` steps. KEYS[2] holds the turns of the last window. A turn may
# lie in the future, so that callers are served in the order they came. The keys outlive their use by two minutes: by then
# all values in them are past, and change nothing.
CLOCK = """
local clock = redis.call('TIME')
local now = ARGV[1] == '' and clock[1] * 1000000 + clock[2] or tonumber(ARGV[1])
local limit, window, minute = tonumber(ARGV[2]), tonumber(ARGV[3]), 60000000
local state = redis.call('HMGET', KEYS[1], 'next', 'closed', 'why', 'learned', 'learned_until', 'given')
local due, closed = tonumber(state[1] or 0), tonumber(state[2] or 0)
local learned, learned_until = tonumber(state[4] or limit), tonumber(state[5] or 0)
if learned_until > now then limit = math.min(limit, learned) end
"""

TAKE = (
    CLOCK
    + """
local burst, patience = math.min(tonumber(ARGV[4]), limit), tonumber(ARGV[5])
local step = math.ceil(window / limit)
local turn = math.max(now, closed, due - (burst - 1) * step)
local last = redis.call('ZREVRANGE', KEYS[2], limit - 1, limit - 1, 'WITHSCORES')
if last[2] then turn = math.max(turn, tonumber(last[2]) + window) end
if turn - now <= patience then
  local given = tonumber(state[6] or 0) + 1
  redis.call('HSET', KEYS[1], 'next', string.format('%.0f', math.max(due, turn) + step), 'given', given)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - window))
  redis.call('ZADD', KEYS[2], string.format('%.0f', turn), given)
  local life = math.ceil((math.max(due, turn, closed, learned_until) - now) / 1000) + 120000
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end
return {string.format('%.0f', turn - now), closed > now and string.format('%.0f', closed) or '0', state[3] or ''}
"""
)

# A refusal while the pace is closed already tells nothing new: several requests were on their way together.
CLOSE = (
    CLOCK
    + """
local until_then, hour = now + tonumber(ARGV[4]), 3600000000
if ARGV[6] == '1' and closed <= now then
  local spent = redis.call('ZCOUNT', KEYS[2], string.format('%.0f', now - minute), string.format('%.0f', now))
  learned, learned_until = math.max(spent - 1, math.floor(limit / 2), 1), now + hour
  if learned < limit then
    redis.call('HSET', KEYS[1], 'learned', learned, 'learned_until', string.format('%.0f', learned_until))
  end
end
if until_then > closed then
  redis.call('HSET', KEYS[1], 'closed', string.format('%.0f', until_then), 'why', ARGV[5])
end
redis.call('PEXPIRE', KEYS[1], math.ceil((math.max(until_then, due, closed, learned_until) - now) / 1000) + 120000)
"""
)

SPENT = (
    CLOCK
    + """
local spent = redis.call('ZCOUNT', KEYS[2], string.format('%.0f', now - minute), string.format('%.0f', now))
return {spent, limit}
"""
)

_in_background: ContextVar[bool] = ContextVar("in_background", default=False)


@contextmanager
def background() -> Iterator[None]:
    """Requests inside wait until nobody else does: polls at their interval, bodies, full readings."""
    token = _in_background.set(True)
    try:
        yield
    finally:
        _in_background.reset(token)


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
    return _wait_in_background(patience) if _in_background.get() else _wait_in_line(patience)


def _wait_in_line(patience: float) -> float:
    turn = take(patience)
    _refuse(turn, patience)
    if turn.wait > 0:
        time.sleep(turn.wait)
        if until := closed_until():
            raise Later(until, "Notion asked for a pause while this request waited for its turn.")
    return turn.wait


def _wait_in_background(patience: float) -> float:
    """Takes a turn only once it is there, so that whoever comes meanwhile goes before."""
    waited = 0.0
    while (turn := take(0)).wait > 0:
        _refuse(turn, patience - waited)
        time.sleep(turn.wait)
        waited += turn.wait
    return waited


def _refuse(turn: Turn, patience: float) -> None:
    if turn.wait > patience and turn.closed_until:
        raise Later(turn.closed_until, turn.why)
    if turn.wait > patience:
        why = f"The Notion request budget is spent for the next {turn.wait:.0f} seconds."
        raise Later(timedelta(seconds=turn.wait), why)


def take(patience: float, now: int | None = None) -> Turn:
    """Take the next turn if it is at most `patience` seconds away. `now`: microseconds, in place of the server's clock.

    Raises Later where Redis does not answer, Misconfigured where the burst is not within the limit.
    """
    limit, burst = settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST
    if not 1 <= burst <= limit:
        raise Misconfigured(
            f"NOTION_BURST ({burst}) must be from 1 to NOTION_REQUESTS_PER_MINUTE ({limit}).",
            "Set NOTION_BURST to 8, or leave it unset.",
        )
    delay, closed, why = _run(TAKE, now, burst, int(patience * 1_000_000))
    return Turn(int(delay) / 1_000_000, _moment(int(closed)) if int(closed) else None, why)


def close(seconds: float, reason: str, now: int | None = None, *, too_many: bool = False) -> None:
    """Let nobody send anything for `seconds`, for `reason` (a sentence). Never shortens a longer pause.

    `too_many`: Notion counted more requests than this connection may send, so for an hour the limit is what went through
    in the last minute, but at least half of what it was: others may have spent the rest.
    """
    _run(CLOSE, now, int(seconds * 1_000_000), reason, int(too_many))


def spent(now: int | None = None) -> tuple[int, int]:
    """How many turns began in the last minute, and the limit in force. Raises Later where Redis does not answer."""
    count, limit = _run(SPENT, now)
    return int(count), int(limit)


def closed_until() -> datetime | None:
    """When requests may be sent again; None if the pace is open. Raises Later where Redis does not answer."""
    return take(-1).closed_until


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _run(script: str, now: int | None, *arguments: str | int) -> list[str]:
    given = ("" if now is None else now, settings.NOTION_REQUESTS_PER_MINUTE, WINDOW, *arguments)
    try:
        answer: list[str] = _redis(settings.REDIS_URL).eval(script, 2, KEY, f"{KEY}:turns", *given)
    except redis.RedisError as error:
        raise Later(
            REDIS_DOWN,
            f"Redis, which keeps the Notion request budget, does not answer: {error}. See that it runs, and REDIS_URL.",
        ) from error
    return answer


@functools.lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=3, socket_connect_timeout=3, retry=Retry(NoBackoff(), 1)
    )
