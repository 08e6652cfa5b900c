"""What a wording that is not served yet would have answered to past decisions, beside what people left of the old answer.

One case is one call, paid for from the day's and the month's budget like any other, and counted for no item. A case that
fails is a failure, and its replay then is no ground to promote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from analysis import acceptance, dialectic, llm, prompts, rebuttal, rules
from analysis.acceptance import persona_rate
from analysis.answers import Answer, Persona, PerspectiveAnswer, Plan, RebuttalAnswer, SynthesisAnswer, TriageAnswer
from analysis.estimates import Estimate
from analysis.models import Analysis, PromptReplay, PromptVersion, ReplayCase, Settlement, Triage
from analysis.pages import plan_of
from emm.audit import Actor, record
from emm.jobs import Job, Never
from emm.schedule import nudge

MOST = 50  # decisions in one replay
OVER = (Job.Status.DONE, Job.Status.NEVER, Job.Status.DEAD)


@dataclass(frozen=True)
class Asked:
    """What a case asks. `rates`: of an answer, how close the old one was to what people left, and how close it is."""

    purpose: llm.Purpose
    system: str
    user: str
    answer: type[Answer]
    prompt_hash: str
    rates: Callable[[Any], tuple[float, float]]
    role: str = ""
    check: Callable[[Any], list[str]] = lambda found: []


@dataclass(frozen=True)
class Result:
    """A replay as it stands. `old` and `new`: mean rates over the `answered` cases, fractions; None without any."""

    cases: int
    answered: int
    failed: int
    old: float | None
    new: float | None
    closer: int
    farther: int

    @property
    def running(self) -> bool:
        """Whether some cases are still to be asked."""
        return self.answered + self.failed < self.cases

    def __str__(self) -> str:
        state = f"{self.answered} of {self.cases} calls answered" + (f", {self.failed} failed" if self.failed else "")
        if self.running or self.failed or self.old is None:
            return f"{'runs' if self.running else 'failed'}: {state}"
        return f"{self.old:.0%} before, {self.new:.0%} with it (n={self.answered})"


def cases(version: PromptVersion, decisions: int) -> list[ReplayCase]:
    """The unsaved cases of the latest so many past decisions that this prompt had a part in."""
    found = _triages() if version.name == "triage" else _settlements(version.name)
    rows: list[ReplayCase] = []
    seen = 0
    for row in found:
        if seen == decisions:
            break
        made = _cases_of(version, row)
        seen += bool(made)
        rows += made
    return rows


def start(version: PromptVersion, decisions: int, estimate: Estimate, *, by: Actor, reason: str) -> PromptReplay:
    """Queue the cases; `estimate` is what the person saw.

    Raises ValidationError where there is nothing to replay, or one of this version is under way.
    """
    with transaction.atomic():
        version = PromptVersion.objects.select_for_update().get(pk=version.pk)
        if any(result(one).running for one in version.replays.all()):
            raise ValidationError("A replay of this version is under way: wait for it.")
        rows = cases(version, min(decisions, MOST))
        if not rows:
            raise ValidationError("There is no past decision that this prompt had a part in.")
        replay = PromptReplay.objects.create(
            version=version, started_by=str(by)[:150], reason=reason, worst_usd=estimate.worst
        )
        for row in rows:
            row.replay = replay
        ReplayCase.objects.bulk_create(rows)
        nudge("replay")
        after = {"cases": len(rows), "likely_usd": str(estimate.likely), "worst_usd": str(estimate.worst)}
        record("promptversion.replay", version, by=by, after=after, reason=reason)
    return replay


def run(case: ReplayCase) -> None:
    """Stage replay: ask one question again, in the new words, and rate the answer. Raises what llm.ask raises."""
    asked = question(case)
    answer = llm.ask(
        purpose=asked.purpose,
        job=case,
        item=None,
        system=asked.system,
        user=asked.user,
        role=asked.role,
        persona=case.persona,
        answer=asked.answer,
        prompt_hash=asked.prompt_hash,
        check=asked.check,
    )
    old, new = asked.rates(answer)
    with transaction.atomic():
        case.finish()
        case.answer = answer.model_dump(mode="json")
        case.old_rate, case.new_rate = old, new
        case.save(update_fields=["answer", "old_rate", "new_rate"])


def result(replay: PromptReplay) -> Result:
    """What came of it so far."""
    rows = list(replay.cases.values_list("status", "old_rate", "new_rate"))
    rated = [(old, new) for _, old, new in rows if old is not None and new is not None]
    return Result(
        cases=len(rows),
        answered=len(rated),
        failed=sum(status in (Job.Status.NEVER, Job.Status.DEAD) for status, _, _ in rows),
        old=fmean(old for old, _ in rated) if rated else None,
        new=fmean(new for _, new in rated) if rated else None,
        closer=sum(new > old for old, new in rated),
        farther=sum(new < old for old, new in rated),
    )


def question(case: ReplayCase) -> Asked:
    """What a case asks, in the words of its version with today's house rules. Raises Never for a text that is too long."""
    version = case.replay.version
    if case.triage is not None:
        return _triage(version, case.triage)
    assert case.settlement is not None
    analysis, final = case.settlement.synthesis.analysis, Plan.model_validate(case.settlement.final_plan)
    match version.name:
        case "persona":
            return _voice(version, analysis, Persona(case.persona), final)
        case "rebuttal":
            return _reply(version, analysis, Persona(case.persona), final)
    return _synthesis(version, analysis, final)


def _triages() -> Iterable[Triage]:
    """Triages that people have judged, by a correction or by a decision on what came of them, the latest first."""
    decided = Q(item__analyses__synthesis__settlement__status=Job.Status.DONE)
    judged = Triage.objects.filter(Q(item__corrections__isnull=False) | decided, status=Job.Status.DONE)
    pks = judged.exclude(route="").filter(confidence__isnull=False).values("pk")  # without: a stand-in for an answer
    return Triage.objects.filter(pk__in=pks).select_related("item").order_by("-status_since", "-pk").iterator()


def _settlements(name: str) -> Iterator[Settlement]:
    """Approved plans, the latest first: only they say what a person would have liked to read."""
    approved = Settlement.objects.standing().filter(status=Job.Status.DONE, decision=Settlement.Decision.APPROVED)
    return approved.select_related("synthesis__analysis__item").order_by("-pk").iterator()


def _cases_of(version: PromptVersion, row: Triage | Settlement) -> list[ReplayCase]:
    replay = PromptReplay(version=version)
    if isinstance(row, Triage):
        return _askable([ReplayCase(replay=replay, triage=row)])
    analysis = row.synthesis.analysis
    voices = {"persona": analysis.voices, "rebuttal": analysis.rebuttals}.get(version.name)
    names = [""] if voices is None else [voice.persona for voice in voices]
    return _askable([ReplayCase(replay=replay, settlement=row, persona=name) for name in names])


def _askable(rows: list[ReplayCase]) -> list[ReplayCase]:
    """The cases whose page can still be read whole."""
    try:
        for row in rows:
            question(row)
    except Never:
        return []
    return rows


def _triage(version: PromptVersion, triage: Triage) -> Asked:
    old = TriageAnswer.model_validate(triage.answer)

    def rates(answer: TriageAnswer) -> tuple[float, float]:
        return float(old.route == triage.route), float(answer.route == triage.route)

    user = prompts.triage_user(triage.item)
    return Asked("triage", version.text, user, TriageAnswer, version.hash, rates)


def _voice(version: PromptVersion, analysis: Analysis, persona: Persona, final: Plan) -> Asked:
    told = rules.with_house_rules(version)
    old = _said(analysis, persona)

    def rates(answer: PerspectiveAnswer) -> tuple[float, float]:
        return persona_rate(final, old), persona_rate(final, answer)

    system, role = prompts.common(told), prompts.role(told, persona)
    return Asked("persona", system, prompts.matter(analysis), PerspectiveAnswer, told.hash, rates, role)


def _reply(version: PromptVersion, analysis: Analysis, persona: Persona, final: Plan) -> Asked:
    own = _said(analysis, persona)
    (row,) = (one for one in analysis.rebuttals if one.persona == persona)
    old = RebuttalAnswer.model_validate(row.answer)
    read = prompts.others(analysis, persona)
    opinions = {prompts.label(read, voice): prompts.opinion(voice) for voice in read}

    def rates(answer: RebuttalAnswer) -> tuple[float, float]:
        return persona_rate(final, _turned(own, old)), persona_rate(final, _turned(own, answer))

    system, role = prompts.common(version), prompts.role(version, persona)
    user = f"{prompts.matter(analysis)}\n{prompts.read_by(analysis, persona)}"
    check = lambda found: rebuttal.problems(found, own, opinions)  # noqa: E731  # as the argument itself is checked
    return Asked("rebuttal", system, user, RebuttalAnswer, version.hash, rates, role, check)


def _synthesis(version: PromptVersion, analysis: Analysis, final: Plan) -> Asked:
    told = rules.with_house_rules(version)
    voices = prompts.shuffled(analysis, analysis.voices)
    proposed = Plan.model_validate(analysis.synthesis.plan)
    then = analysis.synthesis.status_since.date()

    def rates(answer: SynthesisAnswer) -> tuple[float, float]:
        return _kept(proposed, final), _kept(plan_of(dialectic.with_names(answer, voices), then), final)

    user = f"{prompts.matter(analysis)}\n{prompts.opinions(analysis, voices)}"
    return Asked("synthesis", told.text, user, SynthesisAnswer, told.hash, rates)


def _kept(proposed: Plan, final: Plan) -> float:
    rate = acceptance.compare(proposed, final, "Approved").rate
    assert rate is not None, "an approval is rated"
    return rate


def _said(analysis: Analysis, persona: str) -> PerspectiveAnswer:
    """What a persona advised in the first round."""
    (voice,) = (one for one in analysis.voices if one.persona == persona)
    return PerspectiveAnswer.model_validate(voice.answer)


def _turned(own: PerspectiveAnswer, reply: RebuttalAnswer) -> PerspectiveAnswer:
    verdict = {"stance": reply.stance, "recommended": reply.recommended, "confidence": reply.confidence}
    return own.model_copy(update=verdict)
