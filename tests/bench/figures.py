"""What is measured, and how."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import Any

from django.core.management import call_command
from django.db.models import QuerySet

from analysis.models import LLMCall
from emm import beat
from notion_sync import polling, setup
from notion_sync.models import Action, BodyRead, DataSource, InboxItem, Node, PollCycle
from tests.bench import money
from tests.bench.mirroring import budget_use, intake_latency, mirror_rate, pick_up
from tests.bench.processes import product, sandbox, wait_for
from tests.bench.table import Figure
from tests.world import Sandbox, add_item, decide, poll_everything, poll_now, run_stage, work

AT_REST = ("proposed", "done", "skipped", "held")
STRATEGIC = "Should we open a second office in Lyon for $120,000 a year?"
OPERATIONAL = "Renew the TLS certificate of the shop before Friday"
REFERENCE = "Note: who runs Vantor Ltd"
REFERENCE_TEXT = "Met with Dana Brightside and Robin Vale of Vantor Ltd."
MIXED = [
    STRATEGIC,
    OPERATIONAL,
    REFERENCE,
    "Should we hire a second engineer for $90,000 or extend the contractor?",
    "Book train and hotel for the trip to Berlin",
    "Article: why small teams ship faster",
]


def measure() -> list[Figure]:
    """All figures, in the order of the table."""
    call_command("migrate", verbosity=0)
    found: list[Figure] = []
    with sandbox() as world:
        for part in (
            calls_by_route, calls_to_settle, money.money_by_depth, mirror_rate, budget_use, pick_up, intake_latency,
            with_workers, under_a_budget,
        ):  # fmt: skip
            print(f"{part.__name__.replace('_', ' ')} ...")
            call_command("flush", interactive=False, verbosity=0)
            world.reset()
            setup.prepare(world.root_page_id, lambda line: None)
            poll_everything()
            found += part(world)
    return found


def calls(world: Sandbox, since: int) -> int:
    """Notion calls after number `since`, polls not counted: the discovery of a page costs the same whatever it is."""
    asked = [r for r in world.requests(since) if not (r["method"] == "POST" and r["path"].endswith("/query"))]
    return len(asked)


def last(world: Sandbox) -> int:
    return max((request["n"] for request in world.requests()), default=0)


def one_item(world: Sandbox, title: str, content: str = "") -> tuple[int, int]:
    """Notion calls and model calls that one item costs until it rests."""
    since, asked = last(world), sum(world.claude_state()["calls"].values())
    add_item(world, title, content)
    made = last(world) - since  # by the person
    poll_now()
    work()
    return calls(world, since) - made, sum(world.claude_state()["calls"].values()) - asked


def calls_by_route(world: Sandbox) -> list[Figure]:
    strategic, model = one_item(world, STRATEGIC, "Two landlords have made offers.")
    operational, _ = one_item(world, OPERATIONAL)
    reference, _ = one_item(world, REFERENCE, REFERENCE_TEXT)
    nodes = Node.objects.count()
    since = last(world)
    DataSource.objects.exclude(key__in=["inbox", "actions"]).update(polled_at="2100-01-01T00:00:00Z")
    DataSource.objects.filter(key__in=["inbox", "actions"]).update(polled_at="2020-01-01T00:00:00Z")
    run_stage("poll")
    idle = last(world) - since
    return [
        count("Notion calls, inbox to pending approval: strategic", strategic, 5, "29 (46 with its dialectic)"),
        count("the same: operational", operational, 4, "10"),
        count(f"the same: reference with {nodes} new nodes", reference, 6, "14"),
        count("the same: idle poll cycle", idle, 2, "2"),
        count("model calls, triage, three personas and synthesis", model, 5, "7, with two personas"),
    ]


def count(what: str, measured: int, most: int, predecessor: str) -> Figure:
    return Figure(what, str(measured), f"at most {most}", 0 < measured <= most, predecessor)


def calls_to_settle(world: Sandbox) -> list[Figure]:
    one_item(world, STRATEGIC)
    tasks = "Ask the bank for terms\nTalk to three customers\nRead the lease"
    decide(world, Action.objects.get(), "Approved", Task_Generation_Template=tasks)
    since = last(world)
    poll_now()
    work()
    what = "Notion calls, approval to settled with training row, project, three tasks, log"
    return [count(what, calls(world, since), 8, "17, and no usable training row")]


def seen_at(item: InboxItem) -> Any:
    """When the poll that first saw the item ended, by the database's clock."""
    body = BodyRead.objects.get(item=item)
    cycles = PollCycle.objects.filter(source__key="inbox", changed__gt=0, status_since__lte=body.status_since)
    return cycles.latest("status_since").status_since


def add_and_wait(world: Sandbox, title: str, seconds: float = 60) -> InboxItem:
    """The poller finds the item by itself, at its interval of a second."""
    add_item(world, title, "Two offers are on the table.")
    wait_for(lambda: InboxItem.objects.filter(title=title, state__in=AT_REST).exists(), seconds, f"rest of {title!r}")
    return InboxItem.objects.get(title=title)


def with_workers(world: Sandbox) -> list[Figure]:
    beat.sync()
    with product():
        add_and_wait(world, "Warm up: renew the certificate")
        started: list[float] = []
        for n in range(10):
            item = add_and_wait(world, f"Renew certificate number {n} before Friday")
            first = LLMCall.objects.filter(item=item).earliest("opened_at")
            started.append((first.opened_at - seen_at(item)).total_seconds())
        world.claude(delay_seconds=2)
        items = [add_and_wait(world, f"{STRATEGIC} Round {n}") for n in range(3)]
        side_by_side = money.fan_out(items)
        wall = statistics.median((item.state_since - seen_at(item)).total_seconds() for item in items)
        world.claude(delay_seconds=0)
    median = statistics.median(started)
    return [
        Figure(
            "wall time of a strategic item, a model that takes 2 s a call, median of 3",
            f"{wall:.1f} s",
            "at most 7.5 s",
            wall <= 7.5 and all(item.state == "proposed" for item in items),
            "14.5 s",
        ),
        *side_by_side,
        Figure("item seen to triage started, median of 10", f"{median:.2f} s", "under 1 s", median < 1, "a poll cycle"),
    ]


def rests(resting: QuerySet[InboxItem], items: int) -> bool:
    return resting.count() == items


def under_a_budget(world: Sandbox) -> list[Figure]:
    beat.sync()
    found: list[Figure] = []
    for items, budget, words in (
        (6, {"limit": 180, "window_seconds": 60, "burst": 10}, "3 requests a second, burst of 10"),
        (12, {"limit": 180, "window_seconds": 60}, "a window of 180 requests a minute"),
    ):
        with product(NOTION_REQUESTS_PER_MINUTE="180", NOTION_BURST="8", POLLING_INTERVAL_SECONDS="15"):
            world.control("budget", budget)
            since, began = last(world), time.monotonic()
            titles = [f"{MIXED[n % 6]} ({items}.{n})" for n in range(items)]
            for title in titles:
                add_item(world, title, "Two offers are on the table.")
            polling.ask()
            resting = InboxItem.objects.filter(title__in=titles, state__in=AT_REST)
            done = wait_for(partial(rests, resting, items), 120, f"rest of {items} items")
            took = time.monotonic() - began
            world.control("budget", {"limit": None})
        refused = sum(request["status"] == 429 for request in world.requests(since))
        complete = InboxItem.objects.filter(title__in=titles, state__in=("proposed", "done")).count()
        holds = done and complete == items and refused == 0 and (items == 6 or took <= 60)
        measured = f"{complete} of {items} in {took:.0f} s, {refused} refused (429)"
        target = "all complete, no avoidable 429" if items == 6 else "all complete within the minute"
        predecessor = "none completes" if items == 6 else "8 of 12; the four strategic ones stay stuck"
        found.append(Figure(f"{items} mixed items at {words}", measured, target, holds, predecessor))
    return found
