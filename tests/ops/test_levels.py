"""Service levels, the alerts on them, and the messages that they send."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from emm import measures
from emm.measures import ProcessMinute
from emm.meter import BOUNDS_MS, METER, Meter
from notion_sync.models import NotionCall
from ops import alerts, figures, metrics, notices, objectives, papers, rules
from ops.figures import Span
from ops.models import Alert, Channel, Contact, Notice, Reading, RuleState, Shift
from ops.rules import Judged
from tests.factories import DEAF, make_channel
from tests.world import run_stage

pytestmark = pytest.mark.django_db


def now() -> datetime:
    return timezone.now()


def minute(ago: int, *, requests: int = 0, failed: int = 0, slow: int = 0, kind: str = "web", **columns: Any) -> None:
    """A row of one web process `ago` minutes back; `slow` of its requests took 2.5 s, the others 40 ms."""
    at = now().replace(second=0, microsecond=0) - timedelta(minutes=ago)
    buckets = [0] * (len(BOUNDS_MS) + 1)
    buckets[BOUNDS_MS.index(50)] = requests - slow
    buckets[BOUNDS_MS.index(3_000)] = slow
    usage = {"memory_bytes": 1, "cpu_percent": 1.0, "memory_percent": 1.0, "disk_percent": 1.0}
    ProcessMinute.objects.create(
        minute=at, kind=kind, process="one", requests=requests, failed=failed, buckets=buckets, **(usage | columns)
    )


def span(minutes: int = 60) -> Span:
    return Span(now() - timedelta(minutes=minutes), now())


# What is counted


def test_a_request_and_an_error_line_are_counted_and_written_once_however_often() -> None:
    before = METER.unwritten()[-1]
    Client().get("/health/live")
    logging.getLogger("tests").error("something broke")
    measures.flush("web")
    measures.flush("web")
    row = ProcessMinute.objects.order_by("-minute")[0]
    assert row.requests >= before.requests + 1 or row.minute > before.minute
    assert row.errors_logged >= 1
    assert sum(row.buckets) == row.requests
    assert row.memory_bytes > 1_000_000


def test_what_is_counted_while_a_minute_is_being_written_is_not_lost() -> None:
    meter = Meter()
    meter.request(5, failed=False)
    wanted = meter.unwritten()
    meter.request(5, failed=True)
    meter._tally.minute -= timedelta(minutes=1)  # the minute ends
    meter.forget(wanted)
    assert sum(tally.requests for tally in meter.unwritten()) == 2


@given(st.lists(st.floats(0, 20_000), max_size=30))
def test_every_request_is_in_one_bucket(times: list[float]) -> None:
    meter = Meter()
    for milliseconds in times:
        meter.request(milliseconds, failed=False)
    assert sum(sum(tally.buckets) for tally in meter.unwritten()) == len(times)


# What is made of it


def test_nothing_is_a_zero_before_it_was_measured() -> None:
    found = {standing.objective.key: standing.figure.value for standing in objectives.standings()}
    assert {key for key, value in found.items() if value is not None} <= {"slo.tokens"}


def test_uptime_is_the_share_of_minutes_with_a_living_web_process() -> None:
    for ago in (10, 9, 8, 7, 6, 4, 3, 2, 1):
        minute(ago)
    assert figures.uptime(span()).value == pytest.approx(90)


def test_latency_is_the_bucket_that_holds_the_95th_percentile() -> None:
    minute(1, requests=100, slow=5)
    assert figures.latency(span()).value == 0.05
    minute(2, requests=100, slow=10)
    assert figures.latency(span()).value == 3.0


def test_errors_are_a_share_of_the_requests_and_use_up_a_budget() -> None:
    minute(1, requests=1_000, failed=5)
    standing = objectives.standing(objectives.BY_KEY["slo.errors"])
    assert (standing.figure.value, standing.met) == (0.5, True)
    assert standing.budget_left == pytest.approx(50)


def test_refusals_of_what_we_asked_are_answers_and_silence_is_a_failure() -> None:
    for status in (200, 404, 409, 500, 429, None):
        NotionCall.objects.create(method="GET", route="/v1/users/me", status=status, duration_ms=10)
    assert figures.notion(span()).value == pytest.approx(50)


def test_a_process_that_grows_all_day_is_named() -> None:
    for ago in range(0, 360, 10):
        minute(ago, kind="worker", memory_bytes=200_000_000 - 300_000 * ago)
    standing = objectives.standing(objectives.BY_KEY["slo.growth"])
    assert standing.met is False
    assert "one" in standing.figure.detail


def test_readings_are_kept_every_five_minutes_and_draw_a_line() -> None:
    objectives.note()
    objectives.note()
    assert Reading.objects.filter(key="slo.uptime").count() == 1
    assert figures.sparkline([None, 1.0, 2.0, None, 3.0]) == ["30.0,23.0 60.0,12.0", "120.0,1.0 120.0,1.0"]
    assert figures.sparkline([None]) == []


def test_a_trend_stands_beside_its_target() -> None:
    assert figures.sparkline([1.0, None, 3.0], target=5.0) == ["0.0,23.0 0.0,23.0", "120.0,12.0 120.0,12.0"]
    assert figures.target_line([1.0, None, 3.0], 5.0) == "1.0"
    assert figures.target_line([None], 5.0) is figures.target_line([1.0], None) is None


def test_the_page_shows_every_objective_with_target_and_unit(admin_client: Client) -> None:
    minute(1, requests=100)
    objectives.note()
    page = admin_client.get("/admin/ops/reading/").content.decode()
    assert all(objective.title in page for objective in objectives.OBJECTIVES)
    assert "not measured yet" in page
    assert "below 2 s" in page


# Alerts


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Judged]:
    """One rule, critical from 1 on, which fires after two bad rounds and sees the last entry."""
    says = [Judged(0, "Fine.")]
    rule = replace(rules.BY_KEY["parts"], look=lambda: says[-1])
    monkeypatch.setattr(alerts, "RULES", (rule,))
    return says


def rounds(judged: list[Judged], *values: float | None) -> None:
    for value in values:
        judged.append(Judged(value, f"It is {value}."))
        alerts.review()


def test_flapping_makes_one_alert_and_one_recovery(judged: list[Judged], channel: Channel) -> None:
    rounds(judged, 1, 0, 1, 0, 1)
    assert not Alert.objects.exists()
    rounds(judged, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0)
    assert Alert.objects.count() == 1
    assert list(Notice.objects.order_by("pk").values_list("subject", flat=True)) == [
        rules.BY_KEY["parts"].title,
        f"Recovered: {rules.BY_KEY['parts'].title}",
    ]


def test_what_cannot_be_measured_neither_fires_nor_clears(judged: list[Judged], channel: Channel) -> None:
    rounds(judged, None, None, None)
    assert not Alert.objects.exists()
    rounds(judged, 1, 1, None, None, None, None)
    assert Alert.objects.get().cleared_at is None


def test_an_alert_links_its_runbook_and_its_page(judged: list[Judged], channel: Channel) -> None:
    rounds(judged, 1, 1)
    body = Notice.objects.get().body
    assert "docs/runbooks/service-down.md" in body
    assert f"/admin/ops/alert/{Alert.objects.get().pk}/change/" in body


def test_a_snooze_has_an_end_and_what_still_fires_then_is_told(
    judged: list[Judged], channel: Channel, admin_user: User
) -> None:
    with pytest.raises(ValidationError):
        alerts.snooze("parts", now() + timedelta(days=8), admin_user, "For ever.")
    alerts.snooze("parts", now() + timedelta(hours=1), admin_user, "Known.")
    rounds(judged, 1, 1, 1)
    assert Alert.objects.count() == 1
    assert not Notice.objects.exists()
    RuleState.objects.update(snoozed_until=Now() - timedelta(seconds=1))
    rounds(judged, 1)
    assert Notice.objects.count() == 1


def test_the_next_person_is_called_until_somebody_looks_after_it(judged: list[Judged], admin_user: User) -> None:
    people = []
    for order, name in enumerate(("first", "second", "third"), start=1):
        way = make_channel(name, least_severity="critical", enabled=True)
        people.append(Contact.objects.create(name=name, role="on call", order=order, channel=way))
    Shift.objects.create(contact=people[2], starts_at=now() - timedelta(hours=1), ends_at=now() + timedelta(hours=1))
    rounds(judged, 1, 1)

    def called() -> list[str]:
        found = Notice.objects.filter(subject__startswith="You are called").order_by("pk")
        return [notice.channel.name for notice in found]

    assert called() == ["third"]
    Alert.objects.update(escalated_at=Now() - timedelta(minutes=16))
    rounds(judged, 1)
    assert called() == ["third", "first"]
    alerts.acknowledge(Alert.objects.get(), admin_user)
    Alert.objects.update(escalated_at=Now() - timedelta(minutes=16))
    rounds(judged, 1)
    assert called() == ["third", "first"]
    with pytest.raises(ValidationError):
        alerts.acknowledge(Alert.objects.get(), admin_user)


def test_a_warning_does_not_wake_who_wants_critical_alerts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = replace(rules.BY_KEY["stuck"], look=lambda: Judged(1, "Slow."))
    monkeypatch.setattr(alerts, "RULES", (rule,))
    for name, least in (("all", "warning"), ("night", "critical")):
        make_channel(name, least_severity=least)
    alerts.review()
    assert [notice.channel.name for notice in Notice.objects.all()] == ["all"]


def test_every_rule_names_a_runbook_that_is_there_and_can_be_judged() -> None:
    for rule in rules.RULES:
        assert papers.has_section(rule.runbook), rule.key
        rule.look()
    assert len(rules.BY_KEY) == len(rules.RULES)


def test_the_rules_for_prometheus_are_those_of_the_code() -> None:
    out = StringIO()
    call_command("alert_rules", stdout=out)
    assert Path("config/alerts.yaml").read_text() == out.getvalue()
    found = yaml.safe_load(out.getvalue())["groups"][0]["rules"]
    assert len(found) == len(rules.RULES) + 1
    assert all(rule["annotations"]["runbook"] for rule in found)


def test_what_a_rule_judged_last_can_be_scraped() -> None:
    RuleState.objects.create(key="slo.errors", value=0.25)
    RuleState.objects.create(key="slo.latency", value=None)
    (family,) = metrics.Rules().collect()
    assert [(sample.labels["rule"], sample.value) for sample in family.samples] == [("slo.errors", 0.25)]


# Channels


class Inbox(BaseHTTPRequestHandler):
    received: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.received.append(json.loads(self.rfile.read(length)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def listener() -> Iterator[HTTPServer]:
    Inbox.received = []
    server = HTTPServer(("127.0.0.1", 0), Inbox)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def let_pass(**time: float) -> None:
    """Let the messages become so old, and due."""
    Notice.objects.update(opened_at=Now() - timedelta(**time), due_at=Now())
    run_stage("notify")


def test_a_dead_channel_mutes_no_other_and_is_found_out_within_minutes(listener: HTTPServer) -> None:
    dead, live = make_channel("dead", DEAF), make_channel("live", f"json://127.0.0.1:{listener.server_port}")
    notices.tell("Subject", "Body", about="test", channels=[dead, live])
    run_stage("notify")
    assert [(one["title"], one["message"]) for one in Inbox.received] == [("Subject", "Body")]
    assert notices.dead_channels() == []
    let_pass(minutes=3)
    assert notices.dead_channels() == [dead]
    assert "Channels" in rules._channels().detail


def test_what_a_channel_did_not_take_goes_out_with_the_first_message_that_it_takes(listener: HTTPServer) -> None:
    channel = make_channel("team", DEAF)
    notices.tell("First", "Body", about="alert", channels=[channel])
    for hours in (1, 5, 12, 18, 23):
        let_pass(hours=hours)
    waiting = Notice.objects.get()
    assert (waiting.status, waiting.failures) == ("waiting", 0)
    assert timedelta(minutes=59) < waiting.due_at - now() <= timedelta(hours=1)
    channel.url = f"json://127.0.0.1:{listener.server_port}"
    channel.save()
    notices.tell("Second", "Body", about="alert", channels=[channel])
    run_stage("notify")
    run_stage("notify")
    assert [one["title"] for one in Inbox.received] == ["Second", "First"]
    assert notices.dead_channels() == []


def test_a_message_that_no_channel_took_for_a_day_says_so_and_can_be_queued_again(
    listener: HTTPServer, admin_client: Client
) -> None:
    channel = make_channel("team", DEAF)
    notices.tell("Subject", "Body", about="alert", channels=[channel])
    let_pass(hours=25)
    given_up = Notice.objects.get()
    assert given_up.status == "never"
    assert "It was tried for a day." in given_up.last_error
    assert given_up.last_error in admin_client.get("/admin/ops/channel/").content.decode()
    assert notices.dead_channels() == [channel]
    channel.url = f"json://127.0.0.1:{listener.server_port}"
    channel.save()
    given_up.queue_again()
    run_stage("notify")
    assert len(Inbox.received) == 1


def test_the_address_of_a_channel_is_never_shown_again(admin_client: Client) -> None:
    form = {"name": "mail", "url": "mailto://me:canary-secret@mail.example.com", "enabled": "on", "reason": "New."}
    form |= {"least_severity": "warning"}
    answer = admin_client.post("/admin/ops/channel/add/", form)
    assert answer.status_code == 302, answer.content.decode()
    channel = Channel.objects.get()
    assert "canary-secret" in channel.url
    assert b"canary-secret" not in bytes(channel.encrypted_url)
    for page in ("/admin/ops/channel/", f"/admin/ops/channel/{channel.pk}/change/", "/admin/emm/auditentry/"):
        assert "canary-secret" not in admin_client.get(page).content.decode()
    kept = admin_client.post(f"/admin/ops/channel/{channel.pk}/change/", form | {"url": "", "enabled": ""})
    assert kept.status_code == 302
    channel.refresh_from_db()
    assert "canary-secret" in channel.url
    refused = admin_client.post("/admin/ops/channel/add/", form | {"name": "x", "url": "nonsense"})
    assert "no channel with such an address" in refused.content.decode()


def test_a_test_message_can_be_sent_from_the_page_of_a_channel(admin_client: Client, channel: Channel) -> None:
    page = f"/admin/ops/channel/{channel.pk}/send_test/"
    admin_client.get(page)
    assert not Notice.objects.exists()
    admin_client.post(page, {"_form_submitted": "True"})
    assert Notice.objects.get().about == "test"
