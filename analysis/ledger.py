"""Money before and after each call to a model: nothing is asked that the budgets could not pay in the worst case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from analysis.models import Budget, BudgetPeriod, LLMCall, ModelPrice, Policy
from emm.jobs import Later, Misconfigured
from notion_sync.models import InboxItem

# Tokens that the API adds to a request on its own: the frame of the messages and the rules of structured answers.
OVERHEAD_TOKENS = 2_000
# Longer than any call and its job's lease: whoever opened a call that is still open by then is gone.
LOST_AFTER = timedelta(minutes=20)
IN_FLIGHT = timedelta(seconds=30)
CHEAPER_FROM = Decimal("0.9")
NOTHING = Decimal(0)
MILLION = Decimal(1_000_000)
MICRO_USD = Decimal("0.000001")
# What the whole call is multiplied with. https://platform.claude.com/docs/en/about-claude/pricing
TIER_FACTORS = {LLMCall.Tier.BATCH: Decimal("0.5")}
GEO_FACTORS = {"us": Decimal("1.1")}


OVER = "The budget of"  # how the reason of work that a budget holds begins
LOOK_AGAIN = timedelta(minutes=1)


class OverBudget(Later):
    """A budget cannot pay the worst case of a call now; `why` names the budget and what it has left.

    `refused`: the period that has to be raised or to end before it can; None where calls under way may give enough back.
    """

    refused: BudgetPeriod | None = None


class Stopped(Later):
    """A person has stopped all calls to models; `why` says who, since when and for which reason."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, as the API's `usage` reports them. `input`: the uncached ones only. `geo`: "us", or anything."""

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    tier: str = LLMCall.Tier.STANDARD
    geo: str = ""

    @property
    def prompt(self) -> int:
        """All tokens that were sent: what a price's tier is chosen by."""
        return self.input + self.cache_write_5m + self.cache_write_1h + self.cache_read


def price(model: str, at: datetime, prompt_tokens: int) -> ModelPrice:
    """What `model` costs at that time for a prompt of that size. Raises Misconfigured if nobody has said."""
    known = (
        ModelPrice.objects.filter(model=model, valid_from__lte=at.date(), above_tokens__lt=max(prompt_tokens, 1))
        .order_by("-valid_from", "-above_tokens")
        .first()
    )
    if known is None:
        raise Misconfigured(
            f"There is no price for the model {model}, so no call was made.",
            "Add its price in the console under Model prices, or choose a model that has one: ANTHROPIC_MODEL, or where it is "
            "set the variable of that use, such as ANTHROPIC_MODEL_QUANT.",
        )
    return known


def cost(rates: ModelPrice, usage: Usage) -> Decimal:
    """USD for `usage`, rounded up to six places. Batches are billed at half of every rate."""
    millionths = (
        usage.input * rates.input
        + usage.output * rates.output
        + usage.cache_write_5m * rates.cache_write_5m
        + usage.cache_write_1h * rates.cache_write_1h
        + usage.cache_read * rates.cache_read
    )
    factor = TIER_FACTORS.get(LLMCall.Tier(usage.tier), Decimal(1)) * GEO_FACTORS.get(usage.geo, Decimal(1))
    return (millionths * factor / MILLION).quantize(MICRO_USD, rounding=ROUND_UP)


def worst_cost(
    model: str, at: datetime, prompt_bytes: int, max_tokens: int, *, marked_bytes: int = 0, batch: bool = False
) -> Decimal:
    """USD that a call can cost at most: a token is at least one byte, and no tier for less text is dearer.

    `marked_bytes`: how many of `prompt_bytes` may be written to the prompt cache, which is dearer than to read them
    plainly: for five minutes, in a `batch` for an hour. Inference in the US alone, which is dearer, is assumed: a workspace
    can have it as its default, and only the answer tells.
    """
    tokens = prompt_bytes + OVERHEAD_TOKENS
    written = marked_bytes + OVERHEAD_TOKENS if marked_bytes else 0
    usage = Usage(
        input=tokens - written,
        output=max_tokens,
        cache_write_5m=0 if batch else written,
        cache_write_1h=written if batch else 0,
        tier=LLMCall.Tier.BATCH if batch else LLMCall.Tier.STANDARD,
        geo="us",
    )
    return cost(price(model, at, tokens), usage)


def reserve(
    *,
    purpose: str,
    model: str,
    item: InboxItem | None,
    prompt_bytes: int,
    max_tokens: int,
    key: str,
    prompt_hash: str,
    asker: str = "",
    marked_bytes: int = 0,
    request: dict[str, Any] | None = None,
) -> LLMCall:
    """Open the row of one call with its worst cost reserved in the day, the month and the item; all of them or none.

    `request`: what a batch will send; the call is reserved at a batch's price then. Raises OverBudget if a budget cannot
    pay, Stopped while a person has stopped all calls, Misconfigured if the model has no price.
    """
    refuse_while_stopped()
    batch = request is not None
    with transaction.atomic():
        now = _database_time()
        worst = worst_cost(model, now, prompt_bytes, max_tokens, marked_bytes=marked_bytes, batch=batch)
        periods = _locked_periods(now, item)
        over = next(filter(None, (_refusal(period, worst, now) for period in periods)), None)
        if over is None:
            pks = [period.pk for period in periods]
            BudgetPeriod.objects.filter(pk__in=pks).update(reserved_usd=F("reserved_usd") + worst)
            return LLMCall.objects.create(
                opened_at=now,
                key=key,
                purpose=purpose,
                item=item,
                model=model,
                prompt_hash=prompt_hash,
                asker=asker,
                service_tier=LLMCall.Tier.BATCH if batch else LLMCall.Tier.STANDARD,
                request=request,
                reserved_usd=worst,
                periods=pks,
            )
        if over.refused is not None:
            limit = over.refused.budget.limit_usd
            first = BudgetPeriod.objects.filter(pk=over.refused.pk).exclude(refused_limit_usd__gte=limit)
            first.update(refused_at=Now(), refused_limit_usd=limit)
    raise over


def refuse_while_stopped() -> None:
    """Raises Stopped, with who stopped all calls and why, while the switch is off. Calls under way are not touched."""
    policy = Policy.current()
    if policy.model_calls_stopped:
        raise Stopped(LOOK_AGAIN, f"{policy.standing} A person lets them go on under Policy.")


def strained(item: InboxItem) -> str:
    """Why new work on `item` has to be cheaper: a budget of the day, the month or the item at 90 percent or more; or ""."""
    names = _names(_database_time(), item)
    for row in BudgetPeriod.objects.filter(period__in=names.values()).select_related("budget").order_by("pk"):
        used, limit = row.spent_usd + row.reserved_usd, row.budget.limit_usd
        if limit and used >= limit * CHEAPER_FROM:
            return f"{used / limit:.0%} of the budget for {row.budget.get_scope_display()} is used or reserved."
    return ""


def settle(
    call: LLMCall, usage: Usage, *, answer_text: str, stop_reason: str, request_id: str, duration_ms: int | None
) -> bool:
    """Store an answer as it came and count what it really cost. False: the call was closed before; nothing changed."""
    if call.service_tier == LLMCall.Tier.BATCH:  # it is billed as one, whatever the answer says of its tier
        usage = replace(usage, tier=LLMCall.Tier.BATCH)
    return _close(
        call,
        LLMCall.Status.ANSWERED,
        cost(price(call.model, call.opened_at, usage.prompt), usage),
        **_tokens(usage),
        answer_text=answer_text,
        stop_reason=stop_reason,
        request_id=request_id,
        duration_ms=duration_ms,
    )


def fail(
    call: LLMCall,
    error: str,
    *,
    billed: bool,
    request_id: str = "",
    duration_ms: int | None = None,
    usage: Usage | None = None,
) -> bool:
    """Close a call that brought no answer. `billed`: it may have been charged all the same; its worst cost counts.

    `usage`: the tokens that were reported before it broke off.
    """
    status = LLMCall.Status.LOST if billed else LLMCall.Status.FAILED
    charged = call.reserved_usd if billed else Decimal(0)
    seen = _tokens(usage) if usage is not None else {}
    return _close(call, status, charged, error=error, request_id=request_id, duration_ms=duration_ms, **seen)


def _tokens(usage: Usage) -> dict[str, int | str]:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "cache_read_tokens": usage.cache_read,
        "service_tier": usage.tier,
    }


def reject(calls: list[LLMCall], why: str) -> None:
    """Mark paid answers as unusable: who queues the work again gets new ones. The money stays spent."""
    LLMCall.objects.filter(pk__in=[call.pk for call in calls]).update(status=LLMCall.Status.FAILED, error=why)


def close_lost() -> int:
    """Close the calls whose process ended before the answer: they may have been charged. Returns how many.

    What a batch sends takes hours; it is closed with its batch.
    """
    calls = LLMCall.objects.exclude(service_tier=LLMCall.Tier.BATCH)
    abandoned = calls.filter(status=LLMCall.Status.OPEN, opened_at__lt=Now() - LOST_AFTER)
    return sum(fail(call, "The process ended before an answer was stored.", billed=True) for call in abandoned)


def _close(call: LLMCall, status: LLMCall.Status, charged: Decimal, **columns: str | int | None) -> bool:
    with transaction.atomic():
        closed = LLMCall.objects.filter(pk=call.pk, status=LLMCall.Status.OPEN).update(
            status=status, closed_at=Now(), cost_usd=charged, request=None, **columns
        )
        if closed:
            # One after the other in a fixed order, so that two calls that close at once never wait for each other.
            for pk in sorted(call.periods):
                BudgetPeriod.objects.filter(pk=pk).update(
                    reserved_usd=F("reserved_usd") - call.reserved_usd, spent_usd=F("spent_usd") + charged
                )
    call.refresh_from_db()
    return bool(closed)


def _refusal(period: BudgetPeriod, worst: Decimal, now: datetime) -> OverBudget | None:
    """Why this budget cannot pay; None where it can."""
    limit = period.budget.limit_usd
    if period.spent_usd + period.reserved_usd + worst <= limit:
        return None
    left = max(limit - period.spent_usd - period.reserved_usd, Decimal(0))
    why = (
        f"{OVER} {limit.normalize():f} USD for {period.budget.get_scope_display()} has {left:.4f} USD left; "
        f"this call may cost up to {worst:.4f} USD."
    )
    if period.spent_usd + worst <= limit:
        return OverBudget(IN_FLIGHT, f"{why} It waits for calls under way to be settled.")
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = midnight + timedelta(days=1)
    next_month = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    until, advice = {
        Budget.Scope.DAY: (tomorrow, "It goes on tomorrow (UTC), or once the budget is raised."),
        Budget.Scope.MONTH: (next_month, "It goes on next month (UTC), or once the budget is raised."),
        Budget.Scope.ITEM: (
            now + timedelta(days=1),
            "It goes on once the budget for an item is raised in the console.",
        ),
    }[Budget.Scope(period.budget.scope)]
    over = OverBudget(until, f"{why} {advice}")
    over.refused = period
    return over


def _locked_periods(now: datetime, item: InboxItem | None) -> list[BudgetPeriod]:
    """The rows that a call at `now` counts in, made where missing, locked in one order for everybody."""
    names = _names(now, item)
    known = {budget.scope: budget for budget in budgets()}
    BudgetPeriod.objects.bulk_create(
        [BudgetPeriod(budget=known[scope], period=name) for scope, name in names.items()], ignore_conflicts=True
    )
    wanted = BudgetPeriod.objects.filter(period__in=names.values()).select_related("budget")
    rows = wanted.select_for_update(of=("self",)).order_by("pk")
    return [row for row in rows if names.get(Budget.Scope(row.budget.scope)) == row.period]


def _names(now: datetime, item: InboxItem | None) -> dict[Budget.Scope, str]:
    """The period of each budget that a call at `now` for `item` counts in."""
    of_item = {} if item is None else {Budget.Scope.ITEM: str(item.pk)}
    return {Budget.Scope.DAY: f"{now:%Y-%m-%d}", Budget.Scope.MONTH: f"{now:%Y-%m}", **of_item}


def budgets() -> list[Budget]:
    """The three budgets; the settings give first values only, people change the rows."""
    known = list(Budget.objects.all())
    if len(known) < len(Budget.Scope):
        Budget.objects.bulk_create(
            [Budget(scope=scope, limit_usd=limit) for scope, limit in settings.BUDGETS_USD.items()],
            ignore_conflicts=True,
        )
        known = list(Budget.objects.all())
    return known


def _database_time() -> datetime:
    """Now on the database's clock, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
