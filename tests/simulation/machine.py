"""One simulated installation: its stages, a person, the weather, and workers that die.

The same seed does the same, save where a step comes due by the real seconds that pass while it lives.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from emm import schedule, tasks
from notion_sync import properties, standstill
from notion_sync.models import DataSource, InboxItem, OutboxEntry, PollCycle, Standstill
from tests.simulation.inside import InsideSandbox
from tests.simulation.person import Person
from tests.simulation.time import pass_minutes

STAGES = (
    "page", "drift", "window", "body", "triage", "argue", "synthesise", "deliver", "advance", "settle", "execute",
)  # fmt: skip
FEW, FEW_ROUNDS = 100, 3  # of make test: seeds, and how long each lives
LIVES, ROUNDS = 1_000, (3, 3, 3, 6)  # of make test-faults: by turns of the seed
FAULTS = ["drop_before", "drop_after", "409", "429", "500", "502", "503", "503_committed", "504", "529", "half"]
REASONS = [
    "public_api_request_rate_limit", "public_api_space_request_rate_limit", "public_api_endpoint_rate_limit",
    "public_api_request_blocked",
]  # fmt: skip
WHERE = [*["^/v1/pages$"] * 5, *["^/v1/pages/[^/]+$"] * 3, "/query$", "/markdown$", "^/v1/"]
MOST_SKEW = 10  # minutes between Notion's clock and ours: far more than two polls overlap
CALM = 2  # so many looks in a row, a jump before each, that find nothing changed
JUMP = 15  # minutes; longer than the longest lease, the longest pause and the time between two looks


class Killed(BaseException):
    """The worker is gone: nothing of ours runs any more, whatever was open rolls back."""


class Installation:
    """The product on one workspace. `story`: what happened, in words."""

    def __init__(self, sandbox: InsideSandbox, seed: int) -> None:
        self.rng = random.Random(seed)
        self.sandbox = sandbox
        self.person = Person(sandbox, self.rng)
        self.overwritten: list[str] = []
        self.steps: Iterator[int] | None = None
        self.dies_at = 0
        self.story = self.person.log
        now = timezone.now()
        phase = 30 - now.second - now.microsecond / 1e6  # Notion stands in the middle of a minute, whenever we start
        sandbox.control("clock", {"skew_seconds": phase + 60 * self.rng.randint(-MOST_SKEW, MOST_SKEW)})
        pass_minutes(sandbox, MOST_SKEW + 1)  # what is there already was there before, by either clock

    def live(self, rounds: int) -> None:
        """Work in bad weather beside a busy person, with workers that die."""
        for _ in range(self.rng.choice([1, 1, 2])):
            self.person.drop()
        self.poll(["inbox"], dies=False)
        for _ in range(rounds):
            for _ in range(self.rng.randint(0, 3)):
                self.break_something()
            if self.rng.random() < 0.6:
                self.person.act()
            self.poll(["inbox", "actions", *self.rng.sample(sorted(self.person.sources), self.rng.choice([0, 0, 1]))])
            for name in STAGES if self.rng.random() < 0.6 else self.rng.sample(STAGES, len(STAGES) - 4):
                if self.rng.random() < 0.15:
                    self.person.act()
                self.run(name)
            if self.rng.random() < 0.2:
                self.run("doubles")
            pass_minutes(self.sandbox, self.rng.choice([1, 1, 1, 2, 12]))

    def come_to_rest(self) -> None:
        """Fair weather and nobody about: go on until nothing changes any more."""
        self.sandbox.control("faults/clear")
        calm, before = 0, None
        for _ in range(40):
            whole = calm == CALM - 1
            self.poll(list(self.person.sources) if whole else ["inbox", "actions"], dies=False)
            self.work()
            for blocked in Standstill.objects.filter(lifted_at=None):
                standstill.lift(blocked, by="an operator", reason="Notion's support has lifted it.")
            if whole:
                self.run("doubles", dies=False)
            now = self.standing()
            calm = calm + 1 if now == before else 0
            if calm == CALM:
                return
            before = now
            pass_minutes(self.sandbox, JUMP)
        raise AssertionError(f"It does not come to rest: {before}")

    def work(self) -> None:
        """Do all that is due, in fair weather."""
        while True:
            for name in STAGES:
                if schedule.STAGES[name].opens:
                    import_string(schedule.STAGES[name].opens)()
            if not sum(self.run(name, opens=False, dies=False) for name in _due()):
                return

    def standing(self) -> Any:
        jobs = Counter(
            (name, status)
            for name in STAGES
            if schedule.STAGES[name].model
            for status in tasks.job_model(schedule.STAGES[name]).objects.values_list("status", flat=True)
            if (name, status) != ("page", "done")  # what waits for a person is looked at again and again
        )
        looked = Counter(OutboxEntry.objects.values_list("misses"))  # of two looks for a lost answer one is a step, too
        return jobs, looked, sorted(InboxItem.objects.values_list("pk", "state"))

    def poll(self, keys: list[str], *, dies: bool = True) -> None:
        for source in DataSource.objects.filter(key__in=keys, hold=""):
            PollCycle.open(source, PollCycle.Trigger.PERSON)
        self.run("poll", opens=False, dies=dies)

    def run(self, name: str, *, opens: bool = True, dies: bool = True) -> int:
        """One sweep of a stage; now and then its worker dies on the way."""
        stage = schedule.STAGES[name]
        if stage.opens and opens:
            import_string(stage.opens)()
        if not stage.model:
            return 0
        model = tasks.job_model(stage)
        model.reap()
        count = 0
        for pk in model.objects.due().order_by("due_at", "pk").values_list("pk", flat=True):
            with self.a_worker(dies and self.rng.random() < 0.08, name):
                job = model.claim(pk)
                if job is not None:
                    job.attempt(import_string(stage.verb))
                    count += 1
        return count

    @contextmanager
    def a_worker(self, dies: bool, name: str) -> Iterator[None]:
        if not dies:
            yield
            return
        self.steps, self.dies_at = iter(range(1_000_000)), self.rng.randint(0, 40)
        try:
            with connection.execute_wrapper(self._statement):
                yield
        except Killed:
            # A lone bulk_create is its own transaction, and here it opens no savepoint: nothing else is lost with it.
            transaction.set_rollback(False)
            self.story.append(f"kills {name} at step {self.dies_at}")
        finally:
            self.steps = None

    def _statement(self, execute: Any, *arguments: Any) -> Any:
        self._step()
        return execute(*arguments)

    def _step(self) -> None:
        if self.steps is not None and next(self.steps) == self.dies_at:
            raise Killed

    def watch(self, request: httpx.Request) -> None:
        """Each request to Notion, before it is answered and after: a worker may die there, and must not write over a person."""
        self._step()
        steps, self.steps = self.steps, None
        if request.method == "PATCH" and request.url.path.startswith("/notion/v1/pages/"):
            self._check_write(request)
        self.steps = steps

    def _check_write(self, request: httpx.Request) -> None:
        """Our change of a page may only replace what we knew, by value."""
        page_id = request.url.path.rpartition("/")[2]
        sent = _json(request).get("properties") or {}
        mine = {key: value for (page, key), value in self.person.wrote.items() if page == page_id and key in sent}
        if not mine:
            return
        stands = self.sandbox.as_person("GET", f"/pages/{page_id}")["properties"]
        by_id = {prop["id"]: properties.canonical(prop) for prop in stands.values()}
        entry = OutboxEntry.objects.filter(page_id=page_id, status="running").first()
        for key, value in mine.items():
            if by_id[key] != value or by_id[key] == properties.canonical(sent[key]):
                continue
            name = (
                next(n for n, i in self.person.sources[entry.source_key].property_ids.items() if i == key)
                if entry
                else ""
            )
            if entry is None or entry.base.get(name) != value:
                self.overwritten.append(f"{name} of {page_id}: {value!r} by {entry}, base {entry and entry.base}")

    def break_something(self) -> None:
        kind = self.rng.choice([*FAULTS, "query_lag"])
        if kind == "query_lag":
            self.sandbox.control("faults", {"kind": kind, "seconds": self.rng.choice([0, 5, 30])})
            return
        match: dict[str, Any] = {"path_regex": self.rng.choice(WHERE), "nth": self.rng.choice([1, 1, 2, 3])}
        fault: dict[str, Any] = {"kind": kind, "match": match}
        if kind == "429":
            fault |= {"reason": self.rng.choice(REASONS)}
        if kind in ("429", "529"):
            fault |= {"retry_after": self.rng.choice([21, 59, 600])}
        if kind in ("500", "502", "503", "504"):
            fault |= {"applied": self.rng.random() < 0.5}
        self.sandbox.control("faults", fault)
        self.story.append(f"breaks {fault}")


def _due() -> list[str]:
    """The stages with a row that is due or abandoned, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_due_query())
        found = {name for (name,) in cursor.fetchall()}
    return [name for name in STAGES if name in found]


@cache
def _due_query() -> str:
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {tasks.job_model(schedule.STAGES[name])._meta.db_table} WHERE "  # noqa: S608 - names of our own
        "(status = 'waiting' AND due_at <= statement_timestamp()) "
        "OR (status = 'running' AND leased_until < statement_timestamp()))"
        for name in STAGES
        if schedule.STAGES[name].model
    )


def _json(request: httpx.Request) -> dict[str, Any]:
    found: dict[str, Any] = httpx.Response(200, content=request.content).json() if request.content else {}
    return found
