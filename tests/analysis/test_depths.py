"""How much argument an item gets: one voice, three, or three that answer each other and are judged twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import depth, dialectic, ledger, prompts, rebuttal, versions
from analysis.answers import PerspectiveAnswer, RebuttalAnswer, SynthesisAnswer
from analysis.models import Analysis, Budget, BudgetPeriod, Depth, Perspective, Policy, Synthesis
from analysis.settlement import last_words
from notion_sync.models import Action, OutboxEntry
from tests.analysis.rows import an_item
from tests.factories import make_item, make_proposal, perspective_answer, synthesis_answer, triage_answer
from tests.world import Sandbox, run, run_stage

pytestmark = pytest.mark.django_db
BIG = "Buy Vantor Ltd for $400k?"
TEXT = "Dana Brightside runs it. It cannot be undone. We may earn $900,000 a year."


def argued(wish: str, title: str = BIG, text: str = TEXT) -> Analysis:
    """An analysis after triage, at the depth that a person wished for."""
    item = an_item(title, text)
    item.values = {**item.values, "Depth": wish}
    item.save(update_fields=["values"])
    run_stage("triage")
    found: Analysis = Analysis.objects.get()
    return found


@given(
    st.integers(1, 10), st.sampled_from(["Low", "Medium", "High"]), st.integers(1, 8), st.integers(1, 11), st.booleans()
)
def test_what_is_grave_is_never_argued_by_one_alone(
    impact: int, risk: str, standard: int, deep: int, poor: bool
) -> None:
    policy = Policy(standard_from_impact=standard, deep_from_impact=deep)
    chosen, why = depth.choose(triage_answer(impact=impact, risk=risk), "", policy, "money is short." if poor else "")
    assert why
    if impact >= 8 or risk == "High":
        assert chosen != Depth.QUICK
    if poor:
        assert chosen != Depth.DEEP


@pytest.mark.parametrize(
    ("impact", "risk", "wish", "strained", "expected"),
    [
        (3, "Low", "", "", "quick"),
        (4, "Low", "", "", "standard"),
        (1, "High", "", "", "standard"),
        (10, "Low", "", "", "deep"),
        (10, "Low", "", "90% is used.", "standard"),
        (5, "Low", "", "90% is used.", "quick"),
        (9, "Low", "", "90% is used.", "standard"),
        (10, "High", "Quick", "", "quick"),
        (1, "Low", "Deep", "90% is used.", "deep"),
    ],
)
def test_rules_choose_the_depth_and_a_person_overrules_them(
    impact: int, risk: str, wish: str, strained: str, expected: str
) -> None:
    chosen, why = depth.choose(triage_answer(impact=impact, risk=risk), wish, Policy(deep_from_impact=10), strained)
    assert chosen == expected
    assert ("A person chose" in why) == bool(wish)


def test_a_quick_analysis_asks_the_lead_alone_and_takes_three_calls(sandbox: Sandbox) -> None:
    analysis = argued("Quick")
    run(["argue", "synthesise"])
    assert sandbox.claude_state()["calls"] == {"triage": 1, "persona": 1, "synthesis": 1}
    assert [voice.persona for voice in analysis.perspectives.all()] == [analysis.lead]
    assert Action.objects.count() == 1
    assert analysis.depth_reason == "A person chose quick."


def test_a_deep_analysis_lets_them_answer_each_other_and_is_judged_twice(sandbox: Sandbox) -> None:
    analysis = argued("Deep")
    run(["argue", "synthesise"])
    assert sandbox.claude_state()["calls"] == {"triage": 1, "persona": 3, "rebuttal": 3, "synthesis": 2}
    synthesis = Synthesis.objects.get()
    assert synthesis.second is not None
    assert len(analysis.rebuttals) == 3
    text = str(OutboxEntry.objects.get(source_key="intents").children)
    assert "What they answered each other" in text
    assert "Adviser number" not in text


def test_readers_see_no_names_and_orders_of_their_own(sandbox: Sandbox) -> None:
    analysis = argued("Deep")
    run_stage("argue")
    for voice in analysis.voices:
        asked = prompts.read_by(analysis, voice.persona)
        assert "Adviser number 1" in asked
        assert "Adviser number 2" in asked
        read = prompts.others(analysis, voice.persona)
        assert voice.persona not in [one.persona for one in read]


def test_voices_that_agree_are_not_asked_again(sandbox: Sandbox) -> None:
    analysis = argued("Deep")
    same = perspective_answer("quant").model_dump(mode="json")
    for voice in analysis.perspectives.all():
        Perspective.objects.filter(pk=voice.pk).update(answer=same, status="done", claims=1)
    analysis.hear()
    assert not analysis.perspectives.filter(round=2).exists()
    run(["synthesise"])
    assert "They agreed, so nobody was asked again." in str(OutboxEntry.objects.get(source_key="intents").children)


def test_a_rebuttal_that_fails_leaves_the_first_verdict_standing(sandbox: Sandbox) -> None:
    analysis = argued("Deep")
    run_stage("argue")
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "rebuttal"}, "times": 3}])
    run(["argue", "synthesise"])
    assert Synthesis.objects.get().status == "done"
    assert len(analysis.missing) == 3
    assert len(last_words(analysis)) == 3
    text = str(OutboxEntry.objects.get(source_key="intents").children)
    assert "They agreed" not in text
    assert "The Quant did not answer the others, so its first verdict stands. Claude declined" in text


def test_recommendations_that_depend_on_the_order_are_contested_and_never_averaged(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    argued("Deep")
    run(["argue"])
    answers = [
        synthesis_answer(recommended="Option A", confidence=0.9),
        synthesis_answer(recommended="Option C", confidence=0.4),
    ]
    monkeypatch.setattr(dialectic, "_judged", lambda job, voices: answers.pop(0))
    run(["synthesise"])
    synthesis = Synthesis.objects.get()
    assert synthesis.contested
    assert SynthesisAnswer.model_validate(synthesis.answer).recommended == "Option A"
    intent = OutboxEntry.objects.get(source_key="intents")
    assert intent.values["Confidence"] == 0.4
    assert "Contested." in str(intent.children)
    assert OutboxEntry.objects.get(source_key="actions").values["Consensus"] is False


OWN = perspective_answer("quant")
OTHER = {"Adviser number 1": perspective_answer("auditor").model_dump(mode="json")}


def reply(**fields: Any) -> RebuttalAnswer:
    attack = {"adviser": "Adviser number 1", "quote": "The auditor has thought about it", "reply": "Not long enough."}
    said = {"attacks": [attack], "concessions": [], "changed_by": "", "rationale": "I stay.", **fields}
    verdict = {"stance": OWN.stance, "recommended": OWN.recommended, "confidence": 0.5}
    return RebuttalAnswer.model_validate({**verdict, **said})


def test_a_rebuttal_quotes_what_was_said_and_names_what_changed_its_mind() -> None:
    conceded = {"adviser": "Adviser number 1", "quote": "Keep walking costs something", "why": "True."}
    assert rebuttal.problems(reply(), OWN, OTHER) == []
    turned = reply(concessions=[conceded], changed_by=conceded["quote"], stance="stop", recommended="Option C")
    assert rebuttal.problems(turned, OWN, OTHER) == []


CONVINCED = {
    "concessions": [{"adviser": "Adviser number 1", "quote": "Keep walking costs something", "why": "True."}],
    "changed_by": "Keep walking costs something",
}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"attacks": [{"adviser": "Adviser number 1", "quote": "The moon is a cheese", "reply": "No."}]},
            "did not say",
        ),
        ({"attacks": [{"adviser": "Adviser number 7", "quote": "Keep walking", "reply": "No."}]}, "nobody is called"),
        ({"stance": "stop", "recommended": "Option C"}, "changed_by is none of the quotes"),
        (
            {"stance": "stop", "recommended": "Option C", "changed_by": "Because everybody says so"},
            "changed_by is none of the quotes",
        ),
        ({"changed_by": "The auditor has thought about it"}, "did not change"),
        (CONVINCED | {"stance": "go", "recommended": "Option C"}, "contradict each other"),
    ],
)
def test_an_invented_quote_and_a_change_without_an_argument_are_refused(fields: dict[str, Any], problem: str) -> None:
    (found,) = rebuttal.problems(reply(**fields), OWN, OTHER)
    assert problem in found


def test_the_verdict_that_counts_is_the_last_one(sandbox: Sandbox) -> None:
    analysis = argued("Deep")
    run_stage("argue")
    for voice in analysis.perspectives.filter(round=2):
        turned = reply(stance="go", recommended="Option A").model_dump(mode="json")
        Perspective.objects.filter(pk=voice.pk).update(answer=turned, status="done")
    assert set(analysis.verdicts.values()) == {("go", "Option A")}
    assert {words.recommended for words in last_words(analysis).values()} == {"Option A"}
    assert all(isinstance(words, PerspectiveAnswer) for words in last_words(analysis).values())


def test_from_ninety_percent_of_a_budget_on_new_work_gets_the_cheaper_depth(sandbox: Sandbox) -> None:
    item = argued("Standard").item
    assert ledger.strained(item) == ""
    day = BudgetPeriod.objects.get(budget__scope=Budget.Scope.DAY)
    BudgetPeriod.objects.filter(pk=day.pk).update(spent_usd=day.budget.limit_usd * Decimal("0.9"))
    assert "90% of the budget for a day" in ledger.strained(item)


@pytest.mark.parametrize(("wish", "depth"), [("", "quick"), ("Standard", "standard")])
def test_from_ninety_percent_of_an_items_own_budget_on_its_revision_gets_the_cheaper_depth(
    wish: str, depth: str
) -> None:
    first = make_proposal(make_item(values={"Depth": wish}))
    other = make_item("Another").pk
    item_budget = next(budget for budget in ledger.budgets() if budget.scope == Budget.Scope.ITEM)
    short = BudgetPeriod(budget=item_budget, period=str(other), spent_usd=item_budget.limit_usd * Decimal("0.9"))
    short.save()
    assert ledger.strained(first.item) == "", "the other item's money is its own"
    BudgetPeriod.objects.update(period=str(first.item_id))
    revision = versions.open_revision(first, "Once more.")
    assert revision.depth == depth
    assert ("90% of the budget for an item" in revision.depth_reason) == (depth == "quick")
    assert revision.perspectives.count() == (1 if depth == "quick" else 3)
