"""The console: what people can do there, and what they can't."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client, RequestFactory

from analysis.models import Budget, ModelPrice
from emm import credentials, schedule, tasks, tokens
from emm.admin import JobAdmin
from emm.audit import AuditEntry
from emm.tokens import ApiToken
from notion_sync import polling
from notion_sync.models import DataSource, InboxItem, NotionCall, OutboxEntry, PollCycle, Poller
from tests.factories import make_source, staff

pytestmark = pytest.mark.django_db


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def make_entry(**values: Any) -> OutboxEntry:
    return OutboxEntry.objects.create(
        **{"kind": "create", "source_key": "tasks", "emm_id": uuid.uuid4(), "purpose": "a task", "values": {}} | values
    )


def queue_again(client: Client, *entries: OutboxEntry) -> Any:
    chosen = {"action": "queue_again", "_selected_action": [entry.pk for entry in entries]}
    return client.post("/admin/notion_sync/outboxentry/", chosen)


def test_a_stopped_job_is_queued_again_from_its_own_page_and_no_other(admin_client: Client) -> None:
    never, done = make_entry(status="never", last_error="Refused."), make_entry(status="done")
    pages = {entry: f"/admin/notion_sync/outboxentry/{entry.pk}" for entry in (never, done)}
    shown = {
        entry: "queue_this_again" in admin_client.get(f"{page}/change/").content.decode()
        for entry, page in pages.items()
    }
    assert shown == {never: True, done: False}
    for page in pages.values():
        admin_client.post(f"{page}/queue_this_again/", {"_form_submitted": "True"})
    assert [OutboxEntry.objects.get(pk=entry.pk).status for entry in (never, done)] == ["waiting", "done"]
    assert AuditEntry.objects.get().object_id == str(never.pk)


def test_stopped_jobs_are_queued_again_and_counted(admin_client: Client) -> None:
    dead, done = make_entry(status="dead", failures=5, last_error="Boom."), make_entry(status="done")
    answer = queue_again(admin_client, dead, done)
    assert said(answer) == "1 queued again. 1 had not stopped, or a newer one does the same: left alone."
    dead.refresh_from_db()
    assert (dead.status, dead.failures) == ("waiting", 0)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.label, entry.object_id) == ("outboxentry.queue_again", "admin", str(dead.pk))
    assert entry.before == {"status": "dead", "failures": 5, "last_error": "Boom."}


def test_a_stopped_poll_is_left_alone_while_a_newer_one_of_its_source_is_under_way(admin_client: Client) -> None:
    source = make_source("inbox")
    stopped, _newer = (PollCycle.objects.create(source=source, status=status) for status in ("dead", "waiting"))
    page = f"/admin/notion_sync/pollcycle/{stopped.pk}"
    answer = admin_client.post(f"{page}/queue_this_again/", {"_form_submitted": "True"})
    assert said(answer) == "It had not stopped, or a newer one does the same: left alone."
    assert PollCycle.objects.get(pk=stopped.pk).status == "dead"


@pytest.mark.parametrize("stage", [name for name, one in schedule.STAGES.items() if one.model and name != "probe"])
def test_every_stage_says_in_the_console_that_a_row_in_trouble_is_tried_again(stage: str, rf: RequestFactory) -> None:
    # All but the probes, which the readiness page shows with when they are run.
    row = tasks.job_model(schedule.STAGES[stage])(last_error="Why.", due_at=datetime(2026, 11, 26, 9, 30, tzinfo=UTC))
    page = admin.site._registry[type(row)]
    assert isinstance(page, JobAdmin)
    assert page.error(row) == "Why. It is tried again by itself at 2026-11-26 09:30:00 UTC."
    request = rf.get("/")
    request.user = User(is_superuser=True)
    assert "what_next" in page.get_fields(request, row), "on its own page too"


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_no_page_of_a_row_shows_a_field_twice(model: type[Model], rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    page = admin.site._registry[model]
    shown = [
        getattr(field, "short_description", field)
        for field in flatten_fieldsets(page.get_fieldsets(request, model(pk=0)))
    ]
    assert sorted(set(map(str, shown))) == sorted(map(str, shown))


def test_who_may_only_look_cannot_queue_again() -> None:
    dead = make_entry(status="dead")
    queue_again(staff("view_outboxentry"), dead)
    dead.refresh_from_db()
    assert dead.status == "dead"


@pytest.mark.parametrize("look", ["stuck", "failing", "late", "unfinished", "nonsense"])
def test_jobs_can_be_asked_for_by_a_question(admin_client: Client, look: str) -> None:
    entry = make_entry(status="dead")
    answer = admin_client.get(f"/admin/notion_sync/outboxentry/?look={look}")
    shown = f"/admin/notion_sync/outboxentry/{entry.pk}/" in answer.content.decode()
    assert shown == (look in ("stuck", "nonsense"))


def test_large_tables_are_never_counted(admin_client: Client, django_assert_max_num_queries: Any) -> None:
    item = InboxItem.objects.create(title="A question")
    NotionCall.objects.bulk_create([NotionCall(method="GET", route="/x", duration_ms=1, item=item) for _ in range(60)])
    with django_assert_max_num_queries(8) as queries:
        assert admin_client.get("/admin/notion_sync/notioncall/").status_code == 200
    assert not any("COUNT(" in query["sql"].upper() for query in queries.captured_queries)


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
@pytest.mark.parametrize(
    "model", ["emm/auditentry", "notion_sync/inboxitem", "notion_sync/outboxentry", "analysis/llmcall"]
)
def test_ledgers_and_mirrors_are_read_only(admin_client: Client, model: str, verb: str) -> None:
    row = InboxItem.objects.create(title="A question") if model.endswith("inboxitem") else None
    path = "add/" if verb == "add" else f"{row.pk if row else 1}/{verb}/"
    answer = admin_client.post(f"/admin/{model}/{path}", {"title": "Changed"})
    assert answer.status_code in (302, 403)
    if row:
        row.refresh_from_db()
        assert row.title == "A question"


def test_what_people_wrote_in_notion_is_escaped(admin_client: Client) -> None:
    evil = '<script>alert("x")</script>'
    item = InboxItem.objects.create(title=evil, values={"Note": evil}, state_reason=evil, url="javascript:alert(1)")
    pages = [
        admin_client.get(f"/admin/notion_sync/inboxitem/{path}").content.decode() for path in ("", f"{item.pk}/change/")
    ]
    assert all(evil not in page and "&lt;script&gt;" in page for page in pages)
    assert all('href="javascript:' not in page for page in pages)


def test_a_page_in_notion_is_one_click_away(admin_client: Client) -> None:
    InboxItem.objects.create(title="A question", url="https://www.notion.so/p?a=1&b=2")
    page = admin_client.get("/admin/notion_sync/inboxitem/").content.decode()
    assert 'href="https://www.notion.so/p?a=1&amp;b=2"' in page
    assert 'rel="noopener noreferrer"' in page


def dialog(client: Client, action: str, **values: str) -> Any:
    return client.post(f"/admin/notion_sync/poller/1/{action}/", {"_form_submitted": "True"} | values)


def test_the_poller_is_paused_with_a_reason_and_resumed(admin_client: Client) -> None:
    polling.poller()
    assert "required" in dialog(admin_client, "pause").content.decode()
    assert Poller.objects.get().status == "running"
    assert dialog(admin_client, "pause", reason="Maintenance.")["HX-Redirect"] == "/admin/notion_sync/poller/1/change/"
    assert Poller.objects.get().status == "paused"
    dialog(admin_client, "resume", reason="Over.")
    assert Poller.objects.get().status == "running"
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "label", "reason")) == [
        ("poller.pause", "admin", "Maintenance."),
        ("poller.resume", "admin", "Over."),
    ]


def test_looking_at_a_dialog_does_nothing(admin_client: Client) -> None:
    polling.poller()
    for action in ("pause", "poll_now", "resume"):
        assert admin_client.get(f"/admin/notion_sync/poller/1/{action}/").status_code == 200
    assert not AuditEntry.objects.exists()


def test_a_dialog_needs_the_permission_to_change() -> None:
    polling.poller()
    assert dialog(staff("view_poller"), "pause", reason="x").status_code == 403


def test_poll_now_says_what_came_of_it(admin_client: Client) -> None:
    polling.poller()
    answer = dialog(admin_client, "poll_now")
    assert "Nothing was opened" in said(answer)
    assert AuditEntry.objects.get().action == "poller.poll_now"


def test_the_poller_tells_how_far_each_poll_is_and_what_it_waits_for(admin_client: Client) -> None:
    polling.poller()
    page = "/admin/notion_sync/poller/1/change/"
    assert "No poll." in admin_client.get(page).content.decode()
    ended, runs, waits = (
        DataSource.objects.create(key=key, database_id=uuid.uuid4(), data_source_id=uuid.uuid4())
        for key in ("inbox", "nodes", "tasks")
    )
    why = "Notion is <busy>."
    PollCycle.objects.create(source=ended, trigger="interval", seen=7, requests=1, status="done")
    running = {"status": "running", "leased_until": datetime.now(UTC)}
    PollCycle.objects.create(source=runs, trigger="interval", seen=200, requests=2, last_error=why, **running)
    PollCycle.objects.create(source=waits, trigger="interval", seen=400, requests=4, last_error=why)
    shown = admin_client.get(page).content.decode()
    assert (
        "nodes: 200 pages read in 2 requests.<br>tasks: 400 pages read in 4 requests. Notion is &lt;busy&gt;." in shown
    )
    assert "inbox:" not in shown


def test_the_interval_is_changed_with_a_reason_within_bounds(admin_client: Client, settings: Any) -> None:
    settings.POLLING_INTERVAL_MINIMUM = 10
    before = polling.poller().interval_seconds
    for wrong in ({"interval_seconds": 9, "reason": "Faster."}, {"interval_seconds": 30}):
        assert admin_client.post("/admin/notion_sync/poller/1/change/", wrong).status_code == 200
    assert Poller.objects.get().interval_seconds == before
    right = {"interval_seconds": 30, "reason": "Faster."}
    assert admin_client.post("/admin/notion_sync/poller/1/change/", right).status_code == 302
    assert Poller.objects.get().interval_seconds == 30
    assert AuditEntry.objects.get().reason == "Faster."


def test_a_budget_changes_with_a_reason_and_both_values(admin_client: Client) -> None:
    budget = Budget.objects.update_or_create(scope="day", defaults={"limit_usd": "5"})[0]
    admin_client.post(f"/admin/analysis/budget/{budget.pk}/change/", {"limit_usd": "7", "reason": "A busy week."})
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("budget.change", "A busy week.")
    assert [float(value["limit_usd"]) for value in (entry.before, entry.after) if value] == [5, 7]


def test_an_amount_that_is_none_is_refused_in_words(admin_client: Client) -> None:
    budget = Budget.objects.update_or_create(scope="day", defaults={"limit_usd": "5"})[0]
    form = {"limit_usd": "-1", "reason": "A slip."}
    page = admin_client.post(f"/admin/analysis/budget/{budget.pk}/change/", form).content.decode()
    assert "A budget is not below 0." in page
    rates = dict.fromkeys(("input", "output", "cache_write_5m", "cache_write_1h", "cache_read"), "1")
    price = {
        "model": "claude-new",
        "valid_from": "2026-11-01",
        "above_tokens": "0",
        **rates,
        "output": "-10",
        "reason": "New.",
    }
    assert "No price is below 0." in admin_client.post("/admin/analysis/modelprice/add/", price).content.decode()
    assert not ModelPrice.objects.filter(model="claude-new").exists()


def test_a_token_is_issued_shown_once_and_revoked(admin_client: Client) -> None:
    form = {
        "label": "script",
        "scopes": ["read", "operate"],
        "reason": "For the script.",
        "expires_at_0": "",
        "expires_at_1": "",
        "limit_per_minute": "0",
    }
    admin_client.post("/admin/emm/apitoken/add/", form)
    assert not ApiToken.objects.exists()  # nothing at all is no limit
    form["limit_per_minute"] = "120"
    answer = admin_client.post("/admin/emm/apitoken/add/", form)
    (secret,) = (word for word in said(answer).split() if word.startswith("emm_"))
    token = ApiToken.objects.get()
    assert token.limit_per_minute == 120
    assert token.digest == tokens.digest_of(secret)
    page = admin_client.get(f"/admin/emm/apitoken/{token.pk}/change/").content.decode()
    assert token.digest not in page
    admin_client.post(f"/admin/emm/apitoken/{token.pk}/revoke/", {"_form_submitted": "True", "reason": "Lost."})
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert secret not in str(list(AuditEntry.objects.values()))


def test_a_credential_is_written_and_never_shown(admin_client: Client) -> None:
    form = {"name": "SLACK_SIGNING_SECRET", "value": "canary-secret", "reason": "New."}
    assert admin_client.post("/admin/emm/credential/add/", form).status_code == 302
    assert credentials.get("SLACK_SIGNING_SECRET") == "canary-secret"
    pk = credentials.Credential.objects.get().pk
    change = f"/admin/emm/credential/{pk}/change/"
    assert b"canary" not in admin_client.get(change).content
    assert admin_client.post(change, {"value": "another-secret", "reason": "It leaked."}).status_code == 302
    assert credentials.get("SLACK_SIGNING_SECRET") == "another-secret"
    admin_client.post(f"/admin/emm/credential/{pk}/delete/", {"post": "yes"})
    assert credentials.get("SLACK_SIGNING_SECRET") is None
    assert [e.action for e in AuditEntry.objects.order_by("pk")] == [
        "credential.store",
        "credential.replace",
        "credential.delete",
    ]
    assert "canary" not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize("model", ["apitoken", "credential"])
def test_secrets_are_for_superusers(model: str) -> None:
    client = staff(*(f"{verb}_{model}" for verb in ("view", "add", "change", "delete")))
    assert client.get(f"/admin/emm/{model}/").status_code == 403
    assert client.get(f"/admin/emm/{model}/add/").status_code == 403


def test_a_new_password_is_noted_and_not_kept(admin_client: Client) -> None:
    user = User.objects.create_user("ada")
    both = dict.fromkeys(("password1", "password2"), "canary-and-long-enough")
    form = both | {"usable_password": "true"}
    assert admin_client.post(f"/admin/auth/user/{user.pk}/password/", form).status_code == 302
    assert AuditEntry.objects.get().action == "user.password"
    assert "canary" not in str(list(AuditEntry.objects.values()))


def test_no_step_is_taken_by_following_a_link() -> None:
    """A step without a dialog runs on GET, which another site's page could ask for: only looking is free.

    The pages below show a price or an empty form on GET, and act on POST alone (tests/analysis/test_runs.py, test_replay.py).
    """
    asks_first = ["AnalysisAdmin.again", "AnalysisAdmin.argue_intent", "AnalysisAdmin.complete"]
    asks_first += ["PromptVersionAdmin.draft_from", "PromptVersionAdmin.replay"]
    free = []
    for page in admin.site._registry.values():
        for name in [*getattr(page, "actions_detail", ()), *getattr(page, "actions_list", ())]:
            step = getattr(page, name)
            if getattr(step, "dialog", None) is None and step.allowed_permissions != ["view"]:
                free.append(f"{type(page).__name__}.{name}")
    assert sorted(free) == asks_first
