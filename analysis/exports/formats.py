"""The formats of training files: which records a decision makes, and what such a file is good for today."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from analysis.exports.examples import SYSTEM, Example
from analysis.models import Settlement

Record = dict[str, Any]
Decision = Settlement.Decision

OWN_HARDWARE = "Trains open-weight models on your own hardware with Hugging Face TRL; no vendor is needed."


@dataclass(frozen=True)
class Format:
    """`made_of`: the groups of decisions that each give one record: approved, edited (approved), rejected, table (all).

    `trains`: what can be trained with it today, honestly.
    """

    title: str
    made_of: tuple[str, ...]
    records: Callable[[Example], Iterator[Record]]
    trains: str


def _says(role: str, content: str) -> Record:
    return {"role": role, "content": content}


def _asked(one: Example) -> list[Record]:
    """The prompt for formats without a place for the system text."""
    return [_says("user", f"{SYSTEM}\n\n{one.question}")]


def _supervised(one: Example) -> Iterator[Record]:
    if one.decision == Decision.APPROVED:
        yield {"system": SYSTEM, "messages": [_says("user", one.question), _says("assistant", one.final)]}


def _openai_chat(one: Example) -> Iterator[Record]:
    if one.decision == Decision.APPROVED:
        spoken = [_says("system", SYSTEM), _says("user", one.question), _says("assistant", one.final)]
        yield {"messages": spoken}


def _openai_preference(one: Example) -> Iterator[Record]:
    if one.edited:
        asked = [_says("system", SYSTEM), _says("user", one.question)]
        yield {
            "input": {"messages": asked, "tools": [], "parallel_tool_calls": True},
            "preferred_output": [_says("assistant", one.final)],
            "non_preferred_output": [_says("assistant", one.proposed)],
        }


def _trl_dpo(one: Example) -> Iterator[Record]:
    if one.edited:
        final, proposed = _says("assistant", one.final), _says("assistant", one.proposed)
        yield {"prompt": _asked(one), "chosen": [final], "rejected": [proposed]}


def _trl_kto(one: Example) -> Iterator[Record]:
    """What a person approved is good as they left it, what they rejected is bad as it was proposed."""
    if one.decision == Decision.APPROVED:
        yield {"prompt": _asked(one), "completion": [_says("assistant", one.final)], "label": True}
    elif one.decision == Decision.REJECTED:
        yield {"prompt": _asked(one), "completion": [_says("assistant", one.proposed)], "label": False}


def _table(one: Example) -> Iterator[Record]:
    yield one.row


FORMATS = {
    "supervised": Format(
        "Supervised (system, messages)",
        ("approved",),
        _supervised,
        "The form that Amazon Bedrock documented for Claude 3 Haiku, whose end of life was 2026-09-10. It is a format, "
        "not a promise: we know of no Claude model that can be trained with it today.",
    ),
    "openai-chat": Format(
        "OpenAI chat",
        ("approved",),
        _openai_chat,
        "Supervised fine-tuning at OpenAI, for the models that it lists for this, and with the many tools that read the "
        "same form. It does not train Claude.",
    ),
    "openai-preference": Format(
        "Preference pairs, OpenAI",
        ("edited",),
        _openai_preference,
        "Direct preference optimisation at OpenAI, for the models that it lists for this. It does not train Claude.",
    ),
    "trl-dpo": Format("Preference pairs, TRL DPO", ("edited",), _trl_dpo, OWN_HARDWARE),
    "trl-kto": Format("Good or bad, TRL KTO", ("approved", "rejected"), _trl_kto, OWN_HARDWARE),
    "csv": Format("Table (CSV)", ("table",), _table, "For spreadsheets and statistics; it trains nothing as it is."),
}
