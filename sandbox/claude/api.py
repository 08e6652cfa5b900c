"""The routes: messages, token counting and models as the real API has them, and /control for tests."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.claude import control
from sandbox.claude.errors import ApiError, invalid
from sandbox.claude.messages import compose, message
from sandbox.claude.models import MODELS, model
from sandbox.claude.requests import MessageRequest, parse
from sandbox.claude.usage import Meter, PromptCache, input_tokens

MAX_BODY = 32 * 1024 * 1024

Endpoint = Callable[[Request], Awaitable[Response]]


class Dropped(Response):
    """Promises a body and sends none, so that the server cuts the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})


class Claude:
    """One local Claude with its state: script, counters and cache live as long as the process."""

    def __init__(self) -> None:
        self.control = control.Control()
        self.cache = PromptCache()
        self.meter = Meter()

    def routes(self) -> list[Route]:
        return [
            Route("/v1/messages", _guarded(self.create), methods=["POST"]),
            Route("/v1/messages/count_tokens", _guarded(self.count), methods=["POST"]),
            Route("/v1/models", _guarded(self.list_models), methods=["GET"]),
            Route("/v1/models/{model_id}", _guarded(self.show_model), methods=["GET"]),
            Route("/control", _answered(self.steer), methods=["GET", "POST"]),
            Route("/control/reset", _answered(self.reset), methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """POST /v1/messages. An answer that is dropped on its way is billed all the same."""
        wanted = parse(await _body(request))
        _check_length(wanted)
        self.control.calls[wanted.purpose] += 1
        fault = self.control.next_fault(wanted.purpose, f"{wanted.system}\n{wanted.user}")
        await asyncio.sleep(self.control.delay_seconds)
        if fault and fault.kind == "drop_before":
            return Dropped()
        refused = control.error(fault, wanted.model.id) if fault else None
        if refused:
            raise refused
        text = await run_in_threadpool(compose, wanted)
        answer = message(wanted, text, self.cache.count(wanted), fault)
        self.control.bill(answer["usage"])
        if fault and fault.kind == "drop_after":
            return Dropped()
        return JSONResponse(answer, headers=self._limits(answer["usage"]))

    async def count(self, request: Request) -> Response:
        return JSONResponse({"input_tokens": input_tokens(parse(await _body(request), counting=True))})

    async def list_models(self, request: Request) -> Response:
        """GET /v1/models: all on one page."""
        data = [one.body() for one in MODELS.values()]
        return JSONResponse({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})

    async def show_model(self, request: Request) -> Response:
        return JSONResponse(model(request.path_params["model_id"]).body())

    async def steer(self, request: Request) -> Response:
        """GET shows the state; POST merges wishes into it and shows it."""
        if request.method == "POST":
            self.control.merge(_json(await _body(request)))
        return JSONResponse(self.control.body())

    async def reset(self, request: Request) -> Response:
        self.control.reset()
        self.cache.clear()
        return JSONResponse(self.control.body())

    def _limits(self, usage: dict[str, Any]) -> dict[str, str]:
        return self.meter.headers(usage["input_tokens"] + usage["cache_creation_input_tokens"], usage["output_tokens"])


def _answered(endpoint: Endpoint) -> Endpoint:
    """The endpoint with a request id on every answer and its ApiErrors as the API's error bodies."""

    async def answer(request: Request) -> Response:
        request_id = f"req_sandbox{secrets.token_hex(10)}"
        try:
            response = await endpoint(request)
        except ApiError as error:
            response = JSONResponse(error.body(request_id), error.status, error.headers())
        response.headers["request-id"] = request_id
        return response

    return answer


def _guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint behind a key: any but "invalid" will do, as a bearer token or in x-api-key."""

    async def checked(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        if not key:
            raise ApiError(401, "Authentication is required: send a bearer token or x-api-key")
        if key == "invalid":
            raise ApiError(401, "invalid x-api-key")
        if "anthropic-version" not in request.headers:
            raise invalid("anthropic-version: header is required")
        return await endpoint(request)

    return _answered(checked)


async def _body(request: Request) -> bytes:
    """The whole body; a too large one is read to its end but not kept. Raises ApiError 413."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
    if size > MAX_BODY:
        raise ApiError(413, "Request exceeds the maximum size")
    return b"".join(chunks)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error


def _check_length(wanted: MessageRequest) -> None:
    length = input_tokens(wanted)
    if length > wanted.model.context:
        raise invalid(f"prompt is too long: {length} tokens > {wanted.model.context} maximum")


routes = Claude().routes()
