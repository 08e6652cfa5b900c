"""The Agent Registry in Notion says what the personas are really told, with which model, and how they are received."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from analysis import prompt_versions, registry
from analysis.models import Settlement
from notion_sync.models import PersonaPage
from tests.factories import make_item, make_proposal, make_settlement
from tests.world import Sandbox, poll_everything, poll_now, work

pytestmark = pytest.mark.django_db(transaction=True)


def written(workspace: Sandbox, persona: str = "The Quant") -> dict[str, Any]:
    """What Notion shows of a persona after one look at the registry."""
    registry.keep_current()
    work()
    page = PersonaPage.objects.get(title=persona)
    properties = workspace.as_person("GET", f"/pages/{page.page_id}")["properties"]
    return {
        "prompt": "".join(part["plain_text"] for part in properties["System_Prompt"]["rich_text"]),
        "model": "".join(part["plain_text"] for part in properties["API_Model"]["rich_text"]),
        "focus": "".join(part["plain_text"] for part in properties["Focus_Area"]["rich_text"]),
        "rate": properties["Acceptance_Rate"]["number"],
    }


def test_each_page_shows_the_prompt_as_it_is_sent_and_follows_a_promotion(workspace: Sandbox, settings: Any) -> None:
    poll_now()
    found = written(workspace)
    assert "You look after the numbers." in found["prompt"]
    assert "Give exactly three options" in found["prompt"]
    assert "{{" not in found["prompt"]
    assert (found["model"], found["rate"]) == ("claude-sonnet-5-5", None)
    draft = prompt_versions.draft(
        "persona", f"{prompt_versions.seed('persona')}\nMention pelicans.", by="ana", why="Try."
    )
    prompt_versions.promote(draft, by="ana", reason="Better.", without_replay="A test.")
    settings.ANTHROPIC_MODELS = {**settings.ANTHROPIC_MODELS, "quant": "claude-opus-5-5"}
    found = written(workspace)
    assert found["prompt"].count("Mention pelicans.") == 1
    assert found["model"] == "claude-opus-5-5"
    assert written(workspace, "The Auditor")["model"] == "claude-sonnet-5-5"


def test_a_look_at_what_is_current_writes_nothing(workspace: Sandbox) -> None:
    poll_now()
    written(workspace)
    before = len(workspace.requests())
    registry.keep_current()
    work()
    assert len(workspace.requests()) == before


def approve(times: int) -> None:
    """So many approvals that are settled, of 0.4 for the Quant."""
    for _ in range(times):
        settlement = make_settlement(make_proposal(make_item()), "Approved")
        columns = {"status": "done", "decision": "Approved", "acceptance_rate": 1.0, "persona_rates": {"quant": 0.4}}
        Settlement.objects.filter(pk=settlement.pk).update(**columns, status_since=Now())


def test_acceptance_shows_from_five_decisions_on(workspace: Sandbox) -> None:
    poll_now()
    for count in range(5):
        assert written(workspace)["rate"] is None, count
        approve(1)
    assert written(workspace)["rate"] == pytest.approx(0.4)


def test_the_count_behind_the_acceptance_stands_beside_it_in_words(workspace: Sandbox) -> None:
    poll_now()
    focus = written(workspace)["focus"]
    assert "base rates" in focus
    approve(5)
    assert written(workspace)["focus"] == f"{focus}\nAcceptance_Rate: 40% over 5 approved plans."
    approve(1)
    assert written(workspace)["focus"] == f"{focus}\nAcceptance_Rate: 40% over 6 approved plans."
    before = len(workspace.requests())
    registry.keep_current()
    work()
    assert len(workspace.requests()) == before, "nothing has changed"


def test_what_a_person_writes_behind_the_count_stays_and_the_count_is_said_once(workspace: Sandbox) -> None:
    poll_now()
    focus = written(workspace)["focus"]
    approve(5)
    said = written(workspace)["focus"]
    page = PersonaPage.objects.get(title="The Quant")
    mine = {"Focus_Area": {"rich_text": [{"text": {"content": f"{said}\nAsk for ranges."}}]}}
    workspace.as_person("PATCH", f"/pages/{page.page_id}", {"properties": mine})
    poll_everything()
    approve(1)
    assert written(workspace)["focus"] == f"{focus}\nAsk for ranges.\nAcceptance_Rate: 40% over 6 approved plans."


def test_an_acceptance_that_too_few_decisions_are_left_for_is_taken_off_the_page(workspace: Sandbox) -> None:
    poll_now()
    focus = written(workspace)["focus"]
    approve(5)
    assert written(workspace)["rate"] == pytest.approx(0.4)
    Settlement.objects.filter(pk=Settlement.objects.latest("pk").pk).update(acceptance_rate=None)
    found = written(workspace)
    assert (found["rate"], found["focus"]) == (None, focus)


def test_a_page_that_a_person_made_is_left_alone(workspace: Sandbox) -> None:
    poll_now()
    PersonaPage.objects.update(ours=False)
    assert "You look after the numbers." not in written(workspace)["prompt"]
