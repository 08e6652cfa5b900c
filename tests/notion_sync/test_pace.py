"""One request budget for everybody: never over the limit, hardly under it, and closed when Notion says so."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from emm.jobs import Later, Misconfigured
from notion_sync import pace

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


@pytest.fixture(autouse=True)
def own_pace(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """A pace of its own for each test, with the real limits."""
    monkeypatch.setattr(pace, "KEY", f"test:pace:{uuid.uuid4()}")
    settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST = 180, 8
    yield
    pace._redis(settings.REDIS_URL).delete(pace.KEY, f"{pace.KEY}:turns")


def most_in_a_minute(starts: list[float]) -> int:
    """The largest number of starts (microseconds) in any 60 seconds, both ends included."""
    most, first = 0, 0
    for last, start in enumerate(starts):
        while start - starts[first] > 60 * SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


def take_at(now: int) -> float | None:
    """When a request asked for at `now` starts; None where it has to wait too long."""
    turn = pace.take(20, now=now)
    return now + turn.wait * SECOND if turn.wait <= 20 else None


def test_no_minute_holds_more_than_the_limit_however_the_requests_come() -> None:
    chance = random.Random(7)
    now, starts = START, []
    for _ in range(2000):
        now += chance.choice(
            [0, 0, 0, 1, SECOND // 10, SECOND, 5 * SECOND, 61 * SECOND if chance.random() < 0.05 else 0]
        )
        if (start := take_at(now)) is not None:
            starts.append(start)
    assert most_in_a_minute(sorted(starts)) <= 180
    assert len(starts) > 500


def test_threads_that_ask_at_once_share_one_budget() -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [START + second * SECOND for second in range(180) for _ in range(8)]
        starts = sorted(start for start in pool.map(take_at, asked) if start is not None)
    assert most_in_a_minute(starts) <= 180


def test_under_steady_load_at_least_95_percent_of_the_limit_is_spent() -> None:
    starts = [start for tick in range(1200) if (start := take_at(START + tick * SECOND // 4)) is not None]
    minutes = (starts[-1] - starts[0]) / (60 * SECOND)
    assert minutes > 4
    assert len(starts) >= 0.95 * 180 * minutes


def test_the_burst_may_be_spent_at_once_and_the_next_request_waits() -> None:
    assert [pace.take(20, now=START).wait for _ in range(8)] == [0.0] * 8
    assert pace.take(20, now=START).wait == pytest.approx(61 / 180, abs=1e-5)


def test_a_wait_beyond_the_callers_patience_takes_nothing() -> None:
    for _ in range(8):
        pace.take(20, now=START)
    assert pace.take(0.1, now=START).wait == pace.take(0.1, now=START).wait == pytest.approx(61 / 180, abs=1e-5)


def test_waiting_really_waits(settings: Any) -> None:
    settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST = 1201, 1
    began = time.monotonic()
    waited = [pace.wait() for _ in range(3)]
    assert time.monotonic() - began >= sum(waited) > 0.05
    assert waited[0] == 0.0


def test_a_spent_budget_is_later_not_a_long_sleep(settings: Any) -> None:
    settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST = 2, 1
    pace.wait()
    with pytest.raises(Later, match="budget is spent") as caught:
        pace.wait()
    assert isinstance(caught.value.until, timedelta)
    assert 25 < caught.value.until.total_seconds() <= 30.5


def test_a_closed_pace_is_closed_for_everyone_until_then_with_its_reason() -> None:
    pace.close(40, "Notion asks for a pause.")
    with pytest.raises(Later, match="asks for a pause") as caught:
        pace.wait()
    assert caught.value.until == pace.closed_until()
    until = pace.closed_until()
    assert until is not None
    assert abs((until - datetime.now(UTC)).total_seconds() - 40) < 5


def test_a_short_pause_is_waited_out_before_the_next_turn() -> None:
    pace.close(2, "a pause", now=START)
    assert pace.take(20, now=START + SECOND).wait == 1.0
    assert pace.take(20, now=START + 3 * SECOND).wait == 0.0


def test_a_shorter_pause_does_not_cut_a_longer_one() -> None:
    pace.close(60, "long", now=START)
    pace.close(5, "short", now=START)
    turn = pace.take(20, now=START + 10 * SECOND)
    assert (turn.wait, turn.why) == (50.0, "long")


def test_a_request_that_waited_for_its_turn_is_not_sent_into_a_pause(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST = 6, 1
    pace.wait()
    monkeypatch.setattr(time, "sleep", lambda seconds: pace.close(30, "meanwhile"))
    with pytest.raises(Later, match="while this request waited"):
        pace.wait()


def test_an_open_pace_is_not_closed() -> None:
    pace.take(20)
    assert pace.closed_until() is None


def test_without_redis_nothing_is_sent(settings: Any) -> None:
    running = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(Later, match="Redis") as caught:
        pace.wait()
    settings.REDIS_URL = running
    assert caught.value.until == timedelta(seconds=5)


@pytest.mark.parametrize("burst", [0, 181, 200])
def test_a_burst_outside_the_limit_is_a_wrong_setting(settings: Any, burst: int) -> None:
    settings.NOTION_BURST = burst
    with pytest.raises(Misconfigured, match="NOTION_BURST"):
        pace.wait()


def saturate(seconds: int, from_second: int = 0) -> list[int]:
    """Background work takes every turn there is, asking every tenth of a second. Returns when its requests began."""
    asked = [START + tick * SECOND // 10 for tick in range(from_second * 10, (from_second + seconds) * 10)]
    return [now for now in asked if pace.take(0, now=now).wait == 0]


def test_background_work_alone_spends_the_limit_and_no_more() -> None:
    starts = [float(start) for start in saturate(200)]
    assert most_in_a_minute(starts) <= 180
    assert len(starts) >= 0.95 * 180 * 200 / 60


def test_a_person_waits_for_one_step_at_most_while_background_work_takes_every_turn() -> None:
    saturate(130)
    waits = [pace.take(20, now=START + 130 * SECOND).wait for _ in range(5)]
    assert waits[0] <= 61 / 180
    assert waits == sorted(waits)
    assert waits[-1] <= 5 * 61 / 180 + 0.1
    assert pace.take(0, now=START + 130 * SECOND).wait > waits[-1]


def test_background_work_goes_on_when_nobody_else_waits(settings: Any) -> None:
    settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST = 1201, 1
    with pace.background():
        waited = [pace.wait() for _ in range(3)]
    assert sum(waited) > 0.05


def test_background_work_hears_of_a_pause_while_it_waits(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.NOTION_REQUESTS_PER_MINUTE, settings.NOTION_BURST = 12, 1
    pace.wait()
    monkeypatch.setattr(time, "sleep", lambda seconds: pace.close(30, "Notion asks for a pause."))
    with pace.background(), pytest.raises(Later, match="asks for a pause"):
        pace.wait()


def test_a_refusal_below_our_limit_teaches_the_real_one_for_an_hour(settings: Any) -> None:
    settings.NOTION_REQUESTS_PER_MINUTE = 600
    for now in range(START, START + 60 * SECOND, SECOND // 20):
        pace.take(0, now=now)
        spent, limit = pace.spent(now)
        if spent == 401:
            break
    for _ in range(12):  # that were on their way together
        pace.close(5, "Too many.", now=now, too_many=True)
    assert (spent, limit, pace.spent(now)[1]) == (401, 600, 400)
    starts = [
        float(t) for t in range(now + 6 * SECOND, now + 200 * SECOND, SECOND // 10) if pace.take(0, now=t).wait == 0
    ]
    assert most_in_a_minute(starts) <= 400
    assert pace.spent(now + 3599 * SECOND)[1] == 400
    assert pace.spent(now + 3601 * SECOND)[1] == 600


def test_a_refusal_of_an_idle_connection_halves_the_limit_at_most() -> None:
    pace.take(0, now=START)
    pace.close(5, "Somebody else spent it.", now=START, too_many=True)
    assert pace.spent(START)[1] == 90


def test_where_what_was_learned_is_gone_our_own_limit_stands(settings: Any) -> None:
    pace.take(0, now=START)
    pace.close(5, "Too many.", now=START, too_many=True)
    redis.Redis.from_url(settings.REDIS_URL).hdel(pace.KEY, "learned")
    assert pace.spent(START)[1] == 180
    assert pace.take(60, now=START + 6 * SECOND).wait == 0


def test_a_pause_for_other_reasons_teaches_nothing() -> None:
    pace.take(0, now=START)
    pace.close(5, "Overloaded.", now=START)
    assert pace.spent(START)[1] == 180
