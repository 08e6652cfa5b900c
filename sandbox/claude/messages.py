"""The answer to one message request, whole or spoiled by a fault."""

import json
import secrets
from typing import Any

from sandbox import analyst
from sandbox.claude.control import Fault
from sandbox.claude.requests import MessageRequest
from sandbox.claude.usage import tokens


def compose(request: MessageRequest, gullible: bool = False) -> str:
    """The answer's text, the same for the same request: JSON where a schema is given."""
    if request.schema is None:
        words = len(request.user.split())
        return f"Sandbox analysis, made by rules: {words:,} words read, and no schema given to answer in."
    return json.dumps(analyst.answer(request.schema, request.system, request.user, gullible), ensure_ascii=False)


def message(
    request: MessageRequest, text: str, usage: dict[str, Any], fault: Fault | None, tier: str = "standard"
) -> dict[str, Any]:
    """A Message as the API sends it. `usage` is the input side; the output side is counted here."""
    kind = fault.kind if fault else ""
    stop_reason, stop_details = "end_turn", None
    if kind == "malformed":
        text = text[: len(text) * 2 // 3]
    elif kind == "wrong_schema":
        text = '{"unexpected": "sandbox analysis"}'
    elif kind == "stop_ends" and fault:
        text, stop_reason = text[: len(text) // 2], fault.stop_reason
    elif kind == "refusal":
        explanation = "The sandbox was asked to refuse."
        stop_reason, stop_details = (
            "refusal",
            {"type": "refusal", "category": "general_harms", "explanation": explanation},
        )
    if kind in ("empty", "refusal"):
        text = ""
    output = tokens(text)
    if kind == "max_tokens" or output > request.max_tokens:
        output = min(request.max_tokens, max(1, output // 2)) if kind == "max_tokens" else request.max_tokens
        text, stop_reason = text.encode()[: 4 * output].decode("utf-8", "ignore"), "max_tokens"
    return {
        "id": f"msg_sandbox{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": request.model.id,
        "content": [{"type": "text", "text": text, "citations": None}] if text else [],
        "container": None,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": stop_details,
        "usage": {
            **usage,
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": 0},
            "server_tool_use": None,
            "service_tier": tier,
            "inference_geo": None,
            "speed": "standard",
        },
    }
