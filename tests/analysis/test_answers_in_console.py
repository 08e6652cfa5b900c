"""An answer that stands alone in the console reads as words, in the personas' names, and nowhere as what a program sent."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client

from analysis import prompts, quotes, replay
from analysis.models import Perspective, ReplayCase, Synthesis, Triage
from tests.analysis.rows import an_item
from tests.analysis.test_replay import a_draft, decided, started
from tests.factories import make_item, make_proposal, perspective_answer
from tests.world import Sandbox, run, run_stage

pytestmark = pytest.mark.django_db


def shown(client: Client, row: Any) -> str:
    """The text of a row's page, as a person reads it."""
    answer = client.get(f"/admin/analysis/{row._meta.model_name}/{row.pk}/change/")
    assert answer.status_code == 200
    text = html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))
    assert '"confidence":' not in text
    assert '"recommended"' not in text
    return " ".join(text.split())


def test_an_argument_reads_as_words_voice_by_voice(admin_client: Client) -> None:
    analysis = make_proposal(make_item())
    text = shown(admin_client, Perspective.objects.get(analysis=analysis, persona="auditor"))
    assert "Stop: Option C, Keep walking, 70% sure" in text
    assert "Leaves things as they are" in text
    assert "The auditor assumes that petrol stays cheap" in text
    assert "Compare three offers" in text
    text = shown(admin_client, Synthesis.objects.get())
    assert "Recommended: Option B, Rent the van, 72% sure" in text
    assert "The van rusts before it pays" in text
    assert "It was judged once." in text
    text = shown(admin_client, Triage.objects.get())
    assert "Should we buy a van?: strategic, 90% sure" in text
    assert "It commits money." in text


def test_a_reject_signal_shows_with_its_reason(admin_client: Client) -> None:
    analysis = make_proposal(make_item())
    answer = perspective_answer("auditor", reject="values", reject_reason="We don't.").model_dump(mode="json")
    Perspective.objects.filter(analysis=analysis, persona="auditor").update(answer=answer)
    voice = Perspective.objects.get(analysis=analysis, persona="auditor")
    assert "It says that this must not go on: values. We don't." in shown(admin_client, voice)


def test_who_has_not_answered_says_so(admin_client: Client, sandbox: Sandbox) -> None:
    an_item()
    run_stage("triage")
    assert "It has not answered yet." in shown(admin_client, Perspective.objects.first())


def test_rebuttals_name_whom_they_answer(admin_client: Client, sandbox: Sandbox) -> None:
    item = an_item("Buy Vantor Ltd for $400k?", "Dana Brightside runs it. It cannot be undone.")
    item.values = {**item.values, "Depth": "Deep"}
    item.save(update_fields=["values"])
    run(["triage", "argue", "synthesise"])
    text = shown(admin_client, Perspective.objects.get(persona="auditor", round=2))
    assert "Against The " in text
    assert prompts.LABEL not in text
    assert "Recommended: " in shown(admin_client, Synthesis.objects.get()).partition("in reversed order")[2]


@pytest.mark.parametrize("name", ["triage", "persona", "synthesis"])
def test_a_replayed_answer_reads_beside_the_old_one_and_what_the_person_left(
    admin_client: Client, sandbox: Sandbox, name: str
) -> None:
    decided()
    started(a_draft(name))
    assert "It was not answered yet." in shown(admin_client, ReplayCase.objects.first())
    run_stage("replay")
    case = ReplayCase.objects.first()
    assert case is not None
    text = shown(admin_client, case)
    assert "Sandbox analysis, made by rules." in text or name == "triage"
    assert prompts.LABEL not in text
    left = {"triage": "Its route is strategic."}.get(name, "Sign for one month")
    assert left in text
    assert replay.question(case).answer is quotes.ANSWERS[name]
