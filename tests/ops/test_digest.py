"""Digests: each true to its span, no span told twice or never, in Notion and over the channels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from emm import schedule
from emm.jobs import JobQuerySet
from emm.tasks import job_model
from notion_sync import outbox
from notion_sync.models import Action, InboxItem, LogEntry, OutboxEntry
from ops import digest, overview
from ops.models import Alert, Digest, Notice, NoticePolicy
from tests.factories import database_now, make_channel, make_item, make_proposal, make_settlement, make_source
from tests.world import Sandbox, run, run_stage

pytestmark = pytest.mark.django_db
DAILY, WEEKLY = Digest.Kind.DAILY, Digest.Kind.WEEKLY


@pytest.fixture
def policy() -> NoticePolicy:
    """Digests end at the full hour that has just begun; the first begins two days ago."""
    now = database_now()
    row = NoticePolicy(hour=now.hour, weekday=now.weekday())
    row.save()
    NoticePolicy.objects.update(since=now - timedelta(days=2))
    row.refresh_from_db()
    return row


def test_a_digest_is_written_once_however_often_it_is_looked_for(policy: NoticePolicy) -> None:
    for _ in range(3):
        run_stage("digests")
    assert sorted(Digest.objects.values_list("kind", flat=True)) == ["daily", "weekly"]


def test_spans_follow_each_other_without_a_gap_also_after_days_of_silence(policy: NoticePolicy) -> None:
    end = digest.boundary(DAILY, policy, database_now())
    Digest.objects.create(
        kind=DAILY, starts_at=end - timedelta(days=4), ends_at=end - timedelta(days=3), subject="Old", body="Old"
    )
    run_stage("digests")
    newest = Digest.objects.filter(kind=DAILY).order_by("-ends_at")[0]
    assert (newest.starts_at, newest.ends_at) == (end - timedelta(days=3), end)


def test_nothing_is_written_for_the_time_before_the_first_hour(db: None) -> None:
    NoticePolicy(hour=(database_now() + timedelta(hours=2)).hour).save()
    run_stage("digests")
    assert not Digest.objects.exists()


def test_it_tells_what_happened_in_its_span_and_nothing_else(policy: NoticePolicy) -> None:
    end = digest.boundary(DAILY, policy, database_now())
    within, before, after = end - timedelta(hours=1), policy.since - timedelta(hours=1), end
    for name, at in (("Within", within), ("Before", before), ("After", after)):
        settled = make_settlement(make_proposal(make_item(name, state=InboxItem.State.DONE)))
        Action.objects.filter(pk=settled.action_id).update(title=f"{name} decided")
        type(settled).objects.filter(pk=settled.pk).update(
            status="done", status_since=at, decision="Approved", acceptance_rate=0.5
        )
        alert = Alert.objects.create(key=f"slo.{name}", severity="warning", detail=f"{name} fired.", cleared_at=Now())
        Alert.objects.filter(pk=alert.pk).update(fired_at=at)
        proposal = make_proposal(make_item(name, state=InboxItem.State.PROPOSED))
        assert proposal.action is not None
        Action.objects.filter(pk=proposal.action.pk).update(title=f"{name} waits")
        InboxItem.objects.filter(pk=proposal.item_id).update(state_since=at)
    run_stage("digests")
    body = Digest.objects.get(kind=DAILY).body
    new, longer, done, _, problems = body.split("\n\n")[1:]
    assert "Within waits" in new
    assert "Before waits" in longer
    assert "After" not in body
    assert "Within decided: approved, accepted to 50%" in done
    assert "Before decided" not in body
    assert "Within fired." in problems
    assert "Before fired." not in body


def test_jobs_that_stopped_lead_to_their_list_from_the_digest_and_the_home_page(
    policy: NoticePolicy, admin_client: Client
) -> None:
    make_source("inbox")
    outbox.update_page(make_item(), {"Status": "Processing"}, purpose="show that we are at it", item=None)
    OutboxEntry.objects.update(status="never", last_error="Refused.")
    stopped = OutboxEntry.objects.get()
    run_stage("digests")
    said, page = Digest.objects.get(kind=DAILY).body.rpartition("- 1 job needs a person, of the stage deliver.\n")[1:]
    assert said
    address = page.split()[0]
    assert address.startswith(settings.PUBLIC_URL)
    path = address.removeprefix(settings.PUBLIC_URL)
    assert f'href="{path}"' in admin_client.get("/admin/").content.decode()
    assert f"/admin/notion_sync/outboxentry/{stopped.pk}/" in admin_client.get(path).content.decode()


@pytest.mark.parametrize("stage", [name for name, one in schedule.STAGES.items() if one.model])
def test_every_stage_has_a_list_of_what_stopped(
    stage: str, monkeypatch: pytest.MonkeyPatch, admin_client: Client
) -> None:
    monkeypatch.setattr(JobQuerySet, "stuck", JobQuerySet.all)
    monkeypatch.setattr(JobQuerySet, "count", lambda jobs: 2 if jobs.model is job_model(schedule.STAGES[stage]) else 0)
    (found,) = overview.stuck()
    monkeypatch.undo()
    assert (found.stage, found.jobs) == (stage, 2)
    assert admin_client.get(found.page).status_code == 200


def test_a_long_list_says_how_much_is_left_out(policy: NoticePolicy) -> None:
    for number in range(13):
        make_item(f"Item {number}", state=InboxItem.State.HELD, state_reason="Over budget.")
    run_stage("digests")
    assert "And 3 more" in Digest.objects.get(kind=DAILY).body


def test_many_held_items_hide_no_problem_that_concerns_all(policy: NoticePolicy) -> None:
    for number in range(13):
        make_item(f"Item {number}", state=InboxItem.State.HELD, state_reason="Stood there when it was adopted.")
    source = make_source("tasks")
    type(source).objects.filter(pk=source.pk).update(hold="Name is missing.")
    alert = Alert.objects.create(key="slo.poller", severity="critical", detail="No poll for an hour.")
    Alert.objects.filter(pk=alert.pk).update(
        fired_at=digest.boundary(DAILY, policy, database_now()) - timedelta(hours=1)
    )
    run_stage("digests")
    body = Digest.objects.get(kind=DAILY).body
    assert "Name is missing." in body
    assert "No poll for an hour." in body


def test_it_goes_to_the_channels_that_want_it_each_by_itself(policy: NoticePolicy) -> None:
    NoticePolicy.objects.update(weekly=False)
    wanted = [make_channel("one", digests=True), make_channel("two", digests=True)]
    make_channel("off", digests=True, enabled=False)
    make_channel("alerts only")
    run_stage("digests")
    assert {notice.channel for notice in Notice.objects.filter(about="digest")} == set(wanted)


def test_it_is_a_page_in_notion(workspace: Sandbox) -> None:
    now = database_now()
    NoticePolicy(hour=now.hour, weekly=False).save()
    NoticePolicy.objects.update(since=now - timedelta(days=1))
    make_item("Stuck <b>one</b>", state=InboxItem.State.HELD, state_reason="Over budget.")
    run_stage("digests")
    run(["deliver"])
    page = Digest.objects.get().page
    assert page is not None
    assert LogEntry.objects.get(pk=page.pk).page_id is not None
    text = workspace.as_person("GET", f"/pages/{page.page_id}/markdown")["markdown"]
    assert "Problems" in text
    assert "Over budget." in text


@given(
    st.integers(0, 3 * 365 * 24 * 60),
    st.integers(0, 23),
    st.integers(0, 6),
    st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Pacific/Apia", "Asia/Kathmandu"]),
    st.sampled_from([DAILY, WEEKLY]),
)
def test_a_span_ends_at_the_set_hour_of_the_place_and_is_never_ahead(
    minute: int, hour: int, weekday: int, zone: str, kind: Digest.Kind
) -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    policy = NoticePolicy(hour=hour, weekday=weekday, time_zone=zone)
    end = digest.boundary(kind, policy, now)
    local = end.astimezone(ZoneInfo(zone))
    longest = timedelta(days=1 if kind == DAILY else 7, hours=3)
    assert end <= now
    assert now - end < longest
    assert end.hour == hour
    assert local.utcoffset() is not None
    if kind == WEEKLY:
        assert end.weekday() == weekday


def test_a_time_zone_that_nobody_knows_is_refused(admin_client: Client, policy: NoticePolicy) -> None:
    page = "/admin/ops/noticepolicy/1/change/"
    form = {"time_zone": "Mars/Olympus", "hour": "7", "weekday": "0", "remind_after_hours": "24"}
    form |= {"escalate_after_hours": "72", "reason": "Try."}
    assert "not the name of a time zone" in admin_client.post(page, form).content.decode()
    assert "not the name" not in admin_client.post(page, form | {"time_zone": "Europe/Vienna"}).content.decode()
    assert NoticePolicy.current().time_zone == "Europe/Vienna"
