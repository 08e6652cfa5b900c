"""What people's decisions teach, on one page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from analysis import acceptance, calibration, outcome, rules, training
from analysis.admin import exports
from analysis.admin.names import NAMES
from analysis.models import Training
from analysis.training import Report, Row
from emm.admin import ReadOnlyAdmin, change_page, shortened


@dataclass(frozen=True)
class Section:
    """One table. `empty`: what to say, and what to do, where it has no rows."""

    title: str
    says: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "Nothing yet. Decide on a proposal: it is settled within minutes, and counted here."

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.headers, "rows": self.rows}


@admin.register(Training)
class TrainingAdmin(ReadOnlyAdmin):
    """The list is the page; a single settlement is among the settlements."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("export/", self.admin_site.admin_view(self.export), name="analysis_training_export"),
            *super().get_urls(),
        ]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Training files to take out, for whoever has the permission."""
        return exports.show(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Raises PermissionDenied for whoever may not see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = training.report()
        context = {
            **admin.site.each_context(request),
            "title": "Training",
            "report": report,
            "fewest": training.FEWEST,
            "due": outcome.due().count(),
            "reviews_page": reverse("admin:analysis_outcome_changelist"),
            "rules_page": reverse("admin:analysis_houserule_changelist"),
            "export_page": reverse("admin:analysis_training_export") if request.user.has_perm(exports.MAY) else "",
            "sections": _sections(report),
        }
        return TemplateResponse(request, "analysis/training.html", context)


def _sections(report: Report) -> list[Section]:
    return [
        Section(
            "Acceptance",
            "How much of the plan people kept, and how close each persona's own advice came to what they decided.",
            ["of", "acceptance"],
            [[NAMES[who], figure] for who, figure in report.personas.items()],
        ),
        Section(
            "By field",
            "In approvals: how much of the field's text was kept. Decisions from before this was counted are missing.",
            ["field", "weight of 100", "kept"],
            [[name.replace("_", " "), acceptance.WEIGHTS[name], kept] for name, kept in report.by_field.items()],
        ),
        _rules(report),
        _rows(
            "Trend",
            "By the week of the decision, its Monday in UTC; the last weeks with a decision.",
            "week",
            report.weeks,
        ),
        _closest(report),
        _duels(report),
        _repeats(report),
        _shifts(report),
        _low(report),
        *_calibration(),
        *(_rows(f"By {name}", SAID.get(name, ""), name, rows) for name, rows in report.segments.items()),
    ]


EACH = "Each persona counts under its own; the plan under each that took part in it."
SAID = {
    "persona model": f"The model that the persona was last asked of before the plan. {EACH}",
    "persona prompt": f"The hash of the wording that the persona was last given before the plan, shortened. {EACH}",
    "synthesis prompt": "The hash of the wording that the synthesis was given, shortened.",
    "risk": "As the triage saw it.",
}


def _rows(title: str, says: str, name: str, rows: Iterable[Row]) -> Section:
    who = {key: NAMES[key] for key in training.WHO}
    cells = [[row.value, *(row.figures[key] for key in who)] for row in rows]
    return Section(title, says, [name, *who.values()], cells)


def _rules(report: Report) -> Section:
    says = "The acceptance of plans that were argued before the models were told a rule, and after."
    if report.left_out:
        says += f" {len(report.left_out)} more are accepted but left out: at most {rules.MOST} are told."
    rows = [
        [
            _link(effect.rule, effect.rule.text),
            "left out" if effect.rule in report.left_out else effect.rule.get_status_display(),
            effect.before,
            effect.after,
        ]
        for effect in report.effects
    ]
    empty = f"None was accepted. A rule is proposed once {rules.REPEATED_IN} settlements show the same edit."
    return Section("House rules", says, ["rule", "status", "before", "after"], rows, empty)


def _closest(report: Report) -> Section:
    rows = [[NAMES[who], figure] for who, figure in report.closest.items()]
    says = "The share of the approved plans."
    return Section("Whose advice the final plan is closest to", says, ["of", "closest in"], rows)


def _duels(report: Report) -> Section:
    says = "Where both advised and one came closer to the final plan: how often it was the first."
    headers = ["first", "second", "the first came closer", "ties"]
    rows = [[NAMES[duel.one], NAMES[duel.other], duel.won, _plans(duel.ties)] for duel in report.duels]
    return Section("Head to head", says, headers, rows)


def _repeats(report: Report) -> Section:
    says = (
        f"Edits of tasks that at least two of the latest {rules.RECENT} approved plans show. "
        "Tasks are the same if they share most of their words."
    )
    rows = [
        [
            one.oldest.kind,
            shortened(one.oldest.before, 120),
            shortened(one.oldest.after, 120),
            f"{len(one.settlements)} of {_plans(report.plans)}",
        ]
        for one in report.repeats
    ]
    headers = ["people", "the task as proposed", "as they left it", "seen in"]
    return Section("What people change again and again", says, headers, rows, "No edit is repeated yet.")


def _shifts(report: Report) -> Section:
    says = (
        "Medians over the same plans. The tone is measured in English words only: "
        "hedges such as may, perhaps, consider; orders such as must, always, never."
    )
    rows = [
        ["Words, as a share of those proposed", "1.00", report.length],
        ["Hedges in 100 words", report.hedges.proposed, report.hedges.final],
        ["Orders in 100 words", report.orders.proposed, report.orders.final],
    ]
    return Section("Length and tone", says, ["of", "as proposed", "as decided"], rows)


def _low(report: Report) -> Section:
    says = f"Decisions that kept less than {training.LOW:.0%} of the plan: {report.low_count} of {report.rated}."
    if report.low_count > len(report.low):
        says += f" The latest {len(report.low)}:"
    rows = [
        [
            _link(one, str(one.action)),
            one.get_decision_display(),
            f"{one.acceptance_rate:.0%} (n=1)",
            one.rejection_reason or shortened(one.note),
        ]
        for one in report.low
    ]
    headers = ["settlement", "decision", "kept", "reason"]
    return Section("Low acceptance", says, headers, rows, "None: people kept at least half of every plan.")


def _calibration() -> list[Section]:
    found = calibration.report()
    empty = (
        "No outcome is known yet. When a review date comes, set Outcome on the Intent page or answer under Outcomes."
    )
    told = [one for one in found if one.brier.n]
    scores = Section(
        "How far confidence can be trusted",
        "Brier score of the confidence in the option that was carried out: 0 is perfect, 0.25 is a coin. Better and as "
        "expected count as right, worse as wrong; whoever advised another option counts with one minus their confidence.",
        ["of", "Brier score"],
        [[NAMES.get(one.who, "The prediction"), one.brier] for one in told],
        empty,
    )
    rows = [
        [NAMES.get(one.who, "The prediction"), f"{bin.low:.0%} to {bin.high:.0%}", f"{bin.stated:.0%}", bin.came]
        for one in told
        for bin in one.bins
    ]
    says = "Of what was stated with this confidence, how much came so. Well calibrated: both columns are alike."
    return [scores, Section("Calibration", says, ["of", "stated", "on average (same n)", "came so"], rows, empty)]


def _plans(n: int) -> str:
    return "1 plan" if n == 1 else f"{n} plans"


def _link(row: Any, text: str) -> str:
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', change_page(row), text)
