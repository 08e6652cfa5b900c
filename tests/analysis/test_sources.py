"""A page that changed after its proposal raises a notice there, with what one can do, and starts nothing by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from analysis import prompts, sources, versions
from analysis.models import Analysis, LLMCall, Perspective
from notion_sync.models import InboxItem
from tests.analysis.rows import an_item
from tests.factories import decide, make_item, make_proposal, make_settlement
from tests.test_journey import CONTEXT, QUESTION
from tests.world import Sandbox, add_item, poll_now, text, work
from tests.world import decide as decide_in_notion

pytestmark = pytest.mark.django_db


@pytest.fixture
def proposed(workspace: Sandbox) -> Analysis:
    add_item(workspace, QUESTION, CONTEXT)
    poll_now()
    work()
    return Analysis.objects.get()


def edit(sandbox: Sandbox, **properties: Any) -> None:
    page = InboxItem.objects.get().page_id
    sandbox.as_person("PATCH", f"/pages/{page}", {"properties": properties})
    poll_now()


def changed(analysis: Analysis) -> list[str]:
    return [change.name for change in sources.notice(Analysis.objects.get(pk=analysis.pk))]


def argued(**columns: Any) -> Analysis:
    """A proposal whose personas read the item as it stood then."""
    analysis = make_proposal(make_item(state="proposed"))
    item = analysis.item
    Analysis.objects.filter(pk=analysis.pk).update(item_read=prompts.told_of(item))
    InboxItem.objects.filter(pk=item.pk).update(**columns)
    return Analysis.objects.select_related("item").get(pk=analysis.pk)


def pages(client: Client, analysis: Analysis) -> list[str]:
    names = ("proposal", "analysis")
    return [client.get(f"/admin/analysis/{name}/{analysis.pk}/change/").content.decode() for name in names]


def test_what_we_write_ourselves_and_what_nobody_argued_about_is_no_change(
    proposed: Analysis, workspace: Sandbox
) -> None:
    poll_now()
    item = InboxItem.objects.get()
    assert item.digest != proposed.item_digest, "our own Status is among the values that people may change"
    assert changed(proposed) == []
    edit(workspace, Owner={"people": []}, Depth={"select": {"name": "Deep"}})
    assert changed(proposed) == []


def test_an_edit_raises_a_notice_starts_nothing_and_leaves_when_it_is_taken_back(
    proposed: Analysis, workspace: Sandbox
) -> None:
    calls = LLMCall.objects.count()
    edit(workspace, Content=text("They want $900,000 by now."))
    work()
    assert changed(proposed) == ["the text"]
    edit(workspace, Urgent={"checkbox": True}, Input_Title={"title": [{"text": {"content": "Northwind?"}}]})
    assert changed(proposed) == ["Input_Title", "the text", "Urgent"]
    assert (LLMCall.objects.count(), Analysis.objects.count()) == (calls, 1)
    before = {"title": [{"text": {"content": QUESTION}}]}
    edit(workspace, Urgent={"checkbox": False}, Input_Title=before, Content=text(CONTEXT))
    assert changed(proposed) == []


def test_a_text_below_the_properties_counts(proposed: Analysis, workspace: Sandbox) -> None:
    page = InboxItem.objects.get().page_id
    block = {"type": "paragraph", "paragraph": text("The bank said no.")}
    workspace.as_person("PATCH", f"/blocks/{page}/children", {"children": [block]})
    workspace.age(page, 60)
    long_ago = Now() - timedelta(minutes=5)
    InboxItem.objects.update(body_read_at=long_ago, body_of=long_ago, last_edited_time=long_ago)
    poll_now()
    assert changed(proposed) == ["the text"]


def test_a_revision_that_has_read_the_new_text_shows_no_notice(proposed: Analysis, workspace: Sandbox) -> None:
    edit(workspace, Content=text("They want $900,000 by now."))
    assert proposed.action is not None
    decide_in_notion(workspace, proposed.action, "Needs_Revision", User_Notes="Read it again.")
    poll_now()
    work()
    revision = Analysis.objects.get(revision=2)
    assert revision.synthesis.status == "done"
    assert "$900,000" in prompts.matter(revision)
    assert (changed(revision), changed(proposed)) == ([], []), "what is decided waits for nobody"


def test_all_personas_read_what_stood_there_when_the_argument_was_opened(sandbox: Sandbox) -> None:
    item = an_item("Buy Vantor Ltd for $400k?", "It cannot be undone.")
    first = make_proposal(item)
    again = versions.open_revision(first, "Once more.")
    InboxItem.objects.filter(pk=item.pk).update(body="It can be undone.")
    voice = Perspective.objects.filter(analysis=again).select_related("analysis__item")[0]
    assert "cannot be undone" in prompts.matter(voice.analysis)
    assert [one.name for one in sources.changes(voice.analysis)] == ["the text"]


@pytest.mark.parametrize(
    ("read", "now"),
    [
        ("One  line\n\nand another", "One line\nand another"),
        (
            "![](https://files.example.com/a.png?X-Amz-Date=1&X-Amz-Signature=ab)",
            "![](https://files.example.com/a.png?X-Amz-Date=2&X-Amz-Signature=cd)",
        ),
    ],
)
def test_layout_and_the_signatures_of_files_are_no_change(read: str, now: str) -> None:
    analysis = Analysis(item=make_item(body=now, properties={}))
    analysis.item_read = {**prompts.told_of(analysis.item), "content": read}
    assert sources.changes(analysis) == []
    analysis.item.body = now.replace("a.png", "b.png").replace("another", "a third")
    assert len(sources.changes(analysis)) == 1


def test_an_argument_from_before_is_no_ground_for_a_notice() -> None:
    assert sources.changes(make_proposal()) == []


def test_the_desk_its_queue_and_the_analysis_say_what_changed_and_what_one_can_do(admin_client: Client) -> None:
    analysis = argued(title="Should we buy a <b>boat</b>?")
    for page in pages(admin_client, analysis):
        assert "The inbox page was changed after this was argued." in page
        assert "Ask for a revision" in page
        assert "decide all the same" in page
        assert '">van?</del>' in page
        assert "&lt;b&gt;boat&lt;/b&gt;?</ins>" in page
        assert "<b>boat" not in page
    queue = admin_client.get("/admin/analysis/proposal/").content.decode()
    assert "The inbox page was changed since" in queue
    InboxItem.objects.update(title="Should we buy a van?")
    assert not any("was changed after" in page for page in pages(admin_client, analysis))
    assert "was changed since" not in admin_client.get("/admin/analysis/proposal/").content.decode()


def test_a_decision_takes_the_notice_away(admin_client: Client) -> None:
    analysis = argued(title="Should we buy a boat?")
    make_settlement(analysis)
    decide(analysis)
    assert not any("was changed after" in page for page in pages(admin_client, analysis))


def test_a_long_text_is_named_but_not_compared_word_by_word(admin_client: Client) -> None:
    analysis = argued(body="word " * 10_000)
    (change,) = sources.notice(analysis)
    assert (change.name, change.pieces) == ("the text", [])
    assert all("too long to be shown word by word" in page for page in pages(admin_client, analysis))
