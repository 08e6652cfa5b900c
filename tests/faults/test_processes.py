"""A bad day for the whole product: every process twice, Valkey emptied, PostgreSQL restarted, a worker killed, vendors failing.

The product runs as `make run` runs it, with engines of its own. This test only looks, breaks things, and lets time pass.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis

from emm.schedule import QUEUES
from notion_sync import pace
from tests.ops.test_run import ROOT, Product, children, engines_of, environ, wait
from tests.ports import free_port
from tests.world import VERSION

pytestmark = pytest.mark.faults

ITEMS = 13  # that the sandbox is seeded with
CELERY = ("-m", "celery", "-q", "-A", "emm.celery")
SEE_ENGINES = (
    "import os; from emm import engines; engines.start(); print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
)
WAITS_END = "update {0} set due_at = now() where status = 'waiting' and due_at < now() + interval '1 hour'"
# Leases from before the engine came back are those of the dead: what lives keeps its own, however slow the machine.
LEASES_EXPIRE = (
    "update {0} set leased_until = now() - interval '1 second' where status = 'running' "
    "and status_since < least(pg_postmaster_start_time(), now() - interval '8 s')"
)
QUARANTINES_END = (
    "update notion_sync_outboxentry set sent_at = now() - interval '1 hour' "
    "where sent_at is not null and status = 'waiting'"
)
OWED = "select '{0}', status, last_error, count(*) from {0} where status <> 'done' group by 1, 2, 3"
POLLS = "notion_sync_pollcycle"  # never at rest
JOBS = (
    POLLS, "notion_sync_bodyread", "notion_sync_outboxentry", "analysis_triage", "analysis_perspective",
    "analysis_synthesis",
)  # fmt: skip


class Day:
    """The product at work, a second set of workers and a second beat beside it, and its engines to look into."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.workspace = f"http://127.0.0.1:{product.port + 1}"
        seen = subprocess.run(
            [sys.executable, "-c", SEE_ENGINES],
            cwd=ROOT, env=environ(product.state, product.port), capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.database, self.valkey = seen.stdout.split()
        workers = [["worker", "-P", "threads", "-Q", q, "-c", "6", "-n", f"second-{q}@%h"] for q in QUEUES]
        arguments = [[*CELERY, *words] for words in (*workers, ["beat", "--pidfile="])]
        environment = environ(product.state, product.port, DATABASE_URL=self.database, REDIS_URL=self.valkey)
        self.second = [
            subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for words in arguments
        ]

    def ask(self, sql: str) -> list[Any]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def let_time_pass(self) -> None:
        """Leases of dead workers expire, waits end, and what a 429 taught of the pace is forgotten, as after an hour.

        While the engine restarts, nothing happens.
        """
        redis.Redis.from_url(self.valkey).hdel(pace.KEY, "learned", "learned_until")
        with contextlib.suppress(psycopg.OperationalError):
            for table in JOBS:
                for statement in (WAITS_END, LEASES_EXPIRE):
                    self.ask(statement.format(table))
            self.ask(QUARANTINES_END)

    def at_rest(self) -> bool:
        self.let_time_pass()
        with contextlib.suppress(psycopg.OperationalError):
            rest = self.ask(
                "select count(*) from notion_sync_inboxitem where state in ('proposed', 'done', 'held', 'skipped')"
            )
            return bool(
                rest[0][0] == ITEMS and not any(self.ask(OWED.format(table)) for table in JOBS if table != POLLS)
            )
        return False

    def account(self) -> list[Any]:
        """Why each item is where it is, and what was paid for: for whoever reads that it is not where it should be."""
        items = self.ask("select state, title, state_reason from notion_sync_inboxitem order by state")
        for table in JOBS:
            items += self.ask(OWED.format(table))
        return items + self.ask("select status, error, count(*), sum(cost_usd) from analysis_llmcall group by 1, 2")

    def keys(self) -> Counter[str]:
        """EMM_ID to the number of pages that carry it, in all databases of the sandbox."""
        headers = {"Authorization": "Bearer person", "Notion-Version": VERSION}
        found: Counter[str] = Counter()
        for (source,) in self.ask("select data_source_id from notion_sync_datasource where key <> 'inbox'"):
            address = f"{self.workspace}/notion/v1/data_sources/{source}/query"
            answer = httpx.post(address, json={"page_size": 100}, headers=headers).raise_for_status().json()
            assert not answer["has_more"]
            for page in answer["results"]:
                found["".join(part["plain_text"] for part in page["properties"]["EMM_ID"]["rich_text"])] += 1
        return found


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    state = tmp_path / "state"
    product = Product(state, free_port())
    started: Day | None = None
    try:
        wait(product.is_up)
        started = Day(product)
        yield started
    finally:
        for process in started.second if started else ():
            process.kill()
            process.wait()
        if product.process.poll() is None:
            product.stop()
        subprocess.run([sys.executable, "scripts/reset.py"], cwd=ROOT, env=environ(state, product.port), check=True)


def test_on_a_bad_day_nothing_is_lost_doubled_or_paid_twice(day: Day) -> None:
    notion = [
        {"kind": kind, "match": {"path_regex": "^/v1/pages"}, "times": 2}
        for kind in ("drop_after", "429", "500", "half")
    ]
    for fault in notion:
        httpx.post(f"{day.workspace}/control/faults", json=fault).raise_for_status()
    script = [{"kind": kind, "match": {"purpose": "any"}, "times": 2} for kind in ("529", "500", "drop_after")]
    httpx.post(f"{day.workspace}/claude/control", json={"script": script}).raise_for_status()

    wait(lambda: day.ask("select 1 from analysis_llmcall limit 1"))
    redis.Redis.from_url(day.valkey).flushall()
    llm = next(pid for pid, words in children(day.product.process.pid).items() if "-Q llm" in words)
    os.kill(llm, signal.SIGKILL)
    postgres, _ = engines_of(day.product.state)
    os.kill(postgres, signal.SIGINT)  # a fast shutdown; the run command starts it again

    wait(day.at_rest, day.account)
    states = dict(day.ask("select state, count(*) from notion_sync_inboxitem group by state"))
    assert sum(states.values()) == ITEMS
    assert states["proposed"] >= 6, day.account()
    assert not day.ask("select 1 from notion_sync_inboxitem where state = 'held' and state_reason = ''")
    assert set(day.keys().values()) == {1}
    assert (
        day.ask("select key, count(*) from analysis_llmcall where status = 'answered' group by key having count(*) > 1")
        == []
    )
    ((spent, limit),) = day.ask(
        "select p.spent_usd + p.reserved_usd, b.limit_usd from analysis_budgetperiod p "
        "join analysis_budget b on b.id = p.budget_id where b.scope = 'day'"
    )
    assert 0 < spent <= limit
