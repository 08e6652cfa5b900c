"""What happens around every request."""

from __future__ import annotations

import re
import uuid

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

SAFE_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class RequestId(MiddlewareMixin):
    """Every request has an id, its client's own where that is safe to log; the answer carries it as X-Request-ID."""

    def process_request(self, request: HttpRequest) -> None:
        """Replace an id that is missing, too long or of other characters."""
        if not SAFE_ID.fullmatch(request.META.get("HTTP_X_REQUEST_ID", "")):
            request.META["HTTP_X_REQUEST_ID"] = uuid.uuid4().hex

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Tell the client the id."""
        response["X-Request-ID"] = request.META["HTTP_X_REQUEST_ID"]
        return response
