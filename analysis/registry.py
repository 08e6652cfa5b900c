"""The personas' pages in the Agent Registry, kept to what is really asked, of which model, and how it is received."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from analysis import llm, prompts, rules, training
from analysis.personas import CHARACTERS
from notion_sync import outbox
from notion_sync.models import PersonaPage


def keep_current() -> None:
    """Stage registry, hourly: promise what has changed since. A page that a person made under such a name is theirs."""
    rates = training.by_persona(training.cases(training.rated()))
    told = rules.with_house_rules(prompts.served("persona"))
    for persona, character in CHARACTERS.items():
        values: dict[str, Any] = {
            "System_Prompt": f"{prompts.common(told)}\n\n{prompts.role(told, persona)}",
            "API_Model": llm.model_for("persona", persona),
        }
        if (rate := rates[persona].mean) is not None:
            values["Acceptance_Rate"] = rate
        pages = PersonaPage.objects.filter(title=character.name, ours=True, in_trash=False)
        with transaction.atomic():
            for page in pages.exclude(page_id=None):
                outbox.update_page(page, values, purpose=f"keep {character.name} current", item=None)
