"""Who sent a request: HMAC-SHA256 over the raw body, compared in constant time. Pure."""

from __future__ import annotations

import hashlib
import hmac

WINDOW_SECONDS = 300


def is_from_notion(body: bytes, header: str, secret: str) -> bool:
    """Whether `header`, X-Notion-Signature, fits. https://developers.notion.com/reference/webhooks"""
    return _same(header, f"sha256={_hex(secret, body)}")


def is_from_slack(body: bytes, timestamp: str, header: str, secret: str, now: float) -> bool:
    """Whether X-Slack-Signature fits the body and X-Slack-Request-Timestamp, in seconds, not five minutes from `now`.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    signed = b"v0:" + timestamp.encode() + b":" + body
    return _is_recent(timestamp, now) and _same(header, f"v0={_hex(secret, signed)}")


def is_from_mail(body: bytes, header: str, secret: str, now: float) -> bool:
    """Whether `header`, "t=SECONDS,v1=HEX", fits: the HMAC is over SECONDS, a full stop and the body."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    timestamp = parts.get("t", "")
    signed = timestamp.encode() + b"." + body
    return _is_recent(timestamp, now) and _same(parts.get("v1", ""), _hex(secret, signed))


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _is_recent(timestamp: str, now: float) -> bool:
    sane = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12
    return sane and abs(now - int(timestamp)) <= WINDOW_SECONDS
