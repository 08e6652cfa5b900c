"""What is spent, on the page and for programs, and what people are told when a budget runs out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client

from analysis import ledger
from analysis.models import Budget, BudgetPeriod, Execution, LLMCall, Perspective, Settlement, Triage
from emm import tokens
from ops import figures, ladder, notices, overview, spend
from ops.health import database_now
from ops.models import BudgetNotice, Channel, Notice
from tests.analysis.rows import an_item
from tests.factories import make_item, make_proposal, make_settlement
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.django_db


def call(cost: str | None = "0.01", **columns: Any) -> LLMCall:
    closed = (
        {"status": "open"} if cost is None else {"status": "answered", "cost_usd": Decimal(cost), "closed_at": Now()}
    )
    fields = {"key": "k", "purpose": "triage", "model": "claude-haiku-5-5", "reserved_usd": Decimal("0.5")}
    made: LLMCall = LLMCall.objects.create(**{**fields, **closed, **columns})
    return made


def budget(used: str, *, scope: str = "day", limit: str = "10", reserved: str = "0") -> BudgetPeriod:
    """A budget in its current period, this much of it spent."""
    ledger.budgets()
    found = Budget.objects.get(scope=scope)
    Budget.objects.filter(pk=found.pk).update(limit_usd=Decimal(limit))
    name = f"{database_now():%Y-%m-%d}" if scope == "day" else f"{database_now():%Y-%m}"
    amounts = {"spent_usd": Decimal(used), "reserved_usd": Decimal(reserved)}
    return BudgetPeriod.objects.update_or_create(budget=found, period=name, defaults=amounts)[0]


@pytest.fixture
def channels() -> dict[str, Channel]:
    made = {}
    for severity in ("warning", "critical"):
        channel = Channel(name=severity, least_severity=severity)
        channel.url = "json://localhost"
        channel.save()
        made[severity] = channel
    return made


def told() -> list[tuple[str, str]]:
    return list(Notice.objects.order_by("pk").values_list("channel__name", "subject"))


# The ladder


def test_each_step_is_told_once_for_a_budget_and_its_period(channels: dict[str, Channel]) -> None:
    budget("7.49")
    ladder.review()
    assert told() == []
    budget("7.5")
    for _ in range(3):
        ladder.review()
    assert told() == [("warning", "75 % of the budget for a day is used")]
    budget("7.4")
    ladder.review()
    budget("8", reserved="1")
    ladder.review()
    ladder.review()
    assert told()[1:] == [("warning", "90 % of the budget for a day is used")]
    assert "cheaper depth" in Notice.objects.latest("pk").body
    assert ledger.strained(make_item()) != "", "what is told is what happens"


def refuse() -> None:
    """A call for about two dollars, which does not fit."""
    with pytest.raises(ledger.OverBudget):
        ledger.reserve(
            purpose="triage", model="claude-haiku-5-5", item=None, prompt_bytes=3_000_000, max_tokens=9, key="k",
            prompt_hash="",
        )  # fmt: skip


def test_what_is_held_is_told_to_every_channel_although_a_cent_is_left(channels: dict[str, Channel]) -> None:
    period = budget("9.6")
    refuse()
    for _ in range(2):
        ladder.review()
    subject = "The budget for a day cannot pay for the next call (96 % used)"
    assert sorted(told()) == [(name, subject) for name in ("critical", "warning")]
    assert set(period.notices.values_list("step", flat=True)) == {75, 90, 100}


def test_a_dear_call_that_does_not_fit_an_untouched_budget_is_no_word_about_its_use(
    channels: dict[str, Channel],
) -> None:
    budget("0", limit="1")
    refuse()
    ladder.review()
    assert set(told()) == {
        (name, "The budget for a day cannot pay for the next call (0 % used)") for name in ("critical", "warning")
    }
    budget("0.8", limit="1")
    for _ in range(2):
        ladder.review()
    assert told()[2:] == [("warning", "75 % of the budget for a day is used")]


def test_a_budget_that_was_raised_tells_each_step_that_it_comes_to_again(channels: dict[str, Channel]) -> None:
    budget("1", limit="1")
    refuse()
    ladder.review()
    assert "could not pay" in str(spend.budgets(database_now())[0])
    for used in ("1", "7.6", "9.1", "10"):
        budget(used)
        for _ in range(2):
            ladder.review()
        assert "could not pay" not in str(spend.budgets(database_now())[0])
    refuse()
    ladder.review()
    assert [subject for channel, subject in told() if channel == "warning"] == [
        "The budget for a day is used up",
        "75 % of the budget for a day is used",
        "90 % of the budget for a day is used",
        "The budget for a day is used up",
    ]
    assert "could not pay" in str(spend.budgets(database_now())[0])


def test_a_raise_that_does_not_reach_far_enough_is_told_although_nobody_looked_between(
    channels: dict[str, Channel],
) -> None:
    budget("8.5", limit="9")
    refuse()
    ladder.review()
    budget("8.5", limit="9.5")
    refuse()
    ladder.review()
    assert [subject for channel, subject in told() if channel == "warning"] == [
        f"The budget for a day cannot pay for the next call ({used} % used)" for used in (94, 89)
    ]


def test_what_still_holds_under_another_limit_is_not_told_again(channels: dict[str, Channel]) -> None:
    budget("8")
    ladder.review()
    for limit in ("10.5", "8.8", "10"):
        budget("8", limit=limit)
        ladder.review()
    assert [subject for _, subject in told()] == [
        "75 % of the budget for a day is used",
        "90 % of the budget for a day is used",
    ]


def test_calls_under_way_that_may_give_enough_back_hold_nothing_for_long() -> None:
    period = budget("1", reserved="9")
    with pytest.raises(ledger.OverBudget, match="calls under way"):
        ledger.reserve(
            purpose="triage",
            model="claude-haiku-5-5",
            item=None,
            prompt_bytes=10,
            max_tokens=9,
            key="k",
            prompt_hash="",
        )
    period.refresh_from_db()
    assert period.refused_at is None


def test_the_next_day_begins_at_the_bottom_of_the_ladder(channels: dict[str, Channel]) -> None:
    yesterday = budget("10")
    ladder.review()
    BudgetPeriod.objects.filter(pk=yesterday.pk).update(period="2020-01-01")
    ladder.review()
    assert len(told()) == 2
    budget("8")
    ladder.review()
    assert told()[2:] == [("warning", "75 % of the budget for a day is used")]


def test_a_budget_of_zero_is_no_news_until_it_holds_something(channels: dict[str, Channel]) -> None:
    budget("0", limit="0")
    ladder.review()
    assert told() == []
    refuse()
    ladder.review()
    assert set(told()) == {(name, "The budget for a day is used up") for name in ("critical", "warning")}


def test_an_item_that_its_own_budget_holds_says_so_and_is_told_of_once_under_a_limit(
    channels: dict[str, Channel], sandbox: Sandbox
) -> None:
    ledger.budgets()
    Budget.objects.filter(scope="item").update(limit_usd=Decimal("0.001"))
    item, other = an_item("Open an office in Lisbon?"), make_item("Another", state="done")
    for _ in range(2):
        run_stage("triage")
        ladder.review()
    item.refresh_from_db()
    assert item.state == "held"
    assert "The budget of 0.001 USD for an item has 0.0010 USD left" in item.state_reason
    assert told() == [("warning", "An item is held by its budget: Open an office in Lisbon?")]
    assert f"/notion_sync/inboxitem/{item.pk}/change/" in Notice.objects.get().body
    assert not BudgetPeriod.objects.filter(period=str(other.pk)).exists()
    Budget.objects.filter(scope="item").update(limit_usd=Decimal("0.0015"))
    Triage.objects.update(due_at=Now())
    for _ in range(2):
        run_stage("triage")
        ladder.review()
    assert [subject for _, subject in told()] == 2 * ["An item is held by its budget: Open an office in Lisbon?"]
    Budget.objects.filter(scope="item").update(limit_usd=Decimal("2"))
    Triage.objects.update(due_at=Now())
    run_stage("triage")
    ladder.review()
    item.refresh_from_db()
    assert item.state != "held"
    assert len(told()) == 2


def test_a_step_is_kept_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    budget("9.5", scope="month")
    ladder.review()
    assert set(BudgetNotice.objects.values_list("step", flat=True)) == {75, 90}

    def fails(*args: Any, **more: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(notices, "tell", fails)
    budget("9.5")
    with pytest.raises(RuntimeError):
        ladder.review()
    assert BudgetNotice.objects.filter(period__budget__scope="day").count() == 0, (
        "told and kept together, or not at all"
    )


# The figures


def test_the_days_and_the_groups_add_up_to_the_whole() -> None:
    now = database_now()
    analysis = make_proposal()
    voice = Perspective.objects.filter(analysis=analysis, persona="quant").get()
    call("0.20", purpose="persona", model="claude-sonnet-5-5", asker=f"argue {voice.pk}", output_tokens=900)
    call("0.05", purpose="persona repair", model="claude-sonnet-5-5", asker=f"argue {voice.pk}")
    call("0.01", opened_at=now - timedelta(days=3), input_tokens=50, cache_read_tokens=150)
    call("9.99", opened_at=now - timedelta(days=40))
    call(None)
    found = spend.report(database_now())
    assert (found.calls, found.cost) == (4, Decimal("0.26"))
    assert len(found.days) == spend.DAYS
    assert sum(day.cost for day in found.days) == sum(row.cost for row in found.groups["purpose"]) == found.cost
    assert sum(day.calls for day in found.days) == found.calls
    assert [(row.value, row.calls, row.cost) for row in found.groups["persona"]] == [("quant", 2, Decimal("0.25"))]
    assert [row.value for row in found.groups["model"]] == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    assert found.tokens["output_tokens"] == 900
    assert found.cached == 0.75


def test_an_accepted_decision_pays_for_what_was_rejected() -> None:
    for status, cost in (("Approved", "0.30"), ("Rejected", "0.50"), ("Needs_Revision", "7")):
        analysis = make_proposal(make_item())
        settlement = make_settlement(analysis, status)
        Settlement.objects.filter(pk=settlement.pk).update(status="done", decision=status, status_since=Now())
        call(cost, item=analysis.item)
    call("0.20")
    units = {one.title: (one.n, one.cost) for one in spend.report(database_now()).per_unit}
    assert units == {
        "an item": (3, Decimal("2.6")),
        "a decision": (2, Decimal("0.4")),
        "an accepted decision": (1, Decimal("0.8")),
        "a rejected decision": (1, Decimal("0.5")),
    }


def test_an_approval_that_was_taken_back_is_no_accepted_decision() -> None:
    for last_error in ("", Execution.TAKEN_BACK):
        analysis = make_proposal(make_item())
        settlement = make_settlement(analysis)
        columns = {"status": "done", "decision": "Approved", "acceptance_rate": 1.0}
        Settlement.objects.filter(pk=settlement.pk).update(**columns, status_since=Now())
        Execution.objects.create(settlement=settlement, status="never", last_error=last_error)
        call("0.30", item=analysis.item)
    units = {one.title: (one.n, one.cost) for one in spend.report(database_now()).per_unit}
    assert units["a decision"] == units["an accepted decision"] == (1, Decimal("0.3"))
    today = figures.Span(database_now() - timedelta(days=1), database_now() + timedelta(seconds=1))
    assert figures.acceptance(today).detail == "Mean of 1 decision."
    assert len(overview.decided(today.start, today.end).settlements) == 1


def test_nothing_is_divided_by_nothing() -> None:
    found = spend.report(database_now())
    assert [one.cost for one in found.per_unit] == [None] * 4
    assert found.cached is None


@pytest.mark.parametrize(
    ("now", "pace"),
    [
        (datetime(2026, 11, 1, 23, 0, tzinfo=UTC), None),
        (datetime(2026, 11, 11, 0, 0, tzinfo=UTC), Decimal(9)),
        (datetime(2026, 2, 15, 0, 0, tzinfo=UTC), Decimal(6)),
    ],
)
def test_a_month_is_on_pace_to_what_it_comes_to(now: datetime, pace: Decimal | None) -> None:
    row = Budget.objects.create(scope="month", limit_usd=20)
    BudgetPeriod.objects.create(budget=row, period=f"{now:%Y-%m}", spent_usd=3)
    found = next(one for one in spend.budgets(now) if one.scope == "month")
    assert found.pace is None if pace is None else round(found.pace or 0, 6) == pace
    assert found.free == 17


# The page


def test_the_page_shows_each_figure_with_its_unit_and_a_way_to_the_calls(admin_client: Client) -> None:
    budget("1.25", reserved="0.5")
    call("0.20", purpose="persona", model="claude-sonnet-5-5")
    call("0.03", status="lost")
    page = admin_client.get("/admin/ops/spend/").content.decode()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for expected in ("1.2500 USD", "0.5000 USD", "8.2500 USD", "10.0000 USD", "0.2300 USD", "n=0"):
        assert expected in words, expected
    links = {unquote(link) for link in re.findall(r'href="/admin/analysis/llmcall/\?([^"]+)"', page)}
    today = f"{database_now():%Y-%m-%d}T00:00:00Z"
    assert {"purpose=persona", "model=claude-sonnet-5-5", "went=lost"} < links
    assert sum(f"opened_at__gte={today}" in link for link in links) == 1
    assert "style=" not in page.partition("<main")[2].partition("<svg viewBox")[2].partition("</svg>")[0]


def test_a_link_leads_to_exactly_the_calls_behind_its_figure(admin_client: Client) -> None:
    old = call("0.01", opened_at=database_now() - timedelta(days=2), purpose="synthesis")
    new = call("0.02")
    day = f"{old.opened_at:%Y-%m-%d}"
    after = f"{old.opened_at + timedelta(days=1):%Y-%m-%d}"
    for query in (f"opened_at__gte={day}T00:00:00Z&opened_at__lt={after}T00:00:00Z", "purpose=synthesis"):
        page = admin_client.get(f"/admin/analysis/llmcall/?{query}").content.decode()
        assert f"/llmcall/{old.pk}/change/" in page
        assert f"/llmcall/{new.pk}/change/" not in page


def test_an_empty_ledger_says_what_to_do(admin_client: Client) -> None:
    page = admin_client.get("/admin/ops/spend/").content.decode()
    assert "Write something into the System Inbox" in page


def test_who_may_not_see_it_does_not(client: Client) -> None:
    client.force_login(User.objects.create_user("bob", is_staff=True))
    assert client.get("/admin/ops/spend/").status_code == 403


def test_the_home_page_says_what_is_spent_and_that_calls_are_made(admin_client: Client) -> None:
    budget("1.25")
    page = admin_client.get("/admin/").content.decode()
    assert "1.2500 USD spent and 0.0000 reserved of 10 USD (12 %)" in page
    assert "Calls to models are made." in page


def test_programs_read_the_same_figures(client: Client) -> None:
    budget("1.25", scope="month", limit="20")
    call("0.20", purpose="persona", output_tokens=7)
    _, secret = tokens.issue("reader", ["read"], by="ana", reason="To look.")
    found = client.get("/api/v1/spend", headers={"Authorization": f"Bearer {secret}"}).json()
    assert found["cost"] == "0.200000"
    assert [row["value"] for row in found["groups"]["purpose"]] == ["persona"]
    assert found["tokens"]["output_tokens"] == 7
    month = next(one for one in found["budgets"] if one["scope"] == "month")
    assert (month["limit"], month["spent"], month["free"]) == ("20.000000", "1.250000", "18.750000")
    assert client.get("/api/v1/spend").status_code == 401
