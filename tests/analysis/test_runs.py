"""Runs that a person starts: priced before, on any intent, beside what was there, without touching people's words."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from analysis import by_hand, ledger, quotes
from analysis.estimates import FEWEST, Call, Past, estimate
from analysis.models import Analysis, Correction, Depth, IntentRun, LLMCall, Policy, Triage
from emm.audit import AuditEntry
from notion_sync.models import Action, DataSource, InboxItem, Intent, OutboxEntry
from tests.analysis.rows import an_item
from tests.world import Sandbox, poll_everything, run, run_stage, work

pytestmark = pytest.mark.django_db

USD = st.decimals(min_value=0, max_value=5, places=6)
CALLS = st.lists(
    st.builds(Call, st.sampled_from(["persona", "synthesis"]), st.sampled_from(["a", "b"]), USD), max_size=8
)
PASTS = st.dictionaries(
    st.tuples(st.sampled_from(["persona", "synthesis"]), st.sampled_from(["a", "b"])),
    st.builds(Past, st.integers(0, 60), USD),
)


@given(CALLS, PASTS)
def test_the_likely_price_is_never_above_the_worst(calls: list[Call], past: dict[tuple[str, str], Past]) -> None:
    found = estimate(calls, past)
    assert found.calls == len(calls)
    assert found.likely <= found.worst == sum((call.worst for call in calls), Decimal(0))
    assert all(past.get((call.purpose, call.model), Past(0, Decimal(0))).n < FEWEST for call in calls) == (found.n == 0)


def test_a_price_says_what_it_rests_on() -> None:
    calls = [Call("persona", "m", Decimal(1)), Call("persona", "m", Decimal(1)), Call("synthesis", "m", Decimal(2))]
    found = estimate(calls, {("persona", "m"): Past(7, Decimal("0.1")), ("synthesis", "m"): Past(4, Decimal("0.1"))})
    assert str(found) == (
        "3 calls: likely 2.2000 USD (from n=7 or more past calls of each kind; at its worst for synthesis: fewer than 5 "
        "past calls), at most 4.0000 USD"
    )
    assert "no past calls to go by" in str(estimate(calls, {}))


def argued(depth: str = "Standard") -> Analysis:
    item = an_item("Buy Vantor Ltd for $400k?", "It cannot be undone. We may earn $900,000 a year.")
    InboxItem.objects.filter(pk=item.pk).update(values={**item.values, "Depth": depth})
    run(["triage", "argue", "synthesise"])
    found: Analysis = Analysis.objects.get()
    return found


@pytest.mark.parametrize("depth", list(Depth))
def test_what_an_argument_really_costs_is_within_its_price(sandbox: Sandbox, depth: Depth) -> None:
    item = an_item("Buy Vantor Ltd for $400k?", "It cannot be undone. We may earn $900,000 a year.")
    before = quotes.of_depth(item, depth, triaged=False)
    by_hand.set_depth(item, depth, by="ana", reason="To see.")
    run(["triage", "argue", "synthesise"])
    calls = LLMCall.objects.all()
    assert calls.count() <= before.calls
    assert sum(call.reserved_usd for call in calls) <= before.worst
    assert before.n == 0


def test_the_price_follows_what_such_calls_cost_before(sandbox: Sandbox) -> None:
    item = an_item()
    worst = quotes.of_depth(item, Depth.QUICK)
    model = "claude-sonnet-5-5"
    for purpose in ("persona", "synthesis", "synthesis replay"):
        for _ in range(FEWEST):
            row = ledger.reserve(
                purpose=purpose, model=model, item=None, prompt_bytes=9, max_tokens=9, key="k", prompt_hash=""
            )
            ledger.settle(row, ledger.Usage(output=1_000), answer_text="", stop_reason="", request_id="", duration_ms=1)
    found = quotes.of_depth(item, Depth.QUICK)
    assert (found.worst, found.n, found.unknown) == (worst.worst, FEWEST, ())
    assert found.likely == Decimal("0.02"), "two calls at the mean of their kind"


# Again, whole, deeper


def offered(html: str) -> dict[str, str]:
    return dict(re.findall(r'name="seen ([^"]+)" value="([^"]+)"', html))


def start(client: Client, page: str, choice: str) -> Any:
    price = offered(client.get(page).content.decode())[choice]
    return client.post(page, {"choice": choice, f"seen {choice}": price, "reason": "I doubt it."})


def test_an_item_is_argued_again_from_the_console_beside_the_old_version(
    sandbox: Sandbox, admin_client: Client
) -> None:
    first = argued()
    action = Action.objects.get()
    assert action.emm_id is not None
    writes = OutboxEntry.objects.filter(emm_id=action.emm_id).count()
    page = f"/admin/analysis/analysis/{first.pk}/again/"
    assert set(offered(admin_client.get(page).content.decode())) == {"quick", "standard", "deep"}
    assert start(admin_client, page, "quick").status_code == 302
    again = Analysis.objects.get(revision=2)
    assert (again.depth, again.asked_by) == ("quick", "admin")
    assert AuditEntry.objects.get(action="analysis.again").reason == "I doubt it."
    assert "still being argued" in start(admin_client, page, "quick").content.decode()
    run(["argue", "synthesise"])
    assert Action.objects.count() == 2
    assert OutboxEntry.objects.filter(emm_id=action.emm_id).count() == writes, "the old page is not touched"


def test_only_the_missing_voice_is_asked_from_the_console(sandbox: Sandbox, admin_client: Client) -> None:
    item = an_item("Buy Vantor Ltd for $400k?", "It cannot be undone.")
    InboxItem.objects.filter(pk=item.pk).update(values={**item.values, "Depth": "Standard"})
    run_stage("triage")
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "persona"}}])
    run(["argue", "synthesise"])
    analysis = Analysis.objects.get()
    page = f"/admin/analysis/analysis/{analysis.pk}"
    assert "Ask the missing voices" in admin_client.get(f"{page}/change/").content.decode()
    bought = LLMCall.objects.filter(purpose="persona").count()
    assert start(admin_client, f"{page}/complete/", "missing").status_code == 302
    run(["argue", "synthesise"])
    assert LLMCall.objects.filter(purpose="persona").count() == bought + 1
    whole = Analysis.objects.get(revision=2)
    assert len(whole.voices) == 3
    assert admin_client.get(f"/admin/analysis/analysis/{whole.pk}/complete/").status_code == 403, "nothing is missing"


def test_a_depth_from_the_console_counts_although_notion_has_not_heard_of_it(
    sandbox: Sandbox, admin_client: Client
) -> None:
    item = an_item("Buy Vantor Ltd for $400k?", "It cannot be undone.")
    triage = Triage.objects.create(item=item)
    said = {"_form_submitted": "True", "depth": "quick", "reason": "Cheap."}
    admin_client.post(f"/admin/analysis/triage/{triage.pk}/set_depth/", said)
    assert by_hand.wished_depth(item) == "Quick"
    assert OutboxEntry.objects.get().values == {"Depth": "Quick"}
    run_stage("triage")
    analysis = Analysis.objects.get()
    assert (analysis.depth, analysis.depth_reason) == ("quick", "A person chose quick.")
    with pytest.raises(ValidationError, match="opened already"):
        by_hand.set_depth(item, Depth.DEEP, by="ana", reason="Late.")
    assert AuditEntry.objects.get(action="item.set_depth").reason == "Cheap."


# Intents that people made by hand


def an_intent(sandbox: Sandbox, title: str, description: str) -> Intent:
    """An intent as a person makes it in Notion, with a note of theirs in its body."""
    data_source = DataSource.objects.get(key=Intent.key).data_source_id
    request = {
        "parent": {"data_source_id": str(data_source)},
        "properties": {
            "Name": {"title": [{"text": {"content": title}}]},
            "Description": {"rich_text": [{"text": {"content": description}}]},
            "Decision_Made": {"rich_text": [{"text": {"content": "My own note."}}]},
        },
        "children": [{"type": "paragraph", "paragraph": {"rich_text": [{"text": {"content": "My thoughts."}}]}}],
    }
    page = sandbox.as_person("POST", "/pages", request)
    poll_everything()
    found: Intent = Intent.objects.get(page_id=page["id"])
    return found


def test_an_intent_that_a_person_made_is_argued_and_proposed_on_and_their_words_stay(
    workspace: Sandbox, admin_client: Client
) -> None:
    Policy.objects.update_or_create(pk=1, defaults={"patient_lane": True})
    intent = an_intent(workspace, "Take a walk after lunch", "Or call the plumber. It would cost $400,000.")
    page = f"/admin/analysis/analysis/argue_intent/?intent={intent.pk}"
    listed = admin_client.get("/admin/analysis/analysis/argue_intent/?q=walk").content.decode()
    assert f"?intent={intent.pk}" in listed
    assert start(admin_client, page, "quick").status_code == 302
    made = IntentRun.objects.get()
    assert "on its way" in admin_client.get(page).content.decode()

    work()
    workspace.age()
    poll_everything()
    work()
    analysis = Analysis.objects.get()
    assert (analysis.item, analysis.intent, analysis.asked_by) == (made.item, intent, "admin")
    assert (analysis.depth, analysis.depth_reason) == ("quick", "A person chose quick.")
    assert not analysis.patient, "the price that was shown is that of an answer at once"
    assert Intent.objects.count() == 1, "no second intent is made"
    assert not Correction.objects.exists(), "the triage's guess was not asked for"
    found = workspace.as_person("GET", f"/pages/{intent.page_id}")["properties"]
    assert found["Status"]["select"]["name"] == "Pending_Approval"
    assert found["Decision_Made"]["rich_text"][0]["plain_text"] == "My own note."
    assert found["Description"]["rich_text"][0]["plain_text"].startswith("Or call the plumber")
    body = workspace.as_person("GET", f"/blocks/{intent.page_id}/children")["results"]
    assert [block["paragraph"]["rich_text"][0]["plain_text"] for block in body] == ["My thoughts."]
    action = Action.objects.get()
    text = str(workspace.as_person("GET", f"/blocks/{action.page_id}/children"))
    assert "What would make it fail" in text or "Dissent" in text or "Option A" in text, (
        "the argument is on the plan's page"
    )

    answer = admin_client.get(page)
    assert answer.status_code == 302
    assert answer["Location"] == f"/admin/analysis/analysis/{analysis.pk}/again/"


@pytest.mark.parametrize(
    ("columns", "why"),
    [({"page_id": None}, "not in Notion"), ({"in_trash": True}, "not in Notion"), ({"title": " "}, "no title")],
)
def test_an_intent_that_cannot_be_argued_says_why(columns: dict[str, Any], why: str) -> None:
    intent = Intent.objects.create(**{"title": "Go?", "page_id": uuid.uuid4(), **columns})
    with pytest.raises(ValidationError, match=why):
        by_hand.argue_intent(intent, Depth.QUICK, by="ana", reason="x")
    assert not OutboxEntry.objects.exists()


def test_a_description_that_is_too_long_is_refused_whole(admin_client: Client) -> None:
    intent = Intent.objects.create(title="Go?", page_id=uuid.uuid4(), values={"Description": "x " * 300_000})
    page = admin_client.get(f"/admin/analysis/analysis/argue_intent/?intent={intent.pk}").content.decode()
    assert "too long to be read at once" in page
    with pytest.raises(ValidationError, match="too long"):
        by_hand.argue_intent(intent, Depth.QUICK, by="ana", reason="x")
    assert not IntentRun.objects.exists()
    assert not InboxItem.objects.exists()


def test_who_may_only_look_starts_nothing(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("bob", is_staff=True))
    for page in ("argue_intent/", "1/again/", "1/complete/"):
        assert client.post(f"/admin/analysis/analysis/{page}", {}).status_code == 403
