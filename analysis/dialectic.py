"""Stage 3: the personas argue, each blind to the others; then one who did not argue brings their advice together."""

from __future__ import annotations

import re

from django.db import transaction
from django.utils import timezone

from analysis import llm, prompts
from analysis.agreement import Conflict
from analysis.answers import Persona, PerspectiveAnswer, Plan, SynthesisAnswer, TriageAnswer
from analysis.models import Analysis, Perspective, Synthesis
from analysis.pages import (
    SYSTEM,
    Voice,
    action_page,
    action_values,
    intent_page,
    intent_values,
    log_values,
    plan_of,
)
from analysis.personas import CHARACTERS
from analysis.routing import area_of, close, known_nodes, open_voices
from notion_sync import outbox
from notion_sync.document import blocks
from notion_sync.models import Action, Intent, LogEntry, PersonaPage

# What a revision writes on the intent: the rest may have been edited by people since.
RENEWED = ("Status", "Conflict_Level", "Confidence", "Reversibility")


def argue(job: Perspective) -> None:
    """Ask one persona for its perspective. It sees the item and nothing that another persona said."""
    analysis = job.analysis
    analysis.resume()
    prompt = prompts.served("persona")
    answer = llm.ask(
        purpose="persona",
        job=job,
        item=analysis.item,
        system=prompts.persona_system(prompt, Persona(job.persona)),
        user=prompts.persona_user(analysis),
        answer=PerspectiveAnswer,
        prompt_hash=prompt.hash,
    )
    with transaction.atomic():
        Perspective.objects.filter(pk=job.pk, claims=job.claims).update(answer=answer.model_dump(mode="json"))
        job.finish()


def synthesise(job: Synthesis) -> None:
    """Bring the voices together and promise the pages on which a person decides; the item's own status goes last."""
    analysis = job.analysis
    analysis.resume()
    voices = prompts.shuffled(analysis, analysis.voices)
    prompt = prompts.served("synthesis")
    unnamed = llm.ask(
        purpose="synthesis",
        job=job,
        item=analysis.item,
        system=prompt.text,
        user=prompts.synthesis_user(analysis, voices),
        answer=SynthesisAnswer,
        prompt_hash=prompt.hash,
    )
    answer = _named(unnamed, voices)
    plan = plan_of(answer)
    with transaction.atomic():
        job.finish()
        job.answer = answer.model_dump(mode="json")
        job.plan = plan.model_dump(mode="json")
        job.save(update_fields=["answer", "plan"])
        _propose(analysis, answer, plan)


def open_revision(analysis: Analysis, note: str) -> Analysis:
    """The next argument about the same item, with a person's `note`. Call it in the transaction that read their wish.

    Asking twice gives the same revision.
    """
    revision, made = Analysis.objects.get_or_create(
        item=analysis.item,
        revision=analysis.revision + 1,
        defaults={
            "lead": analysis.lead,
            "note": note,
            "item_digest": analysis.item.digest,
            "intent": analysis.intent,
        },
    )
    if made:
        open_voices(revision)
    return revision


def _named(answer: SynthesisAnswer, voices: list[Perspective]) -> SynthesisAnswer:
    """The synthesis with the personas' names in place of the labels that it was written with, which are as long."""
    named = answer.model_dump_json()
    for number, voice in enumerate(voices, start=1):
        label = re.compile(rf"{prompts.LABEL} {number}\b", re.IGNORECASE)
        named = label.sub(CHARACTERS[Persona(voice.persona)].name, named)
    return SynthesisAnswer.model_validate_json(named)


def _heard(analysis: Analysis) -> list[Voice]:
    """All voices as the page shows them, those that are missing with the reason."""
    given = [Voice(Persona(one.persona), PerspectiveAnswer.model_validate(one.answer)) for one in analysis.voices]
    return [*given, *(Voice(Persona(one.persona), None, one.last_error) for one in analysis.missing)]


def _propose(analysis: Analysis, answer: SynthesisAnswer, plan: Plan) -> None:
    item, revision = analysis.item, analysis.revision
    triage = TriageAnswer.model_validate(item.triage.answer)
    persona_page = PersonaPage.objects.filter(title=CHARACTERS[Persona(analysis.lead)].name, in_trash=False).first()
    leading = outbox.ref(persona_page) if persona_page else None
    area = area_of(triage)
    argument = intent_page(triage.title, answer, _heard(analysis), analysis.conflict)
    values = intent_values(
        triage,
        answer,
        analysis.conflict,
        description=prompts.text_of(item),
        created=timezone.now(),
        source=outbox.ref(item),
        area=outbox.ref(area) if area else None,
        persona_page=leading,
        nodes=[outbox.ref(node) for node in known_nodes([concept.name for concept in triage.concepts]).values()],
    )
    if analysis.intent is None:
        emm_id = outbox.emm_id_for(str(item.page_id), "intent")
        body = blocks(argument)
        intent = outbox.create_page(Intent, emm_id, values, purpose="open the intent", item=item, children=body)
    else:
        intent = analysis.intent
        ours = {name: values[name] for name in RENEWED}
        outbox.update_page(intent, ours, purpose=f"show revision {revision} on the intent", item=item)
    title = triage.title if revision == 1 else f"{triage.title} (revision {revision})"
    action = outbox.create_page(
        Action,
        outbox.emm_id_for(str(item.page_id), "action", revision),
        action_values(
            plan,
            title=title,
            consensus=analysis.conflict == Conflict.CONSENSUS,
            intent=outbox.ref(intent),
            persona_page=leading,
        ),
        purpose="propose the plan",
        item=item,
        children=blocks(action_page(triage.title, revision, argument if revision > 1 else ())),
    )
    emm_id = outbox.emm_id_for(str(item.page_id), "proposal log", revision)
    about = {"intent": outbox.ref(intent), "inbox": outbox.ref(item)}
    logged = log_values(f"Proposed: {title}", answer.decision, SYSTEM, timezone.now(), **about)
    outbox.create_page(LogEntry, emm_id, logged, purpose="log the proposal", item=item)
    assert isinstance(intent, Intent)
    assert isinstance(action, Action)
    analysis.intent, analysis.action = intent, action
    analysis.save(update_fields=["intent", "action"])
    close(item, "Triaged_to_Intent", "Strategic (Intent)")
