"""What an argument costs at each depth, and how much of it the prompt cache saves."""

from __future__ import annotations

from datetime import timedelta
from statistics import median

from django.db.models import Sum

from analysis.models import LLMCall, Policy
from notion_sync.models import InboxItem
from tests.bench.table import Figure
from tests.world import Sandbox, add_item, poll_now, work

STRATEGIC = "Should we open a second office in Lyon for $120,000 a year?"
CALLS = {"Quick": 3, "Standard": 5, "Deep": 9}
MOST_USD = {"Quick": 0.03, "Standard": 0.06, "Deep": 0.12}


def money_by_depth(world: Sandbox) -> list[Figure]:
    """Calls and cost of one question at each depth, and of Standard on the patient lane."""
    found = [_argued(world, depth, depth) for depth in CALLS]
    Policy.objects.update_or_create(pk=1, defaults={"patient_lane": True})
    _, patient_calls, patient_cost = _argued(world, "in batches", "Standard")
    figures = [
        Figure(
            f"model calls and cost of a strategic item, {depth.lower()}",
            f"{calls} calls, {cost:.3f} USD",
            f"at most {CALLS[depth]} calls, {MOST_USD[depth]:.2f} USD",
            0 < calls <= CALLS[depth] and cost <= MOST_USD[depth],
        )
        for depth, calls, cost in found
    ]
    share = patient_cost / found[1][2]
    what = "the same, standard on the patient lane"
    return [*figures, Figure(what, f"{patient_calls} calls, {share:.0%} of the price", "at most 65%", share <= 0.65)]


def _argued(world: Sandbox, title: str, depth: str) -> tuple[str, int, float]:
    """The depth, and the calls and USD that one item took in it."""
    name = f"{STRATEGIC} {title}"
    add_item(world, name, "Two landlords have made offers.", Depth={"select": {"name": depth}})
    poll_now()
    work()
    calls = LLMCall.objects.filter(item__title=name, status=LLMCall.Status.ANSWERED)
    return depth, calls.count(), float(calls.aggregate(usd=Sum("cost_usd"))["usd"] or 0)


def fan_out(items: list[InboxItem]) -> list[Figure]:
    """How the three voices of each item went side by side, as the ledger saw them."""
    ratios, read, sent = [], 0, 0
    for item in items:
        voices = list(LLMCall.objects.filter(item=item, purpose="persona").order_by("opened_at"))
        slowest = max(timedelta(milliseconds=voice.duration_ms or 0) for voice in voices)
        ended = max(voice.opened_at + timedelta(milliseconds=voice.duration_ms or 0) for voice in voices)
        ratios.append((ended - voices[0].opened_at) / slowest)
        for voice in voices[1:]:
            read += voice.cache_read_tokens
            sent += voice.input_tokens + voice.cache_read_tokens + voice.cache_write_5m_tokens
    ratio, share = median(ratios), read / sent
    return [
        Figure(
            "three voices side by side against the slowest of them, median of 3",
            f"{ratio:.2f} times",
            "at most 1.3 times",
            ratio <= 1.3,
            "one after the other",
        ),
        Figure(
            "input of the second and third voice that is read from the prompt cache",
            f"{share:.0%}",
            "at least 70%",
            share >= 0.7,
            "nothing is cached",
        ),
    ]
