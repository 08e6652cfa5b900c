"""People send an item elsewhere: the new work begins once, what the old route made is marked, and it is learned from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.test import Client

from analysis import corrections, dialectic, triage
from analysis.answers import Route
from analysis.models import Analysis, Correction, IntentRun, LLMCall, Perspective, Policy, Settlement, Synthesis, Triage
from analysis.thresholds import Suggestion
from emm.audit import AuditEntry
from notion_sync.models import Action, DataSource, InboxItem, Intent, Node, OutboxEntry, Task
from tests.analysis.rows import an_item
from tests.factories import make_proposal, triage_answer
from tests.world import Sandbox, add_item, decide, poll_now, run_stage, work

pytestmark = pytest.mark.django_db
STRATEGIC = "Acquire Brightside Analytics for $400k?"
OPERATIONAL = "Call the plumber about the kitchen tap"
CONSOLE = Correction.How.CONSOLE


def choose(world: Sandbox, item: InboxItem, destination: str) -> None:
    """Change the destination as a person does in Notion, and wait until the minute of the edit has closed."""
    select = {"Triage_Destination": {"select": {"name": destination}}}
    world.as_person("PATCH", f"/pages/{item.page_id}", {"properties": select})
    close_minute(world, item)


def close_minute(world: Sandbox, item: InboxItem) -> None:
    """Let the minute of a person's edit close, and look again."""
    InboxItem.objects.filter(pk=item.pk).update(last_edited_time=Now() - timedelta(minutes=5))
    world.age(item.page_id, 61)
    poll_now()


def gone_through(world: Sandbox, title: str) -> InboxItem:
    page = add_item(world, title)
    poll_now()
    work()
    found: InboxItem = InboxItem.objects.get(page_id=page)
    return found


def sent(item: InboxItem, route: Route, reason: str = "It is.") -> None:
    corrections.correct(Triage.objects.get(item=item), route, by="ana", how=CONSOLE, reason=reason)


def state(item: InboxItem) -> str:
    item.refresh_from_db()
    return item.state


def test_whether_the_minute_of_a_choice_has_closed_is_told_by_notions_clock(workspace: Sandbox) -> None:
    item = gone_through(workspace, OPERATIONAL)
    choose(workspace, item, "Strategic (Intent)")
    DataSource.objects.update(cursor=Now() - timedelta(minutes=10))
    corrections.take_from_notion()
    assert not Correction.objects.exists()
    DataSource.objects.update(cursor=Now())
    corrections.take_from_notion()
    assert Correction.objects.count() == 1


def test_a_task_that_a_person_calls_a_decision_is_argued_about_once(workspace: Sandbox) -> None:
    item = gone_through(workspace, OPERATIONAL)
    task = Task.objects.get()
    assert (state(item), item.values["Triage_Destination"]) == ("done", "Operational (Task)")
    choose(workspace, item, "Strategic (Intent)")
    for _ in range(2):
        work()
        poll_now()
    assert (state(item), item.values["Status"]) == ("proposed", "Triaged_to_Intent")
    assert item.values["Triage_Destination"] == "Strategic (Intent)"
    found = Correction.objects.get()
    assert (found.from_route, found.to_route, found.how, found.by) == (
        "operational",
        "strategic",
        "notion",
        "a person in Notion",
    )
    assert found.confidence == Triage.objects.get().confidence
    assert Analysis.objects.count() == Action.objects.count() == 1
    task.refresh_from_db()
    assert (task.title, task.in_trash) == (f"Superseded: {OPERATIONAL}", False)
    assert OutboxEntry.objects.filter(purpose="log the correction", status="done").count() == 1


def test_a_proposal_that_is_a_mere_task_is_archived_and_no_decision_on_it_counts(workspace: Sandbox) -> None:
    item = gone_through(workspace, STRATEGIC)
    action = Action.objects.get()
    sent(item, Route.OPERATIONAL)
    work()
    poll_now()
    assert (state(item), item.values["Triage_Destination"]) == ("done", "Operational (Task)")
    assert Task.objects.get().values["Name"] == STRATEGIC
    action.refresh_from_db()
    assert action.title == f"Superseded: {STRATEGIC}"
    intent = Intent.objects.get()
    assert intent.values["Status"] == "Archived"
    log = OutboxEntry.objects.get(purpose="log the correction")
    assert log.values["Action_Taken"] == "ana sent the item from strategic to operational. It is."
    assert log.values["Intent"] == [str(intent.page_id)]
    decide(workspace, action, "Approved")
    poll_now()
    work()
    assert (Settlement.objects.count(), Correction.objects.count(), state(item)) == (0, 1, "done")


def test_sent_there_and_back_each_route_does_its_work_anew(sandbox: Sandbox) -> None:
    item = an_item(OPERATIONAL, "")
    run_stage("triage")
    for route in (Route.STRATEGIC, Route.OPERATIONAL, Route.REFERENCE, Route.STRATEGIC):
        sent(item, route)
    numbers = Correction.objects.order_by("number").values_list("number", "from_route", "to_route")
    assert list(numbers) == [
        (1, "operational", "strategic"),
        (2, "strategic", "operational"),
        (3, "operational", "reference"),
        (4, "reference", "strategic"),
    ]
    assert Task.objects.count() == 2
    assert Node.objects.count() == 1
    first, second = Analysis.objects.order_by("revision")
    assert (first.superseded, second.superseded) == ("ana sent the item from strategic to operational.", "")
    assert state(item) == "analysing"
    marked = OutboxEntry.objects.filter(purpose="mark what a person has superseded", source_key="tasks")
    assert {entry.values["Name"] for entry in marked} == {f"Superseded: {OPERATIONAL}"}
    assert marked.values("emm_id").distinct().count() == 2


def test_voices_of_a_superseded_analysis_are_not_bought(sandbox: Sandbox) -> None:
    item = an_item(STRATEGIC, "It cannot be undone.")
    run_stage("triage")
    sent(item, Route.REFERENCE)
    bought = LLMCall.objects.count()
    run_stage("argue")
    run_stage("synthesise")
    assert (LLMCall.objects.count(), Perspective.objects.count(), Synthesis.objects.count()) == (bought, 0, 0)
    assert (state(item), Action.objects.count()) == ("writing", 0)


def test_a_synthesis_under_way_when_the_item_was_sent_elsewhere_proposes_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = an_item(STRATEGIC, "It cannot be undone.")
    run_stage("triage")
    run_stage("argue")
    judged = dialectic._judged

    def meanwhile(*parts: Any) -> Any:
        sent(item, Route.OPERATIONAL)
        return judged(*parts)

    monkeypatch.setattr(dialectic, "_judged", meanwhile)
    run_stage("synthesise")
    assert (state(item), Action.objects.count(), Synthesis.objects.count()) == ("writing", 0, 0)


def test_a_destination_chosen_while_it_is_argued_is_neither_overwritten_nor_forgotten(workspace: Sandbox) -> None:
    page = add_item(workspace, STRATEGIC)
    poll_now()
    run_stage("triage")
    item = InboxItem.objects.get(page_id=page)
    select = {"Triage_Destination": {"select": {"name": "Operational (Task)"}}}
    workspace.as_person("PATCH", f"/pages/{page}", {"properties": select})
    poll_now()  # the minute of the edit is open: not yet looked at
    work()
    assert (state(item), Correction.objects.count()) == ("proposed", 0)
    assert item.values["Triage_Destination"] == "Operational (Task)"
    close_minute(workspace, item)
    work()
    assert (state(item), Correction.objects.get().to_route) == ("done", "operational")


def test_our_own_write_on_its_way_is_not_taken_for_a_persons(workspace: Sandbox) -> None:
    item = gone_through(workspace, OPERATIONAL)
    sent(item, Route.REFERENCE)
    close_minute(workspace, item)  # Notion says Operational (Task) still
    triage.open_triages()
    assert Correction.objects.get().to_route == "reference"
    work()
    poll_now()
    triage.open_triages()
    item.refresh_from_db()
    assert (item.values["Triage_Destination"], Correction.objects.count()) == ("Reference (Node)", 1)


def test_what_a_person_has_decided_is_not_sent_elsewhere(workspace: Sandbox) -> None:
    item = gone_through(workspace, STRATEGIC)
    decide(workspace, Action.objects.get(), "Approved")
    poll_now()
    with pytest.raises(ValidationError, match="decided on its proposal already"):
        sent(item, Route.OPERATIONAL)
    choose(workspace, item, "Operational (Task)")
    work()
    assert Correction.objects.count() == 0
    assert Settlement.objects.get().decision == "Approved"


def test_an_item_that_was_held_goes_on_and_only_a_wrong_guess_is_a_correction(sandbox: Sandbox) -> None:
    guessed, wrong = an_item("hmm", ""), an_item("tja", "")
    run_stage("triage")
    assert (state(guessed), state(wrong)) == ("held", "held")
    sent(guessed, Route.REFERENCE)
    sent(wrong, Route.OPERATIONAL)
    assert (state(guessed), state(wrong)) == ("writing", "writing")
    assert Correction.objects.get().item == wrong
    assert sum(found.items for found in corrections.suggestions().values()) == 2


def test_a_destination_chosen_before_the_triage_is_learned_from(sandbox: Sandbox) -> None:
    an_item(OPERATIONAL, "", values={"Status": None, "Triage_Destination": "Reference (Node)"})
    run_stage("triage")
    assert Triage.objects.get().route == "reference"
    assert (Correction.objects.get().from_route, Node.objects.count(), Task.objects.count()) == ("operational", 1, 0)


@pytest.mark.parametrize("route", list(Route))
def test_each_route_has_a_threshold_of_its_own(sandbox: Sandbox, route: Route) -> None:
    texts = {"strategic": STRATEGIC, "operational": OPERATIONAL, "reference": "Note: how the archive works"}
    Policy.objects.create(**{f"{route}_min_confidence": 0.99})
    items = {name: an_item(text, "") for name, text in texts.items()}
    run_stage("triage")
    assert {name for name, item in items.items() if state(item) == "held"} == {route}
    asked = OutboxEntry.objects.get(item=items[route])
    assert asked.values == {"Status": "Needs_Review"}
    assert "At least 99% is asked for." in items[route].state_reason


def test_one_change_is_never_two_corrections() -> None:
    item = an_item()
    fields = {"item": item, "from_route": "strategic", "confidence": 0.5, "by": "ana", "how": "console"}
    Correction.objects.create(**fields, number=1, to_route="reference")
    for wrong in ({"number": 1, "to_route": "operational"}, {"number": 2, "to_route": "strategic"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Correction.objects.create(**fields, **wrong)


def test_a_suggestion_counts_what_passed_and_what_people_moved() -> None:
    for place in range(24):
        route = "reference" if place < 2 else "operational"
        answer = triage_answer(route="operational").model_dump(mode="json")
        confidence = 0.6 if place < 2 else 0.8
        Triage.objects.create(item=an_item(), status="done", route=route, answer=answer, confidence=confidence)
    Triage.objects.create(item=an_item(), status="done", route="", answer=answer, confidence=0.1)
    found = corrections.suggestions()
    assert found[Route.OPERATIONAL] == Suggestion(24, 2, 0.8, 22, 0)
    assert found[Route.STRATEGIC] == Suggestion(0, 0)


def test_an_intent_that_a_person_had_argued_says_nothing_of_the_triage() -> None:
    answer = triage_answer(route="operational").model_dump(mode="json")
    for _ in range(20):
        item = an_item()
        Triage.objects.create(item=item, status="done", route="strategic", answer=answer, confidence=0.9)
        IntentRun.objects.create(intent=Intent.objects.create(title="Sell?"), item=item, asked_by="ana")
    assert set(corrections.suggestions().values()) == {Suggestion(0, 0)}


def test_twenty_right_items_are_no_ground_to_ask_for_more(admin_client: Client) -> None:
    answer = triage_answer(route="operational").model_dump(mode="json")
    for _ in range(20):
        Triage.objects.create(item=an_item(), status="done", route="operational", answer=answer, confidence=0.9)
    assert corrections.suggestions()[Route.OPERATIONAL] == Suggestion(20, 0, 0.5, 20, 0)
    assert adopt(admin_client) == ""


def test_the_policy_page_shows_the_suggestions_and_what_they_rest_on(admin_client: Client) -> None:
    test_a_suggestion_counts_what_passed_and_what_people_moved()
    page = admin_client.get(f"/admin/analysis/policy/{Policy.current().pk}/change/").content.decode()
    text = " ".join(page.split())
    assert "<strong>0.8</strong>" in text
    assert "24 items judged, 2 sent elsewhere. From 0.8 on: 0 of 22." in text
    assert "0 items judged, 0 sent elsewhere. At least 20 items are needed." in text


def adopt(client: Client, reason: str = "From what people did.") -> str:
    address = f"/admin/analysis/policy/{Policy.current().pk}/adopt_suggestions/"
    answer = client.post(address, {"reason": reason, "_form_submitted": "1"})
    return str([*get_messages(answer.wsgi_request)][-1]) if "HX-Redirect" in answer else ""


def test_what_is_suggested_is_adopted_by_one_press_and_leaves_the_rest_alone(admin_client: Client) -> None:
    assert adopt(admin_client) == "", "nothing is suggested yet"
    test_a_suggestion_counts_what_passed_and_what_people_moved()
    page = f"/admin/analysis/policy/{Policy.current().pk}/change/"
    assert "Adopt the suggested confidences</" in admin_client.get(page).content.decode()
    assert adopt(admin_client) == "The suggested confidences hold from now on."
    policy = Policy.current()
    assert [policy.min_confidence(route) for route in ("operational", "strategic", "reference")] == [0.8, 0.5, 0.5]
    entry = AuditEntry.objects.get(action="policy.adopt_suggestions")
    assert (entry.before, entry.after, entry.reason) == (
        {"operational": 0.5},
        {"operational": 0.8},
        "From what people did.",
    )
    assert adopt(admin_client) == "", "it is the policy already"


def test_who_may_only_look_adopts_nothing(client: Client) -> None:
    test_a_suggestion_counts_what_passed_and_what_people_moved()
    user = User.objects.create_user("bob", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_policy"))
    client.force_login(user)
    assert adopt(client) == ""
    assert Policy.current().operational_min_confidence == 0.5


def reroute(client: Client, triage: Triage, route: str, reason: str) -> str:
    address = f"/admin/analysis/triage/{triage.pk}/reroute/"
    answer = client.post(address, {"route": route, "reason": reason, "_form_submitted": "1"})
    return str([*get_messages(answer.wsgi_request)][-1]) if "HX-Redirect" in answer else ""


def test_a_person_sends_an_item_elsewhere_in_the_console_and_says_why(admin_client: Client) -> None:
    analysis = make_proposal()
    job = Triage.objects.get()
    assert reroute(admin_client, job, "operational", "") == ""
    assert Correction.objects.count() == 0
    assert reroute(admin_client, job, "operational", "<i>Just do it</i>") == "It goes to operational now."
    found = Correction.objects.get()
    assert (found.by, found.how, found.reason, found.confidence) == ("admin", "console", "<i>Just do it</i>", 0.9)
    entry = AuditEntry.objects.get(action="triage.reroute")
    assert (entry.before, entry.after) == ({"route": "strategic"}, {"route": "operational"})
    assert entry.reason == "<i>Just do it</i>"
    analysis.refresh_from_db()
    assert analysis.superseded
    assert reroute(admin_client, job, "operational", "Again") == "Its route is operational already."
    page = admin_client.get(f"/admin/analysis/triage/{job.pk}/change/").content.decode()
    assert "strategic to operational by admin" in page
    assert admin_client.get("/admin/analysis/correction/").status_code == 200


def test_who_may_only_look_sends_nothing_elsewhere() -> None:
    make_proposal()
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_triage"))
    client = Client()
    client.force_login(user)
    reroute(client, Triage.objects.get(), "operational", "I want it")
    assert Triage.objects.get().route == "strategic"
