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
from sandbox.claude.batches import Batch, Batches, Result
from sandbox.claude.errors import ApiError, invalid
from sandbox.claude.messages import compose, message
from sandbox.claude.models import MODELS, model
from sandbox.claude.requests import MessageRequest, parse
from sandbox.claude.stream import Events
from sandbox.claude.usage import Meter, PromptCache, input_tokens

MAX_BODY = 32 * 1024 * 1024
FIRST_EVENT = 0.1  # of the delay: how long the prompt is read before the answer begins

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
        self.batches = Batches()

    def routes(self) -> list[Route]:
        return [
            Route("/v1/messages", _guarded(self.create), methods=["POST"]),
            Route("/v1/messages/count_tokens", _guarded(self.count), methods=["POST"]),
            Route("/v1/messages/batches", _guarded(self.create_batch), methods=["POST"]),
            Route("/v1/messages/batches", _guarded(self.list_batches), methods=["GET"]),
            Route("/v1/messages/batches/{batch_id}", _guarded(self.show_batch), methods=["GET"]),
            Route("/v1/messages/batches/{batch_id}/cancel", _guarded(self.cancel_batch), methods=["POST"]),
            Route("/v1/messages/batches/{batch_id}/results", _guarded(self.batch_results), methods=["GET"]),
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
        usage, marked = self.cache.count(wanted)
        await asyncio.sleep(FIRST_EVENT * self.control.delay_seconds)
        if fault and fault.kind == "drop_before":
            return Dropped()
        refused = control.error(fault, wanted.model.id) if fault else None
        if refused:
            raise refused
        text = await run_in_threadpool(compose, wanted, self.control.gullible)
        answer = message(wanted, text, usage, fault)
        self.control.bill(answer["usage"])
        self.cache.begin(marked)
        wait = (1 - FIRST_EVENT) * self.control.delay_seconds
        if wanted.stream and not (fault and fault.kind == "drop_after"):
            return Events(answer, wait, fault.kind if fault else "", self._limits(answer["usage"]))
        await asyncio.sleep(wait)
        if fault and fault.kind in ("drop_after", *control.STREAMS):
            return Dropped()
        return JSONResponse(answer, headers=self._limits(answer["usage"]))

    async def count(self, request: Request) -> Response:
        return JSONResponse({"input_tokens": input_tokens(parse(await _body(request), counting=True))})

    async def create_batch(self, request: Request) -> Response:
        """POST /v1/messages/batches. What is wrong with one request shows in its result only."""
        body = _json(await _body(request))
        self.control.calls["batch"] += 1
        fault = self.control.next_fault("batch", "")
        if fault and fault.kind == "drop_before":
            return Dropped()
        if fault and (refused := control.error(fault, "")):
            raise refused
        batch = await run_in_threadpool(self.batches.create, body, self._batched, self.control.batch_seconds)
        return Dropped() if fault and fault.kind == "drop_after" else self._shown(batch, request)

    def _batched(self, params: Any) -> Result:
        """The result of one request of a batch."""
        try:
            wanted = parse(json.dumps(params).encode())
            if wanted.stream:
                raise invalid("stream: not supported in a batch")
            _check_length(wanted)
            self.control.calls[wanted.purpose] += 1
            fault = self.control.next_fault(wanted.purpose, f"{wanted.system}\n{wanted.user}")
            if fault and fault.kind in control.BATCHED:
                return {"type": fault.kind}
            if fault and (refused := control.error(fault, wanted.model.id)):
                raise refused
        except ApiError as error:
            return {"type": "errored", "error": error.body("")}
        usage, marked = self.cache.count(wanted)
        self.cache.begin(marked)
        answer = message(wanted, compose(wanted, self.control.gullible), usage, fault, tier="batch")
        self.control.bill(answer["usage"])
        return {"type": "succeeded", "message": answer}

    async def list_batches(self, request: Request) -> Response:
        return JSONResponse(self.batches.list(dict(request.query_params), _of_batches(request)))

    async def show_batch(self, request: Request) -> Response:
        return self._shown(self.batches.get(request.path_params["batch_id"]), request)

    async def cancel_batch(self, request: Request) -> Response:
        return self._shown(self.batches.cancel(request.path_params["batch_id"]), request)

    async def batch_results(self, request: Request) -> Response:
        return Response(self.batches.get(request.path_params["batch_id"]).lines(), media_type="application/x-jsonl")

    def _shown(self, batch: Batch, request: Request) -> Response:
        return JSONResponse(batch.body(_of_batches(request)))

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
        self.batches.clear()
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


def _of_batches(request: Request) -> str:
    """The address of the list of batches, as the asker wrote it."""
    before, _, _ = str(request.url).partition("/v1/")
    return f"{before}/v1/messages/batches"


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
