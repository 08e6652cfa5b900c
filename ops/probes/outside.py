"""How a probe looks from outside: over HTTP through PUBLIC_URL, with a token of its own, or with a script of ours."""

from __future__ import annotations

import functools
import importlib.util
import secrets
from datetime import timedelta
from typing import Any

import httpx
from django.conf import settings
from django.utils import timezone

from emm.tokens import ApiToken, digest_of

TIMEOUT = 10.0


def visit() -> httpx.Client:
    """A visitor of our own address, who follows no redirect."""
    return httpx.Client(base_url=settings.PUBLIC_URL, timeout=TIMEOUT)


def unreached(error: httpx.HTTPError) -> str:
    """Why nothing could be seen."""
    return f"Our own address did not answer ({type(error).__name__}): check PUBLIC_URL."


def own_token(label: str, per_minute: int) -> str:
    """The secret of a token that only reads, allows `per_minute` calls and ends in two minutes. One row for each label."""
    secret = secrets.token_urlsafe(32)
    until = timezone.now() + timedelta(minutes=2)
    fields = {"scopes": ["read"], "prefix": "probe", "limit_per_minute": per_minute, "expires_at": until}
    ApiToken.objects.update_or_create(label=label, defaults={**fields, "digest": digest_of(secret), "revoked_at": None})
    return secret


@functools.cache
def script(name: str) -> Any:
    """The module of scripts/`name`, which people run by hand too."""
    spec = importlib.util.spec_from_file_location(
        name.removesuffix(".py").replace("-", "_"), settings.BASE_DIR / "scripts" / name
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
