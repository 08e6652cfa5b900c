"""One evaluation: every labelled item through the real questions, paid through the ledger, nothing written but its report.

The items, triages and perspectives here are never saved: they only carry what the questions need. Their keys are
negative, so that no real job shares an answer with them, and differ from run to run, so that no answer is taken from an
earlier one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone

from analysis import llm, prompts, router, rules
from analysis.answers import Answer, Persona, PerspectiveAnswer, SynthesisAnswer, TriageAnswer
from analysis.evaluation.labels import Label
from analysis.evaluation.report import Argued, Sorted, report
from analysis.ledger import OverBudget, Stopped
from analysis.models import Analysis, Evaluation, LLMCall, Perspective, Policy, PromptVersion, Synthesis, Triage
from emm.jobs import Later, Misconfigured, Never

MOST_QUICK = 5  # quick runs for the price of one standard run; more would prove nothing further
TRIES = 5  # of one question while the vendor is busy
FIRST_WAIT_SECONDS = 30
Say = Callable[[str], None]
A = TypeVar("A", bound=Answer)


class Incomplete(Exception):
    """The models could not be asked to the end; the message says why, and what was seen until then is stored."""


@dataclass(frozen=True)
class _Sitting:
    """One run: what its calls are known by in the ledger, how many keys it has used, and whom it tells."""

    evaluation: Evaluation
    keys: Counter[str]
    say: Say

    def ask(self, question: Callable[[], A]) -> A:
        """The answer to `question`, put again while the vendor is busy: TRIES in all, each wait twice as long, or longer
        where the vendor asks for it.

        Raises what llm.ask raises: at once where only a person or another day could help.
        """
        for before in range(TRIES - 1):
            try:
                return question()
            except (OverBudget, Stopped, Misconfigured):
                raise
            except Later as busy:
                if not isinstance(busy.until, timedelta):
                    raise
                seconds = max(busy.until.total_seconds(), FIRST_WAIT_SECONDS * 2**before)
                self.say(f"{busy.why} It is asked again in {seconds:.0f} s.")
                time.sleep(seconds)
        return question()

    def key(self) -> int:
        self.keys["used"] += 1
        return -(self.evaluation.pk * 100_000 + self.keys["used"])

    def hash(self, prompt: PromptVersion) -> str:
        """The beginning of the prompt's hash, and this run: its calls can be told from all others."""
        return f"{prompt.hash[:40]} evaluation {self.evaluation.pk}"

    def calls(self) -> list[LLMCall]:
        return list(LLMCall.objects.filter(prompt_hash__endswith=f" evaluation {self.evaluation.pk}").order_by("pk"))

    def spent(self) -> Decimal:
        mine = LLMCall.objects.filter(prompt_hash__endswith=f" evaluation {self.evaluation.pk}")
        return mine.aggregate(usd=Sum("cost_usd"))["usd"] or Decimal(0)


def evaluate(found: Sequence[Label], *, by: str, argue: bool = True, say: Say = lambda line: None) -> Evaluation:
    """Ask about each label, and where `argue` compare standard with quick on those that have a best option.

    A vendor that is busy is waited for, for minutes. Raises Incomplete, after storing what was seen, where a budget, a
    key, a price or the vendor stops the run.
    """
    evaluation = Evaluation.objects.create(by=by[:150])
    sitting = _Sitting(evaluation, Counter(), say)
    seen: list[Sorted] = []
    argued: list[Argued] = []
    left = Decimal(0)  # what the standard runs cost and quick ones have not spent yet: the next item's may
    why = ""
    try:
        for label in found:
            seen.append(_sort(sitting, label))
            say(f"{label.id}: {seen[-1].said}")
        for label in found if argue else ():
            if label.best:
                argued.append(_argue(sitting, label, seen, left))
                left += argued[-1].standard_usd - argued[-1].quick_usd
                say(f"{label.id}: argued")
    except Later as stopped:
        why = stopped.why
    evaluation.report = report(seen, argued, sitting.calls(), asked=len(found), why=why)
    evaluation.complete = not why
    evaluation.finished_at = Now()
    evaluation.save()
    evaluation.refresh_from_db()
    if why:
        raise Incomplete(why)
    return evaluation


def _sort(sitting: _Sitting, label: Label) -> Sorted:
    item = label.item()
    prompt = prompts.served("triage")
    try:
        job = Triage(pk=sitting.key())
        answer = sitting.ask(
            lambda: llm.ask(
                purpose="triage",
                job=job,
                item=None,
                system=prompt.text,
                user=prompts.triage_user(item),
                answer=TriageAnswer,
                prompt_hash=sitting.hash(prompt),
            )
        )
    except Never as never:
        return Sorted(label, None, False, never.why)
    held = answer.confidence < Policy.current().min_confidence(answer.route)
    return Sorted(label, answer, held)


def _argue(sitting: _Sitting, label: Label, seen: Sequence[Sorted], left: Decimal) -> Argued:
    """The same item argued at standard once, and at quick as often as that and what is `left` over pay for, at least once."""
    triage = next(one.answer for one in seen if one.label.id == label.id)
    lead = _lead(label, triage)
    before = sitting.spent()
    standard = _run(sitting, label, list(Persona))
    middle = sitting.spent()
    quick = [_run(sitting, label, [lead])]
    price = sitting.spent() - middle
    for _ in range(_more(middle - before + left, price)):
        quick.append(_run(sitting, label, [lead]))
    return Argued(label, standard, quick, standard_usd=middle - before, quick_usd=sitting.spent() - middle)


def _more(money: Decimal, quick: Decimal) -> int:
    """How many more quick runs `money` pays for, the first being paid."""
    return max(0, min(MOST_QUICK, int(money / quick) if quick else 1) - 1)


def _lead(label: Label, triage: TriageAnswer | None) -> Persona:
    if triage is None:
        return Persona.QUANT
    explanation = router.explain(f"{label.title}\n{label.text}", triage.risk, triage.impact)
    return Persona(router.choose(triage.lead_persona, explanation)[0])


def _run(sitting: _Sitting, label: Label, personas: Sequence[Persona]) -> SynthesisAnswer | None:
    """What an argument of these personas adds up to; None where an answer was refused or did not fit."""
    analysis = Analysis(pk=sitting.key(), item=label.item(), lead=personas[0], opened_at=timezone.now())
    try:
        voices = [_voice(sitting, analysis, persona, cached=len(personas) > 1) for persona in personas]
        prompt = rules.with_house_rules(prompts.served("synthesis"))
        job = Synthesis(pk=sitting.key())
        return sitting.ask(
            lambda: llm.ask(
                purpose="synthesis",
                job=job,
                item=None,
                system=prompt.text,
                shared=prompts.matter(analysis),
                user=prompts.opinions(analysis, prompts.shuffled(analysis, voices)),
                answer=SynthesisAnswer,
                prompt_hash=sitting.hash(prompt),
            )
        )
    except Never:
        return None


def _voice(sitting: _Sitting, analysis: Analysis, persona: Persona, *, cached: bool) -> Perspective:
    prompt = rules.with_house_rules(prompts.served("persona"))
    job = Perspective(pk=sitting.key(), analysis=analysis, persona=persona.value)
    answer = sitting.ask(
        lambda: llm.ask(
            purpose="persona",
            job=job,
            item=None,
            system=prompts.common(prompt),
            shared=prompts.matter(analysis),
            role=prompts.role(prompt, persona),
            persona=persona.value,
            cached=cached and llm.shares_model(persona),
            answer=PerspectiveAnswer,
            prompt_hash=sitting.hash(prompt),
        )
    )
    job.answer = answer.model_dump(mode="json")
    return job
