"""The price of a run before a person starts it: the calls it will make, and what such calls cost before."""

from __future__ import annotations

import json
from collections.abc import Iterable

from django.db.models import Avg, Count
from django.utils import timezone

from analysis import ledger, llm, prompts, replay
from analysis.answers import Answer, Persona, PerspectiveAnswer, RebuttalAnswer, SynthesisAnswer, TriageAnswer
from analysis.estimates import Call, Estimate, Past, estimate
from analysis.models import Analysis, Depth, LLMCall, PromptVersion
from notion_sync.models import InboxItem

RECENT = 50  # past calls of a kind that are looked at
ANSWERS: dict[str, type[Answer]] = {
    "triage": TriageAnswer, "persona": PerspectiveAnswer, "rebuttal": RebuttalAnswer, "synthesis": SynthesisAnswer,
}  # fmt: skip
OPINION_BYTES = 4 * llm.MAX_TOKENS["persona"]  # of one opinion that is not written yet, at its longest


def of_depth(item: InboxItem, depth: Depth, *, triaged: bool = True) -> Estimate:
    """A whole argument about an item, after its triage or with it. Raises Never for a text that is too long."""
    text = len(prompts.triage_user(item).encode())
    calls = [] if triaged else [_call("triage", text)]
    opinions = [_call("persona", text, persona) for persona in Persona]
    if depth == Depth.QUICK:  # who leads is not settled yet: the dearest might
        opinions = [max(opinions, key=lambda call: call.worst)]
    replying = list(Persona) if depth == Depth.DEEP else []
    return _estimated([*calls, *opinions, *_after(text, len(opinions), depth, replying)])


def of_missing(analysis: Analysis) -> Estimate:
    """The voices that failed, and what follows them: a new opinion is answered by all. Raises Never for a text that is too
    long."""
    text = len(prompts.matter(analysis).encode())
    absent = [Persona(voice.persona) for voice in analysis.lacking if voice.round == 1]
    replying = [Persona(voice.persona) for voice in analysis.lacking if voice.round == 2]
    opinions = [_call("persona", text, persona) for persona in absent]
    if absent and analysis.depth == Depth.DEEP:
        replying = [*(Persona(voice.persona) for voice in analysis.voices), *absent]
    heard = len(analysis.voices) + len(absent)
    return _estimated([*opinions, *_after(text, heard, Depth(analysis.depth), replying)])


def _after(text: int, voices: int, depth: Depth, replying: Iterable[Persona]) -> list[Call]:
    """What follows `voices` opinions on a matter of so many bytes: the replies to them, and bringing all together."""
    replies = [_call("rebuttal", text + voices * OPINION_BYTES, persona) for persona in replying]
    judged = 2 if depth == Depth.DEEP else 1
    return [*replies, *[_call("synthesis", text + voices * OPINION_BYTES * judged)] * judged]


def of_replay(version: PromptVersion, decisions: int) -> tuple[int, Estimate]:
    """How many past decisions a replay of at most so many would ask about, and its price."""
    cases = replay.cases(version, decisions)
    asked = [(replay.question(case), case.persona) for case in cases]
    calls = [
        _call(one.purpose, len(f"{one.system}{one.user}{one.role}".encode()), persona, whole=True)
        for one, persona in asked
    ]
    about = {case.settlement_id or f"triage {case.triage_id}" for case in cases}
    return len(about), _estimated(calls)


def _call(purpose: llm.Purpose, text_bytes: int, persona: str = "", *, whole: bool = False) -> Call:
    """A call to come: `text_bytes` of the user's text, or of both texts where it is `whole`."""
    model = llm.model_for(purpose, persona)
    schema = len(json.dumps(ANSWERS[purpose].model_json_schema()).encode())
    system = 0 if whole else len(prompts.served(purpose).text.encode())
    size = text_bytes + schema + system
    marked = 0 if whole else size  # a part of it may be written to the prompt cache, which is dearer
    worst = ledger.worst_cost(model, timezone.now(), size, llm.MAX_TOKENS[purpose], marked_bytes=marked)
    return Call(purpose, model, worst)


def _estimated(calls: list[Call]) -> Estimate:
    return estimate(calls, {kind: _past(*kind) for kind in _kinds(calls)})


def _kinds(calls: Iterable[Call]) -> set[tuple[str, str]]:
    return {(call.purpose, call.model) for call in calls}


def _past(purpose: str, model: str) -> Past:
    """The latest answered calls of this kind, replays among them; second tries are not."""
    kind = LLMCall.objects.filter(purpose__in=(purpose, f"{purpose} replay"), model=model)
    latest = kind.filter(status=LLMCall.Status.ANSWERED).order_by("-pk").values("pk")[:RECENT]
    found = LLMCall.objects.filter(pk__in=latest).aggregate(n=Count("pk"), mean=Avg("cost_usd"))
    return Past(found["n"], found["mean"] or ledger.NOTHING)
