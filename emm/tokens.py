"""API tokens: only their hash is stored, they have scopes, they may expire, and they can be revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from emm import limits
from emm.audit import Actor, record

PREFIX = "emm_"
SYSTEM = "system"  # label of the token that API_KEY names
UNSET = "unset"  # stands where a digest would, and is the digest of nothing


class TokenQuerySet(models.QuerySet["ApiToken"]):
    """Queries over tokens, named as adjectives."""

    def live(self) -> TokenQuerySet:
        """Tokens that open the door now."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None)


class ApiToken(models.Model):
    """One token. The secret itself was shown once, when it was issued, and is nowhere."""

    class Scope(models.TextChoices):
        READ = "read", "read"
        INTAKE = "intake", "intake: put texts into the inbox"
        REVIEW = "review", "review: decide on proposals"
        OPERATE = "operate", "operate: poll, pause, queue again"
        ADMIN = "admin", "admin: everything"

    label = models.CharField(max_length=100, help_text="Whose it is, or what for.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="tokens"
    )
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret, in hex.")
    prefix = models.CharField(max_length=12, help_text="How the secret begins, to tell tokens apart.")
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope.choices))
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    limit_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests a minute. Empty: RATE_LIMIT_PER_MINUTE."
    )
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")

    objects = TokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        constraints = [
            models.UniqueConstraint(fields=["label"], condition=Q(label=SYSTEM), name="apitoken_one_system"),
            models.CheckConstraint(
                condition=Q(scopes__len__gt=0)
                & Q(scopes__contained_by=["read", "intake", "review", "operate", "admin"]),
                name="apitoken_known_scopes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…)"

    def allows(self, scope: str) -> bool:
        """Whether the token has `scope`; admin has all."""
        return scope in self.scopes or self.Scope.ADMIN in self.scopes


def issue(
    label: str,
    scopes: list[str],
    *,
    by: Actor,
    user: User | None = None,
    expires_at: datetime | None = None,
    limit_per_minute: int | None = None,
    reason: str = "",
) -> tuple[ApiToken, str]:
    """Make a token. Returns its row and its secret, which cannot be read again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            label=label,
            scopes=scopes,
            user=user,
            expires_at=expires_at,
            limit_per_minute=limit_per_minute,
            digest=digest_of(secret),
            prefix=secret[:10],
        )
        record(
            "token.issue",
            token,
            by=by,
            after={"label": label, "scopes": scopes, "expires_at": expires_at, "limit_per_minute": limit_per_minute},
            reason=reason,
        )
    return token, secret


def revoke(token: ApiToken, *, by: Actor, reason: str) -> bool:
    """Close a token for good. False: it was closed before."""
    with transaction.atomic():
        closed = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=Now())
        if closed:
            record("token.revoke", token, by=by, reason=reason)
    return bool(closed)


def ensure_first() -> None:
    """Make the token that API_KEY names, follow a changed key, close it when the key is gone.

    A key that a person revoked in the console stays revoked until another one is set.
    """
    digest = digest_of(settings.API_KEY) if settings.API_KEY else UNSET
    with transaction.atomic():
        token = ApiToken.objects.select_for_update().filter(label=SYSTEM).first()
        if token is None and settings.API_KEY:
            scopes = [ApiToken.Scope.READ, ApiToken.Scope.REVIEW, ApiToken.Scope.OPERATE]
            token = ApiToken.objects.create(label=SYSTEM, digest=digest, prefix="API_KEY", scopes=scopes)
            record("token.issue", token, by=SYSTEM, after={"scopes": scopes}, reason="API_KEY is set.")
        elif token is not None and token.digest != digest:
            closed_at = None if settings.API_KEY else Now()
            ApiToken.objects.filter(pk=token.pk).update(digest=digest, revoked_at=closed_at)
            record(
                "token.replace",
                token,
                by=SYSTEM,
                reason="API_KEY changed." if settings.API_KEY else "API_KEY is unset.",
            )


def digest_of(secret: str) -> str:
    """SHA-256 of a token's secret, in hex: enough for 32 random bytes, which nobody can guess from it."""
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, or the header that API_KEY_HEADER names. Every answer counts against the rate limit."""

    def authenticate(self, request: Request) -> tuple[User | None, ApiToken] | None:
        """The token's user, if it has one, and the token. None: the request carries no token."""
        secret = _presented(request)
        token = _known(secret) if secret else None
        limits.limit(
            request, f"token {token.pk}" if token else limits.client(request), token.limit_per_minute if token else None
        )
        if secret and token is None:
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        return (token.user, token) if token else None

    def authenticate_header(self, request: Request) -> str:
        """What makes a refusal a 401."""
        return 'Bearer realm="api"'


def of(request: Request) -> ApiToken:
    """The token of a request that HasScope let through."""
    assert isinstance(request.auth, ApiToken)
    return request.auth


def _presented(request: Request) -> str:
    words = get_authorization_header(request).decode("latin-1").split()
    if len(words) == 2 and words[0].lower() == "bearer":
        return words[1]
    return request.headers.get(settings.API_KEY_HEADER, "").strip()


def _known(secret: str) -> ApiToken | None:
    token = ApiToken.objects.live().select_related("user").filter(digest=digest_of(secret)).first()
    if token is None or (token.user is not None and not token.user.is_active):
        return None
    unnoted = Q(last_used_at=None) | Q(last_used_at__lt=Now() - timedelta(minutes=1))
    ApiToken.objects.filter(unnoted, pk=token.pk).update(last_used_at=Now())
    return token


class HasScope(BasePermission):
    """Each view declares `scopes`, a scope per method. A method without one is refused."""

    message = "This token has no scope for that."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the request's token has the scope that the view asks for."""
        scopes: dict[str, str] = getattr(view, "scopes", {})
        scope = scopes.get("GET" if request.method == "HEAD" else str(request.method))
        return scope is not None and isinstance(request.auth, ApiToken) and request.auth.allows(scope)
