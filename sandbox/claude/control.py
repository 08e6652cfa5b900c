"""The levers: delay and errors on demand, and counters of what was asked and billed."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.claude.errors import ApiError, invalid

ERRORS = {
    "401": (401, "invalid x-api-key"),
    "429": (429, "This request would exceed your organization's rate limit. Please try again later."),
    "500": (500, "Internal server error"),
    "529": (529, "Overloaded"),
}
ANSWERS = ("refusal", "max_tokens", "empty", "malformed", "wrong_schema", "stop_ends")
STREAMS = ("drop_mid", "corrupt", "end_early", "error_mid")
BATCHED = ("expired", "canceled")
KINDS = (*ERRORS, *ANSWERS, *STREAMS, *BATCHED, "drop_before", "drop_after", "retired")
PURPOSES = ("triage", "persona", "rebuttal", "synthesis", "other", "batch", "any")
STOPS = ("pause_turn", "stop_sequence", "tool_use", "model_context_window_exceeded")


@dataclass
class Fault:
    """One line of the script: what happens to the next `times` calls that match."""

    kind: str
    purpose: str = "any"
    contains: str = ""
    times: int = 1
    retry_after: float | None = None
    stop_reason: str = "model_context_window_exceeded"

    def fits(self, purpose: str, prompt: str) -> bool:
        return self.purpose in ("any", purpose) and self.contains in prompt


class Control:
    """The state behind /control. `script` is used up from the front, one fault for one call."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.delay_seconds = 0.0
        self.batch_seconds = 0.0
        self.gullible = False
        self.script: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    def merge(self, wishes: Any) -> None:
        """Set the delays and whether to obey, and append to the script. Raises ApiError 400 and then changes nothing."""
        if not isinstance(wishes, dict) or wishes.keys() - {"delay_seconds", "batch_seconds", "gullible", "script"}:
            raise invalid("control: expected an object with delay_seconds, batch_seconds, gullible and script")
        batch = wishes.get("batch_seconds", self.batch_seconds)
        if not isinstance(batch, int | float) or not 0 <= batch <= 86_400:
            raise invalid("control: batch_seconds must be 0 to 86400")
        delay = wishes.get("delay_seconds", self.delay_seconds)
        script = wishes.get("script", [])
        gullible = wishes.get("gullible", self.gullible)
        if not isinstance(gullible, bool):
            raise invalid("control: gullible must be true or false")
        if not isinstance(delay, int | float) or not 0 <= delay <= 600 or not isinstance(script, list):
            raise invalid("control: delay_seconds must be 0 to 600, script a list")
        faults = [_fault(entry) for entry in script]
        self.delay_seconds = float(delay)
        self.batch_seconds = float(batch)
        self.gullible = gullible
        self.script += faults

    def next_fault(self, purpose: str, prompt: str) -> Fault | None:
        """Take one use of the first fault that fits; None for an undisturbed call."""
        fault = next((fault for fault in self.script if fault.fits(purpose, prompt)), None)
        if fault is None:
            return None
        fault.times -= 1
        self.script = [left for left in self.script if left.times > 0]
        self.faults[fault.kind] += 1
        return fault

    def bill(self, usage: dict[str, Any]) -> None:
        for name in ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
            self.tokens[name] += usage[name]

    def body(self) -> dict[str, Any]:
        """The state as GET /control shows it."""
        return {
            "delay_seconds": self.delay_seconds,
            "batch_seconds": self.batch_seconds,
            "gullible": self.gullible,
            "script": [asdict(fault) for fault in self.script],
            "calls": dict(self.calls),
            "faults": dict(self.faults),
            "tokens": dict(self.tokens),
        }


def _fault(entry: Any) -> Fault:
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
        raise invalid(f"control: kind must be one of {', '.join(KINDS)}")
    match = entry.get("match", {})
    if (
        not isinstance(match, dict)
        or match.get("purpose", "any") not in PURPOSES
        or match.keys() - {"purpose", "contains"}
    ):
        raise invalid(f"control: match takes contains, and purpose: one of {', '.join(PURPOSES)}")
    times = entry.get("times", 1)
    if not isinstance(times, int) or times < 1:
        raise invalid("control: times must be a whole number from 1")
    fault = Fault(entry["kind"], match.get("purpose", "any"), str(match.get("contains", "")), times)
    fault.retry_after = entry.get("retry_after")
    fault.stop_reason = entry.get("stop_reason", fault.stop_reason)
    if not isinstance(fault.retry_after, int | float | None) or fault.stop_reason not in STOPS:
        raise invalid(f"control: retry_after is a number of seconds, stop_reason one of {', '.join(STOPS)}")
    return fault


def error(fault: Fault, model_id: str) -> ApiError | None:
    """The error that a fault answers with; None where it answers otherwise or not at all."""
    if fault.kind == "retired":
        return ApiError(404, f"model: {model_id}")
    if fault.kind in ERRORS:
        return ApiError(*ERRORS[fault.kind], fault.retry_after)
    return None
