"""Looking back at decisions: what is due, and what people answered."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from analysis import outcome as outcomes
from analysis.admin.names import NAMES
from analysis.models import Outcome
from emm.admin import JobAdmin, change_page, done, person, shortened
from notion_sync import outbox
from notion_sync.models import LogEntry


class Standing(admin.SimpleListFilter):
    """Which reviews want an answer."""

    title = "Does it want an answer?"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("due", "Yes: its day has come"), ("later", "Not yet"), ("answered", "It has one")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        asked = Q(asked_at__isnull=False)
        wanted = {"due": Q(result="") & asked, "later": Q(result="") & ~asked, "answered": ~Q(result="")}
        return queryset.filter(wanted[value]) if (value := self.value()) in wanted else queryset


class AnswerDialog(BaseDialogForm):
    """How it went, in the words of the person who knows."""

    result = forms.ChoiceField(choices=Outcome.Result.choices, widget=UnfoldAdminSelectWidget)
    note = forms.CharField(
        max_length=2_000,
        widget=UnfoldAdminTextareaWidget,
        help_text="What came of it. Goes into the Execution Log beside what was projected, and into the audit log.",
    )


@admin.register(Outcome)
class OutcomeAdmin(JobAdmin):
    list_display = ("decision", "review_on", "standing", "prediction_short", "answered_by")
    list_filter = (Standing, "result", *JobAdmin.list_filter)
    list_select_related = ("settlement__action",)
    ordering: Any = ("review_on", "pk")
    fields = (
        "settlement", "review_on", "stands", "projected", "scores", "asked_at", "result", "note", "answered_by",
        "how", "answered_at", "lessons", "status", "last_error",
    )  # fmt: skip
    readonly_fields = ("stands", "projected", "scores", "lessons")
    actions_detail = ("answer", *JobAdmin.actions_detail)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Outcome]:
        return super().get_queryset(request).select_related("settlement__synthesis__analysis__item")

    @display(description="decision")
    def decision(self, outcome: Outcome) -> str:
        return str(outcome.settlement.action)

    @display(description="standing", label={"due": "warning", "answered": "success", "later": "info"})
    def standing(self, outcome: Outcome) -> tuple[str, str]:
        if outcome.result:
            settled = ", settled" if outcomes.is_settled(outcome) else ""
            return "answered", f"{outcome.get_result_display()}{settled}"
        return ("due", "wants an answer") if outcome.asked_at else ("later", "asked on its day")

    @display(description="standing")
    def stands(self, outcome: Outcome) -> str:
        return self.standing(outcome)[1]

    @display(description="prediction")
    def prediction_short(self, outcome: Outcome) -> str:
        return f"{shortened(outcome.prediction)} ({outcome.probability:.0%})"

    @display(description="projected")
    def projected(self, outcome: Outcome) -> str:
        carried = outcome.option or "no option"
        return f"{outcome.prediction} ({outcome.probability:.0%} likely). Carried out: {carried}."

    @display(description="how sure each was of what was carried out")
    def scores(self, outcome: Outcome) -> SafeString | str:
        rows = [
            (NAMES[who], f"{stated:.0%}", "" if outcome.happened is None else _score(stated, outcome.happened))
            for who, stated in outcome.stated.items()
        ]
        return (
            format_html("<ul>{}</ul>", format_html_join("", "<li>{}: {}{}</li>", rows)) if rows else "No option stood."
        )

    @display(description="lessons learned, in the Execution Log")
    def lessons(self, outcome: Outcome) -> str:
        analysis = outcome.settlement.synthesis.analysis
        emm_id = outbox.emm_id_for(str(analysis.item.page_id), "decision", analysis.revision)
        entry = LogEntry.objects.filter(emm_id=emm_id).first()
        return (entry.values.get("Lessons_Learned") or "") if entry else ""

    def has_answer_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may say now how it went."""
        if not self.has_operate_permission(request) or not str(object_id).isdecimal():
            return False
        outcome = Outcome.objects.filter(pk=object_id).first()
        return outcome is not None and not outcomes.is_settled(outcome)

    @action(
        description="Say how it went",
        permissions=["answer"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "How did it go?",
            "description": f"The last answer counts; {outcomes.SETTLED_AFTER.days} days after the first it is settled.",
            "form_class": AnswerDialog,
            "form_submit_text": "Keep the answer",
        },
    )
    def answer(self, request: HttpRequest, form: AnswerDialog, object_id: int) -> HttpResponse:
        outcome, said = Outcome.objects.get(pk=object_id), form.cleaned_data
        try:
            outcomes.answer(outcome, said["result"], by=person(request), how=Outcome.How.CONSOLE, note=said["note"])
        except ValidationError as error:
            return done(request, " ".join(error.messages), change_page(outcome), messages.ERROR)
        return done(request, "Kept; the Execution Log shows it beside what was projected.", change_page(outcome))


def _score(stated: float, happened: bool) -> str:
    return f", Brier {(stated - happened) ** 2:.3f} (n=1)"
