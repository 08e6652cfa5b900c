"""What counts as a change of a plan, and how much."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.acceptance import WEIGHTS, closest, compare, persona_rate
from analysis.answers import Plan
from analysis.pages import resources_text
from tests.factories import perspective_answer, proposed_plan

WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
OPTIONS = st.sampled_from(["", "Option A", "Option B", "Option C"])
PLANS = st.builds(
    Plan,
    recommended_option=OPTIONS,
    scenario_options=WORDS,
    risk_assessment=WORDS,
    required_resources=WORDS,
    tasks=st.lists(WORDS.map(lambda text: " ".join(text.split())).filter(bool), max_size=6),
)
EMPTY = Plan(recommended_option="", scenario_options="", risk_assessment="", required_resources="", tasks=[])


def edited(plan: Plan, **changes: object) -> Plan:
    return plan.model_copy(update=changes)


def rate(proposed: Plan, final: Plan) -> float:
    found = compare(proposed, final, "Approved").rate
    assert found is not None
    return found


@given(PLANS, PLANS)
def test_the_rate_is_one_exactly_when_no_change_is_named(one: Plan, other: Plan) -> None:
    comparison = compare(one, other, "Approved")
    assert comparison.rate is not None
    assert 0 <= comparison.rate <= 1
    assert (comparison.rate == 1.0) == (comparison.changes == [])


@given(PLANS)
def test_a_plan_that_was_left_alone_is_accepted_whole(plan: Plan) -> None:
    assert rate(plan, plan) == 1.0


@given(PLANS, PLANS)
def test_swapping_the_plans_gives_the_same_rates(one: Plan, other: Plan) -> None:
    assert rate(one, other) == rate(other, one)
    assert compare(one, other, "Approved").field_rates == compare(other, one, "Approved").field_rates


@given(PLANS.filter(lambda plan: plan != EMPTY and compare(EMPTY, plan, "Approved").changes != []))
def test_nothing_kept_is_zero(plan: Plan) -> None:
    assert rate(plan, EMPTY) == 0.0


@given(PLANS, PLANS)
def test_a_rejection_is_zero_and_a_request_for_revision_is_not_rated(one: Plan, other: Plan) -> None:
    assert compare(one, other, "Rejected").rate == 0.0
    assert compare(one, other, "Needs_Revision").rate is None
    assert compare(one, other, "Rejected").changes == compare(one, other, "Approved").changes


@given(PLANS)
def test_white_space_line_endings_markers_and_accents_make_no_difference(plan: Plan) -> None:
    def restyled(text: str) -> str:
        return "\r\n " + unicodedata.normalize("NFD", text).replace(" ", " \t\r\n") + "\n"

    same = Plan(
        recommended_option=plan.recommended_option,
        scenario_options=restyled(plan.scenario_options),
        risk_assessment=restyled(plan.risk_assessment),
        required_resources=restyled(plan.required_resources),
        tasks=["", *(f"- {task}" if compare_marker_free(task) else task for task in plan.tasks), "  "],
    )
    assert compare(plan, same, "Approved").changes == []


def compare_marker_free(task: str) -> bool:
    return task[:1].isalpha()


def test_a_completely_different_plan_is_zero() -> None:
    other = Plan(
        recommended_option="Option C",
        scenario_options="nothing shared",
        risk_assessment="nix",
        required_resources="nil",
        tasks=["wholly different"],
    )
    assert rate(proposed_plan(), other) == 0.0


def test_the_weights_are_of_a_hundred_and_name_every_field() -> None:
    assert sum(WEIGHTS.values()) == 100
    assert set(WEIGHTS) == set(Plan.model_fields)


def test_another_option_costs_its_weight() -> None:
    plan = proposed_plan()
    assert rate(plan, edited(plan, recommended_option="Option A")) == pytest.approx(0.7)


def test_a_change_of_option_is_named() -> None:
    plan = proposed_plan()
    assert compare(plan, edited(plan, recommended_option="Option A"), "Approved").changes == [
        "Recommended option changed from Option B to Option A"
    ]
    assert compare(plan, edited(plan, recommended_option=""), "Approved").changes == [
        "Recommended option changed from Option B to none"
    ]


TASKS = ["Call the bank about the loan", "Sign the contract", "Tell the neighbours"]


@pytest.mark.parametrize(
    ("tasks", "changes"),
    [
        (
            ["Call the bank about the lease", *TASKS[1:]],
            ['Task 1 reworded: "Call the bank about the loan" -> "Call the bank about the lease"'],
        ),
        ([TASKS[0], TASKS[2]], ['Task 2 removed: "Sign the contract"']),
        ([*TASKS, "Buy a cake"], ['Task 4 added: "Buy a cake"']),
        ([TASKS[1], TASKS[2], TASKS[0]], ['Task 1 moved to place 3: "Call the bank about the loan"']),
        (
            TASKS[::-1],
            [
                'Task 2 kept place 2 while others moved past it: "Sign the contract"',
                'Task 3 moved to place 1: "Tell the neighbours"',
            ],
        ),
        (
            [f"{TASKS[0]} {TASKS[1]}", TASKS[2]],
            [
                'Task 1 reworded: "Call the bank about the loan" -> "Call the bank about the loan Sign the contract"',
                'Task 2 removed: "Sign the contract"',
            ],
        ),
        ([], [f'Task {place} removed: "{task}"' for place, task in enumerate(TASKS, start=1)]),
    ],
)
def test_a_change_of_the_tasks_is_named(tasks: list[str], changes: list[str]) -> None:
    plan = edited(proposed_plan(), tasks=TASKS)
    comparison = compare(plan, edited(plan, tasks=tasks), "Approved")
    assert comparison.changes == changes
    assert comparison.field_rates["tasks"] < 1


def test_joining_two_tasks_without_another_word_is_a_change() -> None:
    plan = edited(proposed_plan(), tasks=["Call the bank", "Sign"])
    assert rate(plan, edited(plan, tasks=["Call the bank Sign"])) < 1.0


def test_more_change_costs_more() -> None:
    plan = edited(proposed_plan(), tasks=TASKS)
    versions = [TASKS, ["Call the bank about the lease", *TASKS[1:]], TASKS[1:], TASKS[2:], []]
    rates = [rate(plan, edited(plan, tasks=tasks)) for tasks in versions]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(rates)


def test_a_changed_stretch_of_a_long_text_is_named_alone() -> None:
    plan = edited(proposed_plan(), risk_assessment="It may take two weeks to repay, no more.")
    final = edited(plan, risk_assessment="It may take three long weeks to repay, no more.")
    assert compare(plan, final, "Approved").changes == ['Risk assessment reworded: "two" -> "three long"']


def test_an_emptied_text_is_named() -> None:
    plan = proposed_plan()
    assert compare(plan, edited(plan, required_resources=" \n"), "Approved").changes == ["Required resources emptied"]


def test_a_long_change_is_cut_with_a_mark() -> None:
    plan = proposed_plan()
    (change,) = compare(plan, edited(plan, tasks=[*plan.tasks, "word " * 100]), "Approved").changes
    assert "… (499 characters in all)" in change


def test_text_without_spaces_is_compared_by_letter() -> None:
    plan = edited(EMPTY, risk_assessment="契約は二週間で終わる")
    assert rate(plan, edited(plan, risk_assessment="契約は三週間で終わる")) == pytest.approx(0.9)


def test_an_edit_of_200_kilobytes_is_compared_in_a_moment() -> None:
    plan = proposed_plan()
    huge = edited(plan, scenario_options="word " * 40_000, tasks=[f"task {number}" for number in range(20_000)])
    started = time.monotonic()
    comparison = compare(plan, huge, "Approved")
    assert time.monotonic() - started < 5
    assert comparison.rate is not None
    assert 0 < comparison.rate < 1


def test_a_persona_whose_advice_became_the_plan_is_followed_whole() -> None:
    answer = perspective_answer("auditor", recommended="Option C", tasks=["Wait", "Watch the rates"])
    final = edited(
        proposed_plan(),
        recommended_option="Option C",
        tasks=["Wait", "Watch the rates"],
        required_resources=resources_text(answer.resources),
    )
    assert persona_rate(final, answer) == 1.0
    assert closest(final, proposed_plan(), {"auditor": answer, "quant": perspective_answer("quant")}) == "auditor"


def test_an_unchanged_plan_is_closest_to_the_synthesis() -> None:
    plan = proposed_plan()
    assert closest(plan, plan, {"quant": perspective_answer("quant")}) == "synthesis"
    assert closest(plan, plan, {}) == "synthesis"


def test_the_synthesis_wins_a_tie_and_then_the_first_persona() -> None:
    answers = {name: perspective_answer(name) for name in ("auditor", "quant")}
    same = answers["quant"]
    as_plan = edited(
        EMPTY, recommended_option=same.recommended, tasks=same.tasks, required_resources=resources_text(same.resources)
    )
    assert closest(as_plan, as_plan, answers) == "synthesis"
    assert closest(as_plan, EMPTY, {"auditor": same, "quant": same}) == "quant"
