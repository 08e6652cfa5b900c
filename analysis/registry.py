"""The personas' pages in the Agent Registry, kept to what is really asked, of which model, and how it is received."""

from __future__ import annotations

import re
from typing import Any

from django.db import transaction

from analysis import llm, prompts, rules, training
from analysis.personas import CHARACTERS
from analysis.training import Figure
from notion_sync import outbox
from notion_sync.models import PersonaPage

_SAID = re.compile(r"\s*Acceptance_Rate: \d+% over \d+ approved plans\.")


def keep_current() -> None:
    """Stage registry, hourly: promise what has changed since. A page that a person made under such a name is theirs."""
    rates = training.by_persona(training.cases(training.rated()))
    told = rules.with_house_rules(prompts.served("persona"))
    for persona, character in CHARACTERS.items():
        values: dict[str, Any] = {
            "System_Prompt": f"{prompts.common(told)}\n\n{prompts.role(told, persona)}",
            "API_Model": llm.model_for("persona", persona),
            "Acceptance_Rate": rates[persona].mean,
        }
        pages = PersonaPage.objects.filter(title=character.name, ours=True, in_trash=False)
        with transaction.atomic():
            for page in pages.exclude(page_id=None):
                focus = _with_count(page.values.get("Focus_Area") or "", rates[persona])
                outbox.update_page(
                    page, {**values, "Focus_Area": focus}, purpose=f"keep {character.name} current", item=None
                )


def _with_count(focus: str, rate: Figure) -> str:
    """`focus` and what Acceptance_Rate rests on: no property is made for it, and no figure is without its count."""
    alone = _SAID.sub("", focus)
    if rate.mean is None:
        return alone
    return f"{alone}\nAcceptance_Rate: {rate.mean:.0%} over {rate.n} approved plans.".lstrip()
