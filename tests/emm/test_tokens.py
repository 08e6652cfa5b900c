"""API tokens: what opens the door, and for what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from emm import tokens
from emm.audit import AuditEntry
from emm.tokens import ApiToken

pytestmark = pytest.mark.django_db


def ask(secret: str, header: str = "Authorization") -> Any:
    value = f"Bearer {secret}" if header == "Authorization" else secret
    return Client().get("/api/v1/items", headers={header: value})


def test_the_secret_is_shown_once_and_only_its_hash_is_kept() -> None:
    token, secret = tokens.issue("script", ["read"], by="system")
    assert secret.startswith("emm_")
    assert len(secret) >= 47
    assert secret not in str(ApiToken.objects.values().get())
    assert token.digest == tokens.digest_of(secret)
    assert secret.startswith(token.prefix)


def test_a_token_opens_the_door_in_either_header() -> None:
    _, secret = tokens.issue("script", ["read"], by="system")
    assert ask(secret).status_code == 200
    assert ask(secret, "X-API-Key").status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer emm_no"}, {"Authorization": "Basic abc"}, {"X-API-Key": "\xff"}]
)
def test_without_a_token_the_answer_is_401_and_says_how(headers: dict[str, str]) -> None:
    answer = Client().get("/api/v1/items", headers=headers)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Content-Type"] == "application/problem+json"


def test_a_revoked_token_stays_outside() -> None:
    token, secret = tokens.issue("script", ["read"], by="system")
    assert tokens.revoke(token, by="system", reason="Lost.")
    assert not tokens.revoke(token, by="system", reason="Again.")
    assert ask(secret).status_code == 401
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["token.issue", "token.revoke"]


def test_an_expired_token_stays_outside() -> None:
    _, secret = tokens.issue("script", ["read"], by="system")
    ApiToken.objects.update(expires_at=Now() + timedelta(hours=1))
    assert ask(secret).status_code == 200
    ApiToken.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert ask(secret).status_code == 401


def test_a_token_sleeps_with_its_user() -> None:
    user = User.objects.create_user("ada")
    _, secret = tokens.issue("ada's", ["read"], by=user, user=user)
    assert ask(secret).status_code == 200
    User.objects.update(is_active=False)
    assert ask(secret).status_code == 401


def test_a_scope_that_is_missing_is_a_403() -> None:
    _, secret = tokens.issue("script", ["review"], by="system")
    answer = ask(secret)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:emm:problem:permission_denied"


def test_admin_implies_every_scope() -> None:
    _, secret = tokens.issue("root", ["admin"], by="system")
    assert ask(secret).status_code == 200


def test_a_view_that_declares_no_scope_is_refused() -> None:
    class Forgotten(APIView):
        def get(self, request: Any) -> Response:
            return Response("open")

    _, secret = tokens.issue("root", ["admin"], by="system")
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {secret}"})
    assert Forgotten.as_view()(request).status_code == 403


def test_a_session_of_the_console_opens_no_api(admin_client: Client) -> None:
    assert admin_client.get("/api/v1/items").status_code == 401


def test_last_use_is_written_at_most_once_a_minute() -> None:
    token, secret = tokens.issue("script", ["read"], by="system")
    ask(secret)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    ask(secret)
    token.refresh_from_db()
    assert token.last_used_at == first
    ApiToken.objects.update(last_used_at=Now() - timedelta(seconds=61))
    ask(secret)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at >= first


def test_api_key_is_the_first_token(settings: Any) -> None:
    settings.API_KEY = "a-key-from-the-environment"
    tokens.ensure_first()
    tokens.ensure_first()
    assert ask(settings.API_KEY, "X-API-Key").status_code == 200
    token = ApiToken.objects.get()
    assert (token.label, token.prefix, sorted(token.scopes)) == ("system", "API_KEY", ["operate", "read", "review"])


def test_a_changed_api_key_takes_the_place_of_the_old_one(settings: Any) -> None:
    for key in ("the-first-of-the-keys", "the-second-of-the-keys", "the-first-of-the-keys"):
        settings.API_KEY = key
        tokens.ensure_first()
        assert ask(key).status_code == 200
    assert ask("the-second-of-the-keys").status_code == 401


def test_an_api_key_that_is_gone_opens_nothing(settings: Any) -> None:
    settings.API_KEY = "a-key-from-the-environment"
    tokens.ensure_first()
    settings.API_KEY = ""
    tokens.ensure_first()
    assert ask("a-key-from-the-environment").status_code == 401
    settings.API_KEY = "a-key-from-the-environment"
    tokens.ensure_first()
    assert ask("a-key-from-the-environment").status_code == 200


def test_an_api_key_that_a_person_revoked_stays_revoked(settings: Any) -> None:
    settings.API_KEY = "a-key-from-the-environment"
    tokens.ensure_first()
    tokens.revoke(ApiToken.objects.get(), by="system", reason="It leaked.")
    tokens.ensure_first()
    assert ask(settings.API_KEY).status_code == 401
