"""A draft is tried on past decisions: its answers are held against what people left, and its failures are failures."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.test import Client

from analysis import prompt_versions, prompts, quotes, replay, switch, training
from analysis.acceptance import persona_rate
from analysis.answers import Plan
from analysis.models import Budget, Correction, Execution, LLMCall, PromptReplay, PromptVersion, ReplayCase, Settlement
from emm.audit import AuditEntry
from notion_sync.models import OutboxEntry
from tests.factories import make_item, make_proposal, make_settlement, perspective_answer, proposed_plan
from tests.world import Sandbox, run_stage

pytestmark = pytest.mark.django_db


def decided(decision: str = "Approved", plan: Plan | None = None) -> Settlement:
    """A past decision on a proposal about an item of its own."""
    settlement = make_settlement(make_proposal(make_item()), decision)
    final = (plan or proposed_plan()).model_dump()
    columns = {"status": "done", "decision": decision, "final_plan": final, "acceptance_rate": 1.0}
    Settlement.objects.filter(pk=settlement.pk).update(**columns, status_since=Now())
    return settlement


def a_draft(name: str = "synthesis") -> PromptVersion:
    return prompt_versions.draft(name, f"{prompt_versions.seed(name)}\nMention pelicans.", by="ana", why="Try.")


def started(version: PromptVersion, decisions: int = 10) -> PromptReplay:
    _, estimate = quotes.of_replay(version, decisions)
    return replay.start(version, decisions, estimate, by="ana", reason="To see.")


def test_each_past_decision_is_asked_once_in_the_new_words_and_rated(sandbox: Sandbox) -> None:
    for _ in range(3):
        decided()
    decided("Rejected")
    draft = a_draft()
    found = started(draft, 2)
    assert replay.result(found).running
    assert run_stage("replay") == 2
    result = replay.result(found)
    assert (result.cases, result.answered, result.failed, result.old) == (2, 2, 0, 1.0)
    assert result.new is not None
    assert 0 < result.new < 1, "another plan than the one that people kept"
    assert str(result) == f"100% before, {result.new:.0%} with it (n=2)"
    assert result.farther == 2
    assert set(LLMCall.objects.values_list("purpose", "prompt_hash")) == {("synthesis replay", draft.hash)}
    assert not LLMCall.objects.filter(item__isnull=False).exists(), "no item pays for it"
    assert not OutboxEntry.objects.exists(), "nothing is written to Notion"
    assert LLMCall.objects.count() == 2
    prompt_versions.promote(draft, by="ana", reason="Good enough.")
    assert prompts.served("synthesis") == draft


def test_an_approval_that_was_taken_back_is_not_replayed() -> None:
    settlement = decided()
    assert len(replay.cases(a_draft(), 10)) == 1
    Execution.objects.create(settlement=settlement, status="never", last_error=Execution.TAKEN_BACK)
    assert replay.cases(PromptVersion.objects.latest("pk"), 10) == []


def test_a_persona_is_replayed_voice_by_voice(sandbox: Sandbox) -> None:
    decided()
    found = started(a_draft("persona"))
    run_stage("replay")
    cases = {case.persona: case for case in found.cases.all()}
    assert set(cases) == {"entrepreneur", "quant", "auditor"}
    for persona, case in cases.items():
        assert case.old_rate == persona_rate(proposed_plan(), perspective_answer(persona))
        assert case.new_rate is not None
        assert case.answer
        assert case.answer["stance"]


def test_a_triage_is_replayed_where_people_have_judged_it(sandbox: Sandbox) -> None:
    settlement = decided()
    triage = settlement.synthesis.analysis.item.triage
    make_proposal(make_item())  # nobody has judged this one
    Correction.objects.create(
        item=triage.item,
        number=1,
        from_route="reference",
        to_route="strategic",
        confidence=0.6,
        by="ana",
        how="console",
    )
    found = started(a_draft("triage"))
    run_stage("replay")
    (case,) = found.cases.all()
    assert case.triage == triage
    assert triage.answer
    assert case.answer
    assert case.old_rate == float(triage.answer["route"] == triage.route)
    assert case.new_rate == float(case.answer["route"] == triage.route)


def test_a_failed_call_is_no_result_and_no_ground_to_promote(sandbox: Sandbox) -> None:
    decided()
    decided()
    draft = a_draft()
    found = started(draft)
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "synthesis"}, "times": 1}])
    run_stage("replay")
    result = replay.result(found)
    assert (result.answered, result.failed, result.running) == (1, 1, False)
    assert str(result) == "failed: 1 of 2 calls answered, 1 failed"
    with pytest.raises(ValidationError, match="No replay of it has ended well"):
        prompt_versions.promote(draft, by="ana", reason="Better.")
    failed = found.cases.get(status="never")
    assert failed.new_rate is None
    failed.queue_again()
    run_stage("replay")
    assert replay.result(found).answered == 2
    prompt_versions.promote(draft, by="ana", reason="Better.")


def test_a_replay_that_still_runs_is_no_ground_to_promote_and_no_second_one_begins(sandbox: Sandbox) -> None:
    decided()
    draft = a_draft()
    started(draft)
    with pytest.raises(ValidationError, match="under way"):
        started(draft)
    with pytest.raises(ValidationError, match="No replay of it has ended well"):
        prompt_versions.promote(draft, by="ana", reason="Better.")
    with pytest.raises(ValidationError, match="tried or served"):
        prompt_versions.reword(draft, "Other.", by="ana", why="Meanwhile.")


def test_a_replay_waits_for_budgets_and_for_the_switch_like_everything_else(sandbox: Sandbox) -> None:
    decided()
    found = started(a_draft())
    Budget.objects.update_or_create(scope="day", defaults={"limit_usd": 0})
    run_stage("replay")
    assert found.cases.get().last_error.startswith("The budget of 0 USD for a day")
    found.cases.update(due_at=Now())
    switch.stop(by="ana", reason="Enough.")
    run_stage("replay")
    assert found.cases.get().last_error.startswith("All model calls are stopped by ana")
    assert not LLMCall.objects.exists()
    assert replay.result(found).running


def test_a_replay_teaches_nothing_and_rates_no_item(sandbox: Sandbox) -> None:
    settlement = decided()
    before = training.report()
    started(a_draft())
    run_stage("replay")
    after = training.report()
    assert (after.rated, after.segments) == (before.rated, before.segments)
    settlement.refresh_from_db()
    assert settlement.acceptance_rate == 1.0


def test_there_is_nothing_to_replay_before_anybody_has_decided() -> None:
    with pytest.raises(ValidationError, match="no past decision"):
        started(a_draft())


# In the console


def page(version: PromptVersion, deed: str = "change") -> str:
    return f"/admin/analysis/promptversion/{version.pk}/{deed}/"


def press(client: Client, version: PromptVersion, deed: str, **said: str) -> Any:
    return client.post(page(version, deed), {"_form_submitted": "True", **said})


def offered(html: str) -> dict[str, str]:
    """The choices of a run's page, each with the price that goes back with it."""
    found = re.findall(r'name="seen ([^"]+)" value="([^"]+)"', html)
    return dict(found)


def test_a_draft_is_written_compared_replayed_promoted_and_taken_back_in_the_console(
    sandbox: Sandbox, admin_client: Client
) -> None:
    decided()
    seed = prompts.served("synthesis")
    form = admin_client.get(f"/admin/analysis/promptversion/add/?from={seed.pk}").content.decode()
    assert "You bring the advice of several advisers together" in form
    text = seed.text.replace("\n", "\r\n") + "Mention <b>pelicans</b>."
    saved = admin_client.post(
        "/admin/analysis/promptversion/add/", {"name": "synthesis", "text": text, "reason": "Try."}
    )
    assert saved.status_code == 302, saved.context["errors"]
    draft = PromptVersion.objects.get(origin="person")
    assert (draft.author, draft.why, draft.active) == ("admin", "Try.", False)
    shown = admin_client.get(page(draft)).content.decode()
    assert "&lt;b&gt;pelicans&lt;/b&gt;" in shown
    assert "<ins" in shown
    assert "<del" not in shown.partition("Underlined")[2]

    html = admin_client.get(page(draft, "replay")).content.decode()
    prices = offered(html)
    assert list(prices) == ["1"]
    assert "no past calls to go by" in html
    assert not ReplayCase.objects.exists(), "looking at the price starts nothing"
    started_at = admin_client.post(page(draft, "replay"), {"choice": "1", "seen 1": prices["1"], "reason": "To see."})
    assert started_at.status_code == 302
    assert "0 of 1 calls answered" in admin_client.get(page(draft)).content.decode()
    run_stage("replay")
    case = ReplayCase.objects.get()
    beside = admin_client.get("/admin/analysis/replaycase/").content.decode()
    assert case.answer is not None
    for column, verdict in (("said", "Option B"), ("says", case.answer["recommended"]), ("left", "Option B")):
        assert re.search(rf"field-{column}[^>]*>\s*{verdict}", beside), column
    assert "with it (n=1)" in admin_client.get(page(draft)).content.decode()
    assert "Option B" in admin_client.get(f"/admin/analysis/replaycase/{case.pk}/change/").content.decode()

    press(admin_client, draft, "promote", reason="Better.")
    assert prompts.served("synthesis") == draft
    press(admin_client, draft, "roll_back", reason="Pelicans.")
    assert prompts.served("synthesis") == seed
    press(admin_client, draft, "roll_back", reason="After all.")
    assert prompts.served("synthesis") == draft
    deeds = (
        AuditEntry.objects.filter(action__startswith="promptversion.").order_by("pk").values_list("action", "reason")
    )
    assert [deed.partition(".")[2] for deed, _ in deeds] == ["draft", "replay", "promote", "roll_back", "roll_back"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"choice": "1", "reason": "x", "seen 1": "0.000001"}, "The price has risen"),
        ({"choice": "1", "reason": "x", "seen 1": "NaN"}, "The price has risen"),
        ({"choice": "1", "reason": "x", "seen 1": "much"}, "Look at the price first"),
        ({"choice": "1", "reason": "x"}, "Look at the price first"),
        ({"choice": "1", "reason": " ", "seen 1": "99"}, "Say why"),
        ({"choice": "1", "reason": "x" * 501, "seen 1": "99"}, "Say why"),
        ({"choice": "400", "reason": "x", "seen 400": "99"}, "Choose one"),
        ({}, "Choose one"),
    ],
)
def test_nothing_is_started_that_a_person_has_not_seen_the_price_of(
    admin_client: Client, said: dict[str, str], problem: str
) -> None:
    decided()
    draft = a_draft()
    assert problem in admin_client.post(page(draft, "replay"), said).content.decode()
    assert not PromptReplay.objects.exists()


def test_a_wording_that_would_break_the_program_is_refused_in_the_console(admin_client: Client) -> None:
    said = {"name": "persona", "text": "You are {{nobody}}. <script>", "reason": "Try."}
    html = admin_client.post("/admin/analysis/promptversion/add/", said).content.decode()
    assert "{{charge}} is missing" in html
    assert "{{nobody}} is nothing that we fill in" in html
    assert not PromptVersion.objects.filter(origin="person").exists()


def test_who_may_only_look_changes_nothing(client: Client, django_user_model: Any) -> None:
    draft = a_draft()
    client.force_login(django_user_model.objects.create_user("bob", is_staff=True))
    assert press(client, draft, "promote", reason="x", without_replay="y").status_code == 403
    assert client.post(page(draft, "replay"), {}).status_code == 403
    assert press(client, draft, "roll_back", reason="x").status_code == 403
    assert not PromptVersion.objects.get(pk=draft.pk).active
