"""One request to a model: what it says, in the order that the prompt cache wants, and how much it may say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from django.conf import settings

from analysis.answers import Persona
from notion_sync.models import InboxItem

Purpose = Literal["triage", "persona", "rebuttal", "synthesis"]
Effort = Literal["low", "medium"]

# Room for an answer together with the thinking before it, which counts as output.
MAX_TOKENS: dict[Purpose, int] = {"triage": 4_000, "persona": 8_000, "rebuttal": 8_000, "synthesis": 12_000}
EFFORT: dict[Purpose, Effort] = {"triage": "low", "persona": "medium", "rebuttal": "medium", "synthesis": "medium"}
WITHOUT_EFFORT = ("claude-haiku-4-5", "claude-sonnet-4-5")

# Tokens below which a prefix is silently not cached: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
CACHE_MINIMUM = {
    **dict.fromkeys(("claude-fable-5-2", "claude-fable-5-1", "claude-opus-5-5", "claude-opus-5"), 512),
    **dict.fromkeys(("claude-sonnet-5-5", "claude-haiku-5-5"), 512),
    **dict.fromkeys(("claude-sonnet-5", "claude-opus-4-8", "claude-sonnet-4-6", "claude-sonnet-4-5"), 1_024),
    "claude-opus-4-7": 2_048,
}
UNKNOWN_MINIMUM = 4_096  # the highest there is
BYTES_A_TOKEN = 4  # of English; where it is wrong, a short prefix is not marked, or is marked and not cached


def model_for(purpose: Purpose, persona: str = "") -> str:
    """The model that is asked. `persona`: whose voice it is, which may have a model of its own; "" for nobody's."""
    models = settings.ANTHROPIC_MODELS
    return str(models.get(persona) or models["persona" if purpose == "rebuttal" else purpose])


def shares_model(persona: str) -> bool:
    """Whether another persona is asked of the same model: a prompt cache is a model's own."""
    own = model_for("persona", persona)
    return any(model_for("persona", other) == own for other in Persona if other != persona)


@dataclass(frozen=True)
class Question:
    """One request, and the row it is paid for in.

    The order is the cache's: schema, `system`, `shared` (what others send as well), `user`, `role` (our own words again).
    Text of others is in `shared` and `user` only.
    """

    purpose: Purpose
    asker: str  # stage and key of the job: two jobs that ask the same do not share an answer
    item: InboxItem | None
    model: str
    system: str
    shared: str
    user: str
    role: str
    schema: dict[str, Any] = field(repr=False)
    max_tokens: int
    prompt_hash: str
    cached: bool  # others send `shared` within minutes
    repair: int = 0

    @property
    def key(self) -> str:
        texts = [self.system, self.shared, self.user, self.role]
        parts = [self.model, *texts, self.schema, self.max_tokens, self.asker, self.repair]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def in_ledger(self) -> str:
        """The purpose as the ledger shows it: what is replayed for a new prompt is told from work on items."""
        said = [self.purpose, "replay" if self.asker.startswith("replay ") else "", "repair" if self.repair else ""]
        return " ".join(filter(None, said))

    @property
    def size(self) -> int:
        """Bytes of all text that is sent."""
        return _bytes([self.system, self.shared, self.user, self.role, self.schema])

    @cached_property
    def marked_size(self) -> int:
        """Bytes of the prefix that is marked for the cache; 0 where none is: nobody shares it, or it is too short."""
        if not self.cached or not self.shared or not long_enough(self.model, self.schema, self.system, self.shared):
            return 0
        return _bytes([self.system, self.shared, self.schema])

    def request(self) -> dict[str, Any]:
        """The arguments of the API's call. The system text is marked too: the next item reads it, at no more cost."""
        mark = {"type": "ephemeral"} if self.marked_size else None
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        *([_block(self.shared, mark)] if self.shared else []),
                        *(_block(text) for text in (self.user, self.role) if text),
                    ],
                }
            ],
            "output_config": {"format": {"type": "json_schema", "schema": self.schema}},
        }
        if self.system:
            request["system"] = [
                _block(self.system, mark if long_enough(self.model, self.schema, self.system) else None)
            ]
        if not self.model.startswith(WITHOUT_EFFORT):
            request["output_config"]["effort"] = EFFORT[self.purpose]
        return request


def long_enough(model: str, *prefix: Any) -> bool:
    """Whether a prefix of this schema and these texts is cached at all."""
    return _bytes(list(prefix)) // BYTES_A_TOKEN >= CACHE_MINIMUM.get(model, UNKNOWN_MINIMUM)


def _block(text: str, mark: dict[str, str] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"cache_control": mark} if mark else {})}


def _bytes(texts: list[Any]) -> int:
    return len(json.dumps(texts, ensure_ascii=False).encode())
