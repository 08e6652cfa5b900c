"""The page of a training example, and what is said of a decision."""

from __future__ import annotations

from analysis.pages import (
    changes_text,
    decision_text,
    shorten,
    training_page,
)
from notion_sync.document import blocks, markdown
from tests.factories import proposed_plan


def test_the_training_page_holds_both_plans_whole_and_the_rates() -> None:
    final = proposed_plan().model_copy(update={"tasks": ["Only this"]})
    text = markdown(training_page(proposed_plan(), final, ["Task 1 removed"], {"quant": 0.25}, "Too long"))
    for part in (
        "Task 1 removed",
        "Too long",
        "The Quant | 25%",
        "Only this",
        "Sign for one month",
        "(risk 2/5, impact 8/10)",
    ):
        assert part in text.replace("\\", "")


def test_a_final_plan_too_long_for_a_page_is_cut_with_a_mark() -> None:
    huge = proposed_plan().model_copy(
        update={"scenario_options": "\x01" * 200_000, "risk_assessment": "ü" * 200_000, "tasks": ["t" * 100] * 2_000}
    )
    document = training_page(proposed_plan(), huge, ["x"] * 5_000, {}, "note " * 40_000)
    blocks(document)
    text = markdown(document)
    assert text.count("(200,000 characters in all)") == 3
    assert "and 4,960 more changes" in text


def test_a_final_plan_of_200_kilobytes_is_kept_whole() -> None:
    huge = proposed_plan().model_copy(update={"scenario_options": "word " * 40_000})
    document = training_page(proposed_plan(), huge, [], {})
    blocks(document)
    assert "word " * 39_999 in markdown(document)


def test_many_changes_are_counted_where_they_are_not_listed() -> None:
    text = changes_text([f"change {number}" for number in range(1, 101)])
    assert text.endswith("change 40\n… and 60 more changes")


def test_a_decision_is_told_in_words() -> None:
    plan = proposed_plan()
    assert decision_text("Approved", plan, [], "", "") == "Approved: Option B, 3 tasks.\nApproved as proposed."
    rejected = decision_text("Rejected", plan, [], "Too risky", "Not this year")
    assert rejected == "Rejected.\nReason: Too risky.\nNote: Not this year"
    assert decision_text("Needs_Revision", plan, ["Task 1 removed"], "", "") == "Asked for a revision.\nTask 1 removed"


def test_shortened_text_says_how_long_it_was() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd" * 300, 4) == "abcd… (1,200 characters in all)"
