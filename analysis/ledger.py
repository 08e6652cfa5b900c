"""Money before and after each call to a model: nothing is asked that the budgets could not pay in the worst case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from analysis.models import Budget, BudgetPeriod, LLMCall, ModelPrice
from emm.jobs import Later, Misconfigured
from notion_sync.models import InboxItem

# Tokens that the API adds to a request on its own: the frame of the messages and the rules of structured answers.
OVERHEAD_TOKENS = 2_000
# Longer than any call and its job's lease: whoever opened a call that is still open by then is gone.
LOST_AFTER = timedelta(minutes=20)
IN_FLIGHT = timedelta(seconds=30)
MILLION = Decimal(1_000_000)
MICRO_USD = Decimal("0.000001")


class OverBudget(Later):
    """A budget cannot pay the worst case of a call now; `why` names the budget and what it has left."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one answered call, as the API's `usage` reports them. `input`: the uncached ones only."""

    input: int = 0
    output: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0

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
            "Add its price in the console under Model prices, or choose a model that has one (ANTHROPIC_MODEL).",
        )
    return known


def cost(rates: ModelPrice, usage: Usage) -> Decimal:
    """USD for `usage`, rounded up to six places."""
    millionths = (
        usage.input * rates.input
        + usage.output * rates.output
        + usage.cache_write_5m * rates.cache_write_5m
        + usage.cache_write_1h * rates.cache_write_1h
        + usage.cache_read * rates.cache_read
    )
    return (millionths / MILLION).quantize(MICRO_USD, rounding=ROUND_UP)


def worst_cost(model: str, at: datetime, prompt_bytes: int, max_tokens: int) -> Decimal:
    """USD that a call can cost at most: a token is at least one byte, and no tier for less text is dearer.

    Our requests never ask for caching, so the plain input rate is the dearest that applies.
    """
    tokens = prompt_bytes + OVERHEAD_TOKENS
    return cost(price(model, at, tokens), Usage(input=tokens, output=max_tokens))


def reserve(
    *,
    purpose: str,
    model: str,
    item: InboxItem | None,
    prompt_bytes: int,
    max_tokens: int,
    key: str,
    prompt_hash: str,
) -> LLMCall:
    """Open the row of one call with its worst cost reserved in the day, the month and the item; all of them or none.

    Raises OverBudget if one of them cannot pay, Misconfigured if the model has no price.
    """
    with transaction.atomic():
        now = _database_time()
        worst = worst_cost(model, now, prompt_bytes, max_tokens)
        periods = _locked_periods(now, item)
        for period in periods:
            _check(period, worst, now)
        pks = [period.pk for period in periods]
        BudgetPeriod.objects.filter(pk__in=pks).update(reserved_usd=F("reserved_usd") + worst)
        return LLMCall.objects.create(
            opened_at=now,
            key=key,
            purpose=purpose,
            item=item,
            model=model,
            prompt_hash=prompt_hash,
            reserved_usd=worst,
            periods=pks,
        )


def settle(
    call: LLMCall, usage: Usage, *, answer_text: str, stop_reason: str, request_id: str, duration_ms: int
) -> bool:
    """Store an answer as it came and count what it really cost. False: the call was closed before; nothing changed."""
    return _close(
        call,
        LLMCall.Status.ANSWERED,
        cost(price(call.model, call.opened_at, usage.prompt), usage),
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_write_5m_tokens=usage.cache_write_5m,
        cache_write_1h_tokens=usage.cache_write_1h,
        cache_read_tokens=usage.cache_read,
        answer_text=answer_text,
        stop_reason=stop_reason,
        request_id=request_id,
        duration_ms=duration_ms,
    )


def fail(call: LLMCall, error: str, *, billed: bool, request_id: str = "", duration_ms: int | None = None) -> bool:
    """Close a call that brought no answer. `billed`: it may have been charged all the same; its worst cost counts."""
    status = LLMCall.Status.LOST if billed else LLMCall.Status.FAILED
    charged = call.reserved_usd if billed else Decimal(0)
    return _close(call, status, charged, error=error, request_id=request_id, duration_ms=duration_ms)


def reject(calls: list[LLMCall], why: str) -> None:
    """Mark paid answers as unusable: who queues the work again gets new ones. The money stays spent."""
    LLMCall.objects.filter(pk__in=[call.pk for call in calls]).update(status=LLMCall.Status.FAILED, error=why)


def close_lost() -> int:
    """Close the calls whose process ended before the answer: they may have been charged. Returns how many."""
    abandoned = LLMCall.objects.filter(status=LLMCall.Status.OPEN, opened_at__lt=Now() - LOST_AFTER)
    return sum(fail(call, "The process ended before an answer was stored.", billed=True) for call in abandoned)


def _close(call: LLMCall, status: LLMCall.Status, charged: Decimal, **columns: str | int | None) -> bool:
    with transaction.atomic():
        closed = LLMCall.objects.filter(pk=call.pk, status=LLMCall.Status.OPEN).update(
            status=status, closed_at=Now(), cost_usd=charged, **columns
        )
        if closed:
            # One after the other in a fixed order, so that two calls that close at once never wait for each other.
            for pk in sorted(call.periods):
                BudgetPeriod.objects.filter(pk=pk).update(
                    reserved_usd=F("reserved_usd") - call.reserved_usd, spent_usd=F("spent_usd") + charged
                )
    call.refresh_from_db()
    return bool(closed)


def _check(period: BudgetPeriod, worst: Decimal, now: datetime) -> None:
    limit = period.budget.limit_usd
    if period.spent_usd + period.reserved_usd + worst <= limit:
        return
    left = max(limit - period.spent_usd - period.reserved_usd, Decimal(0))
    why = (
        f"The budget of {limit.normalize():f} USD for {period.budget.get_scope_display()} has {left:.4f} USD left; "
        f"this call may cost up to {worst:.4f} USD."
    )
    if period.spent_usd + worst <= limit:
        raise OverBudget(IN_FLIGHT, f"{why} It waits for calls under way to be settled.")
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = midnight + timedelta(days=1)
    next_month = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    until, advice = {
        Budget.Scope.DAY: (tomorrow, "It goes on tomorrow (UTC), or once the budget is raised."),
        Budget.Scope.MONTH: (next_month, "It goes on next month (UTC), or once the budget is raised."),
        Budget.Scope.ITEM: (now + timedelta(days=1), "Raise the budget for an item in the console."),
    }[Budget.Scope(period.budget.scope)]
    raise OverBudget(until, f"{why} {advice}")


def _locked_periods(now: datetime, item: InboxItem | None) -> list[BudgetPeriod]:
    """The rows that a call at `now` counts in, made where missing, locked in one order for everybody."""
    names = {Budget.Scope.DAY: f"{now:%Y-%m-%d}", Budget.Scope.MONTH: f"{now:%Y-%m}"}
    if item is not None:
        names[Budget.Scope.ITEM] = str(item.pk)
    budgets = {budget.scope: budget for budget in _budgets()}
    BudgetPeriod.objects.bulk_create(
        [BudgetPeriod(budget=budgets[scope], period=name) for scope, name in names.items()], ignore_conflicts=True
    )
    wanted = BudgetPeriod.objects.filter(period__in=names.values()).select_related("budget")
    rows = wanted.select_for_update(of=("self",)).order_by("pk")
    return [row for row in rows if names.get(Budget.Scope(row.budget.scope)) == row.period]


def _budgets() -> list[Budget]:
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
