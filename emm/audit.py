"""What people and tokens did: who, when, to what, before and after, and why. Nothing in it is ever changed or deleted.

A trigger in the database refuses UPDATE and DELETE, except in a transaction that ran `SET LOCAL emm.retention = 'on'`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import structlog
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now

from emm import logs

if TYPE_CHECKING:
    from emm.tokens import ApiToken

# Who acts: a person, a token, or a part of the system by its name.
Actor: TypeAlias = Union[AbstractBaseUser, "ApiToken", str]


class AuditEntry(models.Model):
    """One deed. Users and tokens that stand in it are protected: they are deactivated or revoked, not deleted."""

    at = models.DateTimeField(db_default=Now(), db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    token = models.ForeignKey("emm.ApiToken", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=150, help_text="Who it was, as they were called then.")
    action = models.CharField(max_length=60, db_index=True, help_text="What was done: noun.verb.")
    object_kind = models.CharField(max_length=60, blank=True, help_text="Model of the row that it was done to.")
    object_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        # The console asks for the history of one row.
        indexes = [models.Index(fields=["object_kind", "object_id"], name="auditentry_object")]

    def __str__(self) -> str:
        return f"{self.action} by {self.label}"


def record(
    action: str,
    subject: models.Model | None,
    *,
    by: Actor,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write one entry, in the transaction of the deed. Secrets in `before` and `after` are hidden.

    `subject`: the row that it was done to; None where there is none.
    """
    who: dict[str, Any] = {"label": str(by)[:150]}
    if isinstance(by, AbstractBaseUser):
        who["user"] = by
    elif not isinstance(by, str):
        who["token"] = by
    return AuditEntry.objects.create(
        **who,
        action=action,
        object_kind=subject._meta.label if subject else "",
        object_id=str(subject.pk) if subject else "",
        before=logs.hide(dict(before)) if before is not None else None,
        after=logs.hide(dict(after)) if after is not None else None,
        reason=reason,
        request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
    )
