"""Thinking: what was argued about items."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from analysis import dialectic, sources
from analysis.admin import runs
from analysis.admin.reading import html
from analysis.answers import Persona, PerspectiveAnswer, Plan, RebuttalAnswer, SynthesisAnswer
from analysis.models import (
    Analysis,
    IntentRun,
    Perspective,
    Synthesis,
)
from analysis.pages import answer_page, plan_whole
from analysis.personas import CHARACTERS
from emm.admin import (
    JobAdmin,
    ReadOnlyAdmin,
)


@admin.register(Analysis)
class AnalysisAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "lead", "depth", "asked_by", "opened_at", "intent", "action")
    list_filter = ("lead", "depth")
    list_select_related = ("item", "intent", "action")
    search_fields = ("item__title",)
    exclude = ("lead_reason",)
    readonly_fields = ("source_changed", "who_leads", "argument")
    actions_list: Any = ("argue_intent",)
    actions_detail = ("again", "complete")

    class Media:
        css = {"all": ["emm/reading.css"]}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """The notice comes first, and only where there is one."""
        rest = [name for name in super().get_fields(request, obj) if name != "source_changed"]
        return ["source_changed", *rest] if obj is not None and sources.notice(obj) else rest

    def has_complete_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may start work, and a voice of the first round is missing here."""
        found = Analysis.objects.filter(pk=object_id if str(object_id).isdecimal() else 0).first()
        missing = found is not None and bool(found.lacking)
        return missing and self.has_operate_permission(request)

    @action(description="Argue again", permissions=["operate"])
    def again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return runs.again(request, get_object_or_404(Analysis, pk=object_id))

    @action(description="Ask the missing voices", permissions=["complete"])
    def complete(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return runs.complete(request, get_object_or_404(Analysis, pk=object_id))

    @action(description="Argue an intent", permissions=["operate"])
    def argue_intent(self, request: HttpRequest) -> HttpResponse:
        return runs.argue_intent(request)

    @display(description="look at this first")
    def source_changed(self, analysis: Analysis) -> str:
        return render_to_string("analysis/source_changed.html", {"changed": sources.notice(analysis)})

    @display(description="the argument")
    def argument(self, analysis: Analysis) -> SafeString | str:
        """As it stands in Notion; before it is brought together, what the voices have said."""
        document = dialectic.stored_argument(analysis)
        return html(document) if document else "Nobody has answered yet. Its perspectives say where they stand."

    @display(description="who leads, and why")
    def who_leads(self, analysis: Analysis) -> str:
        why = analysis.lead_reason
        if not why:
            return render_to_string("analysis/lead.html", {"explained": False})
        names = {persona.value: CHARACTERS[persona].name for persona in Persona}
        named = names.get(why["named"])
        decided = {
            "rule": f"a rule decides, whomever the triage named (here {named or 'nobody'}).",
            "model": "the triage named it.",
            "words": "the triage named nobody, so the words decide.",
        }
        counted = [
            {"name": names[persona], "weight": sum(word["times"] * word["weight"] for word in words), "words": words}
            for persona, words in why["words"].items()
        ]
        shown = {
            "explained": True,
            "lead": names[analysis.lead],
            "decided": decided[why["decided_by"]],
            "alternative": names[why["alternative"] if why["lead"] == analysis.lead else why["lead"]],
            "reason": why["reason"],
            "counted": counted,
        }
        return render_to_string("analysis/lead.html", shown)


@admin.register(IntentRun)
class IntentRunAdmin(ReadOnlyAdmin):
    list_display = ("at", "intent", "item", "asked_by")
    list_select_related = ("intent", "item")


@admin.register(Perspective)
class PerspectiveAdmin(JobAdmin):
    list_display = ("analysis", "persona", "round", "shown_status", "due_at", "failures", "error")
    list_filter = (*JobAdmin.list_filter, "persona")
    list_select_related = ("analysis__item",)
    exclude = ("answer",)
    readonly_fields = ("said",)

    class Media:
        css = {"all": ["emm/reading.css"]}

    @display(description="what it says")
    def said(self, voice: Perspective) -> str:
        if voice.answer is None:
            return "It has not answered yet."
        answer = (
            PerspectiveAnswer.model_validate(voice.answer)
            if voice.round == 1
            else RebuttalAnswer.model_validate(dialectic.renamed(voice))
        )
        return html(answer_page(answer, voice.status_since.date()))


@admin.register(Synthesis)
class SynthesisAdmin(JobAdmin):
    list_display = ("analysis", "shown_status", "due_at", "failures", "error")
    list_select_related = ("analysis__item",)
    exclude = ("answer", "second", "plan")
    readonly_fields = ("says", "says_reversed", "proposed")

    class Media:
        css = {"all": ["emm/reading.css"]}

    @display(description="what it says")
    def says(self, synthesis: Synthesis) -> str:
        return _judgement(synthesis, synthesis.answer)

    @display(description="with the opinions in reversed order")
    def says_reversed(self, synthesis: Synthesis) -> str:
        return (
            "It was judged once."
            if synthesis.answer and not synthesis.second
            else _judgement(synthesis, synthesis.second)
        )

    @display(description="the plan as it was proposed")
    def proposed(self, synthesis: Synthesis) -> str:
        return html(plan_whole("The plan", Plan.model_validate(synthesis.plan))) if synthesis.plan else "None yet."


def _judgement(synthesis: Synthesis, answer: Any) -> str:
    if answer is None:
        return "It has not been judged yet."
    return html(answer_page(SynthesisAnswer.model_validate(answer), synthesis.status_since.date()))
