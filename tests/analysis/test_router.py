"""Who leads by the words of an item: whole words only, weighed, and explained."""

from __future__ import annotations

import pytest
from django.test import Client
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis import routing
from analysis.answers import Persona
from analysis.models import Analysis
from analysis.router import FORMS, Explanation, choose, explain
from tests.analysis.rows import an_item
from tests.factories import triage_answer

FORM = st.sampled_from(sorted(FORMS))
LETTERS = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=4)
RISK = st.sampled_from(["Low", "Medium", "High"])
IMPACT = st.integers(1, 10)


def counted(found: Explanation) -> dict[str, int]:
    return {word.name: word.times for words in found.words.values() for word in words}


@pytest.mark.parametrize("text", ["scaler", "prescale", "rescaling", "database", "outgrowth", "asterisk", "frisky"])
def test_a_word_inside_a_longer_one_does_not_count(text: str) -> None:
    assert counted(explain(text, "Low", 1)) == {}


@settings(max_examples=60)
@given(FORM, LETTERS, LETTERS, st.sampled_from(["before", "after", "both"]))
def test_letters_before_or_after_a_word_make_it_another_word(form: str, before: str, after: str, where: str) -> None:
    text = f"{before if where != 'after' else ''}{form}{after if where != 'before' else ''}"
    assume(text.casefold() not in FORMS)
    assert counted(explain(text, "Low", 1)) == {}


@settings(max_examples=60)
@given(FORM, st.sampled_from([" ", "\n", ", ", "-", "/", "“", "' ", "…", "\u3000", "\U0001f4c8"]))
def test_a_whole_word_counts_in_every_listed_form_whatever_stands_around_it(form: str, gap: str) -> None:
    persona, name, weight = FORMS[form]
    found = explain(f"the{gap}{form.upper()}{gap}here", "Low", 1)
    assert [(word.name, word.times, word.weight) for word in found.words[persona]] == [(name, 1, weight)]
    assert found.lead == persona


@pytest.mark.parametrize(
    ("text", "counts"),
    [("pre\u00adscale", False), ("risk\u0335", False), ("ris\u00adk", True), ("risk\u2019s", True)],
)
def test_what_formats_a_word_does_not_part_it(text: str, counts: bool) -> None:
    assert bool(counted(explain(text, "Low", 1))) == counts


def test_heavier_words_outweigh_more_frequent_light_ones() -> None:
    found = explain("Revenue growth, says a customer with a customer.", "Low", 5)
    assert (found.lead, found.alternative) == (Persona.ENTREPRENEUR, Persona.QUANT)
    assert [(w.name, w.times, w.weight) for w in found.words[Persona.ENTREPRENEUR]] == [
        ("growth", 1, 3),
        ("revenue", 1, 3),
        ("customer", 2, 1),
    ]
    found = explain("Data on compliance, growth and probability.", "Low", 5)
    assert (found.lead, found.alternative) == (Persona.QUANT, Persona.AUDITOR)


@settings(max_examples=60)
@given(st.text(max_size=60), RISK, IMPACT, st.sampled_from(["entrepreneur", "quant", "auditor", "unclear", ""]))
def test_the_auditor_leads_what_is_grave_whatever_the_words_and_the_model_say(
    text: str, risk: str, impact: int, named: str
) -> None:
    found = explain(f"{text} growth growth growth", risk, impact)
    lead, by = choose(named, found)
    grave = risk == "High" and impact >= 8
    assert found.lead != found.alternative
    assert (lead == Persona.AUDITOR and by == "rule") == grave
    if not grave and named in list(Persona):
        assert (lead, by) == (named, "model")
    if not grave and named not in list(Persona):
        assert (lead, by) == (found.lead, "words")


@settings(max_examples=60)
@given(st.permutations(sorted(FORMS)[:12]), RISK, IMPACT)
def test_the_order_of_the_words_changes_nothing(words: list[str], risk: str, impact: int) -> None:
    assert explain(" ".join(words), risk, impact) == explain(" ".join(sorted(words)), risk, impact)


def test_without_any_of_the_words_it_says_so() -> None:
    found = explain("", "Low", 1)
    assert found.lead == Persona.QUANT
    assert found.reason == "None of the words that are looked for occurs."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "lead", "by"),
    [
        ({"lead_persona": "entrepreneur", "risk": "Low"}, "entrepreneur", "model"),
        ({"lead_persona": "unclear", "risk": "Low"}, "quant", "words"),
        ({"lead_persona": "entrepreneur", "risk": "High", "impact": 8}, "auditor", "rule"),
    ],
)
def test_an_analysis_keeps_who_leads_and_why_beside_what_the_model_said(
    changes: dict[str, object], lead: str, by: str
) -> None:
    routing.argue(an_item("What are the data and the odds?", "It is about money."), triage_answer(**changes))
    analysis = Analysis.objects.get()
    assert (analysis.lead, analysis.lead_reason["decided_by"]) == (lead, by)
    assert analysis.lead_reason["named"] == changes["lead_persona"]
    assert {"name": "data", "times": 1, "weight": 3} in analysis.lead_reason["words"]["quant"]


@pytest.mark.django_db
def test_the_console_says_in_words_who_leads_and_why(admin_client: Client) -> None:
    answer = triage_answer(lead_persona="entrepreneur", risk="High", impact=9)
    routing.argue(an_item("Data on <b>risk</b>", "Risks and money."), answer)
    page = admin_client.get(f"/admin/analysis/analysis/{Analysis.objects.get().pk}/change/").content.decode()
    assert (
        "<strong>The Auditor</strong> leads: a rule decides, whomever the triage named (here The Entrepreneur)." in page
    )
    assert "the impact 9 of 10" in page
    assert "risk 2 times 3" in page
    assert "The alternative by rules and words is The Quant." in page
