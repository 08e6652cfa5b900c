"""The request as the analyst reads it: tags that hold JSON, or plain text where the tags are missing."""

import json
import re
from dataclasses import dataclass
from typing import Any

from sandbox.analyst.reading import Reading, read
from sandbox.analyst.wording import clean

PERSONAS = ("entrepreneur", "quant", "auditor")


@dataclass(frozen=True)
class Brief:
    """What is asked. `note` is a reviewer's wish in a revision, "" where there is none."""

    reading: Reading
    persona: str
    areas: list[str]
    opinions: list[dict[str, Any]]
    note: str
    own: dict[str, Any]


def parse(system: str, user: str) -> Brief:
    """Read a request's texts. Never raises: what is missing or malformed is taken as plain text or as absent."""
    item = next((value for value in _tagged("item", user) if isinstance(value, dict)), None)
    if item is None:
        first, _, rest = user.strip().partition("\n")
        item = {"title": first, "content": rest}
    areas = next((value for value in _tagged("areas", user) if isinstance(value, list)), [])
    note = next((value for value in _tagged("note", user) if isinstance(value, str)), "")
    outside = " ".join(part.rpartition("</item>")[2] for part in user.split("<item>"))
    return Brief(
        reading=read(_text(item.get("title")), _text(item.get("content")), item.get("urgent") is True),
        persona=_persona(" ".join(re.findall(r"(?s)<role>(.*?)</role>", user)))
        or _persona(system)
        or _persona(outside)
        or "quant",
        areas=[area for area in areas if isinstance(area, str)],
        opinions=[value for value in _tagged("opinion", user) if isinstance(value, dict)],
        note=clean(note),
        own=next((value for value in _tagged("own", user) if isinstance(value, dict)), {}),
    )


def _tagged(tag: str, text: str) -> list[Any]:
    values = []
    for part in re.split(rf"<{tag}(?: [^<>]{{0,200}})?>", text)[1:]:
        try:
            values.append(json.loads(part.partition(f"</{tag}>")[0]))
        except ValueError:
            continue
    return values


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _persona(text: str) -> str:
    """Whose turn it is: who is addressed, otherwise who is named most often; "" where nobody is named."""
    addressed = re.findall(r"(?i)\byou are (?:the )?\W{0,4}(entrepreneur|quant|auditor)\b", text)
    if addressed:
        return str(addressed[-1]).lower()
    named = [name.lower() for name in re.findall(r"\bThe (Entrepreneur|Quant|Auditor)\b", text)]
    return max(PERSONAS, key=named.count) if named else ""
