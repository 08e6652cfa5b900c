"""The connection to Claude: one client, its errors sorted, and an answer heard event by event.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import anthropic
import httpx2
from anthropic.types import (
    Message,
    MessageDeltaUsage,
    RawContentBlockDeltaEvent,
    RawMessageDeltaEvent,
    RawMessageStartEvent,
    RawMessageStopEvent,
    RawMessageStreamEvent,
    RefusalStopDetails,
    TextBlock,
    TextDelta,
    Usage,
)
from django.conf import settings

from analysis import ledger
from analysis.llm.questions import Question
from analysis.models import LLMCall
from emm import credentials
from emm.jobs import Later, Misconfigured, Never
from notion_sync.properties import clean

KEY = "ANTHROPIC_API_KEY"
TIMEOUT_SECONDS = 300.0  # without a byte
LONGEST_CALL_SECONDS = 600.0  # in all, the last silence apart: with it below the lease of those who ask
SOON = timedelta(seconds=30)
LONGEST_RETRY_AFTER = timedelta(minutes=10)


class Broken(Exception):
    """An answer that began and did not come to its end, or not in a form that can be read. `str` says how."""


@dataclass
class Heard:
    """What has come of an answer so far. `usage` None: nothing of the API's has come."""

    parts: list[str] = field(default_factory=list)
    usage: ledger.Usage | None = None
    stop_reason: str = ""
    request_id: str = ""
    complete: bool = False

    @property
    def text(self) -> str:
        return clean("".join(self.parts))


def access() -> tuple[str, str]:
    """The key and the address in use: the environment's key, else the console's, else what stands in for Claude.

    Raises Misconfigured where there is no key, and what credentials.get raises.
    """
    key, base_url = settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_BASE_URL
    if (settings.ANTHROPIC_IS_SANDBOX or not key) and (kept := credentials.get(KEY)):
        key, base_url = kept, settings.ANTHROPIC_ADDRESS
    if not key:
        raise credentials.missing(KEY)
    return key, base_url


def is_sandbox() -> bool:
    """Whether the sandbox stands in for Claude, because no key was set or entered."""
    return settings.ANTHROPIC_IS_SANDBOX and not credentials.is_set(KEY)


def client() -> anthropic.Anthropic:
    """The client for the key and the address in use. Raises what access raises."""
    return _client(*access())


@functools.cache
def _client(api_key: str, base_url: str) -> anthropic.Anthropic:
    # Retries are ours: each attempt is a row of the ledger.
    return anthropic.Anthropic(api_key=api_key, base_url=base_url, max_retries=0, timeout=TIMEOUT_SECONDS)


def listen(connected: anthropic.Anthropic, question: Question, heard: Heard, begun: Callable[[], None]) -> None:
    """Ask, and put into `heard` what comes, until it is complete or something is raised. `begun`: called at the first event.

    Raises what the SDK and its HTTP client raise, or Broken for a stream that ends or means nothing.
    """
    deadline = time.monotonic() + LONGEST_CALL_SECONDS
    stream: anthropic.Stream[RawMessageStreamEvent] = connected.messages.create(**question.request(), stream=True)
    with stream:
        heard.request_id = stream.response.headers.get("request-id", "")
        for event in stream:
            match event:
                case RawMessageStartEvent():
                    heard.usage = usage_of(event.message)
                    begun()
                case RawContentBlockDeltaEvent(delta=TextDelta(text=str(text))):
                    heard.parts.append(text)
                case RawMessageDeltaEvent():
                    heard.stop_reason = stop_of(event.delta.stop_reason, event.delta.stop_details)
                    _count(heard, event.usage)
                case RawMessageStopEvent():
                    heard.complete = bool(heard.usage and heard.stop_reason)
            if time.monotonic() > deadline:
                raise Broken(f"The answer was not complete after {LONGEST_CALL_SECONDS:.0f} s.")
    if not heard.complete:
        raise Broken("The answer stopped before its end.")


def _count(heard: Heard, totals: object) -> None:
    """Take over the running totals, which come with the end of an answer."""
    if heard.usage is None or not isinstance(totals, MessageDeltaUsage):
        raise Broken("The answer's end says nothing of what it took.")
    seen = heard.usage
    heard.usage = ledger.Usage(
        input=seen.input if totals.input_tokens is None else totals.input_tokens,
        output=totals.output_tokens,
        cache_write_5m=seen.cache_write_5m,
        cache_write_1h=seen.cache_write_1h,
        cache_read=seen.cache_read if totals.cache_read_input_tokens is None else totals.cache_read_input_tokens,
        tier=seen.tier,
        geo=seen.geo,
    )


def usage_of(message: Message) -> ledger.Usage:
    """What a message says it took. Raises Broken if it is none of the API's: the SDK does not check what it is sent."""
    reported = getattr(message, "usage", None)
    if not isinstance(reported, Usage):
        raise Broken("The answer does not say what it took.")
    written, detail = reported.cache_creation_input_tokens or 0, reported.cache_creation
    hour = detail.ephemeral_1h_input_tokens if detail is not None else 0
    known = reported.service_tier in LLMCall.Tier.values
    return ledger.Usage(
        input=reported.input_tokens,
        output=reported.output_tokens,
        cache_write_5m=max(written - hour, 0),
        cache_write_1h=hour,
        cache_read=reported.cache_read_input_tokens or 0,
        tier=str(reported.service_tier) if known else LLMCall.Tier.STANDARD,
        geo=reported.inference_geo or "",
    )


def text_of(message: Message) -> str:
    """The text of a whole message."""
    return clean("".join(block.text for block in message.content or () if isinstance(block, TextBlock)))


def stop_of(reason: str | None, details: RefusalStopDetails | None) -> str:
    """The stop reason, with the category of a refusal behind it."""
    category = details.category if details is not None else None
    return clean(f"{reason} {category}" if category else str(reason))[:40]


@contextlib.contextmanager
def sorted_errors() -> Iterator[None]:
    """Around a call that costs nothing: its errors as Later, Misconfigured or Never."""
    try:
        yield
    except anthropic.APIStatusError as error:
        raise meaning(error, "") from error
    except (anthropic.APIConnectionError, httpx2.TransportError) as error:
        raise Later(SOON, no_answer(error)) from error


def no_answer(error: Exception) -> str:
    """That no answer came, in words."""
    return f"No answer came from Claude ({type(error.__cause__ or error).__name__})."


def was_sent(error: Exception) -> bool:
    """Before a connection stands nothing was asked; afterwards the answer may have been made, and charged."""
    return not isinstance(error.__cause__, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))


def words_of(error: anthropic.APIStatusError) -> str:
    """What the error says, for the ledger."""
    return clean(f"{error.status_code} {error.type or ''}: {_said(error)}")


def broke_off(error: anthropic.APIStatusError) -> Later:
    """An error in the middle of an answer, whose status was 200: nothing in it but its words tells what happened."""
    return Later(SOON, clean(f"Claude broke off its answer: {_said(error)}"))


def meaning(error: anthropic.APIStatusError, model: str) -> Later | Never:
    """What an error answer means for the job. https://platform.claude.com/docs/en/api/errors"""
    words = clean(f"Claude answered {error.status_code}: {_said(error)}")
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
    return Never(f"{words} Mend what it names, or choose another model, then queue it again.")


def _said(error: anthropic.APIStatusError) -> str:
    """The error's own words as a sentence: what to do about it is said after them."""
    said = error.api_message or error.message
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _retry_after(error: anthropic.APIStatusError) -> timedelta:
    """The wait that the answer asks for in seconds, within our own bounds."""
    try:
        asked = float(error.response.headers.get("retry-after", "0"))
    except ValueError:
        asked = 0.0
    return timedelta(seconds=min(max(SOON.total_seconds(), asked), LONGEST_RETRY_AFTER.total_seconds()))
