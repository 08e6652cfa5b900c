"""What every API view shares: pages, problems, limits, keys that make a POST happen once."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from emm import idempotency, tokens
from emm.audit import AuditEntry
from emm.idempotency import IdempotencyKey
from notion_sync import polling
from notion_sync.models import InboxItem, Poller

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    _, secret = tokens.issue("script", ["admin"], by="test")
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture(autouse=True)
def generous(settings: Any) -> None:
    settings.RATE_LIMIT_ENABLED = False


def pause(client: Client, reason: str = "Maintenance.", **headers: str) -> Any:
    return post(client, "pause", {"reason": reason}, headers=headers)


def post(client: Client, verb: str, body: Any = None, headers: Any = None) -> Any:
    return client.post(f"/api/v1/poller/{verb}", body, content_type="application/json", headers=headers)


def items(count: int) -> list[int]:
    made = InboxItem.objects.bulk_create([InboxItem(title=f"Item {n}") for n in range(count)])
    return sorted((item.pk for item in made), reverse=True)


def test_pages_follow_each_other_to_the_end(client: Client) -> None:
    made = items(5)
    address, seen = "/api/v1/items?page_size=2", []
    while address:
        page = client.get(address).json()
        seen.append([item["id"] for item in page["results"]])
        address = page["next"]
    assert seen == [made[:2], made[2:4], made[4:]]


def test_rows_that_come_meanwhile_shift_nothing(client: Client) -> None:
    made = items(4)
    first = client.get("/api/v1/items?page_size=2").json()
    items(3)
    second = client.get(first["next"]).json()
    assert [item["id"] for item in second["results"]] == made[2:]


def test_a_page_keeps_the_filter(client: Client) -> None:
    made = items(3)
    InboxItem.objects.filter(pk=made[1]).update(state=InboxItem.State.HELD)
    page = client.get("/api/v1/items?state=waiting&page_size=1").json()
    assert "state=waiting" in page["next"]
    assert [item["id"] for item in client.get(page["next"]).json()["results"]] == [made[2]]


def test_a_full_last_page_has_no_next(client: Client) -> None:
    items(2)
    assert client.get("/api/v1/items?page_size=2").json()["next"] is None


def test_a_list_is_never_counted(client: Client, django_assert_max_num_queries: Any) -> None:
    items(3)
    with django_assert_max_num_queries(3) as queries:
        client.get("/api/v1/items")
    assert not any("COUNT(" in query["sql"].upper() for query in queries.captured_queries)


@pytest.mark.parametrize(
    "query", ["page_size=101", "page_size=0", "page_size=x", "page_size=²", "cursor=!!", "cursor=YWJj", "state=gone"]
)
def test_a_query_that_cannot_be_is_a_400_that_names_it(client: Client, query: str) -> None:
    answer = client.get(f"/api/v1/items?{query}")
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [query.split("=")[0]]


def test_a_problem_says_what_where_and_under_which_id(client: Client) -> None:
    answer = client.get("/api/v1/items/0", headers={"X-Request-ID": "mine-1"})
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:emm:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "Not found.",
        "instance": "/api/v1/items/0",
        "request_id": "mine-1",
    }


def test_an_address_that_does_not_exist_is_a_problem_too(client: Client) -> None:
    answer = client.get("/api/v1/nothing")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_our_own_faults_are_problems_without_details(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(polling, "poller", fail)
    client.raise_request_exception = False
    answer = client.get("/api/v1/poller")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert b"canary" not in answer.content


def test_other_methods_and_types_are_refused(client: Client) -> None:
    assert client.delete("/api/v1/items").status_code in (403, 405)
    form = client.post("/api/v1/poller/pause", {"reason": "x"})
    assert (form.status_code, form["Content-Type"]) == (415, "application/problem+json")
    assert client.get("/api/v1/items", headers={"Accept": "text/html"}).status_code == 406


@pytest.mark.parametrize("body", ["{", "[" * 100_000, '{"reason": NaN}', b"\xff"])
def test_what_is_not_json_is_a_400(client: Client, body: Any) -> None:
    answer = client.post("/api/v1/poller/pause", body, content_type="application/json")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:emm:problem:parse_error")


def test_a_body_beyond_the_bound_is_not_read(client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert pause(client, "x" * 100).status_code == 413
    assert pause(client, "x" * 50).status_code == 200


def test_characters_that_the_database_refuses_are_replaced(client: Client) -> None:
    body = r'{"reason": "a\u0000b\ud800"}'
    assert client.post("/api/v1/poller/pause", body, content_type="application/json").status_code == 200
    assert AuditEntry.objects.get(action="poller.pause").reason == "a\ufffdb\ufffd"


class TestIdempotency:
    def test_a_request_is_done_once_and_answered_alike(self, client: Client) -> None:
        first = post(client, "poll-now", headers={"Idempotency-Key": "k"})
        second = post(client, "poll-now", headers={"Idempotency-Key": "k"})
        assert (first.status_code, first.json()) == (second.status_code, second.json()) == (202, {"polls": 0})
        assert second["Idempotency-Replayed"] == "true"
        assert AuditEntry.objects.filter(action="poller.poll_now").count() == 1

    def test_without_a_key_it_is_done_each_time(self, client: Client) -> None:
        post(client, "poll-now")
        post(client, "poll-now")
        assert AuditEntry.objects.filter(action="poller.poll_now").count() == 2

    def test_another_body_under_the_same_key_is_a_422(self, client: Client) -> None:
        assert pause(client, "One.", **{"Idempotency-Key": "k"}).status_code == 200
        assert pause(client, "Two.", **{"Idempotency-Key": "k"}).status_code == 422

    def test_another_address_under_the_same_key_is_a_422(self, client: Client) -> None:
        assert pause(client, **{"Idempotency-Key": "k"}).status_code == 200
        assert post(client, "resume", headers={"Idempotency-Key": "k"}).status_code == 422

    def test_another_tokens_key_is_another_key(self, client: Client) -> None:
        _, secret = tokens.issue("other", ["operate"], by="test")
        other = Client(headers={"Authorization": f"Bearer {secret}"})
        assert pause(client, "One.", **{"Idempotency-Key": "k"}).status_code == 200
        assert pause(other, "Two.", **{"Idempotency-Key": "k"}).status_code == 200

    def test_a_refusal_leaves_no_key(self, client: Client) -> None:
        assert pause(client, " ", **{"Idempotency-Key": "k"}).status_code == 400
        assert not IdempotencyKey.objects.exists()
        assert pause(client, "Now with a reason.", **{"Idempotency-Key": "k"}).status_code == 200

    def test_while_the_first_is_under_way_the_second_is_a_409(self, client: Client) -> None:
        lock = idempotency.lock_of(tokens.ApiToken.objects.get(), "k")
        with psycopg.connect(**_connection(), autocommit=True) as first:
            first.execute("SELECT pg_advisory_lock(%s)", [lock])
            assert pause(client, **{"Idempotency-Key": "k"}).status_code == 409
        assert pause(client, **{"Idempotency-Key": "k"}).status_code == 200

    def test_a_key_is_forgotten_after_a_day(self, client: Client) -> None:
        pause(client, "One.", **{"Idempotency-Key": "k"})
        IdempotencyKey.objects.update(created_at=Now() - timedelta(hours=25))
        assert pause(client, "Two.", **{"Idempotency-Key": "k"}).status_code == 200

    def test_a_key_that_is_too_long_is_refused(self, client: Client) -> None:
        assert pause(client, **{"Idempotency-Key": "k" * 256}).status_code == 400


def _connection() -> dict[str, Any]:
    given = connection.get_connection_params()
    return {name: given[name] for name in ("dbname", "user", "host", "port", "password") if given.get(name)}


def test_the_poller_can_be_read_paused_and_resumed(client: Client) -> None:
    assert client.get("/api/v1/poller").json()["status"] == "running"
    assert pause(client).json()["status"] == "paused"
    assert Poller.objects.get().status == "paused"
    assert client.post("/api/v1/poller/resume").json()["status"] == "running"
    assert list(
        AuditEntry.objects.filter(action__startswith="poller").order_by("pk").values_list("action", "reason")
    ) == [
        ("poller.pause", "Maintenance."),
        ("poller.resume", ""),
    ]


def test_reading_is_not_operating() -> None:
    _, secret = tokens.issue("reader", ["read"], by="test")
    reader = Client(headers={"Authorization": f"Bearer {secret}"})
    assert reader.get("/api/v1/poller").status_code == 200
    assert pause(reader).status_code == 403
    assert reader.post("/api/v1/poller/poll-now").status_code == 403


def test_the_description_of_the_api_is_valid_and_complete() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    paths = json.loads(out.getvalue())["paths"]
    assert {"/api/v1/items", "/api/v1/items/{id}", "/api/v1/analyses/{id}", "/api/v1/poller/pause"} <= set(paths)
    assert all("security" in operation for path in paths.values() for operation in path.values())


def test_the_description_can_be_browsed_without_a_token() -> None:
    assert Client().get("/api/schema/").status_code == 200
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    assert b"<script>" not in page.content
    script = Client().get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
