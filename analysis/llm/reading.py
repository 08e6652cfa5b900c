"""What a paid answer says, or what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from analysis import ledger
from analysis.answers import Answer
from analysis.llm.connection import SOON
from analysis.models import LLMCall
from emm.jobs import Later, Never
from notion_sync.properties import clean

A = TypeVar("A", bound=Answer)
COMPLETE = ("end_turn", "stop_sequence")
OTHERWISE = "Say it in other words on the inbox page, or choose another model for it, then queue it again."


def refuse_unusable(call: LLMCall) -> None:
    """Raise for an answer that stopped for any reason but its end or the lack of room; such a one is not used again."""
    reason, _, category = call.stop_reason.partition(" ")
    match reason:
        case "end_turn" | "stop_sequence" | "max_tokens":
            return
        case "refusal":
            why = f"Claude declined to answer this ({category or 'no category given'}). {OTHERWISE}"
        case "model_context_window_exceeded":
            why = "The text is longer than the model can read. Shorten the inbox page, then queue it again."
        case "pause_turn":
            ledger.reject([call], "Claude paused before it had answered.")
            raise Later(SOON, "Claude paused before it had answered.")
        case _:
            why = f"Claude stopped for a reason that we don't know: {call.stop_reason}. {OTHERWISE}"
    ledger.reject([call], why)
    raise Never(why)


def checked(call: LLMCall, answer: type[A], check: Callable[[A], list[str]]) -> tuple[A | None, list[str]]:
    fitting, problems = _read(call, answer)
    if fitting is None:
        return None, problems
    problems = check(fitting)
    return (None, problems) if problems else (fitting, [])


def _read(call: LLMCall, answer: type[A]) -> tuple[A | None, list[str]]:
    """The answer that a row holds, or None and what is wrong with it."""
    if call.stop_reason not in COMPLETE:
        return None, [f"it was cut off after {call.output_tokens} tokens"]
    try:
        found = json.loads(call.answer_text)
    except (ValueError, RecursionError) as error:
        return None, [f"it is not JSON that can be read: {error}"]
    schema = answer.model_json_schema()
    recased = _recased(found, schema, schema.get("$defs", {}))
    try:
        return answer.model_validate_json(json.dumps(recased), strict=True), []
    except ValidationError as error:
        return None, [f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in error.errors()]


def _recased(found: Any, schema: dict[str, Any], defs: dict[str, Any]) -> Any:
    """`found` with its text cleaned, and its enumerated values in the schema's letter case, which models may change."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if isinstance(found, dict):
        properties = schema.get("properties", {})
        return {clean(name): _recased(value, properties.get(name, {}), defs) for name, value in found.items()}
    if isinstance(found, list):
        return [_recased(value, schema.get("items", {}), defs) for value in found]
    if isinstance(found, str):
        text = clean(found)
        return next((one for one in schema.get("enum", ()) if one.casefold() == text.strip().casefold()), text)
    return found
