"""Money: reserved before a call, settled after it, never more than the budgets allow."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from django.db import connection
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as st

from analysis import ledger
from analysis.models import Budget, BudgetPeriod, LLMCall, ModelPrice
from analysis.prices import PRICE_LIST, import_prices
from emm.jobs import Misconfigured
from notion_sync.models import InboxItem
from tests.analysis.rows import an_item

pytestmark = pytest.mark.django_db
MODEL = "claude-sonnet-5-5"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def budgets(day: str = "5", month: str = "100", item: str = "1") -> None:
    for scope, limit in (("day", day), ("month", month), ("item", item)):
        Budget.objects.update_or_create(scope=scope, defaults={"limit_usd": Decimal(limit)})


def reserve(item: InboxItem | None = None, **changed: Any) -> LLMCall:
    size = {"prompt_bytes": 8_000, "max_tokens": 8_000}
    wanted = {"purpose": "persona", "model": MODEL, "item": item, "key": "k", "prompt_hash": "h", **size}
    return ledger.reserve(**{**wanted, **changed})


def settle(call: LLMCall, usage: ledger.Usage) -> bool:
    return ledger.settle(call, usage, answer_text="{}", stop_reason="end_turn", request_id="r", duration_ms=1)


def state() -> dict[str, tuple[Decimal, Decimal]]:
    return {p.budget.scope: (p.reserved_usd, p.spent_usd) for p in BudgetPeriod.objects.select_related("budget")}


def test_it_reserves_a_token_for_each_byte_and_all_the_room_for_the_answer() -> None:
    call = reserve(an_item())
    assert call.reserved_usd == Decimal("0.11")  # (8,000 + 2,000) * 2 + 8,000 * 10 millionths, in the US a tenth more
    assert state() == {scope: (call.reserved_usd, Decimal(0)) for scope in ("day", "month", "item")}


def test_it_moves_the_real_cost_from_reserved_to_spent_once() -> None:
    call = reserve(an_item())
    usage = ledger.Usage(input=1_000, output=500, cache_read=10_000, cache_write_5m=400, cache_write_1h=100)
    assert settle(call, usage)
    assert not settle(call, usage)
    assert not ledger.fail(call, "too late", billed=True)
    assert call.status == LLMCall.Status.ANSWERED
    assert call.cost_usd == Decimal("0.0094")  # 2,000 + 5,000 + 1,000 + 1,000 + 400 millionths
    assert set(state().values()) == {(Decimal(0), call.cost_usd)}


@st.composite
def bills(draw: st.DrawFn) -> tuple[dict[str, Any], ledger.Usage]:
    """What a request allows, and what the API may report for it."""
    batch, prompt = draw(st.booleans()), draw(st.integers(0, 250_000))
    marked = draw(st.sampled_from([0, prompt]) | st.integers(0, prompt))
    tokens = draw(st.integers(0, prompt + ledger.OVERHEAD_TOKENS))
    written = draw(st.integers(0, min(tokens, marked + ledger.OVERHEAD_TOKENS))) if marked else 0
    hour = draw(st.integers(0, written)) if batch else 0
    read = draw(st.integers(0, tokens - written))
    room = draw(st.integers(1, 24_000))
    usage = ledger.Usage(
        input=tokens - written - read,
        output=draw(st.integers(0, room)),
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        cache_read=read,
        tier="batch" if batch else draw(st.sampled_from(LLMCall.Tier.values)),
        geo=draw(st.sampled_from(["", "global", "not_available", *ledger.GEO_FACTORS])),
    )
    return {"prompt_bytes": prompt, "max_tokens": room, "marked_bytes": marked, "batch": batch}, usage


@given(model=st.sampled_from([row["model"] for row in yaml.safe_load(PRICE_LIST.read_text())]), bill=bills())
def test_no_answer_costs_more_than_was_reserved(model: str, bill: tuple[dict[str, Any], ledger.Usage]) -> None:
    allowed, usage = bill
    assert ledger.cost(ledger.price(model, NOW, usage.prompt), usage) <= ledger.worst_cost(model, NOW, **allowed)


def test_a_batch_is_billed_as_one_although_its_answer_says_nothing_of_it() -> None:
    call = reserve(request={})
    settle(call, ledger.Usage(output=8_000))
    assert (call.cost_usd, call.service_tier) == (Decimal("0.04"), "batch")


def test_a_failed_call_costs_nothing_and_a_lost_one_its_worst_case() -> None:
    failed, lost = reserve(), reserve()
    ledger.fail(failed, "429", billed=False)
    ledger.fail(lost, "no answer", billed=True)
    assert (failed.status, failed.cost_usd) == (LLMCall.Status.FAILED, Decimal(0))
    assert (lost.status, lost.cost_usd) == (LLMCall.Status.LOST, lost.reserved_usd)
    assert state()["day"] == (Decimal(0), lost.reserved_usd)


def test_it_closes_calls_whose_process_is_gone_and_no_others() -> None:
    young, old = reserve(), reserve()
    LLMCall.objects.filter(pk=old.pk).update(opened_at=F("opened_at") - timedelta(minutes=21))
    assert ledger.close_lost() == 1
    young.refresh_from_db()
    old.refresh_from_db()
    assert (young.status, old.status) == (LLMCall.Status.OPEN, LLMCall.Status.LOST)
    assert state()["day"] == (young.reserved_usd, old.reserved_usd)


@pytest.mark.parametrize(("scope", "name"), [("day", "a day"), ("month", "a month"), ("item", "an item")])
def test_it_names_the_budget_that_cannot_pay_and_reserves_in_none(scope: str, name: str) -> None:
    budgets(**{scope: "0.05"})
    with pytest.raises(ledger.OverBudget, match=f"0.05 USD for {name}"):
        reserve(an_item())
    assert LLMCall.objects.count() == 0
    assert not BudgetPeriod.objects.exclude(reserved_usd=0, spent_usd=0).exists()
    assert BudgetPeriod.objects.get(refused_at__isnull=False).budget.scope == scope


def test_a_budget_of_zero_means_that_nothing_may_be_spent() -> None:
    budgets(day="0")
    with pytest.raises(ledger.OverBudget):
        reserve(prompt_bytes=0, max_tokens=1)


def test_an_exhausted_day_waits_for_tomorrow_and_an_exhausted_month_for_the_first() -> None:
    budgets(day="0.05")
    with pytest.raises(ledger.OverBudget) as day:
        reserve()
    budgets(month="0.05")
    with pytest.raises(ledger.OverBudget) as month:
        reserve()
    with connection.cursor() as cursor:
        cursor.execute("SELECT date_trunc('day', now()) + '1 day', date_trunc('month', now()) + interval '1 month'")
        assert (day.value.until, month.value.until) == cursor.fetchone()


def test_what_only_calls_under_way_keep_from_being_paid_waits_for_them_shortly() -> None:
    budgets(day="0.15")
    reserve()
    with pytest.raises(ledger.OverBudget, match="calls under way") as over:
        reserve()
    assert over.value.until == ledger.IN_FLIGHT


def test_money_that_was_reserved_before_midnight_is_settled_in_the_day_it_was_reserved_in() -> None:
    call = reserve()
    BudgetPeriod.objects.filter(budget__scope="day").update(period="2026-01-01")
    other = reserve()
    settle(call, ledger.Usage(input=1_000))
    days = {p.period: p for p in BudgetPeriod.objects.filter(budget__scope="day")}
    assert days.pop("2026-01-01").spent_usd == call.cost_usd
    assert [(p.reserved_usd, p.spent_usd) for p in days.values()] == [(other.reserved_usd, Decimal(0))]


def test_the_first_limits_come_from_the_settings_and_are_peoples_afterwards(settings: Any) -> None:
    settings.BUDGETS_USD = {"day": Decimal(3), "month": Decimal(4), "item": Decimal(1)}
    reserve()
    Budget.objects.filter(scope="day").update(limit_usd=Decimal(7))
    reserve()
    assert dict(Budget.objects.values_list("scope", "limit_usd")) == {"day": 7, "month": 4, "item": 1}


def test_a_model_without_a_price_is_never_called() -> None:
    with pytest.raises(Misconfigured, match="no price for the model claude-unheard-of, so no call was made"):
        reserve(model="claude-unheard-of")


def test_the_newest_price_that_is_valid_by_then_counts() -> None:
    assert ledger.price(MODEL, NOW, 10).cache_read == Decimal("0.10")
    assert ledger.price(MODEL, datetime(2026, 10, 1, tzinfo=UTC), 10).cache_read == Decimal("0.20")
    with pytest.raises(Misconfigured):
        ledger.price(MODEL, datetime(2026, 1, 1, tzinfo=UTC), 10)


def test_a_long_prompt_is_priced_in_its_own_tier() -> None:
    assert ledger.price("claude-haiku-5-5", NOW, 100_000).output == Decimal("0.50")
    assert ledger.price("claude-haiku-5-5", NOW, 100_001).output == Decimal("2.50")


def test_importing_the_price_list_again_keeps_what_people_changed() -> None:
    ModelPrice.objects.filter(model=MODEL).update(input=Decimal(9))
    ModelPrice.objects.filter(model="claude-opus-5").delete()
    import_prices()
    assert set(ModelPrice.objects.filter(model=MODEL).values_list("input", flat=True)) == {Decimal(9)}
    assert ModelPrice.objects.filter(model="claude-opus-5").exists()


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_never_pass_a_small_cap() -> None:
    budgets(day="0.55")
    start, taken, refused = threading.Barrier(20), list[LLMCall](), list[ledger.OverBudget]()

    def one() -> None:
        start.wait()
        try:
            taken.append(reserve())
        except ledger.OverBudget as over:
            refused.append(over)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (5, 15)
    assert state()["day"] == (Decimal("0.55"), Decimal(0))


@pytest.mark.django_db(transaction=True)
def test_calls_that_close_at_once_leave_the_sums_right() -> None:
    budgets(day="50", item="50")
    item = an_item()
    calls = [reserve(item) for _ in range(12)]
    start = threading.Barrier(12)

    def one(call: LLMCall) -> None:
        start.wait()
        settle(call, ledger.Usage(input=500_000))
        connection.close()

    threads = [threading.Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(state().values()) == {(Decimal(0), Decimal(12))}


def spend(item: InboxItem, number: int, start: threading.Barrier) -> None:
    """One worker: twelve calls that are lost, refused, or answered for more or less."""
    start.wait()
    for turn in range(12):
        try:
            call = reserve(item)
        except ledger.OverBudget:
            continue
        match (number + turn) % 4:
            case 0:
                ledger.fail(call, "lost", billed=True)
            case 1:
                ledger.fail(call, "refused", billed=False)
            case share:
                settle(call, ledger.Usage(input=5_000 * share, output=1_000 * number // 4))
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_twenty_workers_on_a_small_cap_never_exceed_it_by_a_cent() -> None:
    cap = Decimal("1.23")
    budgets(day=str(cap), month="100", item="100")
    item, start = an_item(), threading.Barrier(21)
    highest, done = [Decimal(0)], threading.Event()

    def watch() -> None:
        start.wait()
        while not done.is_set():
            for period in BudgetPeriod.objects.filter(budget__scope="day"):
                highest.append(period.reserved_usd + period.spent_usd)
        connection.close()

    workers = [threading.Thread(target=spend, args=(item, number, start)) for number in range(20)]
    watcher = threading.Thread(target=watch)
    for thread in (*workers, watcher):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    watcher.join()
    day = BudgetPeriod.objects.get(budget__scope="day")
    assert max(highest) <= cap
    assert day.reserved_usd == 0
    assert day.spent_usd == sum(call.cost_usd or 0 for call in LLMCall.objects.all())
    assert cap - Decimal("0.11") < day.spent_usd <= cap  # so little is left that no further call could be paid
