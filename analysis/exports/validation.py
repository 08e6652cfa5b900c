"""Whether a training file keeps to its format, line by line."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROLES = ("system", "user", "assistant")
FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # a spreadsheet may run what begins so


def problems(name: str, path: Path) -> Iterator[str]:
    """What is wrong with a file in format `name`, each with its line from 1; nothing for a good one.

    Raises KeyError for an unknown format, OSError where the file cannot be read.
    """
    yield from _csv(path) if name == "csv" else _jsonl(CHECKS[name], path)


def _jsonl(check: Callable[[Any], Iterable[str]], path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line.decode("utf-8"))
            except (ValueError, RecursionError) as error:
                yield f"line {number}: it is not JSON: {error}"
                continue
            yield from (f"line {number}: {what}" for what in check(record))


def _csv(path: Path) -> Iterator[str]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            if not header or len(set(header)) != len(header):
                yield "line 1: a header with a different name for each column is missing"
            for row in rows:
                if len(row) != len(header):
                    yield f"line {rows.line_num}: {len(row)} cells, the header has {len(header)}"
                for name, cell in zip(header, row, strict=False):
                    if cell.lstrip(" ").startswith(FORMULA):
                        yield f"line {rows.line_num}: {name} begins like a formula"
        except (csv.Error, UnicodeDecodeError) as error:
            yield f"line {max(rows.line_num, 1)}: it is not CSV: {error}"


def _keys(record: Any, wanted: set[str], where: str = "the record") -> list[str]:
    if not isinstance(record, dict):
        return [f"{where} is not an object"]
    found = set(record)
    return [f"{where} has to have the keys {', '.join(sorted(wanted))} and no others"] if found != wanted else []


def _messages(messages: Any, roles: tuple[str, ...], where: str) -> list[str]:
    """What is wrong with a list of messages by these roles."""
    if not isinstance(messages, list) or len(messages) != len(roles):
        return [f"{where} has to hold {len(roles)} messages"]
    for message, role in zip(messages, roles, strict=True):
        wrong = _keys(message, {"role", "content"}, f"a message of {where}")
        if wrong:
            return wrong
        if message["role"] != role:
            return [f"{where} has to go {', '.join(roles)}"]
        if not isinstance(message["content"], str) or not message["content"].strip():
            return [f"{where} has an empty message"]
    return []


def _supervised(record: Any) -> list[str]:
    wrong = _keys(record, {"system", "messages"})
    if wrong:
        return wrong
    if not isinstance(record["system"], str) or not record["system"].strip():
        return ["system has to be a text"]
    if not isinstance(record["messages"], list) or len(record["messages"]) < 2 or len(record["messages"]) % 2:
        return ["messages has to begin with the user, end with the assistant and alternate"]
    return _messages(record["messages"], ROLES[1:] * (len(record["messages"]) // 2), "messages")


def _openai_chat(record: Any) -> list[str]:
    return _keys(record, {"messages"}) or _messages(record["messages"], ROLES, "messages")


def _openai_preference(record: Any) -> list[str]:
    wrong = _keys(record, {"input", "preferred_output", "non_preferred_output"})
    wrong = wrong or _keys(record["input"], {"messages", "tools", "parallel_tool_calls"}, "input")
    wrong = wrong or _messages(record["input"]["messages"], ROLES[:2], "input.messages")
    return wrong or _pair(record, "preferred_output", "non_preferred_output")


def _trl_dpo(record: Any) -> list[str]:
    wrong = _keys(record, {"prompt", "chosen", "rejected"}) or _messages(record["prompt"], ("user",), "prompt")
    return wrong or _pair(record, "chosen", "rejected")


def _pair(record: Any, good: str, bad: str) -> list[str]:
    wrong = _messages(record[good], ("assistant",), good) or _messages(record[bad], ("assistant",), bad)
    return wrong or ([f"{good} and {bad} are the same"] if record[good] == record[bad] else [])


def _trl_kto(record: Any) -> list[str]:
    wrong = _keys(record, {"prompt", "completion", "label"}) or _messages(record["prompt"], ("user",), "prompt")
    wrong = wrong or _messages(record["completion"], ("assistant",), "completion")
    return wrong or ([] if isinstance(record["label"], bool) else ["label has to be true or false"])


CHECKS: dict[str, Callable[[Any], list[str]]] = {
    "supervised": _supervised,
    "openai-chat": _openai_chat,
    "openai-preference": _openai_preference,
    "trl-dpo": _trl_dpo,
    "trl-kto": _trl_kto,
}
