"""What is measured of the way in: the mirror, the request budget, the doors."""

from __future__ import annotations

import hashlib
import hmac
import json
import resource
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client, override_settings

from emm import beat
from emm.jobs import Later
from notion_sync import client, pace, polling, reconciliation, webhooks, windows
from notion_sync.models import DataSource, InboxItem, PollCycle, Poller, Reconciliation, Window
from tests.bench.processes import product, wait_for
from tests.bench.table import Figure
from tests.world import Sandbox, add_item, poll_now

SIZES = (10_000, 100_000)  # pages in the database that is mirrored


def side_by_side(threads: int, verb: Callable[[], None]) -> None:
    """Run `verb` in so many threads at once, each with a connection of its own, until all have ended."""

    def run() -> None:
        try:
            verb()
        finally:
            connection.close()

    started = [threading.Thread(target=run) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def read_windows() -> None:
    """Take windows until none is left, as one worker thread does."""
    while Window.objects.unfinished().exists():
        for pk in Window.objects.due().values_list("pk", flat=True):
            if window := Window.claim(pk):
                window.attempt(windows.read)
        time.sleep(0.02)


def mirror(source: DataSource) -> PollCycle:
    """A first mirror from an empty cursor, with four workers."""
    DataSource.objects.filter(pk=source.pk).update(cursor=None, reading_from=None)
    cycle = PollCycle.objects.create(source=source, trigger="person")
    for _ in range(2):
        PollCycle.objects.filter(pk=cycle.pk, status="waiting").update(due_at=cycle.opened_at)
        if taken := PollCycle.claim(cycle.pk):
            taken.attempt(polling.poll)
        side_by_side(Window.SIDE_BY_SIDE, read_windows)
    cycle.refresh_from_db()
    return cycle


def peak() -> int:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def mirror_rate(world: Sandbox) -> list[Figure]:
    source = DataSource.objects.get(key="nodes")
    found: list[Figure] = []
    before, there = peak(), 0
    for total in SIZES:
        pages, there = total - there, total
        world.control("bulk", {"data_source_id": str(source.data_source_id), "count": pages, "spread_seconds": 2})
        began, cpu = time.monotonic(), time.process_time()
        cycle = mirror(source)
        wall, own = time.monotonic() - began, time.process_time() - cpu
        rate, whole = cycle.seen / wall, cycle.status == "done" and cycle.seen == total
        found.append(
            Figure(
                f"first mirror of {total:,} pages, properties only, four windows at a time",
                f"{cycle.seen:,} pages, {rate:,.0f} pages/s, {cycle.seen / own:,.0f} by our own processor time",
                "all; at least 1,000 pages/s",
                whole and rate >= 1_000,
                "does not paginate",
            )
        )
        found.append(Figure("  peak memory before and after", f"{before} MB, {peak()} MB", "", None))
    began = time.monotonic()
    job = Reconciliation.objects.create(source=source)
    for _ in range(2):
        Reconciliation.objects.filter(pk=job.pk, status="waiting").update(due_at=job.opened_at)
        if taken := Reconciliation.claim(job.pk):
            taken.attempt(reconciliation.reconcile)
        side_by_side(Window.SIDE_BY_SIDE, read_windows)
    job.refresh_from_db()
    found.append(
        Figure(
            f"reconciliation of the same {there:,}",
            f"{job.verdict} of {job.seen:,} in {time.monotonic() - began:.0f} s with {job.requests:,} requests",
            "0 missed, 0 doubled",
            job.verdict == "0 missed, 0 doubled" and job.seen == there,
        )
    )
    return found


def budget_use(world: Sandbox) -> list[Figure]:
    """Background work that never ends, against a fixed window of Notion's; counted after the first burst is over."""
    limit, lead, counted = 600, 10.0, 60.0
    world.control("budget", {"limit": limit, "window_seconds": 60})
    began, sent = time.monotonic(), []

    def ask() -> None:
        with pace.background():
            while time.monotonic() - began < lead + counted:
                try:
                    client.me()
                except Later:
                    continue
                sent.append(time.monotonic() - began)

    pace.KEY = "bench:pace"  # what the parts before have spent is not of this budget
    with override_settings(NOTION_REQUESTS_PER_MINUTE=limit, NOTION_BURST=8):
        since = max((request["n"] for request in world.requests()), default=0)
        side_by_side(4, ask)
    refused = sum(request["status"] == 429 for request in world.requests(since))
    world.control("budget", {"limit": None})
    share = sum(lead <= at < lead + counted for at in sent) / limit
    return [
        Figure(
            f"request budget spent when there is work, {limit} a minute",
            f"{share:.1%}, {refused} refused (429)",
            "at least 95%, no 429",
            share >= 0.95 and not refused,
        )
    ]


def picked_up(world: Sandbox, number: int, *, event: bool) -> float:
    """Seconds from a person's new page to its row in the mirror."""
    began = time.monotonic()
    page_id = add_item(world, f"Picked up {number} {event}")
    if event:
        source = DataSource.objects.get(key="inbox")
        webhooks.take(
            {
                "id": str(uuid.uuid4()),
                "type": "page.created",
                "entity": {"id": page_id, "type": "page"},
                "data": {"parent": {"data_source_id": str(source.data_source_id)}},
            }
        )
    wait_for(lambda: InboxItem.objects.filter(page_id=page_id).exists(), 60, "the pick-up")
    return time.monotonic() - began


def pick_up(world: Sandbox) -> list[Figure]:
    beat.sync()
    polling.poller()
    with product():
        Poller.objects.update(interval_seconds=3600)
        by_event = [picked_up(world, n, event=True) for n in range(7)][2:]
        Poller.objects.update(interval_seconds=15)
        by_poll = [picked_up(world, n, event=False) for n in range(3)]
    return [
        Figure(
            "a new page is picked up after its webhook, median and worst of 5",
            f"{statistics.median(by_event):.1f} s, {max(by_event):.1f} s",
            "within 5 s",
            max(by_event) <= 5,
        ),
        Figure(
            "the same by polling every 15 s, worst of 3",
            f"{max(by_poll):.1f} s",
            "within the interval and a sweep of 5 s",
            max(by_poll) <= 20,
            "two cycles",
        ),
    ]


def post_mail(number: int) -> float:
    """Milliseconds of one mail's taking."""
    letter = {"from": "ana@example.com", "to": "in@example.com", "subject": f"No. {number}", "text": "Lease? " * 200}
    body, stamp = json.dumps({**letter, "message_id": f"<{number}@x>"}), str(int(time.time()))
    secret = settings.MAIL_WEBHOOK_SECRET.encode()
    digest = hmac.new(secret, f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    headers: dict[str, Any] = {"X-Signature": f"t={stamp},v1={digest}"}
    began = time.monotonic()
    answer = Client().post("/webhooks/mail", body, content_type="application/json", headers=headers)
    assert answer.status_code == 201, answer.content
    return (time.monotonic() - began) * 1000


def intake_latency(world: Sandbox) -> list[Figure]:
    poll_now()
    with override_settings(MAIL_WEBHOOK_SECRET="of the bench", ALLOWED_HOSTS=["*"]):  # not a secret
        took = [post_mail(number) for number in range(220)][20:]
    p50, p95 = statistics.median(took), statistics.quantiles(took, n=20)[-1]
    return [Figure("a mail is answered, p50 and p95 of 200", f"{p50:.0f} ms, {p95:.0f} ms", "under 100 ms", p95 < 100)]
