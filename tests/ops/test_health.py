"""What load balancers and scrapers are told."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from emm import credentials, heartbeat, schedule
from emm.heartbeat import Heartbeat
from notion_sync import control, polling
from notion_sync.models import BodyRead, DataSource, InboxItem, OutboxEntry
from ops import checklist, readiness
from ops.models import ProbeRun

pytestmark = pytest.mark.django_db


def everything_lives() -> None:
    heartbeat.note(heartbeat.BEAT, *(heartbeat.worker(queue) for queue in schedule.QUEUES))
    polling.poller()
    for key in ("inbox", "actions"):
        DataSource.objects.create(
            key=key, database_id=uuid.uuid4(), data_source_id=uuid.uuid4(), polled_at=timezone.now()
        )


def health() -> tuple[int, dict[str, Any]]:
    answer = Client().get("/health")
    return answer.status_code, answer.json()["components"]


def test_the_probes_stand_beside_the_parts_as_doctor_counts_them_and_fail_no_health_check() -> None:
    everything_lives()
    readiness.open_probes()
    ProbeRun.objects.filter(key="env.required").update(state="fail", seen_at=timezone.now())
    ProbeRun.objects.filter(key="env.log_level").update(state="pass", seen_at=timezone.now())
    answer = Client().get("/health")
    items = [item for item in checklist.load().items.values() if item.by_probe and not item.of_release]
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["probes"] == {"pass": 1, "fail": 1, "unknown": len(items) - 2}


def make_entry() -> OutboxEntry:
    return OutboxEntry.objects.create(
        kind="create", source_key="tasks", emm_id=uuid.uuid4(), purpose="a task", values={}
    )


def test_all_is_well_when_every_part_works() -> None:
    everything_lives()
    status, components = health()
    assert status == 200
    assert {name: one["state"] for name, one in components.items()} == dict.fromkeys(
        [
            "database", "broker", "worker_sync", "worker_llm", "worker_write", "beat", "notion", "claude", "poll", "outbox",
        ],
        "ok",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("component", "name", "page"),
    [
        ("notion", "NOTION_API_KEY", "/admin/notion_sync/setuprun/"),
        ("claude", "ANTHROPIC_API_KEY", "/admin/emm/credential/add/?name=ANTHROPIC_API_KEY"),
    ],
)
def test_a_missing_key_is_named_with_the_page_that_takes_it_and_counts_at_once(
    settings: Any, admin_client: Client, component: str, name: str, page: str
) -> None:
    everything_lives()
    setattr(settings, name, "")
    setattr(settings, name.replace("API_KEY", "IS_SANDBOX"), False)
    status, components = health()
    assert (status, components[component]["state"]) == (503, "misconfigured")
    assert components[component]["detail"].startswith(f"Not set up. There is no {name}. Paste it at http")
    assert page in components[component]["detail"]
    assert admin_client.get(page).status_code == 200
    credentials.store(name, "a-key-from-the-console", by="test")
    assert (health()[0], health()[1][component]["detail"]) == (200, "Its key is set.")


def test_a_key_that_cannot_be_decrypted_any_more_is_not_taken_for_one(settings: Any) -> None:
    credentials.store("NOTION_API_KEY", "a-key-from-the-console", by="test")
    settings.EMM_ENCRYPTION_KEY = Fernet.generate_key().decode()
    status, components = health()
    assert "Enter it again in the console." in components["notion"]["detail"]
    assert (status, components["notion"]["state"]) == (503, "misconfigured")


def test_a_worker_that_fell_silent_is_named() -> None:
    everything_lives()
    Heartbeat.objects.filter(process="worker:sync").update(at=Now() - timedelta(minutes=2))
    status, components = health()
    assert (status, components["worker_sync"]["state"]) == (503, "down")
    assert components["worker_sync"]["age_seconds"] == pytest.approx(120, abs=20)


def test_a_worker_whose_threads_are_all_at_work_is_busy_not_dead() -> None:
    everything_lives()
    Heartbeat.objects.filter(process="worker:sync").delete()
    job = BodyRead.objects.create(item=InboxItem.objects.create(title="A question"))
    assert BodyRead.claim(job.pk)
    status, components = health()
    assert (status, components["worker_sync"]["state"]) == (200, "busy")
    BodyRead.objects.update(leased_until=Now() - timedelta(seconds=1))
    assert health()[1]["worker_sync"]["state"] == "down"


def test_beat_that_fell_silent_is_named() -> None:
    everything_lives()
    Heartbeat.objects.filter(process="beat").update(at=Now() - timedelta(minutes=2))
    assert health()[1]["beat"]["state"] == "down"


def test_polls_that_stopped_are_late() -> None:
    everything_lives()
    DataSource.objects.filter(key="actions").update(polled_at=Now() - timedelta(hours=1))
    status, components = health()
    assert (status, components["poll"]["state"]) == (503, "late")
    assert components["poll"]["age_seconds"] == pytest.approx(3600, abs=20)


def test_a_paused_poller_is_healthy_and_says_so() -> None:
    everything_lives()
    DataSource.objects.update(polled_at=Now() - timedelta(hours=1))
    control.pause("Maintenance.", by="test")
    status, components = health()
    assert (status, components["poll"]["state"]) == (200, "paused")


def test_a_held_source_is_down() -> None:
    everything_lives()
    DataSource.objects.filter(key="inbox").update(hold="The integration lost its access.")
    assert health()[1]["poll"]["state"] == "down"


def test_before_set_up_there_is_nothing_to_poll() -> None:
    everything_lives()
    DataSource.objects.all().delete()
    status, components = health()
    assert (status, components["poll"]["state"]) == (200, "idle")


def test_writes_that_wait_too_long_are_late() -> None:
    everything_lives()
    entry = make_entry()
    assert health()[1]["outbox"]["state"] == "ok"
    OutboxEntry.objects.filter(pk=entry.pk).update(due_at=Now() - timedelta(minutes=11))
    status, components = health()
    assert (status, components["outbox"]["state"]) == (503, "late")
    OutboxEntry.objects.filter(pk=entry.pk).update(due_at=Now() + timedelta(minutes=11))
    assert health()[1]["outbox"]["state"] == "ok"


def test_a_dead_broker_is_named_and_everything_else_still_told(settings: Any) -> None:
    everything_lives()
    settings.REDIS_URL = "redis://:canary@127.0.0.1:1/0"
    status, components = health()
    assert (status, components["broker"]["state"], components["poll"]["state"]) == (503, "down", "ok")
    assert "canary" not in str(components)


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live", "/"])
def test_head_is_answered_and_other_methods_are_not(path: str) -> None:
    everything_lives()
    head = Client().head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert Client().post(path).status_code == 405


def test_ready_once_the_schema_is_current() -> None:
    answer = Client().get("/health/ready")
    assert answer.status_code == 200
    assert {one["state"] for one in answer.json()["components"].values()} == {"ok"}


def test_live_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/health/live").status_code == 200


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html;q=0.5"])
def test_the_root_tells_programs_who_we_are(accept: str | None) -> None:
    polling.poller()
    answer = Client(headers={"Accept": accept} if accept else None).get("/")
    assert answer.status_code == 200
    assert answer.json()["name"] == "Executive Mind Matrix"
    assert answer.json()["poller_running"] is True
    assert answer.json()["health"] == "/health"


def test_the_root_sends_people_to_the_console() -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = Client(headers={"Accept": browser}).get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_a_paused_poller_shows_at_the_root() -> None:
    control.pause("Maintenance.", by="test")
    assert Client().get("/").json()["poller_running"] is False


class TestMetrics:
    def test_this_machine_may_read_them_outside_production(self) -> None:
        answer = Client().get("/metrics")
        assert answer.status_code == 200
        assert b"django_http_requests" in answer.content

    def test_a_stranger_may_not(self) -> None:
        answer = Client().get("/metrics", REMOTE_ADDR="203.0.113.9")
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')

    def test_a_stranger_behind_a_proxy_may_not(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = ["127.0.0.1"]
        assert Client().get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401

    def test_whoever_has_the_token_may(self, settings: Any) -> None:
        settings.METRICS_TOKEN = "a-token-for-metrics"
        ask = Client(REMOTE_ADDR="203.0.113.9")
        assert ask.get("/metrics", headers={"Authorization": "Bearer a-token-for-metrics"}).status_code == 200
        assert ask.get("/metrics", headers={"Authorization": "Bearer é"}).status_code == 401
        assert ask.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401

    def test_in_production_only_a_trusted_address_may_without(self, settings: Any) -> None:
        settings.PRODUCTION = True
        assert Client().get("/metrics").status_code == 401
        settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
        assert Client().get("/metrics", REMOTE_ADDR="10.1.1.1").status_code == 200

    def test_they_can_be_switched_off(self, settings: Any) -> None:
        settings.ENABLE_METRICS = False
        assert Client().get("/metrics").status_code == 404
