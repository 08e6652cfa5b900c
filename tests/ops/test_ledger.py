"""The ledger: every item in one state, the counts add up, and an item's page tells all that happened to it."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analysis.models import LLMCall
from emm.audit import record
from emm.jobs import Misconfigured
from notion_sync import intake, retention, standstill
from notion_sync.models import DataSource, InboxItem, Intake, NotionCall, OutboxEntry, Reconciliation, Standstill
from ops import rules, timeline
from tests.factories import make_source
from tests.world import Sandbox, add_item, poll_now, work

pytestmark = pytest.mark.django_db
LIST = "/admin/notion_sync/inboxitem/"


def page_of(item: InboxItem) -> str:
    return f"{LIST}{item.pk}/change/"


def make(state: str, count: int = 1) -> list[InboxItem]:
    return InboxItem.objects.bulk_create(InboxItem(title=f"{state} {n}", state=state) for n in range(count))


def test_the_counts_by_state_add_up_to_all_items(admin_client: Client) -> None:
    for count, state in enumerate(InboxItem.State.values):
        make(state, count)
    page = admin_client.get(LIST).content.decode()
    counts = [int(n) for n in re.findall(r"state__exact=\w+\"[^>]*>(\d+) ", page)]
    assert (sum(counts), len(counts)) == (InboxItem.objects.count(), len(InboxItem.State))
    assert f"Each of the {sum(counts)} inbox items" in page


def test_the_lists_of_what_is_held_and_of_what_stopped_say_what_to_do(admin_client: Client) -> None:
    why = "Conflict: Status of Shall we open a second shop in Porto? was changed in Notion to Skipped while we wanted In_Review."
    item = InboxItem.objects.create(state="held", state_reason=f"{why} Choose on its page.")
    assert "Choose on its page." in admin_client.get(f"{LIST}?state__exact=held").content.decode()
    entry = {
        "kind": "update",
        "source_key": "inbox",
        "emm_id": uuid.uuid4(),
        "purpose": "close",
        "values": {},
        "item": item,
    }
    OutboxEntry.objects.create(**entry, status="never", last_error=f"{why} Settle it here.")
    assert "Settle it here." in admin_client.get("/admin/notion_sync/outboxentry/?look=stuck").content.decode()


def test_the_first_page_leads_to_what_is_held_and_names_the_fix_of_a_database(admin_client: Client) -> None:
    shown = admin_client.get("/admin/").content.decode()
    assert "No item is held." in shown
    assert "Notion is not set up yet" in shown
    make("held", 2)
    InboxItem.objects.create(state="held", backlog="held")
    InboxItem.objects.create(state="held", in_trash=True)
    source = make_source("tasks")
    DataSource.objects.filter(pk=source.pk).update(hold="Tasks has no property Priority: restore it in Notion.")
    shown = admin_client.get("/admin/").content.decode()
    assert "2 items are held" in shown
    assert f"{LIST}?state__exact=held" in shown
    assert "restore it in Notion." in shown
    assert "1 item from before the adoption waits for a release." in shown
    assert "not set up" not in shown


def test_a_list_that_is_not_counted_shows_no_number_of_results(admin_client: Client) -> None:
    make("held", 3)
    page = admin_client.get(LIST).content.decode()
    assert "9999" not in page
    assert "Show all" not in page


def test_a_state_with_more_items_than_are_counted_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.admin.ledger.MOST_COUNTED", 3)
    make("held", 3)
    assert ">3 held<" in admin_client.get(LIST).content.decode()
    make("held")
    page = admin_client.get(LIST).content.decode()
    assert ">3+ held<" in page
    assert "Each of the more than 3 inbox items" in page


def test_an_id_is_found_with_and_without_dashes_and_is_no_word_of_a_title(admin_client: Client) -> None:
    wanted = InboxItem.objects.create(title="the wanted one", page_id=uuid.uuid4())
    InboxItem.objects.create(title=f"mentions {wanted.page_id}", page_id=uuid.uuid4())
    for words in (str(wanted.page_id), wanted.page_id.hex if wanted.page_id else ""):
        page = admin_client.get(f"{LIST}?q={words}").content.decode()
        assert ("the wanted one" in page, "mentions" in page) == (True, False)


def test_each_item_is_on_one_page_of_the_list_in_its_order(admin_client: Client) -> None:
    rows = make("done", 120)
    shown: list[int] = []
    for number in (1, 2, 3):
        page = admin_client.get(f"{LIST}?p={number}").content.decode()
        shown += [int(pk) for pk in re.findall(r'<a[^>]*href="/admin/notion_sync/inboxitem/(\d+)/change/', page)]
    assert list(dict.fromkeys(shown)) == [row.pk for row in reversed(rows)]


def test_a_state_can_be_chosen_and_a_title_searched(admin_client: Client) -> None:
    make("held", 2)
    make("done", 2)
    held = admin_client.get(f"{LIST}?state__exact=held").content.decode()
    assert ("held 1" in held, "done 1" in held) == (True, False)
    found = admin_client.get(f"{LIST}?q=done 1").content.decode()
    assert ("done 1" in found, "done 0" in found) == (True, False)


def test_an_empty_ledger_says_what_to_do(admin_client: Client) -> None:
    assert "Write a page into the System Inbox" in admin_client.get(LIST).content.decode()


def test_the_list_asks_the_database_the_same_for_many_items_as_for_few(admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            admin_client.get(LIST)
        assert not any("COUNT(*)" in one["sql"] and "LIMIT" not in one["sql"] for one in asked)
        return len(asked)

    make("done", 1)
    few = queries()
    make("held", 49)
    assert queries() == few


def test_the_page_of_an_item_tells_all_that_happened_call_by_call(workspace: Sandbox, admin_client: Client) -> None:
    add_item(workspace, "Should we open a second office in Lyon for $120,000 a year?", "Two landlords made offers.")
    poll_now()
    work()
    item = InboxItem.objects.get()
    NotionCall.objects.update(item=item)  # as a worker notes it
    record("triage.reroute", item, by="Ana", reason="She knows better.")
    events, cut = timeline.of(item)
    assert not cut
    assert [event.at for event in events] == sorted((event.at for event in events), reverse=True)
    kinds = {event.kind for event in events}
    assert {"Notion", "mirror", "state", "Notion call", "model call", "triage", "analysis", "outbox", "person"} <= kinds
    calls = [event for event in events if event.kind == "Notion call"]
    assert len(calls) == NotionCall.objects.count() >= 3
    assert sum(event.kind == "model call" for event in events) == LLMCall.objects.filter(item=item).count() == 5
    promised = [event for event in events if event.what.startswith("Promised")]
    assert len(promised) == OutboxEntry.objects.filter(item=item).count()
    page = admin_client.get(page_of(item)).content.decode()
    assert "awaits a person" in page
    assert f"Model calls for it: {item.llm_calls.aggregate(sum=Sum('cost_usd'))['sum']:.4f} USD spent" in page
    assert re.search(r"[\d,]{5,} tokens in \([\d,]{5,} of them read from the cache\)", page)
    assert "She knows better." in page
    assert all(event.what.replace("'", "&#x27;") in page for event in events)
    assert "<style" not in page.split("What happened to it")[1]


def test_what_failed_is_marked_and_what_was_promised_but_not_kept_is_not_kept(admin_client: Client) -> None:
    [item] = make("held")
    NotionCall.objects.create(item=item, method="PATCH", route="/v1/pages/{page_id}", duration_ms=9, error="Cut.")
    OutboxEntry.objects.create(
        kind="create", source_key="tasks", emm_id=uuid.uuid4(), purpose="a task", values={}, item=item, status="never"
    )
    events, _ = timeline.of(item)
    assert {event.what: event.tone for event in events if event.tone} == {
        "PATCH /v1/pages/{page_id}": "bad",
        "Stopped: a task": "bad",
    }
    assert "no answer" in admin_client.get(page_of(item)).content.decode()


def test_a_text_from_outside_shows_where_it_came_from() -> None:
    make_source("inbox")
    kept, _ = intake.take(Intake.Channel.MAIL, text="Lease?", sender="ana@example.com", external_id="1")
    events, _ = timeline.of(kept.item)
    assert [event.detail for event in events if event.kind == "intake"] == ["from ana@example.com"]


def test_more_events_than_anybody_reads_are_left_out_with_a_mark(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MOST", 2)
    [item] = make("done")
    for _ in range(3):
        NotionCall.objects.create(item=item, method="GET", route="/v1/pages/{page_id}", duration_ms=9, status=200)
    assert "only the newest 2 are shown" in admin_client.get(page_of(item)).content.decode()


def test_what_strangers_wrote_is_escaped_on_the_timeline(admin_client: Client) -> None:
    evil = '<script>alert("x")</script>'
    item = InboxItem.objects.create(title=evil, state_reason=evil, url="javascript:alert(1)")
    record("item.note", item, by=evil, reason=evil)
    page = admin_client.get(page_of(item)).content.decode()
    assert (evil in page, 'href="javascript:' in page) == (False, False)


def test_only_who_may_see_items_sees_the_ledger(client: Client) -> None:
    [item] = make("done")
    user = User.objects.create_user("ada", is_staff=True)
    client.force_login(user)
    assert [client.get(path).status_code for path in (LIST, page_of(item))] == [403, 403]
    user.user_permissions.add(Permission.objects.get(codename="view_inboxitem"))
    assert [client.get(path).status_code for path in (LIST, page_of(item))] == [200, 200]


@pytest.mark.parametrize("path", ["999999/change/", "nonsense/change/"])
def test_an_item_that_is_not_there_leads_back(admin_client: Client, path: str) -> None:
    assert admin_client.get(LIST + path).status_code in (302, 404)


def test_all_fields_are_one_click_away(admin_client: Client) -> None:
    [item] = make("done")
    assert "?raw=1" in admin_client.get(page_of(item)).content.decode()
    assert "last_edited_time" in admin_client.get(f"{page_of(item)}?raw=1").content.decode()


def test_a_comparison_is_started_from_the_console_with_a_reason(admin_client: Client) -> None:
    source = make_source("inbox")
    source.mirrored_at = timezone.now()
    source.save()
    path = "/admin/notion_sync/reconciliation/start/"
    admin_client.post(path, {"_form_submitted": "True", "reason": "After the outage."})
    assert Reconciliation.objects.get().source == source
    page = admin_client.get("/admin/notion_sync/reconciliation/").content.decode()
    assert "proves nothing: not finished" in page


def test_a_mirror_that_differed_and_a_standstill_are_things_to_alert_about(admin_client: Client) -> None:
    assert rules.BY_KEY["mirror"].look().value is None
    source = make_source("inbox")
    good = Reconciliation.objects.create(source=source, status="done", seen=5)
    assert rules.BY_KEY["mirror"].look().value == 0
    Reconciliation.objects.filter(pk=good.pk).update(missing=1, repaired=1)
    assert rules.BY_KEY["mirror"].look() == (1, "Mirrors that differed from Notion: inbox: 1 missed, 0 doubled.")
    Reconciliation.objects.update(opened_at=timezone.now() - timedelta(days=2))
    assert rules.BY_KEY["mirror"].look().value is None
    assert rules.BY_KEY["notion.blocked"].look().value == 0
    assert isinstance(standstill.begin("Notion answered 429."), Misconfigured)
    assert rules.BY_KEY["notion.blocked"].look().value == 1
    row = Standstill.objects.get()
    wish: dict[str, Any] = {"_form_submitted": "True", "reason": "Support has lifted it."}
    admin_client.post(f"/admin/notion_sync/standstill/{row.pk}/lift/", wish)
    assert rules.BY_KEY["notion.blocked"].look().value == 0
    standstill.check()


def test_what_waited_for_a_standstill_goes_on_once_it_is_lifted(admin_client: Client) -> None:
    blocked = standstill.begin("Notion answered 429.")
    row, later = Standstill.objects.get(), Now() + timedelta(minutes=5)
    waiting = {"kind": "create", "source_key": "tasks", "purpose": "a task", "values": {}, "due_at": later}
    for why in (blocked.why, "Notion asks for a pause."):
        OutboxEntry.objects.create(**waiting, emm_id=uuid.uuid4(), last_error=why)
    page = f"/admin/notion_sync/standstill/{row.pk}/"
    assert "press Ask Notion again" in admin_client.get(f"{page}change/").content.decode()
    assert f"{blocked.what} {blocked.fix}" in html.unescape(admin_client.get("/admin/").content.decode())
    assert not OutboxEntry.objects.due().exists()
    admin_client.post(f"{page}lift/", {"_form_submitted": "True", "reason": "Support has lifted it."})
    assert OutboxEntry.objects.due().get().last_error == blocked.why
    assert "requests are sent again" in admin_client.get(f"{page}change/").content.decode()


def test_prune_keeps_ninety_days_of_proofs() -> None:
    source = make_source("inbox")
    for days in (89, 91):
        Reconciliation.objects.create(source=source, status="done", opened_at=timezone.now() - timedelta(days=days))
    retention.prune()
    assert Reconciliation.objects.count() == 1
