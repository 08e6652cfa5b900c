"""What the labelled inbox showed about the configured models."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from analysis import evaluation
from analysis.models import Evaluation
from emm.admin import ReadOnlyAdmin


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    """`manage.py evaluate` makes a row; it costs money, so nothing here starts one."""

    list_display = ("started_at", "whole", "routing", "schema", "cost", "models", "by")
    fields = ("started_at", "finished_at", "by", "complete", "in_words", "report")
    readonly_fields = ("in_words",)

    @display(description="complete", label={"yes": "success", "no": "danger"})
    def whole(self, run: Evaluation) -> tuple[str, str]:
        return ("yes", "complete") if run.complete else ("no", "stopped" if run.finished_at else "running or ended")

    @display(description="routing")
    def routing(self, run: Evaluation) -> str | None:
        found = run.report.get("routing")
        return f"{found['right']} of {found['n']} right" if found else None

    @display(description="schema")
    def schema(self, run: Evaluation) -> str | None:
        validity = run.report.get("schema_validity")
        return None if validity is None else f"{validity:.0%} (n={run.report['schema']['answers']})"

    @display(description="cost")
    def cost(self, run: Evaluation) -> str | None:
        return f"{run.report['cost_usd']} USD" if run.report else None

    @display(description="calls by model")
    def models(self, run: Evaluation) -> str:
        return ", ".join(f"{model}: {n}" for model, n in run.report.get("models", {}).items())

    @display(description="what it found")
    def in_words(self, run: Evaluation) -> SafeString | str:
        if not run.report:
            return "Nothing yet: it runs, or its process was ended. Run manage.py evaluate again."
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', evaluation.in_words(run.report))
