"""Replays of past decisions: what a wording would have answered, beside what was answered then and what people left."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.decorators import display

from analysis import dialectic, prompts, quotes, replay
from analysis.admin.reading import html
from analysis.answers import Plan, RebuttalAnswer, SynthesisAnswer
from analysis.models import Perspective, PromptReplay, ReplayCase
from analysis.pages import answer_page, plan_whole
from emm.admin import JobAdmin, ReadOnlyAdmin


@admin.register(PromptReplay)
class PromptReplayAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "version", "came_to", "started_by", "reason")
    list_select_related = ("version",)
    readonly_fields = ("came_to",)

    @display(description="came to")
    def came_to(self, found: PromptReplay) -> str:
        return str(replay.result(found))


@admin.register(ReplayCase)
class ReplayCaseAdmin(JobAdmin):
    list_display = ("__str__", "replay", "shown_status", "said", "says", "left", "before", "after", "error")
    list_filter = (*JobAdmin.list_filter, "replay")
    list_select_related = ("replay__version", "settlement__action", "settlement__synthesis__analysis", "triage__item")
    exclude = ("answer", "old_rate", "new_rate")
    readonly_fields = ("before", "after", "now", "then", "decided")

    class Media:
        css = {"all": ["emm/reading.css"]}

    @display(description="rate before", ordering="old_rate")
    def before(self, case: ReplayCase) -> str | None:
        return None if case.old_rate is None else f"{case.old_rate:.0%}"

    @display(description="rate with it", ordering="new_rate")
    def after(self, case: ReplayCase) -> str | None:
        return None if case.new_rate is None else f"{case.new_rate:.0%}"

    @display(description="said then")
    def said(self, case: ReplayCase) -> str:
        return _verdict(_then(case))

    @display(description="says with it")
    def says(self, case: ReplayCase) -> str:
        return _verdict(case.answer)

    @display(description="the person left")
    def left(self, case: ReplayCase) -> str:
        if case.triage is not None:
            return str(case.triage.route)
        assert case.settlement is not None
        return str((case.settlement.final_plan or {}).get("recommended_option") or "no option")

    @display(description="the answer with it")
    def now(self, case: ReplayCase) -> str:
        return _read(case, case.answer)

    @display(description="the answer then")
    def then(self, case: ReplayCase) -> str:
        return _read(case, _then(case))

    @display(description="what the person left")
    def decided(self, case: ReplayCase) -> str:
        if case.triage is not None:
            return f"Its route is {case.triage.route}."
        assert case.settlement is not None
        return html(plan_whole("The plan", Plan.model_validate(case.settlement.final_plan)))


def _then(case: ReplayCase) -> Any:
    """The answer that people saw then."""
    if case.triage is not None:
        return case.triage.answer
    assert case.settlement is not None
    analysis = case.settlement.synthesis.analysis
    said = analysis.rebuttals if case.replay.version.name == "rebuttal" else analysis.voices
    return next((one.answer for one in said if one.persona == case.persona), analysis.synthesis.answer)


def _read(case: ReplayCase, answer: Any) -> str:
    """An answer as people read one, with the personas' names in it."""
    if answer is None:
        return "It was not answered yet."
    said = quotes.ANSWERS[case.replay.version.name].model_validate(answer)
    if case.settlement is None:
        return html(answer_page(said, case.status_since.date()))
    synthesis = case.settlement.synthesis
    if isinstance(said, SynthesisAnswer):
        said = dialectic.with_names(said, prompts.shuffled(synthesis.analysis, synthesis.analysis.voices))
    if isinstance(said, RebuttalAnswer):
        reply = Perspective(analysis=synthesis.analysis, persona=case.persona, answer=answer)
        said = RebuttalAnswer.model_validate(dialectic.renamed(reply))
    return html(answer_page(said, synthesis.status_since.date()))


def _verdict(answer: Any) -> str:
    """What an answer comes to, in two words: the route, or the option; "" where there is none yet."""
    return str((answer or {}).get("route") or (answer or {}).get("recommended") or "")
