"""Runs that a person starts, each on a page that shows its price first."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from analysis import by_hand, quotes, versions
from analysis.admin.confirming import Choice, Run, confirm
from analysis.models import Analysis, Depth
from emm.admin import change_page, person
from emm.jobs import Never
from notion_sync.models import InboxItem, Intent

LISTED = 200  # intents to choose from


def again(request: HttpRequest, analysis: Analysis) -> HttpResponse:
    """A new version beside the latest one."""
    run = Run(
        title="Argue again",
        subject=str(analysis.item),
        says="The personas argue once more, blind to what was said before, and propose on a new page. The old version, "
        "its pages and everything that people wrote on them stay as they are.",
        button="Argue again",
        back=change_page(analysis),
        choices=_depths(analysis.item),
        empty="Its text is too long to be read at once: shorten the page.",
    )

    def start(choice: Choice, reason: str) -> tuple[str, str]:
        made = versions.argue_again(analysis, Depth(choice.value), by=person(request), reason=reason)
        return "It is being argued again.", change_page(made)

    return confirm(request, run, start)


def complete(request: HttpRequest, analysis: Analysis) -> HttpResponse:
    """The voices that failed, and nothing else."""
    try:
        choices = [Choice("missing", "The missing voices, and what brings all together", quotes.of_missing(analysis))]
    except Never:
        choices = []
    run = Run(
        title="Ask the missing voices",
        subject=str(analysis.item),
        says=" ".join(voice.absence for voice in analysis.lacking)
        + " Only they are asked; the voices that were heard are kept, and none is paid for twice. At Deep all answer a "
        "new opinion. Where a plan was proposed already, the whole argument makes a new version beside it.",
        button="Ask them",
        back=change_page(analysis),
        choices=choices,
        empty="Its text is too long to be read at once: shorten the page.",
    )

    def start(choice: Choice, reason: str) -> tuple[str, str]:
        whole = versions.complete(analysis, by=person(request), reason=reason)
        return "They are being asked.", change_page(whole)

    return confirm(request, run, start)


def argue_intent(request: HttpRequest) -> HttpResponse:
    """Any intent: first which one, then at what price. One that was argued before is argued again."""
    wanted = request.GET.get("intent", "")
    if not wanted.isdecimal():
        return _choose(request)
    intent = get_object_or_404(Intent, pk=wanted)
    latest = intent.analyses.order_by("-revision").first()
    if latest is not None:
        return HttpResponseRedirect(reverse("admin:analysis_analysis_again", args=[latest.pk]))
    why = by_hand.why_not(intent)
    description = str(intent.values.get("Description") or "")
    item = InboxItem(title=intent.title, body=description)
    run = Run(
        title="Argue an intent",
        subject=str(intent),
        says="Its title and its Description become an inbox item of their own, which is argued like any other; the plan "
        "is proposed on a new action page of this intent. Notes and what else people wrote on the intent stay as they "
        "are; Status, Conflict_Level, Confidence and Reversibility show what came of it.",
        button="Argue it",
        back=reverse("admin:analysis_analysis_changelist"),
        choices=[] if why else _depths(item, triaged=False),
        empty=why or "Its Description is too long to be read at once: shorten it.",
    )

    def start(choice: Choice, reason: str) -> tuple[str, str]:
        made = by_hand.argue_intent(intent, Depth(choice.value), by=person(request), reason=reason)
        return "It is on its way: its page in the inbox is made first.", change_page(made.item)

    return confirm(request, run, start)


def _choose(request: HttpRequest) -> HttpResponse:
    found = Intent.objects.filter(in_trash=False, page_id__isnull=False)
    if asked := request.GET.get("q", "").strip()[:200]:
        found = found.filter(title__icontains=asked)
    rows = list(found.order_by("-last_edited_time", "-pk")[: LISTED + 1])
    context = {
        **admin.site.each_context(request),
        "title": "Argue an intent",
        "intents": rows[:LISTED],
        "more": len(rows) > LISTED,
        "asked": asked,
    }
    return TemplateResponse(request, "analysis/intents.html", context)


def _depths(item: InboxItem, *, triaged: bool = True) -> list[Choice]:
    """What each depth costs; nothing for a text that is too long."""
    try:
        return [Choice(depth.value, str(depth.label), quotes.of_depth(item, depth, triaged=triaged)) for depth in Depth]
    except Never:
        return []
