"""Asking the local Claude as the product does, for the tests of its answers and of its manners."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import anthropic
import httpx

from analysis.answers import Answer, PerspectiveAnswer, TriageAnswer

A = TypeVar("A", bound=Answer)

MODEL = "claude-sonnet-5-5"
PERSONAS = ("The Entrepreneur", "The Quant", "The Auditor")
AREAS = ["Career", "Finance", "Health", "Operations", "Technology"]
BERLIN = (
    "Should we open an office in Berlin?",
    "Rent is €4,000 per month on a 3 year lease with Immo GmbH. Anna Schmidt says there is a 30% chance of €400k in "
    "revenue by March 3. The contract falls under GDPR rules.",
)


def steer(claude: httpx.Client, **wishes: Any) -> None:
    claude.post("/control", json=wishes).raise_for_status()


def state(claude: httpx.Client) -> Any:
    return claude.get("/control").raise_for_status().json()


def fence(tag: str, value: Any) -> str:
    return f"<{tag}>{json.dumps(value).replace('<', chr(92) + 'u003c')}</{tag}>"


def matter(title: str, content: str, **more: Any) -> str:
    return fence("item", {"title": title, "content": content, "source": "Manual", "urgent": False, **more})


def send(client: anthropic.Anthropic, answer: type[Answer], user: str, system: str = "Sort.", **more: Any) -> Any:
    output: Any = {"format": {"type": "json_schema", "schema": anthropic.transform_schema(answer)}, "effort": "low"}
    request: dict[str, Any] = {"model": MODEL, "max_tokens": 8_000, "output_config": output, "system": system, **more}
    return client.messages.create(messages=[{"role": "user", "content": user}], **request)


def ask(client: anthropic.Anthropic, answer: type[A], user: str, system: str = "Sort.") -> A:
    message = send(client, answer, user, system)
    assert message.stop_reason == "end_turn"
    assert json.loads(message.content[0].text).keys() == answer.model_fields.keys()
    return answer.model_validate_json(message.content[0].text)


def triage(client: anthropic.Anthropic, title: str, content: str = "") -> TriageAnswer:
    return ask(client, TriageAnswer, matter(title, content) + fence("areas", AREAS))


def voice(client: anthropic.Anthropic, persona: str, title: str, content: str, more: str = "") -> PerspectiveAnswer:
    others = " or ".join(name for name in PERSONAS if name != persona)
    system = f"You are {persona}. You advise one person. Be hardest on the mistakes that {others} would make."
    return ask(client, PerspectiveAnswer, matter(title, content) + more, system)
