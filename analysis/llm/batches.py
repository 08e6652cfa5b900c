"""The patient lane: questions that wait for Message Batches, at half the price, and their answers within a day.

A question becomes an order: a ledger row with its worst cost reserved at a batch's price. The sweep puts the open orders
into a batch; the batch is sent, asked after, and its results are joined by the ledger's key, which is our step's id. Then
the jobs that wait are woken and find their answers in the ledger. What a batch did not answer is asked directly.
https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import anthropic
import httpx2
import structlog
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse, MessageBatchSucceededResult
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from analysis import ledger
from analysis.llm import connection
from analysis.llm.connection import SOON, Broken
from analysis.llm.questions import Question, long_enough
from analysis.models import Batch, LLMCall, Perspective, Synthesis
from emm.jobs import Later, Never, Submitted
from notion_sync.properties import clean

log = structlog.get_logger(__name__)

Tier, Status = LLMCall.Tier, LLMCall.Status
WHO_WAITS = (Perspective, Synthesis)

MOST = 100  # orders in one batch: far below the API's 256 MB even where each item is as long as we read
SKEW = timedelta(minutes=5)  # between Claude's clock and ours
SHOWN_BY = timedelta(minutes=1)  # when a batch that was made is in the list for sure
OVERDUE = timedelta(hours=1)  # past its expiry; it then answers no more
# Requests of a batch run side by side, so a marked prefix is read by some of them and written anew by the others.
# Claude's documentation says that 30 to 98 % read; with this share an hour's cache pays from seven requests on.
READ_SHARE = 0.6


def place(question: Question) -> None:
    """Order the answer to `question` once, and raise Submitted while it is on its way.

    Returns where an earlier order came to nothing: the caller asks directly, so that nobody waits for a second day.
    Raises what reserving raises.
    """
    ordered = LLMCall.objects.filter(key=question.key, service_tier=Tier.BATCH).order_by("pk").last()
    if ordered is None:
        ordered = ledger.reserve(
            purpose=question.purpose,
            model=question.model,
            item=question.item,
            prompt_bytes=question.size,
            marked_bytes=question.size,
            max_tokens=question.max_tokens,
            key=question.key,
            prompt_hash=question.prompt_hash,
            asker=question.asker,
            request=question.request(),
        )
    if ordered.status == Status.OPEN:
        since = f"{ordered.opened_at:%d %B %Y, %H:%M} UTC"
        raise Submitted(f"Not urgent: waits since {since} for a batch at half the price, for a day at most.")


def open_batches() -> None:
    """Put the orders that no batch has yet into batches, and wake the jobs whose orders are closed."""
    with transaction.atomic():
        loose = LLMCall.objects.filter(status=Status.OPEN, service_tier=Tier.BATCH, batch=None)
        orders = list(loose.select_for_update(skip_locked=True).order_by("pk")[:MOST])
        # A key names one request of a batch; the same one again, which a crash may leave, goes with the next batch.
        keys = {order.key: order.pk for order in reversed(orders)}
        if orders:
            batch = Batch.objects.create()
            LLMCall.objects.filter(pk__in=keys.values()).update(batch=batch)
    _wake()


def collect(batch: Batch) -> None:
    """Send a batch, or ask after it, and store the answers of one that has ended."""
    calls = {call.key: call for call in batch.calls.filter(status=Status.OPEN)}
    if calls:
        client = connection.client()
        if not batch.batch_id:
            _send(client, batch, calls)
        _ask_after(client, batch, calls)
    with transaction.atomic():
        batch.finish()
    _wake()


def _send(client: anthropic.Anthropic, batch: Batch, calls: dict[str, LLMCall]) -> None:
    """Make the batch at Claude's, or find the one that an earlier attempt made."""
    made = _made_before(client, batch, set(calls)) if batch.sent_at else None
    if made is None:
        ledger.refuse_while_stopped()
        batch.keep(sent_at=Now())
        made = _create(client, batch, calls)
    batch.keep(batch_id=made.id, expires_at=made.expires_at)


def _create(client: anthropic.Anthropic, batch: Batch, calls: dict[str, LLMCall]) -> MessageBatch:
    try:
        return client.messages.batches.create(requests=_requests(list(calls.values())))
    except anthropic.APIStatusError as error:
        if error.status_code < 500:  # refused: there is none, so none has to be looked for
            batch.keep(sent_at=None)
        meaning = connection.meaning(error, "")
        if isinstance(meaning, Never):
            for call in calls.values():
                ledger.fail(call, connection.words_of(error), billed=False)
        raise meaning from error
    except anthropic.APIConnectionError as error:
        if not connection.was_sent(error):
            batch.keep(sent_at=None)
        raise Later(SOON, connection.no_answer(error)) from error


def _requests(calls: list[LLMCall]) -> list[Any]:
    """The batch's requests. A system text that enough of them share is kept for an hour, where that is cheaper."""
    sharing: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in calls:
        request = call.request or {}
        shared = [request["model"], request["output_config"], request.get("system")]
        sharing[json.dumps(shared, sort_keys=True)].append(request)
    for same in sharing.values():
        model, system = same[0]["model"], same[0].get("system")
        if (
            system
            and long_enough(model, same[0]["output_config"]["format"], system[0]["text"])
            and _pays(model, len(same))
        ):
            for request in same:
                request["system"] = [{**system[0], "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    return [{"custom_id": call.key, "params": call.request} for call in calls]


def _pays(model: str, requests: int) -> bool:
    """Whether to write a prefix for an hour, and read it READ_SHARE of the other times, costs less than not to."""
    rates = ledger.price(model, timezone.now(), 1)
    write, read = float(rates.cache_write_1h), float(rates.cache_read)
    others = requests - 1
    return write + others * (READ_SHARE * read + (1 - READ_SHARE) * write) < requests * float(rates.input)


def _made_before(client: anthropic.Anthropic, batch: Batch, keys: set[str]) -> MessageBatch | None:
    """The batch that an attempt made whose answer was lost. None: there is none. Raises Later while that is not certain.

    A list of batches tells neither names nor contents, so those of the right time and size are known by their results.
    """
    assert batch.sent_at is not None
    known = set(Batch.objects.exclude(batch_id="").values_list("batch_id", flat=True))
    with connection.sorted_errors():
        listed = client.messages.batches.list(limit=100).data
        likely = [
            one
            for one in listed
            if one.created_at >= batch.sent_at - SKEW and one.id not in known and _size(one) == len(keys)
        ]
        for one in likely:
            if one.processing_status == "ended" and {line.custom_id for line in _lines(client, one.id)} == keys:
                return one
    if any(one.processing_status != "ended" for one in likely):
        raise Later(
            timedelta(minutes=1), "Claude may have this batch already: that shows when the one it has has ended."
        )
    if timezone.now() < batch.sent_at + SHOWN_BY:
        raise Later(SHOWN_BY, "The answer to sending was lost. It is looked for before it is sent again.")
    return None


def _size(batch: MessageBatch) -> int:
    counts = batch.request_counts
    return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired


def _ask_after(client: anthropic.Anthropic, batch: Batch, calls: dict[str, LLMCall]) -> None:
    """Store what the batch has answered. Raises Later while it has not ended."""
    try:
        with connection.sorted_errors():
            found = client.messages.batches.retrieve(batch.batch_id)
            if found.processing_status != "ended":
                _wait(batch, calls, found)
            for line in _lines(client, batch.batch_id):
                if (call := calls.pop(line.custom_id, None)) is not None:
                    _store(call, line)
    except Later as later:
        if isinstance(later.__cause__, anthropic.NotFoundError):
            _lose(calls, "Claude no longer knows the batch.")
            return
        raise
    _lose(calls, "The batch ended without a word about it.")


def _wait(batch: Batch, calls: dict[str, LLMCall], found: MessageBatch) -> None:
    """Raise Later: soon for a young batch, then ever more seldom. One that is long past its expiry is given up."""
    now = timezone.now()
    if now > found.expires_at + OVERDUE:
        _lose(calls, "The batch did not end, although it had expired.")
        raise Never("It did not end, although it had expired. What it should have answered is asked directly.")
    age = now - found.created_at
    pause = min(max(age / 10, SOON), connection.LONGEST_RETRY_AFTER)
    raise Later(
        pause, f"Claude works on it since {found.created_at:%d %B %Y, %H:%M} UTC, until {_day(found.expires_at)}."
    )


def _day(moment: datetime) -> str:
    return f"{moment:%d %B %Y, %H:%M} UTC at the latest"


def _lines(client: anthropic.Anthropic, batch_id: str) -> list[MessageBatchIndividualResponse]:
    """The results, in no order. Raises Later where they broke off or came garbled: they can be read again."""
    try:
        return list(client.messages.batches.results(batch_id))
    except (json.JSONDecodeError, UnicodeDecodeError, httpx2.TransportError) as error:
        raise Later(SOON, f"The results of a batch came garbled ({type(error).__name__}).") from error


def _store(call: LLMCall, line: MessageBatchIndividualResponse) -> None:
    """Close one order with what came of it. Nothing where it is closed already."""
    result = line.result
    if not isinstance(result, MessageBatchSucceededResult):
        detail = getattr(getattr(getattr(result, "error", None), "error", None), "message", "")
        ledger.fail(call, clean(f"The batch gave no answer: {result.type}. {detail}".strip()), billed=False)
        return
    message = result.message
    try:
        usage = connection.usage_of(message)
    except Broken as broken:
        ledger.fail(call, str(broken), billed=True)
        return
    ledger.settle(
        call,
        usage,
        answer_text=connection.text_of(message),
        stop_reason=connection.stop_of(message.stop_reason, message.stop_details),
        request_id=message.id[:80],
        duration_ms=None,
    )


def _lose(calls: dict[str, LLMCall], why: str) -> None:
    """Close orders whose fate nobody knows; they may have been charged."""
    for call in calls.values():
        ledger.fail(call, why, billed=True)


def _wake() -> None:
    """Wake the jobs that wait for orders which are closed by now."""
    waiting = [job for model in WHO_WAITS for job in model.objects.filter(status=model.Status.SUBMITTED)]
    asked = LLMCall.objects.filter(status=Status.OPEN, service_tier=Tier.BATCH, asker__gt="")
    open_askers = set(asked.values_list("asker", flat=True))
    for job in waiting:
        if f"{job.stage} {job.pk}" not in open_askers:
            job.wake()
