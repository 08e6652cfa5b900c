"""How often one client may ask, and who the client is."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory

from emm import limits, tokens


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "limits"}}
    settings.RATE_LIMIT_PER_MINUTE = 3
    cache.clear()


def statuses(count: int, **headers: str) -> list[int]:
    client = Client(headers=headers)
    return [client.get("/api/v1/poller").status_code for _ in range(count)]


@pytest.fixture
def secret(db: None) -> str:
    return tokens.issue("script", ["read"], by="test")[1]


def test_a_client_in_a_hurry_is_told_when_to_come_back(secret: str) -> None:
    assert statuses(4, Authorization=f"Bearer {secret}") == [200, 200, 200, 429]
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/poller")
    assert 1 <= int(answer["Retry-After"]) <= 62
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:emm:problem:throttled"


def test_one_token_does_not_use_up_anothers_share(secret: str) -> None:
    _, other = tokens.issue("other", ["read"], by="test")
    statuses(4, Authorization=f"Bearer {secret}")
    assert statuses(1, Authorization=f"Bearer {other}") == [200]


@pytest.mark.django_db
def test_guessing_tokens_is_limited_by_address_whatever_the_headers_claim() -> None:
    tried = [statuses(1, Authorization=f"Bearer emm_{n}", **{"X-Forwarded-For": f"10.0.0.{n}"})[0] for n in range(5)]
    assert tried == [401, 401, 401, 429, 429]


def test_the_limit_can_be_switched_off(secret: str, settings: Any) -> None:
    settings.RATE_LIMIT_ENABLED = False
    assert set(statuses(6, Authorization=f"Bearer {secret}")) == {200}


def test_without_redis_nothing_is_refused(secret: str, settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    assert set(statuses(5, Authorization=f"Bearer {secret}")) == {200}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody whom we trust said so
        ("10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # the client wrote the first one itself
        ("10.1.1.1", "198.51.100.1, 10.2.2.2", "198.51.100.1"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", "nonsense", "10.1.1.1"),
        ("::ffff:10.1.1.1", "2001:db8:0:1:2::3", "2001:db8:0:1:2::3"),
        ("", "198.51.100.1", "None"),
    ],
)
def test_only_trusted_proxies_say_who_the_client_is(settings: Any, peer: str, forwarded: str, client: str) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"X-Forwarded-For": forwarded} if forwarded else None)
    assert str(limits.client_address(request)) == client


def test_one_ipv6_client_is_its_whole_network() -> None:
    ask = RequestFactory()
    names = {limits.client(ask.get("/", REMOTE_ADDR=f"2001:db8:0:1::{n}")) for n in range(3)}
    assert names == {"address 2001:db8:0:1::/64"}
