"""Whether an answer gives away the instructions that it was made under. Pure."""

from __future__ import annotations

import json
import re

from pydantic import BaseModel

RUN = 60  # letters and digits in a row; nobody shares so many with the instructions by chance


def problems(answer: BaseModel, system: str, known: str) -> list[str]:
    """What is wrong with an answer that repeats its instructions; nothing otherwise. What stands in `known` is no secret.

    Finds word for word repetition, whatever the spaces, signs and letter case; not a translation, nor a code.
    """
    said, secret, open_to_all = (_letters(text) for text in (_text(answer), system, known))
    given_away = any(run not in open_to_all for run in _runs(secret) & _runs(said))
    return ["it repeats the instructions word for word: answer in your own words"] if given_away else []


def _text(answer: BaseModel) -> str:
    return re.sub(r"\\[nrt]", " ", json.dumps(answer.model_dump(mode="json"), ensure_ascii=False))


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _runs(text: str) -> set[str]:
    return {text[start : start + RUN] for start in range(len(text) - RUN + 1)}
