"""A message request, checked as strictly as the real API checks it under anthropic-version 2026-10-21."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox import analyst
from sandbox.claude import schemas
from sandbox.claude.errors import invalid
from sandbox.claude.models import Model, model

REMOVED = ("temperature", "top_p", "top_k")
KNOWN = {
    "cache_control",
    "inference_geo",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
}
KNOWN |= {"speed", "stop_sequences", "stream", "system", "thinking"}
EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class Block:
    """One text of the prompt, in the order of the cache: schema, system, messages. `ttl` marks a cache breakpoint."""

    text: str
    ttl: str | None = None


@dataclass(frozen=True)
class MessageRequest:
    """A valid request. `schema` is None where free text is asked for; `max_tokens` is 0 when only counting."""

    model: Model
    blocks: list[Block]
    system: str
    user: str
    schema: dict[str, Any] | None
    max_tokens: int
    stream: bool

    @property
    def purpose(self) -> str:
        return analyst.purpose(self.schema or {})


def parse(body: bytes, counting: bool = False) -> MessageRequest:
    """Read a request's body. Raises ApiError 400, or 404 for the model. `counting`: max_tokens is not expected."""
    try:
        data = json.loads(body)
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise invalid("The request body must be a JSON object")
    _check_fields(data)
    chosen = model(_required(data, "model", str))
    max_tokens = 0 if counting else _max_tokens(data, chosen)
    _check_thinking(data.get("thinking"), chosen)
    schema = _schema(data.get("output_config"))
    system = _blocks(data.get("system") or "", "system")
    turns = _turns(_required(data, "messages", list))
    prompt = [
        *([Block(json.dumps(schema))] if schema else []),
        *system,
        *(block for _, turn in turns for block in turn),
    ]
    if isinstance(data.get("cache_control"), dict):
        prompt[-1] = Block(prompt[-1].text, _ttl(data["cache_control"]))
    if sum(block.ttl is not None for block in prompt) > 4:
        raise invalid("A maximum of 4 blocks with cache_control may be provided.")
    return MessageRequest(
        model=chosen,
        blocks=prompt,
        system="\n".join(block.text for block in system),
        user="\n".join(block.text for role, turn in turns if role == "user" for block in turn),
        schema=schema,
        max_tokens=max_tokens,
        stream=data.get("stream", False),
    )


def _required(data: dict[str, Any], name: str, kind: type) -> Any:
    if name not in data:
        raise invalid(f"{name}: Field required")
    if not isinstance(data[name], kind) or isinstance(data[name], bool):
        raise invalid(f"{name}: Input should be a valid {kind.__name__}")
    return data[name]


def _check_fields(data: dict[str, Any]) -> None:
    for name in REMOVED:
        if name in data:
            raise invalid(f"{name}: This parameter is no longer supported")
    unknown = sorted(data.keys() - KNOWN)
    if unknown:
        raise invalid(f"{unknown[0]}: Extra inputs are not permitted")
    if not isinstance(data.get("stream", False), bool):
        raise invalid("stream: Input should be a valid boolean")


def _max_tokens(data: dict[str, Any], chosen: Model) -> int:
    tokens = int(_required(data, "max_tokens", int))
    if tokens < 1:
        raise invalid("max_tokens: must be greater than or equal to 1")
    if tokens > chosen.max_output:
        limit = f"{chosen.max_output}, which is the maximum allowed number of output tokens for {chosen.id}"
        raise invalid(f"max_tokens: {tokens} > {limit}")
    return tokens


def _check_thinking(thinking: Any, chosen: Model) -> None:
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if thinking is not None and kind not in ("adaptive", "enabled", "disabled", "between_tools"):
        raise invalid("thinking.type: Input should be 'adaptive', 'enabled', 'disabled' or 'between_tools'")
    if kind == "enabled" or (kind in ("disabled", "between_tools") and chosen.always_thinks):
        raise invalid(f"thinking.type: '{kind}' is not supported by {chosen.id}")


def _schema(config: Any) -> dict[str, Any] | None:
    if config is None:
        return None
    if not isinstance(config, dict):
        raise invalid("output_config: Input should be a valid dictionary")
    if config.get("effort", "high") not in EFFORTS:
        raise invalid(f"output_config.effort: Input should be one of {', '.join(EFFORTS)}")
    wanted = config.get("format")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise invalid("output_config.format.type: Input should be 'json_schema'")
    schemas.check(wanted.get("schema"))
    schema: dict[str, Any] = wanted["schema"]
    if schema.get("type") != "object":
        raise invalid("output_config.format.schema: the sandbox answers schemas of objects only")
    return schema


def _turns(messages: list[Any]) -> list[tuple[str, list[Block]]]:
    """Roles with their blocks; roles must alternate, begin and end with the user."""
    if not messages:
        raise invalid("messages: at least one message is required")
    turns: list[tuple[str, list[Block]]] = []
    for place, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("user", "assistant"):
            raise invalid(f"messages.{place}.role: Input should be 'user' or 'assistant'")
        if role != ("user", "assistant")[place % 2]:
            raise invalid("messages: roles must alternate between 'user' and 'assistant', starting with 'user'")
        blocks = _blocks(message.get("content"), f"messages.{place}.content")
        if not any(block.text.strip() for block in blocks):
            raise invalid(f"messages.{place}: all messages must have non-empty content")
        turns.append((role, blocks))
    if turns[-1][0] != "user":
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    return turns


def _blocks(content: Any, where: str) -> list[Block]:
    """Text, or a list of text blocks."""
    if isinstance(content, str):
        return [Block(content)] if content else []
    if not isinstance(content, list):
        raise invalid(f"{where}: Input should be a valid string or list")
    blocks = []
    for place, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise invalid(f"{where}.{place}: the sandbox reads text blocks only")
        blocks.append(Block(part["text"], _ttl(part.get("cache_control"))))
    return blocks


def _ttl(control: Any) -> str | None:
    if control is None:
        return None
    if (
        not isinstance(control, dict)
        or control.get("type") != "ephemeral"
        or control.get("ttl", "5m") not in ("5m", "1h")
    ):
        raise invalid("cache_control: Input should be {'type': 'ephemeral', 'ttl': '5m' or '1h'}")
    return str(control.get("ttl", "5m"))
