"""Who leads an argument by the words of its item: the fallback where the model names nobody, and what explains a choice.

Pure. Words count whole, in the forms that are listed, and in no other: nothing is found inside a longer word.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import regex

from analysis.answers import Persona

GRAVE_IMPACT = 8  # from this impact on, at high risk, the Auditor leads

STRONG, CLEAR, WEAK = 3, 2, 1
# By persona: weight, and the forms of each word, the first of which names it.
VOCABULARY: dict[Persona, dict[int, str]] = {
    Persona.ENTREPRENEUR: {
        STRONG: """growth grow grows growing grew grown
            revenue revenues
            scale scales scaled scaling""",
        CLEAR: """opportunity opportunities
            market markets marketing
            launch launches launched launching
            expand expands expanded expanding expansion
            innovation innovations innovate innovative""",
        WEAK: """customer customers client clients
            sale sales sell sells selling
            product products
            brand brands
            partner partners partnership partnerships
            competitor competitors competition competitive
            startup startups""",
    },
    Persona.QUANT: {
        STRONG: """money
            probability probabilities probable
            data""",
        CLEAR: """cost costs costing
            price prices priced pricing
            budget budgets budgeting
            forecast forecasts forecasting
            estimate estimates estimated
            percent percentage percentages
            odds likelihood
            investment investments invest invests investing
            loan loans mortgage mortgages
            return returns yield yields""",
        WEAK: """number numbers figure figures
            metric metrics statistics statistical
            average averages median
            interest
            salary salaries rent fee fees
            calculate calculates calculation calculations""",
    },
    Persona.AUDITOR: {
        STRONG: """compliance compliant comply complies
            ethics ethic ethical unethical
            risk risks risky risked risking""",
        CLEAR: """legal illegal law laws lawful unlawful
            lawsuit lawsuits litigation
            contract contracts contractual
            liability liabilities liable
            regulation regulations regulator regulators regulatory
            privacy gdpr
            audit audits audited
            breach breaches breached
            fraud fraudulent
            irreversible irrevocable""",
        WEAK: """security safety
            license licenses licence licences
            insurance insured
            tax taxes taxation
            permanent permanently
            obligation obligations
            penalty penalties fine fines""",
    },
}
# Where words weigh the same, numbers go first and openings last.
ORDER = (Persona.QUANT, Persona.AUDITOR, Persona.ENTREPRENEUR)


@dataclass(frozen=True)
class Word:
    """A word that counted: under its listed name, how often it occurred in any form, and what each time weighs."""

    name: str
    times: int
    weight: int


@dataclass(frozen=True)
class Explanation:
    """Who leads by rule and words, who would be next, and what counted for each persona, the heaviest word first."""

    lead: Persona
    alternative: Persona
    words: dict[Persona, list[Word]]
    grave: bool
    reason: str


def _forms() -> dict[str, tuple[Persona, str, int]]:
    found: dict[str, tuple[Persona, str, int]] = {}
    for persona, groups in VOCABULARY.items():
        for weight, lines in groups.items():
            for forms in map(str.split, lines.splitlines()):
                for form in forms:
                    assert form not in found, f"{form} is listed twice"
                    found[form] = (persona, forms[0], weight)
    return found


FORMS = _forms()


def explain(text: str, risk: str, impact: int) -> Explanation:
    """Who leads an item with this text. `risk`: Low, Medium or High; `impact`: 1 to 10."""
    counted = Counter(FORMS[word] for word in words_of(text) if word in FORMS)
    words: dict[Persona, list[Word]] = {persona: [] for persona in Persona}
    for (persona, name, weight), times in counted.items():
        words[persona].append(Word(name, times, weight))
    for found in words.values():
        found.sort(key=lambda word: (-word.times * word.weight, word.name))
    weights = {persona: sum(word.times * word.weight for word in words[persona]) for persona in ORDER}
    ranked = sorted(ORDER, key=lambda persona: -weights[persona])
    grave = risk == "High" and impact >= GRAVE_IMPACT
    if grave:
        ranked = [Persona.AUDITOR, *(persona for persona in ranked if persona != Persona.AUDITOR)]
        reason = f"The risk is high and the impact {impact} of 10: the Auditor leads, whatever the words say."
    elif not any(weights.values()):
        reason = "None of the words that are looked for occurs."
    elif weights[ranked[0]] == weights[ranked[1]]:
        reason = (
            "The words weigh the same for two personas, so numbers go before obligations and those before openings."
        )
    else:
        reason = f"The {ranked[0].value.title()}'s words weigh most."
    return Explanation(ranked[0], ranked[1], words, grave, reason)


def words_of(text: str) -> list[str]:
    """The whole words of a text, case-folded; an accent or a soft hyphen parts none."""
    shown = regex.sub(r"\p{Cf}", "", text).casefold()
    found: list[str] = regex.findall(r"\w+", unicodedata.normalize("NFC", shown))
    return found


def choose(named: str, explanation: Explanation) -> tuple[Persona, Literal["rule", "model", "words"]]:
    """Who leads, and what decided it: the Auditor's rule, then whom the model `named`, then the words."""
    if explanation.grave:
        return explanation.lead, "rule"
    if named in list(Persona):
        return Persona(named), "model"
    return explanation.lead, "words"
