"""Claude in this process: the sandbox's analyst, asked once for each different question of all seeds."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
from anthropic.types import Message

from analysis.llm.connection import Broken, Heard, stop_of, text_of, usage_of
from analysis.llm.questions import Question
from sandbox.claude.messages import compose, message
from sandbox.claude.requests import parse

USAGE = {
    "input_tokens": 900,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
}
REQUEST = httpx2.Request("POST", "http://sandbox/claude/v1/messages")


class Claude:
    """Stands in for connection.listen. Fails at times, before or within the answer."""

    def __init__(self, rng: random.Random, failing: float) -> None:
        self.rng = rng
        self.failing = failing

    def listen(self, connected: Any, question: Question, heard: Heard, begun: Callable[[], None]) -> None:
        if self.rng.random() < self.failing:
            self._fail()
        answer = Message.model_validate(_answer(json.dumps(question.request(), sort_keys=True)))
        heard.request_id = "req_simulated"
        heard.usage = usage_of(answer)
        begun()
        if self.rng.random() < self.failing / 2:
            raise Broken("The answer stopped before its end.")
        heard.parts.append(text_of(answer))
        heard.stop_reason = stop_of(answer.stop_reason, None)
        heard.complete = True

    def _fail(self) -> None:
        kind = self.rng.choice(["429", "500", "529", "drop"])
        if kind == "drop":
            raise anthropic.APIConnectionError(request=REQUEST) from httpx2.ReadError("cut")
        status = int(kind)
        body = {"type": "error", "error": {"type": "overloaded_error", "message": "Simulated."}}
        answer = httpx2.Response(status, json=body, headers={"retry-after": "30"}, request=REQUEST)
        raise anthropic.APIStatusError("Simulated.", response=answer, body=body)


@functools.cache
def _answer(request: str) -> dict[str, Any]:
    wanted = parse(request.encode())
    return message(wanted, compose(wanted), USAGE, None)
