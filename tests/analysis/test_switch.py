"""One switch stops every call to a model, and a raised budget lets go on what it held."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from analysis import switch
from analysis.models import Budget, BudgetPeriod, LLMCall, Policy, Triage
from emm.audit import AuditEntry
from notion_sync.models import InboxItem
from tests.analysis.rows import an_item
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.django_db


def test_no_call_is_made_while_the_switch_is_off_and_the_item_says_who_and_why(sandbox: Sandbox) -> None:
    item = an_item()
    switch.stop(by="ana", reason="The bill looks odd.")
    run_stage("triage")
    assert not LLMCall.objects.exists()
    assert sandbox.claude_state()["calls"] == {}
    item.refresh_from_db()
    assert item.state == InboxItem.State.HELD
    assert "stopped by ana since" in item.state_reason
    assert "The bill looks odd." in item.state_reason
    assert Triage.objects.get().due_at > timezone.now()

    switch.let_go_on(by="bob", reason="It was a typo.")
    assert Triage.objects.get().due_at <= timezone.now()
    run_stage("triage")
    assert LLMCall.objects.get().status == "answered"
    assert list(
        AuditEntry.objects.filter(object_kind="analysis.Policy").order_by("pk").values_list("action", "label", "reason")
    ) == [
        ("policy.stop_calls", "ana", "The bill looks odd."),
        ("policy.let_calls_go_on", "bob", "It was a typo."),
    ]


def test_the_switch_turns_once() -> None:
    with pytest.raises(ValidationError, match="Calls to models are made"):
        switch.let_go_on(by="ana", reason="Twice.")
    switch.stop(by="ana", reason="First.")
    with pytest.raises(ValidationError, match="stopped by ana"):
        switch.stop(by="bob", reason="Second.")
    assert Policy.objects.get().stopped_why == "First."


def test_the_switch_is_in_the_console_and_asks_why(admin_client: Client, client: Client) -> None:
    page = f"/admin/analysis/policy/{Policy.current().pk}"
    assert "required" in admin_client.post(f"{page}/stop_calls/", {"_form_submitted": "True"}).content.decode()
    assert not Policy.objects.get().model_calls_stopped
    admin_client.post(f"{page}/stop_calls/", {"_form_submitted": "True", "reason": "Too dear."})
    assert "stopped by admin" in admin_client.get(f"{page}/change/").content.decode()
    home = admin_client.get("/admin/").content.decode()
    assert "All model calls are stopped by admin" in home
    assert "Too dear." in home
    assert client.post(f"{page}/let_calls_go_on/", {"_form_submitted": "True", "reason": "x"}).status_code == 302
    assert Policy.objects.get().model_calls_stopped


def test_a_raised_budget_lets_go_on_what_it_held(sandbox: Sandbox, admin_client: Client) -> None:
    item = an_item()
    budget = Budget.objects.create(scope="day", limit_usd=0)
    run_stage("triage")
    item.refresh_from_db()
    assert item.state_reason.startswith("The budget of 0 USD for a day has 0.0000 USD left")
    held_since = BudgetPeriod.objects.get(budget=budget).refused_at
    assert held_since is not None
    assert Triage.objects.get().due_at > timezone.now() + timedelta(seconds=1)

    page = f"/admin/analysis/budget/{budget.pk}/change/"
    admin_client.post(page, {"limit_usd": "5", "reason": "It is worth it."})
    assert Triage.objects.get().due_at <= timezone.now()
    run_stage("triage")
    assert LLMCall.objects.get().cost_usd > Decimal(0)  # type: ignore[operator]  # a closed call has a cost
    assert BudgetPeriod.objects.get(budget=budget).refused_at == held_since
