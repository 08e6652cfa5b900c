"""Stage 3: the personas argue, each blind to the others; then one who did not argue brings their advice together."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from analysis import agreement, economics, llm, nodes, prompts, rebuttal, rules
from analysis.agreement import Conflict
from analysis.answers import Persona, PerspectiveAnswer, Plan, RebuttalAnswer, Route, SynthesisAnswer, TriageAnswer
from analysis.models import Analysis, Depth, Perspective, Synthesis
from analysis.pages import (
    SYSTEM,
    Voice,
    action_page,
    action_values,
    intent_page,
    intent_values,
    live_links,
    log_values,
    plan_of,
    voices_page,
)
from analysis.personas import CHARACTERS
from analysis.routing import area_dropped, area_of, close
from emm.jobs import Later, Submitted
from notion_sync import outbox
from notion_sync.document import Block, blocks
from notion_sync.models import Action, Intent, LogEntry, PersonaPage

TRASHED = "Its inbox page is in Notion's trash, or was moved out of the inbox: nothing is paid for it. Bring it back to go on."
NEXT_LOOK = timedelta(minutes=10)  # whether the page is back
# What a revision writes on the intent: the rest may have been edited by people since.
RENEWED = ("Status", "Conflict_Level", "Confidence", "Reversibility")


def argue(job: Perspective) -> None:
    """Ask one persona for its perspective. It sees the item and nothing that another persona said."""
    analysis = job.analysis
    if analysis.superseded:
        _drop(job)
        return
    _refuse_trashed(analysis)
    analysis.resume()
    try:
        answer = _opinion(job) if job.round == 1 else _rebuttal(job)
    finally:  # whatever became of this voice, the others wait for it no longer
        analysis.release(job.round)
    with transaction.atomic():
        Perspective.objects.filter(pk=job.pk, claims=job.claims).update(answer=answer.model_dump(mode="json"))
        job.finish()


def _opinion(job: Perspective) -> PerspectiveAnswer:
    """What one persona advises, each of its figures marked by where it really comes from."""
    analysis = job.analysis
    prompt = rules.with_house_rules(prompts.served("persona"))
    answer = llm.ask(
        purpose="persona",
        job=job,
        item=analysis.item,
        system=prompts.common(prompt),
        shared=prompts.matter(analysis),
        role=prompts.role(prompt, Persona(job.persona)),
        persona=job.persona,
        cached=analysis.depth != Depth.QUICK and llm.shares_model(job.persona),
        patient=analysis.patient,
        begun=lambda: analysis.release(1),
        answer=PerspectiveAnswer,
        prompt_hash=prompt.hash,
        check=lambda found: agreement.contradictions(found.stance, found.recommended, found.reject),
    )
    sourced = economics.sourced(answer.payoffs, *prompts.words_read(analysis))
    return answer.model_copy(update={"payoffs": sourced})


def _rebuttal(job: Perspective) -> RebuttalAnswer:
    """What one persona answers the others, whom it reads without their names."""
    analysis = job.analysis
    read = prompts.others(analysis, job.persona)
    own = PerspectiveAnswer.model_validate(next(v.answer for v in analysis.voices if v.persona == job.persona))
    opinions = {prompts.label(read, voice): prompts.opinion(voice) for voice in read}
    prompt = prompts.served("rebuttal")
    return llm.ask(
        purpose="rebuttal",
        job=job,
        item=analysis.item,
        system=prompts.common(prompt),
        shared=prompts.matter(analysis),
        user=prompts.read_by(analysis, job.persona),
        role=prompts.role(prompt, Persona(job.persona)),
        persona=job.persona,
        cached=llm.shares_model(job.persona),
        patient=analysis.patient,
        begun=lambda: analysis.release(2),
        answer=RebuttalAnswer,
        prompt_hash=prompt.hash,
        check=lambda found: rebuttal.problems(found, own, opinions),
    )


def synthesise(job: Synthesis) -> None:
    """Bring the voices together and promise the pages on which a person decides; the item's own status goes last.

    Deep analyses are judged twice, the second time with the opinions in reversed order. Recommendations that differ are
    contested: both are shown and the lower confidence counts; nothing is averaged.
    """
    analysis = job.analysis
    if analysis.superseded:
        _drop(job)
        return
    _refuse_trashed(analysis)
    analysis.resume()
    voices = prompts.shuffled(analysis, analysis.voices)
    deep = analysis.depth == Depth.DEEP and len(voices) > 1
    answer, second = _verdicts(job, [voices, voices[::-1]]) if deep else (_judged(job, voices), None)
    contested = second is not None and second.recommended != answer.recommended
    if second is not None:
        answer = answer.model_copy(update={"confidence": min(answer.confidence, second.confidence)})
    today = timezone.now().date()
    plan = plan_of(answer, today)
    with transaction.atomic():
        if Analysis.objects.select_for_update().get(pk=analysis.pk).superseded:
            _drop(job)
            return
        job.finish()
        job.answer = answer.model_dump(mode="json")
        job.second = second.model_dump(mode="json") if second is not None else None
        job.contested = contested
        job.plan = plan.model_dump(mode="json")
        job.save(update_fields=["answer", "second", "contested", "plan"])
        _propose(analysis, answer, plan, second if contested else None, today)


def _refuse_trashed(analysis: Analysis) -> None:
    """Raises Later for an item whose page is gone from the inbox, as the mirror has it."""
    if analysis.item.in_trash:
        raise Later(NEXT_LOOK, TRASHED)


def _drop(job: Perspective | Synthesis) -> None:
    """Work for an item that a person has sent elsewhere is not done."""
    with transaction.atomic():
        job.finish()
        job.delete()


def _verdicts(job: Synthesis, orders: list[list[Perspective]]) -> list[SynthesisAnswer]:
    """The synthesis in each order. A batch gets all of them at once."""
    found, waits = [], None
    for voices in orders:
        try:
            found.append(_judged(job, voices))
        except Submitted as submitted:
            waits = submitted
    if waits is not None:
        raise waits
    return found


def _judged(job: Synthesis, voices: list[Perspective]) -> SynthesisAnswer:
    """The synthesis of the opinions in this order, the personas' names in place of their numbers."""
    prompt = rules.with_house_rules(prompts.served("synthesis"))
    unnamed = llm.ask(
        purpose="synthesis",
        job=job,
        item=job.analysis.item,
        system=prompt.text,
        shared=prompts.matter(job.analysis),
        user=prompts.opinions(job.analysis, voices),
        cached=job.analysis.depth == Depth.DEEP,  # it is judged once more within minutes
        patient=job.analysis.patient,
        answer=SynthesisAnswer,
        prompt_hash=prompt.hash,
    )
    return with_names(unnamed, voices)


def with_names(answer: SynthesisAnswer, voices: list[Perspective]) -> SynthesisAnswer:
    """The synthesis with the personas' names in place of the labels that it was written with, which are as long."""
    named = json.dumps(answer.model_dump(mode="json"), ensure_ascii=False)
    for number, voice in enumerate(voices, start=1):
        label = re.compile(rf"{prompts.LABEL} {number}\b", re.IGNORECASE)
        named = label.sub(CHARACTERS[Persona(voice.persona)].name, named)
    return SynthesisAnswer.model_validate(json.loads(named))


def _heard(analysis: Analysis) -> list[Voice]:
    """All voices as the page shows them, those that are missing with the reason."""
    replies = {one.persona: RebuttalAnswer.model_validate(renamed(one)) for one in analysis.rebuttals}
    silent = {one.persona: one.last_error for one in analysis.missing if one.round == 2}
    given = [
        Voice(
            Persona(one.persona),
            PerspectiveAnswer.model_validate(one.answer),
            rebuttal=replies.get(one.persona),
            unanswered=silent.get(one.persona, ""),
        )
        for one in analysis.voices
    ]
    absent = [Voice(Persona(one.persona), None, one.last_error) for one in analysis.missing if one.round == 1]
    return [*given, *absent]


def argument_of(analysis: Analysis, answer: SynthesisAnswer, rival: SynthesisAnswer | None, today: date) -> list[Block]:
    """The whole argument as people read it, in Notion and in the console: warnings first, live links only to what the item
    names. `rival`: the other recommendation of a contested synthesis, `today`: when it was proposed."""
    item = analysis.item
    title = TriageAnswer.model_validate(item.triage.answer).title
    page = intent_page(title, answer, _heard(analysis), analysis.conflict, today, rival, analysis.depth, item.orders)
    return live_links(page, *prompts.words_read(analysis))


def stored_argument(analysis: Analysis) -> list[Block]:
    """The argument of an analysis that was brought together; before that what the voices said so far."""
    synthesis = Synthesis.objects.filter(analysis=analysis, status=Synthesis.Status.DONE).first()
    if synthesis is None:
        return voices_page(_heard(analysis))
    second = SynthesisAnswer.model_validate(synthesis.second) if synthesis.contested else None
    return argument_of(
        analysis, SynthesisAnswer.model_validate(synthesis.answer), second, synthesis.status_since.date()
    )


def renamed(reply: Perspective) -> dict[str, Any]:
    """A rebuttal with the personas' names in place of the numbers under which it read them."""
    text = json.dumps(reply.answer)
    for number, voice in enumerate(prompts.others(reply.analysis, reply.persona), start=1):
        text = re.sub(
            rf"{prompts.LABEL} {number}\b", CHARACTERS[Persona(voice.persona)].name, text, flags=re.IGNORECASE
        )
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _propose(
    analysis: Analysis, answer: SynthesisAnswer, plan: Plan, rival: SynthesisAnswer | None, today: date
) -> None:
    """`rival`: the other recommendation, where the order of the opinions decided between two."""
    item, revision = analysis.item, analysis.revision
    triage = TriageAnswer.model_validate(item.triage.answer)
    persona_page = PersonaPage.objects.filter(title=CHARACTERS[Persona(analysis.lead)].name, in_trash=False).first()
    leading = outbox.ref(persona_page) if persona_page else None
    area = area_of(triage)
    related = nodes.known([concept.name for concept in triage.concepts]).values()
    argument = argument_of(analysis, answer, rival, today)
    values = intent_values(
        triage,
        answer,
        analysis.conflict,
        description=prompts.plain_text_of(item),
        created=timezone.now(),
        source=outbox.ref(item),
        area=outbox.ref(area) if area else None,
        persona_page=leading,
        nodes=[outbox.ref(node) for node in dict.fromkeys(related)],
    )
    known_before = analysis.intent is not None
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
            consensus=rival is None and analysis.conflict == Conflict.CONSENSUS,
            intent=outbox.ref(intent),
            persona_page=leading,
        ),
        purpose="propose the plan",
        item=item,
        children=blocks(action_page(triage.title, revision, _heard(analysis), argument if known_before else ())),
    )
    emm_id = outbox.emm_id_for(str(item.page_id), "proposal log", revision)
    about = {"intent": outbox.ref(intent), "inbox": outbox.ref(item)}
    logged = log_values(
        f"Proposed: {title}", f"{answer.decision} {area_dropped(triage)}".strip(), SYSTEM, timezone.now(), **about
    )
    outbox.create_page(LogEntry, emm_id, logged, purpose="log the proposal", item=item)
    assert isinstance(intent, Intent)
    assert isinstance(action, Action)
    analysis.intent, analysis.action = intent, action
    analysis.save(update_fields=["intent", "action"])
    close(item, Route.STRATEGIC)
