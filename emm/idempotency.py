"""POST once in effect: a request with an Idempotency-Key is done once, and answered alike however often it comes."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.db.models.functions import Now
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from emm import tokens
from emm.tokens import ApiToken

KEPT = timedelta(hours=24)
LONGEST = 255

View = Callable[..., Response]


class IdempotencyKey(models.Model):
    """One request that was done, and what was answered. Kept for a day."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=LONGEST)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body, in hex.")
    status = models.PositiveSmallIntegerField()
    body = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="idempotencykey_once")]

    def __str__(self) -> str:
        return self.key


class KeyReused(APIException):
    """The key came before with another request."""

    status_code = 422
    default_detail = "This Idempotency-Key was used for another request."
    default_code = "idempotency_key_reused"


class InProgress(APIException):
    """The first request with this key has not ended."""

    status_code = 409
    default_detail = "A request with this Idempotency-Key is in progress."
    default_code = "idempotency_in_progress"


def idempotent(view: View) -> View:
    """Let a view's method honour Idempotency-Key. What it does must lie in the database: both commit together.

    So a crash leaves neither, and a refusal leaves no key: the client may mend its request and send it again.
    """

    @functools.wraps(view)
    def once(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return view(self, request, *args, **kwargs)
        if len(key) > LONGEST:
            raise ValidationError({"Idempotency-Key": [f"Longer than {LONGEST} characters."]})
        token = tokens.of(request)
        with transaction.atomic():
            _take(token, key)
            IdempotencyKey.objects.filter(created_at__lt=Now() - KEPT).delete()
            fingerprint = _fingerprint(request)
            known = IdempotencyKey.objects.filter(token=token, key=key).first()
            if known is not None:
                if known.fingerprint != fingerprint:
                    raise KeyReused
                return Response(known.body, known.status, headers={"Idempotency-Replayed": "true"})
            response = view(self, request, *args, **kwargs)
            IdempotencyKey.objects.create(
                token=token, key=key, fingerprint=fingerprint, status=response.status_code, body=response.data
            )
            return response

    return once


def lock_of(token: ApiToken, key: str) -> int:
    """The number of the advisory lock that stands for the key."""
    name = hashlib.sha256(f"{token.pk} {key}".encode()).digest()
    return int.from_bytes(name[:8], "big", signed=True)


def _take(token: ApiToken, key: str) -> None:
    """Hold the key until the transaction ends. Raises InProgress if another request does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock_of(token, key)])
        if not cursor.fetchone()[0]:
            raise InProgress


def _fingerprint(request: Request) -> str:
    said = json.dumps([request.method, request.get_full_path(), request.data], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
