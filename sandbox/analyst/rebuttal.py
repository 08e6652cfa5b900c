"""A persona's answer to the others: it quotes their verdicts, concedes their best point, and gives way to certainty."""

from typing import Any

from sandbox.analyst.brief import Brief
from sandbox.analyst.options import LABELS
from sandbox.analyst.wording import clip

MUCH_SURER = 0.2


def rebuttal(brief: Brief) -> dict[str, Any]:
    """A RebuttalAnswer. A verdict changes only for an opinion that is much surer and recommends another way."""
    own = brief.own
    rivals = [voice for voice in brief.opinions if voice.get("recommended") != own.get("recommended")]
    surer = next((v for v in rivals if _sure(v) >= _sure(own) + MUCH_SURER and v.get("recommended") in LABELS), None)
    attacked = [voice for voice in (rivals or brief.opinions) if voice is not surer] or brief.opinions
    quote = _first(surer) if surer else ""
    verdict = surer or own
    changes = f"I change to {verdict.get('recommended')}." if surer else "I keep my verdict."
    return {
        "attacks": [
            {
                "adviser": _name(voice),
                "quote": _first(voice),
                "reply": "Sandbox analysis, made by rules. This rests on an assumption that nobody tested.",
            }
            for voice in attacked[:3]
        ],
        "concessions": [{"adviser": _name(surer), "quote": quote, "why": "It is much surer than I am."}]
        if surer
        else [],
        "changed_by": quote,
        "rationale": clip(f"Sandbox analysis, made by rules. I have read the others. {changes}", 4_000),
        "stance": verdict.get("stance", "wait"),
        "recommended": verdict.get("recommended", "Option B"),
        "confidence": round(max(0.05, min(0.95, _sure(own))), 2),
    }


def _sure(voice: dict[str, Any]) -> float:
    sure = voice.get("confidence")
    return float(sure) if isinstance(sure, int | float) else 0.5


def _name(voice: dict[str, Any] | None) -> str:
    return str((voice or {}).get("from") or "Adviser number 1")


def _first(voice: dict[str, Any] | None) -> str:
    """The first words of an opinion's rationale, word for word."""
    text = str((voice or {}).get("rationale") or "Nothing was said.")
    return text.strip() if len(text) <= 160 else text[:160].rpartition(" ")[0].strip()
