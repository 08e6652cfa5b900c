"""What decisions teach: no figure without its count, none that rests on too little, and all of them right."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from statistics import fmean
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from analysis import acceptance, edits, rules, training
from analysis.answers import Plan
from analysis.edits import Decided, Edit, Kind
from analysis.models import Analysis, Execution, HouseRule, LLMCall, Settlement, Synthesis
from analysis.training import FEWEST, Figure, figure
from emm import tokens
from emm.jobs import Job
from tests.factories import make_item, make_proposal, proposed_plan

fractions = st.lists(st.floats(0, 1), min_size=FEWEST, max_size=60)


def decided(rate: float, *, personas: dict[str, float] | None = None, closest: str = "", **changes: Any) -> Settlement:
    """A settlement with this acceptance rate, rejected where it is 0."""
    analysis = make_proposal(make_item(changes.pop("title", "Should we buy a van?")))
    assert analysis.action is not None
    plan = changes.pop("final_plan", proposed_plan().model_dump())
    columns = {
        "decision": "Approved" if rate else "Rejected",
        "acceptance_rate": rate,
        "persona_rates": personas or {},
        "closest": closest,
        "final_plan": plan,
        "status": Job.Status.DONE,
    }
    made: Settlement = Settlement.objects.create(
        action=analysis.action, synthesis=analysis.synthesis, **{**columns, **changes}
    )
    return made


def is_about(one: Figure, n: int, mean: float) -> bool:
    return one.n == n and one.mean is not None and abs(one.mean - mean) < 1e-9


def found() -> list[training.Case]:
    return training.cases(training.rated())


@given(fractions)
def test_the_interval_holds_the_mean_and_stays_between_nothing_and_all(values: list[float]) -> None:
    one = figure(values)
    assert one.n == len(values)
    assert one.mean == pytest.approx(fmean(values))
    assert one.mean is not None
    assert one.low is not None
    assert one.high is not None
    assert 0 <= one.low <= one.mean <= one.high <= 1
    assert one.high - one.low > 0  # also where all are equal


@given(fractions)
def test_the_interval_mirrors_and_narrows_with_more_of_the_same(values: list[float]) -> None:
    one, mirrored, more = figure(values), figure([1 - value for value in values]), figure(values * 4)
    assert one.low is not None
    assert one.high is not None
    assert mirrored.low == pytest.approx(1 - one.high)
    assert mirrored.high == pytest.approx(1 - one.low)
    assert more.low is not None
    assert more.high is not None
    assert more.high - more.low < one.high - one.low


@given(st.lists(st.floats(0, 1), max_size=FEWEST - 1))
def test_too_few_give_no_figure_but_their_count(values: list[float]) -> None:
    assert figure(values) == Figure(len(values))
    assert str(figure(values)) == f"too few (n={len(values)})"


def test_a_share_has_wilsons_interval() -> None:
    # Worked by hand from Wilson's formula for 8 of 10.
    assert str(figure([1.0] * 8 + [0.0] * 2)) == "80% (49% to 94%, n=10)"


@pytest.mark.parametrize("shape", [(8, 2), (1, 1), (0.5, 0.5), (2, 9)])
def test_nineteen_of_twenty_intervals_hold_the_true_rate(shape: tuple[float, float]) -> None:
    dice = random.Random(7)
    truth = shape[0] / sum(shape)
    drawn = [figure([dice.betavariate(*shape) for _ in range(8)]) for _ in range(400)]
    assert sum((one.low or 0) <= truth <= (one.high or 0) for one in drawn) >= 380


tasks = st.lists(
    st.sampled_from(["Call the bank", "Call a bank now", "Sign the lease", "Ask Ada", "Öffne 店"]), max_size=5
)


@given(st.lists(st.tuples(tasks, tasks), max_size=6))
def test_every_edit_is_in_one_group_and_new_plans_take_no_group_apart(pairs: list[tuple[list[str], list[str]]]) -> None:
    plans = [Decided(n, plan(before), plan(after)) for n, (before, after) in enumerate(pairs)]
    groups, earlier = edits.repeated(plans), edits.repeated(plans[:-1])
    assert len(groups) >= len(earlier)
    for one, before in zip(groups, earlier, strict=False):
        assert one.edits[: len(before.edits)] == before.edits
    assert all(edits.alike(group.oldest, edit) for group in groups for edit in group.edits)
    kinds = {edit.kind for group in groups for edit in group.edits}
    assert kinds <= {Kind.REMOVED, Kind.ADDED, Kind.REWORDED}


def plan(lines: list[str], text: str = "") -> Plan:
    return Plan(recommended_option="", scenario_options=text, risk_assessment="", required_resources="", tasks=lines)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Schedule a kickoff meeting with the bank", "Schedule a kickoff meeting with the landlord", True),
        ("Schedule a kickoff meeting", "SCHEDULE A MEETING (KICKOFF)", True),
        ("Schedule a kickoff meeting", "Ask the bank for its terms", False),
        ("Call the bank", "Sign the lease", False),
        ("Review “hire an accountant” in 30 days", 'Review "move to a cheaper hall in Graz" in 30 days', True),
        ("Ask for “a discount”", "Wait for “a discount”", False),
        ("“Buy the van”", "“Rent the hall”", False),
    ],
)
def test_tasks_are_the_same_when_they_share_most_of_their_words(one: str, other: str, same: bool) -> None:
    assert edits.alike(Edit(1, Kind.REMOVED, one), Edit(2, Kind.REMOVED, other)) is same
    assert not edits.alike(Edit(1, Kind.REMOVED, one), Edit(2, Kind.ADDED, "", one))


def test_length_and_tone_are_medians_over_plans_with_their_count() -> None:
    shy = "We might perhaps call them soon or so again"  # two hedges in nine words
    firm = "We must call"
    plans = [Decided(n, plan([], shy), plan([], firm)) for n in range(FEWEST)]
    assert str(training.length_shift(plans)) == "0.33 (n=5)"
    assert str(training.length_shift(plans[1:])) == "too few (n=4)"
    hedges = training.tone_shift(plans, edits.HEDGES)
    assert (str(hedges.proposed), str(hedges.final)) == ("22.22 (n=5)", "0.00 (n=5)")
    orders = training.tone_shift(plans, edits.ORDERS)
    assert (str(orders.proposed), str(orders.final)) == ("0.00 (n=5)", "33.33 (n=5)")
    assert training.length_shift([Decided(1, plan([]), plan(["Call"]))]).n == 0


@pytest.mark.django_db
def test_the_plan_counts_rejections_and_the_personas_only_approvals() -> None:
    for rate in (1.0, 0.8, 0.6, 0.4, 0.0):
        decided(rate, personas={"quant": 0.5, "auditor": 0.2} if rate else {})
    decided(0.5, decision="Needs_Revision", acceptance_rate=None)
    decided(0.9, status=Job.Status.WAITING)
    figures = training.by_persona(found())
    assert is_about(figures["plan"], 5, 0.56)
    assert figures["quant"] == Figure(4)
    assert figures["entrepreneur"] == Figure(0)


@pytest.mark.django_db
def test_segments_are_read_from_the_analysis_the_triage_and_the_ledger() -> None:
    one = decided(0.7, personas={"quant": 0.5})
    an_answered_call(one, "synthesis", "claude-big", "d" * 64)
    an_answered_call(one, "synthesis", "claude-later", "e" * 64, opened_at=Now() + timedelta(hours=1))
    Synthesis.objects.update(status_since=Now() + timedelta(minutes=1))
    assert found()[0].segments == {
        "route": "strategic",
        "depth": "standard",
        "lead": "quant",
        "risk": "Medium",
        "synthesis model": "claude-big",
        "synthesis prompt": "dddddddd",
    }
    rows = training.by_segment(found())
    assert [(row.value, row.figures["quant"].n) for row in rows["lead"]] == [("quant", 1)]


@pytest.mark.django_db
def test_each_persona_counts_under_the_model_and_the_prompt_that_it_was_asked_with() -> None:
    one = decided(0.7, personas={"entrepreneur": 0.4, "quant": 0.5, "auditor": 0.6})
    for persona, purpose, model, prompt in (
        ("entrepreneur", "persona", "claude-old", "a" * 64),
        ("entrepreneur", "persona repair", "claude-new", "b" * 47 + "+" + "c" * 16),
        ("quant", "persona", "claude-new", "d" * 64),
        ("auditor", "persona", "claude-own", "d" * 64),
    ):
        an_answered_call(one, purpose, model, prompt, asker=asker(one.synthesis.analysis, persona))
    Synthesis.objects.update(status_since=Now() + timedelta(minutes=1))
    assert counted("persona model") == {
        "claude-new": {"plan": 1, "entrepreneur": 1, "quant": 1, "auditor": 0},
        "claude-own": {"plan": 1, "entrepreneur": 0, "quant": 0, "auditor": 1},
    }
    assert counted("persona prompt") == {
        "bbbbbbbb with rules cccccccc": {"plan": 1, "entrepreneur": 1, "quant": 0, "auditor": 0},
        "dddddddd": {"plan": 1, "entrepreneur": 0, "quant": 1, "auditor": 1},
    }


@pytest.mark.django_db
def test_a_voice_that_a_new_version_took_over_counts_under_the_model_that_gave_it() -> None:
    first = make_proposal()
    second = make_proposal(first.item, revision=2)
    assert second.action is not None
    one = Settlement.objects.create(
        action=second.action,
        synthesis=second.synthesis,
        decision="Approved",
        acceptance_rate=0.7,
        persona_rates={"quant": 0.5},
        status=Job.Status.DONE,
    )
    an_answered_call(one, "persona", "claude-new", "a" * 64, asker=asker(first, "quant"))
    an_answered_call(one, "persona", "claude-own", "a" * 64, asker=asker(first, "auditor"))
    Synthesis.objects.update(status_since=Now() + timedelta(minutes=1))
    assert counted("persona model")["claude-new"]["quant"] == 1


def asker(analysis: Analysis, persona: str) -> str:
    return f"argue {analysis.perspectives.get(persona=persona).pk}"


def counted(name: str) -> dict[str, dict[str, int]]:
    """How many rates of the plan and of each persona count under each value of a segment."""
    rows = training.by_segment(found())[name]
    return {row.value: {who: one.n for who, one in row.figures.items()} for row in rows}


def an_answered_call(settlement: Settlement, purpose: str, model: str, prompt: str, **changes: Any) -> None:
    LLMCall.objects.create(
        purpose=purpose,
        item=settlement.synthesis.analysis.item,
        model=model,
        prompt_hash=prompt,
        status=LLMCall.Status.ANSWERED,
        reserved_usd=Decimal(1),
        cost_usd=Decimal(1),
        closed_at=Now(),
        **changes,
    )


@pytest.mark.django_db
def test_what_the_rows_do_not_tell_is_called_unknown() -> None:
    one = decided(0.7, personas={"quant": 0.5})
    an_answered_call(one, "persona", "claude-new", "a" * 64)  # of nobody knows whom
    Synthesis.objects.update(status_since=Now() + timedelta(minutes=1))
    assert found()[0].segments["synthesis model"] == "unknown"
    for name in ("persona model", "persona prompt"):
        assert counted(name) == {"unknown": {"plan": 1, "entrepreneur": 0, "quant": 1, "auditor": 0}}


@pytest.mark.django_db
def test_an_approval_that_was_taken_back_teaches_nothing() -> None:
    settlement = decided(1.0)
    assert len(found()) == len(rules.decided_plans()) == 1
    Execution.objects.create(settlement=settlement, status=Job.Status.NEVER, last_error=Execution.TAKEN_BACK)
    assert found() == []
    assert rules.decided_plans() == []


@pytest.mark.django_db
def test_the_trend_goes_by_the_monday_of_the_decision() -> None:
    for days in (0, 0, 7):
        one = decided(0.5)
        monday = "2026-11-16T00:00:00Z"
        Settlement.objects.filter(pk=one.pk).update(status_since=monday)
        Settlement.objects.filter(pk=one.pk).update(status_since=F("status_since") + timedelta(days=days + 6.5))
    assert [(row.value, row.figures["plan"].n) for row in training.trend(found())] == [
        ("2026-11-16", 2),
        ("2026-11-23", 1),
    ]


@pytest.mark.django_db
def test_personas_are_compared_in_pairs_and_by_whose_advice_was_closest() -> None:
    for quant in (0.9, 0.8, 0.7, 0.6, 0.1, 0.5):
        decided(0.5, personas={"quant": quant, "auditor": 0.5}, closest="quant" if quant > 0.5 else "synthesis")
    duels = {(duel.one, duel.other): duel for duel in training.head_to_head(found())}
    duel = duels["quant", "auditor"]
    assert is_about(duel.won, 5, 0.8)
    assert duel.ties == 1
    assert duels["entrepreneur", "quant"].won == Figure(0)
    assert training.closest(found())["quant"].mean == pytest.approx(4 / 6)
    assert training.closest(found())["auditor"].mean == 0


@pytest.mark.django_db
def test_a_rule_shows_the_acceptance_of_plans_argued_before_and_after_it_was_told() -> None:
    ada = User.objects.create_user("ada")
    rates = {"before": (0.2, 50), "between": (0.5, 20), "after": (0.9, 5)}
    for rate, minutes in rates.values():
        for _ in range(FEWEST):
            one = decided(rate)
            analysis = one.synthesis.analysis
            type(analysis).objects.filter(pk=analysis.pk).update(opened_at=Now() - timedelta(minutes=minutes))
            done = Now() - timedelta(minutes=minutes - 4)
            Synthesis.objects.filter(pk=one.synthesis_id).update(status_since=done)
    moment = Now() - timedelta(minutes=18)
    HouseRule.objects.create(
        text="Short.", kind="shorter", fingerprint="f", status="accepted", decided_at=moment, decided_by=ada
    )
    (effect,) = training.effects(found())
    assert is_about(effect.before, 5, 0.2)
    assert is_about(effect.after, 5, 0.9)
    HouseRule.objects.update(status="retired", retired_at=Now() - timedelta(minutes=10))
    assert training.effects(found())[0].after == Figure(0)


@pytest.fixture
def decisions(db: None) -> None:
    for n in range(6):
        final = proposed_plan().model_copy(update={"tasks": ["<script>alert(1)</script>"]})
        rate = 0.3 if n else 0.0
        decided(rate, personas={"quant": 0.4, "auditor": 0.2}, closest="quant", final_plan=final.model_dump())
    rules.propose()


def test_the_page_shows_every_figure_with_its_count_and_escapes_what_is_foreign(
    admin_client: Client, decisions: None
) -> None:
    page = admin_client.get("/admin/analysis/training/").content.decode()
    assert "n=6)" in page
    assert "too few (n=0)" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "House rule" in page
    low = Settlement.objects.order_by("pk").last()
    assert low is not None
    assert f"/admin/analysis/settlement/{low.pk}/change/" in page


def test_an_empty_page_says_what_to_do(admin_client: Client) -> None:
    page = admin_client.get("/admin/analysis/training/").content.decode()
    assert "0 decisions rated" in page
    assert "Decide on a proposal" in page


def test_the_page_is_for_those_who_may_see_it(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("bob", is_staff=True))
    assert client.get("/admin/analysis/training/").status_code == 403


def test_the_api_gives_the_same_figures_to_a_token_that_may_read(decisions: None) -> None:
    _, secret = tokens.issue("script", ["read"], by="system")
    answer = Client().get("/api/v1/training", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    told, report = answer.json(), training.report()
    assert told["rated"] == 6
    plan_figure = report.personas["plan"]
    assert told["personas"]["plan"] == {
        "n": 6, "mean": plan_figure.mean, "low": plan_figure.low, "high": plan_figure.high,
    }  # fmt: skip
    assert told["repeats"][0]["kind"] in Kind.values
    assert len(told["repeats"][0]["settlements"]) == 5
    assert told["low_count"] == 6
    assert told["segments"]["lead"][0]["value"] == "quant"
    assert told["awaiting"] == HouseRule.objects.count() > 0
    _, writer = tokens.issue("writer", ["intake"], by="system")
    assert Client().get("/api/v1/training", headers={"Authorization": f"Bearer {writer}"}).status_code == 403


@pytest.mark.django_db
def test_acceptance_by_field_counts_only_the_plans_that_have_the_field() -> None:
    for rates in [{"tasks": 0.0, "recommended_option": 1.0}] * FEWEST + [{"tasks": 1.0}]:
        decided(0.5, field_rates=rates)
    kept = training.by_field(found())
    assert set(kept) == set(acceptance.WEIGHTS)
    assert is_about(kept["tasks"], FEWEST + 1, 1 / (FEWEST + 1))
    assert is_about(kept["recommended_option"], FEWEST, 1)
    assert kept["required_resources"].n == 0
