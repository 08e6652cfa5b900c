"""The patient lane: what is not urgent waits for a batch, at half the price, and is neither lost nor bought twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anthropic
import pytest
from django.db.models import F, Sum, TextField, Value
from django.db.models.functions import Cast, Concat, Now
from django.test import Client

from analysis import ledger
from analysis.llm import batches
from analysis.models import Analysis, Batch, Budget, BudgetPeriod, LLMCall, ModelPrice, Perspective, Policy, Synthesis
from notion_sync.models import Action, InboxItem
from tests.analysis.rows import an_item
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def analysis(sandbox: Sandbox) -> Analysis:
    """A strategic item after its triage, on the patient lane."""
    return patient(sandbox, "Standard")


def patient(sandbox: Sandbox, depth: str) -> Analysis:
    Policy.objects.update_or_create(pk=1, defaults={"patient_lane": True})
    item = an_item("Buy Vantor Ltd for $400k?", "Dana Brightside runs it. It cannot be undone.")
    item.values = {**item.values, "Depth": depth}
    item.save(update_fields=["values"])
    run_stage("triage")
    found: Analysis = Analysis.objects.get(item=item)
    return found


def rest(*more: str) -> None:
    """Run what is due until nothing is."""
    for _ in range(8):
        Batch.objects.filter(status="waiting").update(due_at=Now())
        if not sum(run_stage(name) for name in ("argue", "synthesise", "collect", *more)):
            return


def item() -> InboxItem:
    found: InboxItem = InboxItem.objects.get()
    return found


def test_a_patient_item_is_argued_in_batches_at_half_the_price(analysis: Analysis, sandbox: Sandbox) -> None:
    rest()
    assert Synthesis.objects.get().status == "done"
    assert Action.objects.count() == 1
    assert sandbox.claude_state()["calls"] == {"triage": 1, "batch": 2, "persona": 3, "synthesis": 1}
    calls = LLMCall.objects.exclude(purpose="triage")
    assert set(calls.values_list("service_tier", "status")) == {("batch", "answered")}
    for call in calls:
        usage = ledger.Usage(call.input_tokens, call.output_tokens)
        full = ledger.cost(ledger.price(call.model, call.opened_at, usage.prompt), usage)
        assert call.cost_usd == (full / 2).quantize(Decimal("0.000001"), rounding="ROUND_UP")
        assert call.cost_usd <= call.reserved_usd
        assert call.request is None
    assert not BudgetPeriod.objects.exclude(reserved_usd=0).exists()


def test_while_it_waits_the_item_says_for_what_and_since_when(analysis: Analysis, sandbox: Sandbox) -> None:
    sandbox.claude(batch_seconds=3_600)
    run_stage("argue")
    run_stage("collect")
    assert [voice.status for voice in analysis.perspectives.all()] == ["submitted"] * 3
    opened = LLMCall.objects.filter(purpose="persona").earliest("opened_at").opened_at
    assert item().state == "analysing"
    assert item().state_reason == (
        f"Not urgent: waits since {opened:%d %B %Y, %H:%M} UTC for a batch at half the price, for a day at most."
    )
    batch = Batch.objects.get()
    assert batch.batch_id.startswith("msgbatch_")
    assert batch.status == "waiting"
    assert batch.last_error.startswith("Claude works on it since")
    assert batch.due_at > batch.status_since
    assert BudgetPeriod.objects.get(budget__scope="day").reserved_usd > 0
    assert ledger.close_lost() == 0
    LLMCall.objects.update(opened_at=F("opened_at") - timedelta(hours=2))
    assert ledger.close_lost() == 0


def test_urgent_items_wait_for_no_batch(sandbox: Sandbox) -> None:
    Policy.objects.update_or_create(pk=1, defaults={"patient_lane": True})
    an_item("Buy Vantor Ltd for $400k?", "It cannot be undone.", values={"Status": None, "Urgent": True})
    run_stage("triage")
    run_stage("argue")
    assert "batch" not in sandbox.claude_state()["calls"]
    assert Synthesis.objects.count() == 1


def test_a_deep_one_orders_both_verdicts_at_once(sandbox: Sandbox) -> None:
    patient(sandbox, "Deep")
    rest()
    assert Synthesis.objects.get().second is not None
    assert sandbox.claude_state()["calls"] == {"triage": 1, "batch": 3, "persona": 3, "rebuttal": 3, "synthesis": 2}


@pytest.mark.parametrize(
    ("kind", "says"), [("expired", "expired"), ("canceled", "canceled"), ("529", "errored. Overloaded")]
)
def test_what_a_batch_did_not_answer_is_asked_directly_and_cost_nothing(
    analysis: Analysis, sandbox: Sandbox, kind: str, says: str
) -> None:
    sandbox.claude(script=[{"kind": kind, "match": {"purpose": "persona"}}])
    rest()
    assert Synthesis.objects.get().status == "done"
    failed = LLMCall.objects.get(status="failed")
    assert (failed.cost_usd, failed.service_tier) == (Decimal(0), "batch")
    assert failed.error == f"The batch gave no answer: {says}" + ("" if says.endswith("Overloaded") else ".")
    assert LLMCall.objects.get(key=failed.key, status="answered").service_tier == "standard"


def test_an_answer_of_a_batch_that_does_not_fit_is_mended_directly(analysis: Analysis, sandbox: Sandbox) -> None:
    sandbox.claude(script=[{"kind": "wrong_schema", "match": {"purpose": "persona"}}])
    rest()
    assert Synthesis.objects.get().status == "done"
    assert LLMCall.objects.get(purpose="persona repair").service_tier == "standard"


def test_a_refusal_in_a_batch_is_a_missing_voice(analysis: Analysis, sandbox: Sandbox) -> None:
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "persona"}}])
    rest()
    assert len(analysis.missing) == 1
    assert "declined" in analysis.missing[0].last_error
    assert Synthesis.objects.get().status == "done"


def sent_but_unknown(sandbox: Sandbox) -> Batch:
    """A batch whose making was answered into the void."""
    sandbox.claude(script=[{"kind": "drop_after", "match": {"purpose": "batch"}}])
    run_stage("argue")
    run_stage("collect")
    batch = Batch.objects.get()
    assert (batch.batch_id, batch.sent_at is None) == ("", False)
    return batch


def test_a_batch_whose_id_was_lost_is_found_and_not_bought_again(analysis: Analysis, sandbox: Sandbox) -> None:
    sent_but_unknown(sandbox)
    rest()
    assert Batch.objects.earliest("pk").batch_id.startswith("msgbatch_")
    assert sandbox.claude_state()["calls"] == {"triage": 1, "batch": 2, "persona": 3, "synthesis": 1}


def test_a_batch_that_may_be_ours_is_waited_for(analysis: Analysis, sandbox: Sandbox) -> None:
    sandbox.claude(batch_seconds=3_600)
    sent_but_unknown(sandbox)
    Batch.objects.update(due_at=Now(), sent_at=Now() - timedelta(minutes=3))
    run_stage("collect")
    assert "may have this batch already" in Batch.objects.get().last_error
    assert sandbox.claude_state()["calls"]["batch"] == 1


def test_a_batch_that_never_came_to_be_is_sent_again_once_that_is_certain(
    analysis: Analysis, sandbox: Sandbox, settings: Any
) -> None:
    stranger = anthropic.Anthropic(api_key="other", base_url=settings.ANTHROPIC_BASE_URL)
    params: Any = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    stranger.messages.batches.create(requests=[{"custom_id": f"x{n}", "params": params} for n in range(3)])
    sandbox.claude(script=[{"kind": "drop_before", "match": {"purpose": "batch"}}])
    run_stage("argue")
    run_stage("collect")
    Batch.objects.update(due_at=Now())
    run_stage("collect")
    assert "looked for before it is sent again" in Batch.objects.get().last_error
    Batch.objects.update(due_at=Now(), sent_at=Now() - timedelta(minutes=2))
    rest()
    assert Synthesis.objects.get().status == "done"
    assert sandbox.claude_state()["calls"]["persona"] == 3


def test_a_worker_that_dies_between_order_and_rest_orders_nothing_twice(analysis: Analysis, sandbox: Sandbox) -> None:
    run_stage("argue")
    Perspective.objects.update(status="waiting")  # the order was stored, the row's own move was not
    run_stage("argue")
    assert LLMCall.objects.filter(purpose="persona").count() == 3
    rest()
    assert sandbox.claude_state()["calls"]["persona"] == 3


def test_a_batch_that_claude_forgot_counts_as_lost_and_is_asked_directly(analysis: Analysis, sandbox: Sandbox) -> None:
    sandbox.claude(batch_seconds=3_600)
    run_stage("argue")
    run_stage("collect")
    sandbox.http.post("/claude/control/reset").raise_for_status()
    rest()
    lost = LLMCall.objects.filter(status="lost")
    assert [call.cost_usd == call.reserved_usd for call in lost] == [True] * 3
    assert Synthesis.objects.get().status == "done"


def test_a_refused_batch_leaves_its_questions_to_be_asked_directly(
    analysis: Analysis, sandbox: Sandbox, settings: Any
) -> None:
    run_stage("argue")
    LLMCall.objects.filter(purpose="persona").update(key=Concat(Value("no id of ours "), Cast("pk", TextField())))
    run_stage("collect")
    batch = Batch.objects.get()
    assert batch.status == "never"
    assert "custom_id" in batch.last_error
    assert set(LLMCall.objects.filter(batch=batch).values_list("status", "cost_usd")) == {("failed", Decimal(0))}
    assert not BudgetPeriod.objects.exclude(reserved_usd=0).exists()


def test_a_key_that_is_refused_sends_nothing_and_looks_for_nothing(
    analysis: Analysis, sandbox: Sandbox, settings: Any
) -> None:
    run_stage("argue")
    settings.ANTHROPIC_API_KEY = "invalid"
    run_stage("collect")
    batch = Batch.objects.get()
    assert (batch.sent_at, batch.status) == (None, "waiting")
    assert "Check ANTHROPIC_API_KEY" in batch.last_error
    settings.ANTHROPIC_API_KEY = "sandbox"
    rest()
    assert Synthesis.objects.get().status == "done"


def test_nothing_is_ordered_that_the_budget_cannot_pay(analysis: Analysis) -> None:
    Budget.objects.filter(scope="item").update(limit_usd=Decimal("0.0101"))
    run_stage("argue")
    assert not LLMCall.objects.filter(service_tier="batch").exists()
    assert item().state == "held"
    assert "0.0101 USD for an item" in item().state_reason


def test_the_switch_stops_batches_that_were_not_sent_yet(analysis: Analysis, sandbox: Sandbox) -> None:
    run_stage("argue")
    Policy.objects.update(model_calls_stopped=True)
    run_stage("collect")
    assert "batch" not in sandbox.claude_state()["calls"]
    assert "stopped" in Batch.objects.get().last_error
    Policy.objects.update(model_calls_stopped=False)
    rest()
    assert Synthesis.objects.get().status == "done"


def test_an_item_that_was_sent_elsewhere_meanwhile_is_settled_and_leads_to_nothing(analysis: Analysis) -> None:
    run_stage("argue")
    Analysis.objects.update(superseded="Robin sent the item elsewhere.")
    rest()
    assert Perspective.objects.count() == 0
    assert Synthesis.objects.count() == 0
    assert not LLMCall.objects.filter(status="open").exists()
    assert not BudgetPeriod.objects.exclude(reserved_usd=0).exists()


def test_an_hours_cache_is_asked_for_where_enough_requests_share_it(analysis: Analysis, sandbox: Sandbox) -> None:
    for _ in range(2):
        patient(sandbox, "Standard")
    run_stage("argue")
    run_stage("collect")
    voices = LLMCall.objects.filter(purpose="persona").aggregate(
        read=Sum("cache_read_tokens"), written=Sum("cache_write_1h_tokens"), short=Sum("cache_write_5m_tokens")
    )
    assert (voices["read"], voices["short"]) == (8 * voices["written"], 0)
    assert voices["written"] > 500


@pytest.mark.parametrize(("requests", "pays"), [(1, False), (3, False), (6, False), (7, True), (100, True)])
def test_an_hours_cache_pays_from_seven_requests_on(requests: int, pays: bool) -> None:
    assert batches._pays("claude-sonnet-5-5", requests) == pays


def test_a_batch_is_reserved_and_priced_at_half(settings: Any) -> None:
    rates = ModelPrice.objects.filter(model="claude-sonnet-5-5").latest("valid_from")
    usage = ledger.Usage(input=1_000, output=500, cache_read=10_000, cache_write_1h=100)
    full = ledger.cost(rates, usage)
    assert ledger.cost(rates, replace(usage, tier="batch")) * 2 == full
    assert ledger.cost(rates, replace(usage, geo="us")) == full * Decimal("1.1")


def test_the_console_lists_the_batches_and_says_what_a_call_waits_for(
    analysis: Analysis, sandbox: Sandbox, admin_client: Client
) -> None:
    sandbox.claude(batch_seconds=3_600)
    run_stage("argue")
    run_stage("collect")
    page = admin_client.get("/admin/analysis/batch/").content.decode()
    assert "msgbatch_" in page
    assert "Claude works on it since" in page
    calls = admin_client.get("/admin/analysis/llmcall/").content.decode()
    assert "batch: half the price, within a day" in calls
    call = LLMCall.objects.filter(service_tier="batch").earliest("pk")
    shown = admin_client.get(f"/admin/analysis/llmcall/{call.pk}/change/").content.decode()
    assert "Dana Brightside" not in shown
