"""Where items stand once what was promised for them is written, or cannot be."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from analysis import ledger, progress
from analysis.models import Analysis, LLMCall, Settlement, Synthesis
from notion_sync import control
from notion_sync.models import Action, InboxItem, OutboxEntry, PageRead
from tests.analysis.rows import an_item
from tests.world import Sandbox, add_item, poll_now, run

pytestmark = pytest.mark.django_db


def an_item_in(state: str, *entries: str) -> InboxItem:
    item = an_item(state=state)
    for sequence, status in enumerate(entries):
        OutboxEntry.objects.create(
            kind="update", source_key="inbox", emm_id=uuid.uuid4(), sequence=sequence, item=item, values={},
            status=status, purpose=f"write {status}", last_error="It was trashed." if status == "never" else "",
        )  # fmt: skip
    return item


def state_of(item: InboxItem) -> str:
    item.refresh_from_db()
    return item.state


def test_an_item_is_done_when_everything_is_written_and_not_before() -> None:
    done, writing = an_item_in("writing", "done", "done"), an_item_in("writing", "done", "waiting")
    progress.advance_items()
    assert (state_of(done), state_of(writing)) == ("done", "writing")


def test_an_item_with_a_proposal_awaits_a_person_until_the_decision_is_settled() -> None:
    item = an_item_in("writing", "done")
    action = Action.objects.create()
    analysis = Analysis.objects.create(item=item, lead="quant", item_digest="", action=action)
    synthesis = Synthesis.objects.create(analysis=analysis)
    progress.advance_items()
    assert state_of(item) == "proposed"
    item.enter(InboxItem.State.WRITING)
    Settlement.objects.create(action=action, synthesis=synthesis)
    progress.advance_items()
    assert state_of(item) == "done"


def test_a_later_version_that_proposed_nothing_does_not_keep_a_decided_item_waiting() -> None:
    item = an_item_in("writing", "done")
    action = Action.objects.create()
    analysis = Analysis.objects.create(item=item, lead="quant", item_digest="", action=action)
    Settlement.objects.create(action=action, synthesis=Synthesis.objects.create(analysis=analysis))
    Analysis.objects.create(item=item, revision=2, lead="quant", item_digest="")
    progress.advance_items()
    assert state_of(item) == "done"


def test_a_stuck_write_holds_the_item_with_its_purpose_and_error_until_it_is_queued_again() -> None:
    item = an_item_in("writing", "done", "never", "waiting")
    progress.advance_items()
    assert state_of(item) == "held"
    assert item.state_reason == "Not written to Notion: write never (It was trashed.)"
    progress.advance_items()
    assert state_of(item) == "held"
    OutboxEntry.objects.filter(status="never").update(status="waiting")
    progress.advance_items()
    assert state_of(item) == "writing"


def test_an_item_that_is_held_for_another_reason_stays_held() -> None:
    item = an_item_in("held", "done")
    InboxItem.objects.update(state_reason="Unsure where it goes.")
    progress.advance_items()
    assert state_of(item) == "held"


@pytest.mark.parametrize("state", ["triaging", "analysing"])
def test_what_takes_longer_than_half_a_minute_is_shown_in_notion_once(state: str) -> None:
    item = an_item_in(state)
    progress.advance_items()
    assert OutboxEntry.objects.count() == 0
    InboxItem.objects.update(state_since=F("state_since") - timedelta(seconds=31))
    progress.advance_items()
    progress.advance_items()
    assert [(entry.item, entry.values) for entry in OutboxEntry.objects.all()] == [(item, {"Status": "Processing"})]


def test_a_call_that_nobody_waits_for_any_more_is_closed() -> None:
    ledger.reserve(
        purpose="x", model="claude-haiku-5-5", item=None, prompt_bytes=1, max_tokens=1, key="", prompt_hash=""
    )
    LLMCall.objects.update(opened_at=F("opened_at") - timedelta(minutes=21))
    progress.advance_items()
    assert LLMCall.objects.get().status == "lost"


def a_proposal(item: InboxItem, **plan: Any) -> Analysis:
    item.enter(InboxItem.State.PROPOSED)
    return Analysis.objects.create(item=item, lead="quant", item_digest="", action=Action.objects.create(**plan))


def an_hour_passes() -> None:
    InboxItem.objects.update(state_since=F("state_since") - timedelta(minutes=61))
    PageRead.objects.update(opened_at=F("opened_at") - timedelta(minutes=61))


def test_a_page_that_waits_for_a_decision_and_is_trashed_or_restored_is_noticed_within_the_hour(
    workspace: Sandbox,
) -> None:
    page_id = add_item(workspace, "Should we move?")
    poll_now()
    a_proposal(InboxItem.objects.get(page_id=page_id))
    workspace.as_person("PATCH", f"/pages/{page_id}", {"in_trash": True})
    before = len(workspace.requests())
    progress.advance_items()
    assert not PageRead.objects.exists()
    an_hour_passes()
    progress.advance_items()
    assert PageRead.objects.filter(in_background=True).exists()
    run(["page"])
    assert InboxItem.objects.get(page_id=page_id).in_trash
    progress.advance_items()
    run(["page"])
    assert len(workspace.requests()) == before + 1
    workspace.as_person("PATCH", f"/pages/{page_id}", {"in_trash": False})
    an_hour_passes()
    progress.advance_items()
    run(["page"])
    assert not InboxItem.objects.get(page_id=page_id).in_trash, "and so is that it came back"
    InboxItem.objects.update(in_trash=True, last_edited_time=F("last_edited_time") - timedelta(days=31))
    an_hour_passes()
    progress.advance_items()
    assert not PageRead.objects.filter(status="waiting").exists(), "Notion has deleted it for good"


def test_what_is_there_is_looked_at_once_an_hour_and_not_while_polling_is_paused(workspace: Sandbox) -> None:
    page_id = add_item(workspace, "Should we move?")
    poll_now()
    a_proposal(InboxItem.objects.get(page_id=page_id), page_id=uuid.uuid4())
    counts = []
    for hours in (1, 0, 1):
        if hours:
            an_hour_passes()
        progress.advance_items()
        PageRead.objects.update(status="done")
        counts.append(PageRead.objects.count())
    control.pause("Quiet, please.", by="test")
    an_hour_passes()
    progress.advance_items()
    assert [*counts, PageRead.objects.count()] == [2, 2, 4, 4], "the inbox page and the plan's"


def test_an_item_whose_proposal_is_in_the_trash_says_so_until_it_is_back() -> None:
    item = an_item()
    action = a_proposal(item, in_trash=True).action
    assert action is not None
    since = item.state_since
    for gone in (True, False):
        Action.objects.update(in_trash=gone)
        progress.advance_items()
        assert state_of(item) == "proposed"
        assert (item.state_reason == progress.GONE, item.state_since) == (gone, since)
