"""What every API view shares: pages by key, problem details, a bound on bodies."""

from __future__ import annotations

import base64
import binascii
import codecs
import json
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.pagination import BasePagination
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

PROBLEM = "application/problem+json"
UNSTORABLE = {0: "\N{REPLACEMENT CHARACTER}"} | dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


class KeysetPagination(BasePagination):
    """Pages by the last key seen: no page is counted, and rows that come meanwhile shift nothing.

    A view may name another unique field in `keyset`, with - before it for descending order; the default is -pk.
    """

    largest = 100
    usual = 50

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """One page of rows. Raises ValidationError for a cursor or a page size that cannot be."""
        self.request = request
        self.keyset: str = getattr(view, "keyset", "-pk")
        self.field = self.keyset.removeprefix("-")
        size = self._size(request.query_params.get("page_size", ""))
        cursor = request.query_params.get("cursor", "")
        if cursor:
            beyond = "lt" if self.keyset.startswith("-") else "gt"
            queryset = queryset.filter(**{f"{self.field}__{beyond}": _key_of(cursor, queryset.model, self.field)})
        rows = list(queryset.order_by(self.keyset)[: size + 1])
        self.next_cursor = _cursor_of(getattr(rows[size - 1], self.field)) if len(rows) > size else None
        return rows[:size]

    def _size(self, text: str) -> int:
        if not text:
            return self.usual
        if text.isdecimal() and text.isascii() and 1 <= len(text) <= 3 and 1 <= int(text) <= self.largest:
            return int(text)
        raise exceptions.ValidationError({"page_size": [f"Not a number from 1 to {self.largest}."]})

    def get_paginated_response(self, data: Any) -> Response:
        """The page and the address of the next one, null at the end."""
        here = self.request.build_absolute_uri()
        return Response(
            {
                "next": replace_query_param(here, "cursor", self.next_cursor) if self.next_cursor else None,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same for the API's description."""
        address = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": address, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The query parameters for the API's description."""
        size = {"type": "integer", "minimum": 1, "maximum": self.largest, "default": self.usual}
        return [
            {
                "name": "cursor",
                "in": "query",
                "schema": {"type": "string"},
                "description": "From the `next` of a page.",
            },
            {"name": "page_size", "in": "query", "schema": size},
        ]


def _cursor_of(key: Any) -> str:
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def _key_of(cursor: str, model: type[Model], field: str) -> Any:
    column: Any = model._meta.pk if field == "pk" else model._meta.get_field(field)
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return column.to_python(text)
    except (binascii.Error, ValueError, ValidationError):
        raise exceptions.ValidationError({"cursor": ["Not a cursor of this list."]}) from None


class TooLarge(exceptions.APIException):
    """The body is larger than we read."""

    status_code = 413
    default_detail = "The body is too large."
    default_code = "too_large"


class BoundedJSONParser(JSONParser):
    """JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes. Characters that PostgreSQL does not store are replaced."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The value. Raises TooLarge, or ParseError for what is not JSON."""
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise TooLarge
        try:
            return _storable(json.loads(codecs.decode(body, "utf-8"), parse_constant=_refuse))
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(f"The body is not JSON: {error}") from None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number of JSON")


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(UNSTORABLE)
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return value


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal as RFC 9457 problem details. None: not a refusal but a fault, left to Django."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = TooLarge()
    elif isinstance(error, ValidationError):
        error = exceptions.ValidationError(getattr(error, "message_dict", None) or error.messages)
    if not isinstance(error, exceptions.APIException):
        return None
    code, detail = str(error.default_code), error.detail
    if isinstance(error, exceptions.ValidationError):
        body = _details(context["request"], error.status_code, code, "The request is not valid.")
        body["errors"] = detail if isinstance(detail, dict) else {"request": detail}
    else:
        body = _details(context["request"], error.status_code, code, str(detail))
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]  # DRF sets it on the instance
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]  # Throttled has it
    return Response(body, status=error.status_code, headers=headers, content_type=PROBLEM)


def _details(request: HttpRequest | Request, status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"urn:emm:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "request_id": request.META.get("HTTP_X_REQUEST_ID", ""),
    }


def _plain(request: HttpRequest, status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(_details(request, status, code, detail), status=status, content_type=PROBLEM)


def not_found(request: HttpRequest, exception: Exception) -> Any:
    """Django's handler for an address that nothing answers to."""
    if request.path.startswith("/api/"):
        return _plain(request, 404, "not_found", "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def fault(request: HttpRequest) -> Any:
    """Django's handler for our own faults. What went wrong is in the log, under the request's id."""
    if request.path.startswith("/api/"):
        return _plain(request, 500, "fault", "Something failed on our side.")
    return defaults.server_error(request)
