"""A decision waits: its owner is told, reminded, others are told, and nothing is ever approved by silence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from analysis import outcome
from analysis.models import Analysis, Outcome, Settlement
from emm.jobs import Job, Misconfigured
from notion_sync import client
from notion_sync.models import InboxItem
from ops import calls
from ops.models import Call, Contact, Notice, NoticePolicy
from sandbox.notion.users import COLLEAGUE, PERSON
from tests.factories import make_channel, make_item, make_proposal
from tests.test_journey import CONTEXT, QUESTION
from tests.world import Sandbox, add_item, decide, poll_now, run_stage, text, work


@pytest.fixture
def waiting(workspace: Sandbox) -> Analysis:
    """A proposal of ours in Notion, whose inbox page belongs to a person."""
    owner = {"people": [{"object": "user", "id": PERSON.id}]}
    add_item(workspace, QUESTION, CONTEXT, Owner=owner)
    poll_now()
    work()
    return Analysis.objects.get()


def comments(sandbox: Sandbox, analysis: Analysis) -> list[dict[str, Any]]:
    assert analysis.action is not None
    return list(sandbox.as_person("GET", f"/comments?block_id={analysis.action.page_id}")["results"])


def said(sandbox: Sandbox, analysis: Analysis) -> list[str]:
    return ["".join(part["plain_text"] for part in one["rich_text"]) for one in comments(sandbox, analysis)]


def wait(analysis: Analysis, **span: int) -> None:
    InboxItem.objects.filter(pk=analysis.item_id).update(state_since=Now() - timedelta(**span))


def test_the_owner_is_mentioned_once_on_the_proposal(waiting: Analysis, workspace: Sandbox) -> None:
    for _ in range(3):
        run_stage("call")
    (comment,) = comments(workspace, waiting)
    assert comment["rich_text"][0]["mention"]["user"]["id"] == PERSON.id
    assert "A decision waits for you" in said(workspace, waiting)[0]
    assert Call.objects.get().outcome == "Commented."


def test_of_very_many_owners_the_first_are_mentioned_and_the_rest_are_counted(
    waiting: Analysis, workspace: Sandbox
) -> None:
    calls.open_due()
    Call.objects.update(mentions=[PERSON.id] * 70)
    run_stage("call")
    (comment,) = comments(workspace, waiting)
    assert [part["type"] for part in comment["rich_text"]].count("mention") == 40
    assert "and 30 more owners: A decision waits for you" in said(workspace, waiting)[0]


def test_the_owner_of_the_proposal_comes_before_that_of_the_inbox_page(waiting: Analysis, workspace: Sandbox) -> None:
    assert waiting.action is not None
    owner = {"Owner": {"people": [{"object": "user", "id": COLLEAGUE.id}]}}
    workspace.as_person("PATCH", f"/pages/{waiting.action.page_id}", {"properties": owner})
    poll_now()
    run_stage("call")
    assert comments(workspace, waiting)[0]["rich_text"][0]["mention"]["user"]["id"] == COLLEAGUE.id


def test_it_is_reminded_then_others_are_told_and_nothing_is_approved(waiting: Analysis, workspace: Sandbox) -> None:
    run_stage("call")
    wait(waiting, hours=25)
    run_stage("call")
    wait(waiting, hours=73)
    run_stage("call")
    texts = said(workspace, waiting)
    assert [text.partition("Robin Vale ")[2][:12] for text in texts[:2]] == ["A decision w", "Reminder 1: "]
    assert any("nobody is on call who could be told" in text for text in texts)
    wait(waiting, days=365)
    for _ in range(3):
        run_stage("call")
    assert Call.objects.filter(kind="remind").count() == 3  # the first, that at 73 hours, and the last that there is
    assert not Settlement.objects.exists()
    waiting.item.refresh_from_db()
    assert waiting.item.state == InboxItem.State.PROPOSED


def test_channels_hear_of_it_and_those_on_call_only_when_it_has_waited_for_long(
    waiting: Analysis, workspace: Sandbox
) -> None:
    wants, own = make_channel("team", decisions=True), make_channel("phone")
    make_channel("other")
    Contact.objects.create(name="Ana", role="On call", channel=own)
    run_stage("call")
    assert [notice.channel for notice in Notice.objects.filter(about="decision")] == [wants]
    Notice.objects.all().delete()
    wait(waiting, hours=73)
    run_stage("call")
    told = Notice.objects.filter(about="decision")
    assert {(notice.channel.name, notice.subject[:8]) for notice in told} == {
        ("team", "Reminder"),
        ("team", "Nobody h"),
        ("phone", "Nobody h"),
    }
    assert all("In Notion: http" in notice.body for notice in told)
    assert any("others were told" in text for text in said(workspace, waiting))


def test_what_was_decided_meanwhile_is_not_called_for(waiting: Analysis, workspace: Sandbox) -> None:
    calls.open_due()
    waiting.item.enter(InboxItem.State.DECIDED)
    run_stage("call")
    assert said(workspace, waiting) == []
    assert Call.objects.get().outcome.startswith("Not sent")


def test_a_comment_whose_answer_was_lost_is_found_and_not_made_twice(waiting: Analysis, workspace: Sandbox) -> None:
    workspace.control(
        "faults", {"kind": "drop_after", "match": {"method": "POST", "path_regex": "/comments$"}, "times": 1}
    )
    run_stage("call")
    assert Call.objects.get().status == Job.Status.WAITING
    Call.objects.update(due_at=Now())
    run_stage("call")
    assert len(said(workspace, waiting)) == 1
    assert Call.objects.get().status == Job.Status.DONE


def test_a_comment_that_never_arrived_is_made(waiting: Analysis, workspace: Sandbox) -> None:
    workspace.control(
        "faults", {"kind": "drop_before", "match": {"method": "POST", "path_regex": "/comments$"}, "times": 1}
    )
    run_stage("call")
    Call.objects.update(due_at=Now())
    run_stage("call")
    assert len(said(workspace, waiting)) == 1


def test_a_missing_capability_names_the_fix_and_keeps_no_message_back(
    waiting: Analysis, workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_channel("team", decisions=True)

    def refuse(*args: Any) -> None:
        raise Misconfigured("Notion answered 403 restricted_resource.", "Give the integration the capabilities.")

    monkeypatch.setattr(client, "create_comment", refuse)
    run_stage("call")
    job = Call.objects.get()
    assert job.status == Job.Status.WAITING
    assert "capability to insert comments" in job.last_error
    assert Notice.objects.filter(about="decision").count() == 1


def test_comments_can_be_switched_off(waiting: Analysis, workspace: Sandbox) -> None:
    NoticePolicy(comments=False).save()
    make_channel("team", decisions=True)
    run_stage("call")
    assert said(workspace, waiting) == []
    assert Call.objects.get().outcome == "Comments are switched off."
    assert Notice.objects.filter(about="decision").count() == 1


@pytest.mark.django_db
def test_a_proposal_without_an_owner_is_announced_to_nobody_by_name() -> None:
    make_proposal(make_item(state=InboxItem.State.PROPOSED))
    calls.open_due()
    assert Call.objects.get().mentions == []


# A page that changed, and how it went


def change(sandbox: Sandbox, content: str, *, minutes_ago: int = 11) -> None:
    page = InboxItem.objects.get().page_id
    sandbox.as_person("PATCH", f"/pages/{page}", {"properties": {"Content": text(content)}})
    poll_now()
    InboxItem.objects.update(last_edited_time=Now() - timedelta(minutes=minutes_ago))


def told_of_changes(sandbox: Sandbox, analysis: Analysis) -> list[str]:
    for _ in range(2):
        run_stage("call")
    return [one for one in said(sandbox, analysis) if "was changed" in one]


def test_a_changed_page_is_told_once_for_each_wording_and_starts_nothing(waiting: Analysis, workspace: Sandbox) -> None:
    change(workspace, "They want $900,000.")
    (first,) = told_of_changes(workspace, waiting)
    assert first.startswith("@Robin Vale The inbox page was changed after this plan was proposed (the text): ")
    assert "Needs_Revision" in first
    change(workspace, "They want $950,000.")
    assert len(told_of_changes(workspace, waiting)) == 2
    change(workspace, "They want $900,000.")
    assert len(told_of_changes(workspace, waiting)) == 2, "these words were told of"
    assert Analysis.objects.count() == 1


def test_who_is_still_writing_or_wrote_the_same_again_is_not_told(waiting: Analysis, workspace: Sandbox) -> None:
    change(workspace, "They want $9", minutes_ago=1)
    assert told_of_changes(workspace, waiting) == []
    change(workspace, CONTEXT)
    assert told_of_changes(workspace, waiting) == []
    assert not Call.objects.filter(kind="changed").exists()


def test_a_change_that_was_taken_back_before_the_comment_is_not_told(waiting: Analysis, workspace: Sandbox) -> None:
    change(workspace, "They want $900,000.")
    calls.open_due()
    change(workspace, CONTEXT)
    assert told_of_changes(workspace, waiting) == []
    assert Call.objects.get(kind="changed").outcome == "Not sent: the inbox page was changed again."


def test_the_owner_is_asked_once_on_the_intent_how_it_went(waiting: Analysis, workspace: Sandbox) -> None:
    one = review(waiting, workspace)
    for _ in range(2):
        run_stage("call")
    (comment,) = on_the_intent(workspace, waiting)
    assert comment["rich_text"][0]["mention"]["user"]["id"] == PERSON.id
    words = "".join(part["plain_text"] for part in comment["rich_text"])
    assert f"The review date has come ({one.review_on})" in words
    title = str(waiting.action)
    assert title.endswith("?")
    assert f"{title} Set Outcome on this page" in words
    assert not any("How did it go" in comment for comment in said(workspace, waiting))


def test_who_has_answered_already_is_not_asked_on_the_intent(waiting: Analysis, workspace: Sandbox) -> None:
    one = review(waiting, workspace)
    calls.open_due()
    outcome.answer(one, "Better", by="ana", how=Outcome.How.CONSOLE)
    run_stage("call")
    assert on_the_intent(workspace, waiting) == []
    assert Call.objects.get(kind="outcome").outcome == "Not sent: it was answered meanwhile."


def review(analysis: Analysis, sandbox: Sandbox) -> Outcome:
    """The outcome of the approved proposal, asked for today."""
    assert analysis.action is not None
    decide(sandbox, analysis.action, "Approved")
    poll_now()
    work()
    one = Outcome.objects.get()
    Outcome.objects.update(due_at=Now())
    work()
    one.refresh_from_db()
    assert one.asked_at is not None
    return one


def on_the_intent(sandbox: Sandbox, analysis: Analysis) -> list[dict[str, Any]]:
    assert analysis.intent is not None
    return list(sandbox.as_person("GET", f"/comments?block_id={analysis.intent.page_id}")["results"])
