"""The audit log: who did what, and that nobody can change it afterwards."""

from __future__ import annotations

from decimal import Decimal

import pytest
import structlog
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from emm import tokens
from emm.audit import AuditEntry, record

pytestmark = pytest.mark.django_db


def run_sql(statement: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


@pytest.mark.parametrize("statement", ["UPDATE emm_auditentry SET label = 'nobody'", "DELETE FROM emm_auditentry"])
def test_the_database_refuses_to_change_what_was_written(statement: str) -> None:
    record("poller.pause", None, by="system")
    with pytest.raises(IntegrityError, match="never changed or deleted"):
        run_sql(statement)
    assert AuditEntry.objects.get().label == "system"


def test_retention_may_delete_within_one_transaction() -> None:
    record("poller.pause", None, by="system")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL emm.retention = 'on'")
        cursor.execute("DELETE FROM emm_auditentry")
        assert cursor.rowcount == 1
        cursor.execute("SET LOCAL emm.retention = 'off'")


def test_an_entry_says_who_did_what_to_which_row_and_why() -> None:
    user = User.objects.create_user("ada")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        entry = record(
            "budget.change", user, by=user, before={"limit": Decimal("1.5")}, after={"limit": 2}, reason="More."
        )
    entry.refresh_from_db()
    assert (entry.user, entry.token, entry.label, entry.request_id) == (user, None, "ada", "r-1")
    assert (entry.object_kind, entry.object_id) == ("auth.User", str(user.pk))
    assert (entry.before, entry.after, entry.reason) == ({"limit": "1.5"}, {"limit": 2}, "More.")


def test_a_token_can_be_the_one_who_acts() -> None:
    token, _ = tokens.issue("script", ["operate"], by="system")
    entry = record("poller.pause", None, by=token)
    assert (entry.user, entry.token, entry.label) == (None, token, str(token))


def test_secrets_never_reach_the_log() -> None:
    deep = {
        "api_key": "hunter2hunter2",
        "nested": [{"note": "Bearer abcdef"}],
        "password1": "hunter2hunter2",
        "limit": 5,
    }
    entry = record("x.y", None, by="system", before=deep, after=deep)
    assert entry.before == entry.after
    assert entry.before == {
        "api_key": "[hidden]",
        "nested": [{"note": "Bearer [hidden]"}],
        "password1": "[hidden]",
        "limit": 5,
    }


def test_who_stands_in_the_log_cannot_be_deleted() -> None:
    user = User.objects.create_user("ada")
    record("x.y", None, by=user)
    with pytest.raises(ProtectedError):
        user.delete()
