"""The models on offer, with their limits: https://platform.claude.com/docs/en/models/overview as of November 2026."""

from dataclasses import dataclass
from typing import Any

from sandbox.claude.errors import ApiError

UNKNOWN_DATE = "1970-01-01"


@dataclass(frozen=True)
class Model:
    """`cache_floor`: a shorter prefix is never cached, silently. `always_thinks`: switching thinking off is refused."""

    id: str
    created: str
    cache_floor: int = 512
    context: int = 1_000_000
    max_output: int = 128_000
    always_thinks: bool = False

    @property
    def line(self) -> str:
        return self.id.split("-")[1]

    def body(self) -> dict[str, Any]:
        """The model as GET /v1/models shows it."""
        line, *version = self.id.removeprefix("claude-").split("-")
        return {
            "type": "model",
            "id": self.id,
            "display_name": f"Claude {line.capitalize()} {'.'.join(version)}",
            "created_at": f"{self.created}T00:00:00Z",
            "lifecycle": "active",
            "deprecated_at": None,
            "retires_at": None,
            "line": line,
            "max_input_tokens": self.context,
            "max_tokens": self.max_output,
            "capabilities": self._capabilities(),
        }

    def _capabilities(self) -> dict[str, Any]:
        yes, no = {"supported": True}, {"supported": False}
        off = no if self.always_thinks else yes
        levels = dict.fromkeys(("low", "medium", "high", "xhigh", "max"), yes)
        return {
            "batch": yes,
            "citations": no,
            "code_execution": no,
            "context_management": no,
            "effort": {**yes, **levels},
            "image_input": no,
            "pdf_input": no,
            "server_tools": {**no, "code_execution": no, "web_search": no},
            "structured_outputs": yes,
            "thinking": {**yes, "types": {"adaptive": yes, "between_tools": off, "disabled": off, "enabled": no}},
        }


MODELS = {
    model.id: model
    for model in (
        Model("claude-fable-5-2", "2026-11-09", always_thinks=True),
        Model("claude-haiku-5-5", "2026-10-07"),
        Model("claude-sonnet-5-5", "2026-09-28"),
        Model("claude-opus-5-5", "2026-09-22", always_thinks=True),
        Model("claude-fable-5-1", UNKNOWN_DATE, always_thinks=True),
        Model("claude-opus-5", UNKNOWN_DATE),
        Model("claude-sonnet-5", UNKNOWN_DATE, cache_floor=1_024),
        Model("claude-opus-4-8", UNKNOWN_DATE, cache_floor=1_024),
        Model("claude-opus-4-7", UNKNOWN_DATE, cache_floor=2_048),
        Model("claude-opus-4-6", UNKNOWN_DATE, cache_floor=4_096),
        Model("claude-opus-4-5", UNKNOWN_DATE, cache_floor=4_096),
        Model("claude-haiku-4-5", UNKNOWN_DATE, cache_floor=4_096, context=200_000, max_output=64_000),
    )
}


def model(model_id: str) -> Model:
    """The model of that id. Raises ApiError 404 for unknown and for retired ones alike."""
    if model_id not in MODELS:
        raise ApiError(404, f"model: {model_id}")
    return MODELS[model_id]
