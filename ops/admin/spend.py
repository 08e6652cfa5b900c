"""What is spent, on one page."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from analysis.answers import Persona
from analysis.models import Policy
from analysis.personas import CHARACTERS
from emm.admin import ReadOnlyAdmin
from ops import spend
from ops.health import database_now
from ops.models import BudgetNotice, Spend
from ops.spend import Report

LINK = "text-primary-600 dark:text-primary-500"
WIDTH, HEIGHT = 900, 160
NAMES = {persona.value: CHARACTERS[persona].name for persona in Persona}


def usd(amount: Decimal | None) -> str:
    """An amount to the hundredth of a cent."""
    return "none yet" if amount is None else f"{amount:,.4f} USD"


@admin.register(Spend)
class SpendAdmin(ReadOnlyAdmin):
    """The list is the page; a single call is among the LLM calls."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Raises PermissionDenied for whoever may not see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = database_now()
        report = spend.report(now)
        context = {
            **admin.site.each_context(request),
            "title": "Spend",
            "days": spend.DAYS,
            "report": report,
            "cost": usd(report.cost),
            "switch": Policy.current(),
            "budgets": _budgets(report),
            "bars": _bars(report),
            "highest": usd(max(day.cost for day in report.days)),
            "sections": _sections(report),
            "ledger": _ledger(),
            "budget_page": reverse("admin:analysis_budget_changelist"),
        }
        return TemplateResponse(request, "ops/spend.html", context)


@admin.register(BudgetNotice)
class BudgetNoticeAdmin(ReadOnlyAdmin):
    list_display = ("at", "period", "step")
    list_select_related = ("period",)


def _ledger(**wanted: str) -> str:
    page = reverse("admin:analysis_llmcall_changelist")
    return f"{page}?{urlencode(wanted)}" if wanted else page


def _link(text: str, **wanted: str) -> str:
    return format_html('<a class="{}" href="{}">{}</a>', LINK, _ledger(**wanted), text)


def _budgets(report: Report) -> dict[str, Any]:
    told: dict[int, list[str]] = {}
    periods = [one.period.pk for one in report.budgets if one.period]
    for notice in BudgetNotice.objects.filter(period__in=periods).order_by("step"):
        told.setdefault(notice.period_id, []).append(f"{notice.step} % at {notice.at:%Y-%m-%d %H:%M} UTC")
    rows = []
    for one in report.budgets:
        pace = "not for a day" if one.scope == "day" else "too early to say"
        if one.pace is not None:
            share = f", {100 * one.pace / one.limit:.0f} % of it" if one.limit else ""
            pace = f"on pace to {usd(one.pace)}{share}"
        rows.append(
            [
                one.name,
                usd(one.limit),
                usd(one.spent),
                usd(one.reserved),
                usd(one.free),
                "nothing may be spent" if one.share is None else f"{one.share:.0f} %",
                pace,
                f"since {one.refused_at:%Y-%m-%d %H:%M} UTC" if one.refused_at else "no",
                ", ".join(told.get(one.period.pk, [])) if one.period else "",
            ]
        )
    headers = ["budget for", "limit", "spent", "reserved", "free", "used", "pace", "work was held", "people were told"]
    return {"headers": headers, "rows": rows}


def _bars(report: Report) -> list[dict[str, Any]]:
    """A bar for each day: place and size in the chart's units, and what it says."""
    highest = max(day.cost for day in report.days)
    step = WIDTH / len(report.days)
    bars = []
    for place, day in enumerate(report.days):
        tall = float(day.cost / highest) * HEIGHT if highest else 0.0
        bars.append(
            {
                "x": f"{place * step + 2:.1f}",
                "y": f"{HEIGHT - tall:.1f}",
                "width": f"{step - 4:.1f}",
                "height": f"{tall:.1f}",
                "says": f"{day.day:%Y-%m-%d}: {usd(day.cost)}, {day.calls:,} call{pluralize(day.calls)}",
                "label": f"{day.day:%d}" if place % 5 == 0 else "",
                "href": _ledger(**_on(day.day)),
            }
        )
    return bars


def _on(day: Any) -> dict[str, str]:
    following = day + timedelta(days=1)
    return {"opened_at__gte": f"{day:%Y-%m-%d}T00:00:00Z", "opened_at__lt": f"{following:%Y-%m-%d}T00:00:00Z"}


def _sections(report: Report) -> list[dict[str, Any]]:
    return [
        *(_group(name, report) for name in report.groups),
        _tokens(report),
        {
            "title": "What it comes to",
            "says": "What people have decided on in the last 30 days. A repeated decision on one item counts again.",
            "headers": ["cost of", "USD", "n", "how it is counted"],
            "rows": [[one.title, usd(one.cost), f"n={one.n:,}", one.says] for one in report.per_unit],
        },
        {
            "title": "Money without an answer",
            "says": "",
            "headers": ["calls", "count", "USD", "what that means"],
            "rows": [
                [
                    _link(one.title, went=one.went) if one.went else one.title,
                    f"{one.count:,}",
                    usd(one.cost),
                    one.detail,
                ]
                for one in report.troubles
            ],
        },
        {
            "title": "Day by day",
            "says": "By the UTC day in which the call was made, the latest first.",
            "headers": ["day", "calls", "cost"],
            "rows": [
                [_link(f"{day.day:%Y-%m-%d}", **_on(day.day)), f"{day.calls:,}", usd(day.cost)]
                for day in reversed(report.days)
            ],
        },
    ]


def _group(name: str, report: Report) -> dict[str, Any]:
    says = "Arguments and rebuttals, by who gave them; the other calls have no persona." if name == "persona" else ""
    rows = [
        [
            NAMES.get(row.value, row.value) if name == "persona" else _link(row.value, **{name: row.value}),
            f"{row.calls:,}",
            usd(row.cost),
            f"{row.share:.0%}",
        ]
        for row in report.groups[name]
    ]
    return {
        "title": f"By {name}", "says": says, "headers": [name, "calls", "cost", "share of all"], "rows": rows,
    }  # fmt: skip


def _tokens(report: Report) -> dict[str, Any]:
    whole = sum(report.tokens.values())
    rows = [
        [spend.TOKENS[name], f"{count:,}", f"{count / whole:.0%}" if whole else "0%"]
        for name, count in report.tokens.items()
    ]
    says = "As Claude's usage reports them."
    if report.cached is not None:
        says += f" {report.cached:.0%} of what was sent was read from the cache."
    return {"title": "Tokens", "says": says, "headers": ["kind", "tokens", "share"], "rows": rows}
