"""Proposals that wait for a person."""

from __future__ import annotations

import pytest

from analysis.models import Analysis
from notion_sync import outbox
from notion_sync.models import InboxItem
from tests.factories import make_proposal, make_source
from tests.world import Sandbox, add_item, poll_now, run


@pytest.fixture
def proposal(workspace: Sandbox) -> Analysis:
    """A proposal of the factory whose pages stand in the sandbox."""
    add_item(workspace, "Should we buy a van?")
    poll_now()
    item = InboxItem.objects.get()
    item.enter(InboxItem.State.PROPOSED)
    analysis = make_proposal(item)
    assert analysis.intent is not None
    assert analysis.action is not None
    for page in (analysis.intent, analysis.action):
        type(page).objects.filter(pk=page.pk).update(page_id=None, properties={})
        assert page.emm_id is not None
        values = {**page.values, **({"Intent": [outbox.ref(analysis.intent)]} if page is analysis.action else {})}
        outbox.create_page(type(page), page.emm_id, values, purpose="propose", item=item)
        run(["deliver"])
        page.refresh_from_db()
    return Analysis.objects.get()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Analysis:
    """A proposal of the factory, where Notion has nothing new to say."""
    make_source()
    monkeypatch.setattr(outbox, "refresh", lambda action: None)
    return make_proposal()
