"""Requests from outside that carry a signature instead of a token."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notion_sync.models import Refusal
from notion_sync.properties import clean

LARGEST = 1_000_000  # bytes of a body; a larger one is refused before it is read whole


class Refused(Exception):
    """The request is not taken. `status` and `why` are the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why

    @property
    def response(self) -> JsonResponse:
        return JsonResponse({"detail": self.why}, status=self.status)


View = Callable[[HttpRequest], HttpResponse]


def door(name: Refusal.Door) -> Callable[[View], View]:
    """A view that anybody may call and only a signature opens: what it refuses is its answer, and the console shows it."""

    def guarded(view: View) -> View:
        @csrf_exempt
        @require_POST
        @functools.wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            try:
                return view(request)
            except Refused as refused:
                Refusal.note(name, refused.status, refused.why)
                return refused.response

        return answer

    return guarded


def body_of(request: HttpRequest) -> bytes:
    """The raw body. Raises Refused beyond LARGEST bytes."""
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise Refused(413, f"The body is larger than {LARGEST:,} bytes.")
    return body


def json_of(body: bytes) -> dict[str, Any]:
    """The body as a JSON object, its text cleaned. Raises Refused for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise Refused(400, "The body is not a JSON object.")
    return found


def text_of(found: dict[str, Any], name: str, longest: int = 1_000) -> str:
    """A text of the object, "" where it is missing. Raises Refused for another type or one that is too long."""
    value = found.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(400, f"{name} is not a text.")
    if len(value) > longest:
        raise Refused(413, f"{name} has {len(value):,} characters; at most {longest:,} are taken.")
    return clean(value).strip()
