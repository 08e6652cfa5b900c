"""The only room that speaks to Claude: one question, one typed answer, each attempt paid for in the ledger.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import anthropic
import httpx2
import structlog
from pydantic import BaseModel

from analysis import leaks, ledger, rules
from analysis.answers import Answer
from analysis.llm import batches, connection
from analysis.llm.connection import KEY, SOON, Broken, Heard, access, is_sandbox
from analysis.llm.questions import MAX_TOKENS, Purpose, Question, model_for, shares_model
from analysis.llm.reading import COMPLETE, OTHERWISE, checked, refuse_unusable
from analysis.models import LLMCall
from analysis.prompts import fence
from emm.jobs import Job, Later, Misconfigured, Never
from notion_sync.models import InboxItem
from notion_sync.properties import clean

__all__ = [
    "KEY",
    "MAX_TOKENS",
    "Purpose",
    "access",
    "ask",
    "greet",
    "is_sandbox",
    "model_for",
    "models",
    "shares_model",
]

log = structlog.get_logger(__name__)

A = TypeVar("A", bound=Answer)
Begun = Callable[[], None]


def ask(
    *,
    purpose: Purpose,
    job: Job,
    item: InboxItem | None,
    system: str,
    answer: type[A],
    prompt_hash: str,
    user: str = "",
    shared: str = "",
    role: str = "",
    persona: str = "",
    cached: bool = False,
    patient: bool = False,
    begun: Begun = lambda: None,
    check: Callable[[A], list[str]] = lambda found: [],
) -> A:
    """Claude's answer to `shared`, `user` and `role`, in this order, under `system`, as an `answer`.

    `shared` is what other calls send as well; with `cached` they do so within minutes, and it is marked for the prompt
    cache where it is long enough. `role`: words of our own, after those of others. `persona`: whose voice it is, which
    may have a model of its own. `begun` is called once others can read the cache: when the answer begins, or before the
    call where nothing is cached. `patient`: through a batch. `check`: what is wrong with an answer that fits its type,
    in words; nothing for a good one.

    An answer that this job has paid for before, and that a crash kept from being used, is taken from the ledger. An
    answer that does not fit, or that repeats our instructions, is asked for once more, with what was wrong with it.
    Before each call the job's lease is renewed, so that it need only outlast one.
    Never call it inside a transaction. Raises Later (busy, stopped, or over budget), Submitted (a batch has it),
    Misconfigured (key, model or price), Never (refused, too long, or unfit twice), or LostLease before a call that another
    worker makes by now.
    """
    question = Question(
        purpose=purpose,
        asker=f"{job.stage} {job.pk}",
        item=item,
        model=model_for(purpose, persona),
        system=clean(system),
        shared=clean(shared),
        user=clean(user),
        role=clean(role),
        schema=anthropic.transform_schema(answer),
        max_tokens=MAX_TOKENS[purpose],
        prompt_hash=prompt_hash,
        cached=cached and not patient,
    )

    def whole_check(found: A) -> list[str]:
        known = f"{shared}\n{user}\n{rules.told_in(system)}"  # whoever follows a rule may say it in its own words
        return [*check(found), *leaks.problems(found, f"{system}\n{role}", known)]

    call = _bought(question)
    if call is None and patient:
        _keep(job)
        batches.place(question)
    call = call or _buy(question, begun, job)
    refuse_unusable(call)
    fitting, problems = checked(call, answer, whole_check)
    return fitting if fitting is not None else _mended(question, call, problems, answer, whole_check, begun, job)


def _mended(
    question: Question,
    call: LLMCall,
    problems: list[str],
    answer: type[A],
    check: Callable[[A], list[str]],
    begun: Begun,
    job: Job,
) -> A:
    """The answer to a second question, with what was wrong with the first. Raises Never where that does not fit either."""
    repaired = _repaired(question, call, problems)
    second = _bought(repaired) or _buy(repaired, begun, job)
    refuse_unusable(second)
    fitting, problems = checked(second, answer, check)
    if fitting is not None:
        return fitting
    why = f"The answer did not fit what was asked for, twice: {'; '.join(problems)}. {OTHERWISE}"
    ledger.reject([call, second], why)
    raise Never(why)


def models() -> set[str]:
    """The ids of the models that the key may use: the smallest call there is. Raises Later, Misconfigured or Never."""
    client = connection.client()
    with connection.sorted_errors():
        return {model.id for model in client.models.list(limit=1000)}


class Greeting(BaseModel):
    """The answer to greet()."""

    word: str


def greet() -> str:
    """One tiny call to the model of the triage, paid for like any other. Returns the model. Raises as ask() does."""
    question = Question(
        purpose="triage",
        asker=f"greeting {uuid.uuid4()}",
        item=None,
        model=model_for("triage"),
        system="",
        shared="",
        user="Answer with one word.",
        role="",
        schema=anthropic.transform_schema(Greeting),
        max_tokens=100,
        prompt_hash="",
        cached=False,
    )
    refuse_unusable(_buy(question, lambda: None))
    return question.model


def _repaired(question: Question, call: LLMCall, problems: list[str]) -> Question:
    """The question again: with more room if the answer was cut off, else with the answer and what was wrong with it."""
    if call.stop_reason not in COMPLETE:
        return replace(question, repair=1, max_tokens=2 * question.max_tokens)
    shown = f"{fence('answer', call.answer_text)}\n{fence('problems', problems)}"
    request = "The answer above did not fit the schema. Answer again, whole, with every problem mended."
    return replace(question, repair=1, user=f"{question.user}\n{shown}\n{request}".strip())


def _bought(question: Question) -> LLMCall | None:
    """The answer that was paid for before, and not rejected since."""
    return LLMCall.objects.filter(key=question.key, status=LLMCall.Status.ANSWERED).order_by("pk").last()


def _keep(job: Job) -> None:
    """Raises LostLease if another worker has claimed the row since. One that was never claimed has no lease."""
    if job.claims:
        job.keep()


def _buy(question: Question, begun: Begun, job: Job | None = None) -> LLMCall:
    client = connection.client()
    if job is not None:
        _keep(job)
    call = ledger.reserve(
        purpose=question.in_ledger,
        model=question.model,
        item=question.item,
        prompt_bytes=question.size,
        marked_bytes=question.marked_size,
        max_tokens=question.max_tokens,
        key=question.key,
        prompt_hash=question.prompt_hash,
        asker=question.asker,
    )
    if not question.marked_size:
        begun()
    started = time.monotonic()
    heard = Heard()
    try:
        connection.listen(client, question, heard, begun if question.marked_size else lambda: None)
    except anthropic.APIStatusError as error:
        began = heard.usage is not None
        _fail(call, heard, connection.words_of(error), started, billed=began, request_id=error.request_id or "")
        raise (connection.broke_off(error) if began else connection.meaning(error, question.model)) from error
    except (anthropic.APIConnectionError, httpx2.TransportError) as error:
        words = connection.no_answer(error)
        _fail(call, heard, words, started, billed=connection.was_sent(error))
        raise Later(SOON, words) from error
    except (Broken, anthropic.APIResponseValidationError, json.JSONDecodeError, UnicodeDecodeError) as error:
        if heard.usage is None:
            words = "Claude's answer was not a message of its API: check ANTHROPIC_BASE_URL."
            _fail(call, heard, words, started, billed=True)
            raise Misconfigured("Claude's answer was not a message of its API.", "Check ANTHROPIC_BASE_URL.") from error
        words = str(error) if isinstance(error, Broken) else f"The answer came garbled ({type(error).__name__})."
        _fail(call, heard, words, started, billed=True)
        raise Later(SOON, words) from error
    assert heard.usage is not None, "it is complete"
    ledger.settle(
        call,
        heard.usage,
        answer_text=heard.text,
        stop_reason=heard.stop_reason,
        request_id=heard.request_id,
        duration_ms=_since(started),
    )
    _log(call)
    return call


def _fail(call: LLMCall, heard: Heard, words: str, started: float, *, billed: bool, request_id: str = "") -> None:
    ledger.fail(
        call,
        words,
        billed=billed,
        request_id=request_id or heard.request_id,
        duration_ms=_since(started),
        usage=heard.usage,
    )
    _log(call)


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
