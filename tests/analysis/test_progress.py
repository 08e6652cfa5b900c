"""Where items stand once what was promised for them is written, or cannot be."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db.models import F

from analysis import ledger, progress
from analysis.models import Analysis, LLMCall, Settlement, Synthesis
from notion_sync.models import Action, InboxItem, OutboxEntry
from tests.analysis.rows import an_item

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
    analysis = Analysis.objects.create(item=item, lead="quant", item_digest="")
    synthesis = Synthesis.objects.create(analysis=analysis)
    progress.advance_items()
    assert state_of(item) == "proposed"
    item.enter(InboxItem.State.WRITING)
    Settlement.objects.create(action=Action.objects.create(), synthesis=synthesis)
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
