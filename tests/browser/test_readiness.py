"""The readiness page, walked from end to end, says what doctor and the API say."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from playwright.sync_api import Page, expect

from emm import tokens
from ops import checklist, console, readiness, signoff
from ops.models import Release
from tests.browser.people import People, confirm, row, unfold
from tests.browser.standing import installation_lives, probes_pass
from tests.world import Sandbox

pytestmark = pytest.mark.browser
COMMIT = "c0ffee" + "0" * 34
# The steps of the way back are numbered, and done on the clock of a rollback: no state, but a fix each.
STEPS = {item.key for item in checklist.load().items.values() if item.area == "rollback"}
READ = """rows => Object.fromEntries(rows.map(row => [row.id, {
    word: row.querySelector('.ck-chip').innerText, text: row.innerText, seen: row.querySelector('time') !== null}]))"""


@pytest.fixture(autouse=True)
def our_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host says which commit runs."""
    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", COMMIT)


def unfolded(page: Page, address: str) -> dict[str, Any]:
    """The rows of the page by their key, after every area was opened by hand."""
    page.goto(address)
    for area in page.locator("details.ck-area").all():
        unfold(area)
    found: dict[str, Any] = page.locator(".ck-row[id]").evaluate_all(READ)
    return found


def asked(page: Page, release: str = "") -> dict[str, Any]:
    """What the API says of the checklist, over HTTP."""
    _, secret = tokens.issue(f"ci {release}", ["read"], by="test")
    answer = page.request.get(
        f"/api/v1/readiness?release={release}", headers={"Authorization": f"Bearer {secret}"}, fail_on_status_code=True
    )
    found: dict[str, Any] = answer.json()
    return found


def doctor() -> dict[str, str]:
    """The state of every row that doctor judges, looked at just now."""
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", json=True, stdout=out)
    return {one["key"]: one["state"] for one in json.loads(out.getvalue())["probes"]}


def heading(page: Page, said: dict[str, Any]) -> None:
    """The page's verdict is the API's."""
    count = sum(item["blocks"] for item in said["items"])
    words = f"{count} item{'' if count == 1 else 's'} stand{'s' if count == 1 else ''} in the way"
    name = "Nothing stands in the way" if said["ready"] else words
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_every_row_of_the_checklist_has_its_state_its_evidence_and_its_fix(people: People, workspace: Sandbox) -> None:
    installation_lives()
    release: Release = signoff.open_release("3.1", COMMIT, by="ci")
    seen_by_doctor = doctor()
    page = people.come("ada", is_superuser=True)
    shown = unfolded(page, "/admin/ops/proberun/")
    general = asked(page)
    heading(page, general)
    assert shown.keys() == {item["key"] for item in general["items"]}
    shown |= unfolded(page, f"/admin/ops/release/{release.pk}/change/")
    of_release = asked(page, "3.1")
    heading(page, of_release)
    assert shown.keys() == checklist.load().items.keys()

    said = {item["key"]: item for item in (*of_release["items"], *general["items"])}
    for key, item in checklist.load().items.items():
        here = shown[key]
        assert item.title in here["text"], key
        assert item.fix.removesuffix(".")[:40] in here["text"] or said[key]["state"] in readiness.GOOD, key
        if key in STEPS:
            continue
        later = here["word"] == console.LATER and said[key]["state"] == "open"
        assert later or here["word"] == console.WORDS[said[key]["state"]], key
        assert said[key]["evidence"] in " ".join(here["text"].split()), key
        assert here["seen"] == (said[key]["seen_at"] is not None), key
    for key, state in seen_by_doctor.items():
        assert state == ("pass" if said[key]["state"] == "open" else said[key]["state"]), key


def test_page_and_api_turn_together_when_the_last_item_is_confirmed(people: People) -> None:
    probes_pass()
    page = people.come("ada", is_superuser=True)
    waiting = [item for item in readiness.verdict().blocking if item.item.key != "doc.readme"]
    for one in waiting:
        signoff.confirm(one.item.key, User.objects.get(), "Seen.")
    page.goto("/admin/ops/proberun/")
    said = asked(page)
    assert (said["ready"], sum(item["blocks"] for item in said["items"])) == (False, 1)
    heading(page, said)
    page.get_by_role("link", name=checklist.load().items["doc.readme"].title).click()
    expect(row(page, "doc.readme")).to_be_in_viewport()
    confirm(page, "doc.readme", "Followed it on a new laptop.")
    expect(page.get_by_role("heading", name="Nothing stands in the way")).to_be_visible()
    assert asked(page)["ready"]
