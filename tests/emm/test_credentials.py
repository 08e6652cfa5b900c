"""Secrets entered in the console."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from emm import checks, credentials
from emm.audit import AuditEntry
from emm.credentials import Credential
from emm.jobs import Misconfigured

pytestmark = pytest.mark.django_db
CANARY = "canary-5f2a-never-shown"


def test_what_was_stored_comes_back_and_lies_encrypted() -> None:
    credentials.store("SLACK_SIGNING_SECRET", CANARY, by="system")
    assert credentials.get("SLACK_SIGNING_SECRET") == CANARY
    assert CANARY.encode() not in bytes(Credential.objects.get().encrypted)


def test_a_name_that_nobody_stored_is_none() -> None:
    assert credentials.get("SLACK_SIGNING_SECRET") is None


def test_the_environment_wins_over_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.store("SLACK_SIGNING_SECRET", CANARY, by="system")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "from the environment")
    assert credentials.get("SLACK_SIGNING_SECRET") == "from the environment"
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "  ")
    assert credentials.get("SLACK_SIGNING_SECRET") == CANARY


def test_storing_replaces_and_leaves_two_entries_without_the_secret() -> None:
    credentials.store("SLACK_SIGNING_SECRET", "the first secret", by="system")
    credentials.store("SLACK_SIGNING_SECRET", CANARY, by="system", reason="It leaked.")
    assert credentials.get("SLACK_SIGNING_SECRET") == CANARY
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "credential.store",
        "credential.replace",
    ]
    assert CANARY not in str(list(AuditEntry.objects.values()))


def test_a_secret_under_another_key_is_said_to_be_unreadable(settings: Any) -> None:
    credentials.store("SLACK_SIGNING_SECRET", CANARY, by="system")
    settings.EMM_ENCRYPTION_KEY = Fernet.generate_key().decode()
    with pytest.raises(Misconfigured, match="SLACK_SIGNING_SECRET cannot be decrypted"):
        credentials.get("SLACK_SIGNING_SECRET")


def test_an_encryption_key_of_the_wrong_shape_is_an_error_at_start(settings: Any) -> None:
    assert checks.encryption_key(None) == []
    settings.EMM_ENCRYPTION_KEY = "too short"
    assert [message.id for message in checks.encryption_key(None)] == ["emm.E001"]


def test_a_proxy_that_is_no_address_is_an_error_at_start(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "the proxy"]
    assert [message.id for message in checks.trusted_proxies(None)] == ["emm.E002"]
