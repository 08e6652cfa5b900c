"""What a rebuttal has to hold to: it quotes what was said, and a change of mind names the argument that caused it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from analysis import agreement
from analysis.answers import PerspectiveAnswer, RebuttalAnswer


def problems(answer: RebuttalAnswer, own: PerspectiveAnswer, opinions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with a rebuttal, in words; nothing for a sound one. `opinions`: those that were read, by label."""
    found = agreement.contradictions(answer.stance, answer.recommended)
    known = {label.casefold(): _plain(json.dumps(said, ensure_ascii=False)) for label, said in opinions.items()}
    quotes = [(one.adviser, one.quote) for one in answer.attacks]
    quotes += [(one.adviser, one.quote) for one in answer.concessions]
    for adviser, quote in quotes:
        text = known.get(adviser.casefold())
        if text is None:
            found.append(f"nobody is called {adviser}")
        elif _plain(json.dumps(quote, ensure_ascii=False)[1:-1]) not in text:
            found.append(f"{adviser} did not say: {quote}")
    changed = (answer.stance, answer.recommended) != (own.stance, own.recommended)
    if changed and _plain(answer.changed_by) not in {_plain(quote) for _, quote in quotes}:
        found.append("the verdict changed, but changed_by is none of the quotes")
    if not changed and answer.changed_by:
        found.append("changed_by names a quote, but the verdict did not change")
    return found


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()
