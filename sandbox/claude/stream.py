"""An answer as server-sent events: https://platform.claude.com/docs/en/build-with-claude/streaming."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PIECES = 8


class Events(Response):
    """The message event by event: the first at once, the others after `wait` seconds. `fault`: how the stream ends badly."""

    def __init__(self, message: dict[str, Any], wait: float, fault: str, headers: dict[str, str]) -> None:
        super().__init__(headers={**headers, "cache-control": "no-cache"}, media_type="text/event-stream")
        del self.headers["content-length"]
        self._message = message
        self._wait = wait
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        events = _events(self._message)
        await _write(send, _sse(next(events)))
        await asyncio.sleep(self._wait)
        half = PIECES // 2
        for place, event in enumerate(events):
            if place > half and self._fault == "drop_mid":
                return  # without an end of the body, so that the server cuts the connection
            if place > half and self._fault == "corrupt":
                await _write(send, b'event: content_block_delta\ndata: {"type": "content_block_del\n\n')
            elif place > half and self._fault == "error_mid":
                error = {"type": "overloaded_error", "message": "Overloaded", "details": None}
                await _write(send, _sse({"type": "error", "error": error}))
                break
            elif place > half and self._fault == "end_early":
                break
            await _write(send, _sse(event))
        await send({"type": "http.response.body", "body": b""})


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _sse(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    usage = message["usage"]
    begun = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_details": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": {**block, "text": ""}}
        for piece in _pieces(block["text"]):
            yield {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop", "index": index}
    ending = {name: message[name] for name in ("container", "stop_reason", "stop_sequence", "stop_details")}
    kept = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    totals = {name: usage[name] for name in (*kept, "output_tokens_details", "server_tool_use")}
    yield {"type": "message_delta", "delta": ending, "usage": totals}
    yield {"type": "message_stop"}


def _pieces(text: str) -> Iterator[str]:
    length = max(1, -(-len(text) // PIECES))
    for start in range(0, len(text), length):
        yield text[start : start + length]
