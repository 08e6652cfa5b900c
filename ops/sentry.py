"""Whether the Sentry project behind SENTRY_DSN takes our events."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import httpx
from django.conf import settings
from sentry_sdk.consts import EndpointType
from sentry_sdk.utils import BadDsn, Dsn

from ops.models import State

TIMEOUT = 10.0


def send_test_event(dsn: str) -> tuple[State, str]:
    """One event of level info, marked as a test. https://develop.sentry.dev/sdk/foundations/transport/envelopes/"""
    try:
        auth = Dsn(dsn).to_auth("executive-mind-matrix")
    except BadDsn:
        return State.FAIL, ("SENTRY_DSN is no DSN: it lacks its key, host or project.")
    event = {
        "event_id": uuid.uuid4().hex,
        "timestamp": datetime.now(UTC).isoformat(),
        "platform": "python",
        "level": "info",
        "logger": "readiness",
        "environment": settings.ENVIRONMENT,
        "message": "A test event of the readiness checklist",
    }
    lines = ({"event_id": event["event_id"]}, {"type": "event"}, event)
    body = "\n".join(json.dumps(line) for line in lines)
    asked = {"X-Sentry-Auth": auth.to_header(), "Content-Type": "application/x-sentry-envelope"}
    try:
        answer = httpx.post(auth.get_api_url(EndpointType.ENVELOPE), content=body, headers=asked, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        return State.UNKNOWN, (f"{auth.host} did not answer ({type(error).__name__}).")
    if answer.status_code == 429 or answer.status_code >= 500:
        return State.UNKNOWN, (f"{auth.host} answers {answer.status_code} now.")
    if answer.status_code != 200:
        return State.FAIL, (f"{auth.host} answers a test event with {answer.status_code}.")
    return State.PASS, (f"{auth.host} accepted a test event.")
