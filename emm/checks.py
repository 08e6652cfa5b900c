"""Settings that would only fail later, said at start."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from emm import environment


@register()
def encryption_key(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """EMM_ENCRYPTION_KEY is a key that Fernet takes."""
    try:
        Fernet(settings.EMM_ENCRYPTION_KEY)
    except ValueError:
        make = 'python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
        return [
            Error("EMM_ENCRYPTION_KEY is not 32 bytes in URL-safe base64.", hint=f"Make one: {make}", id="emm.E001")
        ]
    return []


@register()
def trusted_proxies(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """TRUSTED_PROXIES holds addresses or networks."""
    found: list[CheckMessage] = []
    for proxy in settings.TRUSTED_PROXIES:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            found.append(
                Error(f"TRUSTED_PROXIES: {proxy} is not an address.", hint="Such as 10.0.0.0/8.", id="emm.E002")
            )
    return found


@register()
def unknown_variables(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """No variable with one of our prefixes is misspelt."""
    return [
        Warning(said, hint="python scripts/validate-env.py lists the ones there are.", id="emm.W001")
        for said in environment.unknown(os.environ)
    ]
