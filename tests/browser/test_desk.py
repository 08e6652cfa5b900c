"""The review desk: a person changes a plan, approves it, sees what it came to, and takes it back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from analysis.models import Settlement
from notion_sync.models import Action, InboxItem, Task
from tests.browser.people import People, told
from tests.world import Sandbox, work

pytestmark = pytest.mark.browser


def test_a_plan_is_changed_approved_and_taken_back_at_the_desk(
    argued: Sandbox, people: People, settings: Settings
) -> None:
    settings.UNDO_SECONDS = 600  # nobody has to hurry before a slow machine
    page = people.come("ada", may=("decide_proposal",))
    page.get_by_role("link", name="Review desk").first.click()
    title = Action.objects.get().title
    page.get_by_role("link", name=title).click()
    expect(page.get_by_text("Unchanged so far.")).to_be_visible()
    page.get_by_role("textbox", name="Task 1", exact=True).fill("Ask the bank for terms")
    page.get_by_role("button", name="Compare mine with the AI's").click()
    expect(page.get_by_text("an approval would count as")).to_be_visible()
    expect(page.get_by_text('"Ask the bank for terms"').first).to_be_visible()
    page.get_by_role("button", name="Approve my plan").click()
    told(page, "Decided: approved.")

    settled = Settlement.objects.get()
    assert settled.acceptance_rate is not None
    assert 0 < settled.acceptance_rate < 1
    decided = page.locator("#decided")
    expect(decided).to_contain_text(f"Approved by ada, {settled.status_since:%Y-%m-%d %H:%M:%S} UTC.")
    expect(decided).to_contain_text(f"Acceptance {settled.acceptance_rate:.0%}")
    assert settled.changes
    for change in settled.changes:
        expect(decided).to_contain_text(change)
    work()
    assert not Task.objects.exists()

    page.get_by_role("link", name="Review desk").first.click()
    expect(page.get_by_role("heading", name="Approved, tasks not made yet")).to_be_visible()
    page.get_by_role("link", name=title).click()
    page.get_by_role("button", name="Take it back").click()
    told(page, "Taken back: no tasks are made.")
    expect(page.get_by_text("The approval was taken back, so no tasks were made.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve after all")).to_be_visible()
    work()
    assert (InboxItem.objects.get().state, Task.objects.count()) == ("held", 0)
    assert Action.objects.get().values["Approval_Status"] == "Pending"
