"""The only module that speaks to Claude: one question, one typed answer, each attempt paid for in the ledger.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal, NoReturn, TypeVar

import anthropic
import httpx2
import structlog
from anthropic.types import Message, OutputConfigParam, TextBlock
from anthropic.types import Usage as ReportedUsage
from django.conf import settings
from pydantic import ValidationError

from analysis import ledger
from analysis.answers import Answer
from analysis.models import LLMCall
from analysis.prompts import fence
from emm.jobs import Job, Later, Misconfigured, Never
from notion_sync.models import InboxItem
from notion_sync.properties import clean

log = structlog.get_logger(__name__)

A = TypeVar("A", bound=Answer)
Purpose = Literal["triage", "persona", "synthesis"]

# Room for an answer together with the thinking before it, which counts as output.
MAX_TOKENS: dict[Purpose, int] = {"triage": 4_000, "persona": 8_000, "synthesis": 12_000}
EFFORT: dict[Purpose, Literal["low", "medium"]] = {"triage": "low", "persona": "medium", "synthesis": "medium"}
WITHOUT_EFFORT = ("claude-haiku-4-5", "claude-sonnet-4-5")
TIMEOUT_SECONDS = 300.0
SOON = timedelta(seconds=30)
LONGEST_RETRY_AFTER = timedelta(minutes=10)
COMPLETE = ("end_turn", "stop_sequence")


@dataclass(frozen=True)
class Question:
    """One request, and the row it is paid for in."""

    purpose: Purpose
    asker: str  # stage and key of the job: two jobs that ask the same do not share an answer
    item: InboxItem | None
    model: str
    system: str
    user: str
    schema: dict[str, Any] = field(repr=False)
    max_tokens: int
    prompt_hash: str
    repair: int = 0

    @property
    def key(self) -> str:
        parts = [self.model, self.system, self.user, self.schema, self.max_tokens, self.asker, self.repair]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all text that is sent."""
        return len(json.dumps([self.system, self.user, self.schema], ensure_ascii=False).encode())


def ask(
    *,
    purpose: Purpose,
    job: Job,
    item: InboxItem | None,
    system: str,
    user: str,
    answer: type[A],
    prompt_hash: str,
) -> A:
    """Claude's answer to `user` under `system`, as an `answer`. Never call it inside a transaction.

    An answer that this job has paid for before, and that a crash kept from being used, is taken from the ledger. An
    answer that does not fit is asked for once more, with what was wrong with it. Raises Later (busy, or over budget),
    Misconfigured (key, model or price) or Never (refused, too long, or unfit twice).
    """
    question = Question(
        purpose=purpose,
        asker=f"{job.stage} {job.pk}",
        item=item,
        model=settings.ANTHROPIC_MODELS[purpose],
        system=clean(system),
        user=clean(user),
        schema=anthropic.transform_schema(answer),
        max_tokens=MAX_TOKENS[purpose],
        prompt_hash=prompt_hash,
    )
    call = _answered(question)
    fitting, problems = _read(call, answer)
    if fitting is not None:
        return fitting
    second = _answered(_repaired(question, call, problems))
    fitting, problems = _read(second, answer)
    if fitting is not None:
        return fitting
    why = f"The answer did not fit what was asked for, twice: {'; '.join(problems)}"
    ledger.reject([call, second], why)
    raise Never(why)


def _repaired(question: Question, call: LLMCall, problems: list[str]) -> Question:
    """The question again: with more room if the answer was cut off, else with the answer and what was wrong with it."""
    if call.stop_reason not in COMPLETE:
        return replace(question, repair=1, max_tokens=2 * question.max_tokens)
    shown = f"{fence('answer', call.answer_text)}\n{fence('problems', problems)}"
    request = "The answer above did not fit the schema. Answer again, whole, with every problem mended."
    return replace(question, repair=1, user=f"{question.user}\n{shown}\n{request}")


def _answered(question: Question) -> LLMCall:
    """The ledger row with the answer to `question`: one that is there already, or else a new one."""
    bought = LLMCall.objects.filter(key=question.key, status=LLMCall.Status.ANSWERED).order_by("pk").last()
    call = bought or _buy(question)
    _refuse_unusable(call)
    return call


def _buy(question: Question) -> LLMCall:
    client = _client(settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_BASE_URL)
    call = ledger.reserve(
        purpose=f"{question.purpose} repair" if question.repair else question.purpose,
        model=question.model,
        item=question.item,
        prompt_bytes=question.size,
        max_tokens=question.max_tokens,
        key=question.key,
        prompt_hash=question.prompt_hash,
    )
    started = time.monotonic()
    try:
        message = _send(client, question)
    except anthropic.APIStatusError as error:
        words = f"{error.status_code} {error.type or ''}: {error.api_message or error.message}"
        ledger.fail(call, clean(words), billed=False, request_id=error.request_id or "", duration_ms=_since(started))
        _log(call)
        raise _sorted(error, question.model) from error
    except anthropic.APIConnectionError as error:
        # Before a connection stands nothing was asked; afterwards the answer may have been made, and charged.
        unsent = isinstance(error.__cause__, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
        words = f"No answer came from Claude ({type(error.__cause__ or error).__name__})."
        ledger.fail(call, words, billed=not unsent, duration_ms=_since(started))
        _log(call)
        raise Later(SOON, words) from error
    except (anthropic.APIResponseValidationError, json.JSONDecodeError) as error:
        _unreadable(call, started, error)
    usage = getattr(message, "usage", None)  # the SDK does not check what it is sent
    if not isinstance(usage, ReportedUsage):
        _unreadable(call, started, None)
    ledger.settle(
        call,
        _usage(usage),
        answer_text=clean("".join(block.text for block in message.content or () if isinstance(block, TextBlock))),
        stop_reason=_stop(message),
        request_id=message._request_id or "",
        duration_ms=_since(started),
    )
    _log(call)
    return call


def _send(client: anthropic.Anthropic, question: Question) -> Message:
    output: OutputConfigParam = {"format": {"type": "json_schema", "schema": question.schema}}
    if not question.model.startswith(WITHOUT_EFFORT):
        output["effort"] = EFFORT[question.purpose]
    return client.messages.create(
        model=question.model,
        system=question.system,
        messages=[{"role": "user", "content": question.user}],
        max_tokens=question.max_tokens,
        output_config=output,
    )


@functools.cache
def _client(api_key: str, base_url: str) -> anthropic.Anthropic:
    if not api_key:
        raise Misconfigured("There is no key for Claude.", "Set ANTHROPIC_API_KEY.")
    # Retries are ours: each attempt is a row of the ledger.
    return anthropic.Anthropic(api_key=api_key, base_url=base_url, max_retries=0, timeout=TIMEOUT_SECONDS)


def _sorted(error: anthropic.APIStatusError, model: str) -> Later | Never:
    """What an error answer means for the job. https://platform.claude.com/docs/en/api/errors"""
    words = clean(f"Claude answered {error.status_code}: {error.api_message or error.message}")
    if isinstance(error, anthropic.EnforcedSpendLimitReachedError | anthropic.ContractSpendLimitReachedError):
        return Misconfigured(words, "Raise the spend limit in Claude's console.", timedelta(hours=1))
    match error.status_code:
        case 401 | 403:
            return Misconfigured(words, "Check ANTHROPIC_API_KEY and what the key may do.")
        case 402:
            return Misconfigured(words, "Check the billing in Claude's console.")
        case 404:
            return Misconfigured(words, f"Check the model {model} (ANTHROPIC_MODEL) and ANTHROPIC_BASE_URL.")
        case 408 | 409 | 429:
            return Later(_retry_after(error), words)
        case status if status >= 500:
            return Later(_retry_after(error), words)
    return Never(words)


def _retry_after(error: anthropic.APIStatusError) -> timedelta:
    """The wait that the answer asks for in seconds, within our own bounds."""
    try:
        asked = float(error.response.headers.get("retry-after", "0"))
    except ValueError:
        asked = 0.0
    return timedelta(seconds=min(max(SOON.total_seconds(), asked), LONGEST_RETRY_AFTER.total_seconds()))


def _unreadable(call: LLMCall, started: float, cause: Exception | None) -> NoReturn:
    words = "Claude's answer was not a message of its API: check ANTHROPIC_BASE_URL."
    ledger.fail(call, words, billed=True, duration_ms=_since(started))
    _log(call)
    raise Misconfigured(words, "") from cause


def _stop(message: Message) -> str:
    """The stop reason, with the category of a refusal behind it."""
    details = message.stop_details
    category = details.category if details is not None else None
    return clean(f"{message.stop_reason} {category}" if category else str(message.stop_reason))[:40]


def _refuse_unusable(call: LLMCall) -> None:
    """Raise for an answer that stopped for any reason but its end or the lack of room; such a one is not used again."""
    reason, _, category = call.stop_reason.partition(" ")
    match reason:
        case "end_turn" | "stop_sequence" | "max_tokens":
            return
        case "refusal":
            why = f"Claude declined to answer this ({category or 'no category given'})."
        case "model_context_window_exceeded":
            why = "The text is longer than the model can read."
        case "pause_turn":
            ledger.reject([call], "Claude paused before it had answered.")
            raise Later(SOON, "Claude paused before it had answered.")
        case _:
            why = f"Claude stopped for a reason that we don't know: {call.stop_reason}."
    ledger.reject([call], why)
    raise Never(why)


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


def _usage(reported: ReportedUsage) -> ledger.Usage:
    detail = reported.cache_creation
    written = reported.cache_creation_input_tokens or 0
    hour = detail.ephemeral_1h_input_tokens if detail is not None else 0
    return ledger.Usage(
        input=reported.input_tokens,
        output=reported.output_tokens,
        cache_write_5m=max(written - hour, 0),
        cache_write_1h=hour,
        cache_read=reported.cache_read_input_tokens or 0,
    )


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1_000)


def _log(call: LLMCall) -> None:
    log.info(
        "llm_call",
        purpose=call.purpose,
        model=call.model,
        status=call.status,
        stop_reason=call.stop_reason,
        input_tokens=call.input_tokens,
        cache_read_tokens=call.cache_read_tokens,
        output_tokens=call.output_tokens,
        cost_usd=str(call.cost_usd),
        ms=call.duration_ms,
    )
