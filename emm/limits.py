"""How often one client may ask, and who the client is."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

log = structlog.get_logger(__name__)

MINUTE = 60
CHOICES = (
    "Requests a minute: 30 for low traffic (at most 43,200 calls a day), 60 standard (86,400), 120 for high traffic (172,800)."
    " Empty: RATE_LIMIT_PER_MINUTE."
)

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def limit(request: Request, client: str, per_minute: int | None = None) -> None:
    """Count one request of `client`. Raises Throttled beyond `per_minute`, or RATE_LIMIT_PER_MINUTE where it is None.

    Without Redis nothing is refused: the limit protects us from clients in a hurry, while tokens keep strangers out,
    and the routes that pause the poller must work on a bad day.
    """
    if not settings.RATE_LIMIT_ENABLED:
        return
    try:
        usage = get_usage(
            request._request, group="api", key=lambda group, request: client,
            rate=(per_minute or settings.RATE_LIMIT_PER_MINUTE, MINUTE), increment=True,
        )  # fmt: skip
    except redis.RedisError as error:
        log.warning("rate_limit_open", error=type(error).__name__)
        return
    if usage is not None and usage["should_limit"]:
        raise Throttled(wait=usage["time_left"] + 1)


def client(request: HttpRequest | Request) -> str:
    """A name for whoever asks without a token. IPv6 is cut to its /64, which one client owns whole."""
    address = client_address(request)
    if isinstance(address, ipaddress.IPv6Address):
        return f"address {ipaddress.ip_network((address, 64), strict=False)}"
    return f"address {address}"


def client_address(request: HttpRequest | Request) -> Address | None:
    """The address of whoever asks: the connection's, or what a proxy in TRUSTED_PROXIES says of it. None: it has none.

    X-Forwarded-For is read from its end, and only as far as trusted proxies wrote it.
    """
    address = _address(request.META.get("REMOTE_ADDR", ""))
    hops = [_address(hop) for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    while address is not None and is_trusted(address) and hops and hops[-1] is not None:
        address = hops.pop()
    return address


def is_trusted(address: Address) -> bool:
    """Whether TRUSTED_PROXIES names the address, or a network that holds it."""
    return any(address in ipaddress.ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
