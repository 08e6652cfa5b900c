"""A release goes from opened to successful through the console, by the hands of five people with five roles."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from ops import checklist, deployments, readiness, signoff
from ops.models import Confirmation, Release, SignOff
from tests.browser.people import People, confirm, row, told
from tests.browser.standing import (
    gating,
    installation_lives,
    pass_minutes,
    probes_pass,
    smoke_test_passes,
)

pytestmark = pytest.mark.browser
COMMIT = "c0ffee" + "0" * 34
EIGHT = [key for key in checklist.load().items if key.startswith("ok.")]


@pytest.fixture(autouse=True)
def our_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host says which commit runs."""
    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", COMMIT)


@pytest.fixture
def ready(people: People) -> Release:
    """An opened release that nothing stands in the way of: probes have passed, and somebody has confirmed the rest."""
    release = signoff.open_release("3.1", COMMIT, by="ci")
    probes_pass(release)
    somebody = User.objects.create_user("somebody")
    for item in gating():
        if item.by_human:
            signoff.confirm(item.key, somebody, "Seen.", release)
    return release


def page_of(release: Release) -> str:
    return f"/admin/ops/release/{release.pk}/change/"


def sign(page: Page, role: str) -> None:
    page.get_by_role("button", name=f"Sign as {role}").click()
    told(page, "Signed.")


def here(page: Page) -> str:
    """The station at which the page shows the release."""
    return page.locator(".ck-here").inner_text()


def test_five_people_take_a_release_from_opened_to_successful(people: People) -> None:
    operator = people.come("operator", may=("add_release", "view_release", "view_proberun"))
    operator.goto("/admin/ops/release/")
    operator.get_by_role("link", name="Add release").click()
    operator.get_by_label("Version").fill("3.1")
    operator.get_by_label("Commit").fill(COMMIT)
    operator.get_by_label("Changes").fill("c0ffee0 Serve coffee")
    operator.get_by_role("button", name="Save", exact=True).click()
    told(operator, "was added successfully")
    release = Release.objects.get()
    probes_pass(release)  # what a program sees no person may tick: it arrives as from the probes and from CI

    team = {role: people.come(role, groups=(group,)) for role, group in checklist.ROLES.items()}
    for page in team.values():
        page.goto(page_of(release))
    human = [item for item in gating() if item.by_human]
    for item in human:
        confirm(team[item.owner], item.key, f"I saw it: {item.title}")
    assert Confirmation.objects.count() == len(human)
    assert set(Confirmation.objects.values_list("by__username", "key")) == {(item.owner, item.key) for item in human}

    operator.goto(page_of(release))
    expect(operator.get_by_role("heading", name="Nothing stands in the way")).to_be_visible()
    for role, page in team.items():
        sign(page, SignOff.Role(role).label)
        assert here(page) == ("approved" if role == list(team)[-1] else "opened")
    operator.reload()
    assert here(operator) == "approved"
    for role in team:
        expect(operator.locator("#signoffs").get_by_text(re.compile(f"^{role}, "))).to_be_visible()

    assert deployments.report(COMMIT) == release
    pass_minutes(release, 2)  # so that a whole minute of it was counted
    installation_lives()
    smoke_test_passes(release)
    deployments.watch()
    operator.reload()
    assert here(operator) == "being watched"
    expect(operator.get_by_role("heading", name="Everything holds: 0 of 30 minutes")).to_be_visible()
    expect(operator.get_by_role("progressbar", name="Minutes of 30")).to_be_visible()
    expect(row(operator, "ok.stable")).to_contain_text("0 of 30 minutes")

    pass_minutes(release, 31)
    deployments.watch()
    operator.reload()
    assert here(operator) == "successful"
    expect(operator.get_by_role("heading", name="Successful")).to_be_visible()
    assert len(EIGHT) == 8
    for key in EIGHT:
        expect(row(operator, key).locator("> .ck-chip")).to_have_text("passes")


def test_a_changed_confirmation_voids_the_names_and_the_page_says_what_differs(ready: Release, people: People) -> None:
    developer = people.come("ada", groups=(checklist.ROLES["developer"],))
    tester = people.come("bob", groups=(checklist.ROLES["qa"],))
    for page, role in ((developer, "Developer"), (tester, "QA/Testing")):
        page.goto(page_of(ready))
        sign(page, role)
    confirm(developer, "doc.readme", "It was the old one.")
    signatures = developer.locator("#signoffs")
    signatures.get_by_text("2 that no longer count").click()
    difference = "Void: doc.readme: note was 'Seen.', is 'It was the old one.'."
    expect(signatures.get_by_text(difference)).to_have_count(2)
    expect(developer.get_by_role("button", name="Sign as Developer")).to_be_visible()
    assert not SignOff.objects.filter(ended_at=None).exists()


def test_nobody_signs_for_a_second_role_and_the_page_says_so(ready: Release, people: People) -> None:
    both = people.come("bob", groups=(checklist.ROLES["qa"], checklist.ROLES["security"]))
    both.goto(page_of(ready))
    sign(both, "QA/Testing")
    both.get_by_role("button", name="Sign as Security").click()
    told(both, "You have signed for another role: each role is another person's.")
    assert SignOff.objects.get().role == "qa"
    assert readiness.verdict(ready).ready
