"""The review desk: the queue of proposals that wait for a person, and the page on which one of them is decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from analysis import acceptance, desk, dialectic, quotes, settlement, sources
from analysis.admin.reading import html
from analysis.answers import Plan, SynthesisAnswer
from analysis.desk import Changed, Decision, Shown, Wish
from analysis.economics import LABELS
from analysis.execution import MOST_TASKS
from analysis.models import Depth, Execution, Proposal, Settlement
from emm.admin import ReadOnlyAdmin, change_page, person
from emm.jobs import Later, Never

SHOWN = 50  # proposals of the queue on one page
TEXTS = (
    ("scenario_options", "Scenario options"),
    ("risk_assessment", "Risk assessment"),
    ("required_resources", "Required resources"),
)
DECISIONS = {"approve": Decision.APPROVED, "reject": Decision.REJECTED, "revise": Decision.NEEDS_REVISION}


@dataclass(frozen=True)
class Draft:
    """What a person has on the desk: the wish as far as it is filled in, and what they saw when they began."""

    wish: Wish
    seen: Shown


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    """The list is the queue; a proposal's page is the desk itself."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether this person may decide on proposals."""
        return bool(request.user.has_perm("analysis.decide_proposal"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who decides may look."""
        return super().has_view_permission(request, obj) or self.has_decide_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self.has_decide_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The queue. Raises PermissionDenied for whoever may not see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        waiting = desk.waiting()
        context = {
            **admin.site.each_context(request),
            "title": "Review desk",
            "rows": [_row(proposal) for proposal in waiting[:SHOWN]],
            "count": waiting.count(),
            "in_notion": settlement.decided().count(),
            "undoable": [_undoable(one) for one in desk.undoable()[:SHOWN]],
            "actions_page": reverse("admin:notion_sync_action_changelist"),
        }
        return TemplateResponse(request, "desk/queue.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The desk. Raises Http404 for what is no proposal, PermissionDenied for whoever may not see or decide."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        proposal = get_object_or_404(desk.proposals(), pk=object_id if object_id.isdecimal() else 0)
        if request.method != "POST":
            return self._show(request, proposal)
        if not self.has_decide_permission(request):
            raise PermissionDenied
        return self._do(request, proposal)

    def _do(self, request: HttpRequest, proposal: Proposal) -> HttpResponse:
        deed = request.POST.get("deed", "")
        try:
            if deed == "take_back":
                desk.take_back(_settlement(proposal), by=person(request))
                return self._back(request, proposal, "Taken back: no tasks are made.")
            if deed == "after_all":
                desk.approve_after_all(_settlement(proposal), by=person(request))
                return self._back(request, proposal, "Approved after all: the tasks are made.")
            if deed == "argue_again":
                desk.argue_again(_settlement(proposal), request.POST.get("note", ""), by=person(request))
                return self._back(request, proposal, "The personas argue again with your note.")
            draft = _draft(request, proposal)
        except ValidationError as error:
            return self._back(request, proposal, " ".join(error.messages), messages.WARNING)
        if deed not in DECISIONS:
            return self._show(request, proposal, replace(draft, wish=_edited(draft.wish, deed)))
        return self._decide(request, proposal, replace(draft, wish=replace(draft.wish, decision=DECISIONS[deed])))

    def _decide(self, request: HttpRequest, proposal: Proposal, draft: Draft) -> HttpResponse:
        try:
            decided = desk.decide(proposal, draft.wish, by=person(request), seen=draft.seen)
        except Changed as changed:
            assert proposal.action is not None
            proposal.action.refresh_from_db()
            now = replace(draft, seen=desk.shown(proposal.action))
            return self._show(request, proposal, now, blocked=changed.changes)
        except ValidationError as error:
            return self._show(request, proposal, draft, refused=error.messages)
        except (Later, Never) as error:
            why = f"Notion could not be asked whether the page has changed, so nothing was decided. {error}"
            return self._show(request, proposal, draft, refused=[why])
        return self._back(request, proposal, f"Decided: {decided.get_decision_display()}.")

    def _back(self, request: HttpRequest, proposal: Proposal, said: str, level: int = messages.SUCCESS) -> HttpResponse:
        messages.add_message(request, level, said)
        return HttpResponseRedirect(f"{change_page(proposal)}#decided")  # the form's own #plan would hide the message

    def _show(
        self,
        request: HttpRequest,
        proposal: Proposal,
        draft: Draft | None = None,
        blocked: list[str] | None = None,
        refused: list[str] | None = None,
    ) -> HttpResponse:
        """`draft`: None for the plan as it stands in Notion. `blocked`: what changed there meanwhile."""
        assert proposal.action is not None
        stands = desk.shown(proposal.action)
        proposed = Plan.model_validate(proposal.synthesis.plan)
        decided = Settlement.objects.filter(action=proposal.action).first()
        left = Plan.model_validate(decided.final_plan) if decided and decided.final_plan else stands.plan
        draft = draft or Draft(Wish("", left, note=stands.note), stands)
        why_not = "" if decided else desk.why_not(proposal)
        mine = acceptance.compare(proposed, draft.wish.plan, Decision.APPROVED)
        in_notion = acceptance.compare(proposed, stands.plan, Decision.APPROVED).changes
        context = {
            **admin.site.each_context(request),
            "title": str(proposal.action),
            "proposal": proposal,
            "row": _row(proposal),
            "changed": sources.notice(proposal),
            "argument": html(dialectic.stored_argument(proposal)),
            "proposed": proposed,
            "fields": [_field(name, label, proposed, draft.wish.plan) for name, label in TEXTS],
            "options": list(dict.fromkeys(["", *LABELS, draft.wish.plan.recommended_option])),
            "draft": draft,
            "seen": desk.sealed(draft.seen),
            "reasons": desk.REASONS,
            "mine_changes": mine.changes,
            "mine_rate": _percent(mine.rate),
            "in_notion": [] if blocked or decided else in_notion,
            "blocked": blocked,
            "refused": refused,
            "decided": decided and _decided(decided),
            "price": "" if decided is None else _price(proposal),
            "why_not": why_not,
            "may_decide": self.has_decide_permission(request) and not decided and not why_not,
            "may_undo": self.has_decide_permission(request),
            "undo_seconds": settings.UNDO_SECONDS,
            "longest": desk.LONGEST_TEXT,
        }
        return TemplateResponse(request, "desk/proposal.html", context)


def _field(name: str, label: str, proposed: Plan, mine: Plan) -> dict[str, Any]:
    """One text of the plan, as proposed and as it is on the desk; `rows`: how high its box has to be about."""
    text: str = getattr(mine, name)
    rows = sum(1 + len(line) // 60 for line in text.splitlines())
    return {
        "name": name,
        "label": label,
        "theirs": getattr(proposed, name),
        "mine": text,
        "rows": min(max(rows, 3), 40),
    }


def _row(proposal: Any) -> dict[str, Any]:
    """One proposal, annotated, as the queue and the head of its page show it."""
    answer = SynthesisAnswer.model_validate(proposal.synthesis.answer)
    rejects = [voice.answer["reject"] for voice in proposal.voices if voice.answer and voice.answer["reject"] != "none"]
    return {
        "proposal": proposal,
        "href": change_page(proposal),
        "conflict": proposal.conflict.value,
        "confidence": f"{answer.confidence:.0%}",
        "recommended": answer.recommended,
        "rejects": rejects,
        "orders": bool(proposal.item.orders),
        "changed": bool(sources.changes(proposal)),
    }


def _undoable(execution: Execution) -> dict[str, Any]:
    job = execution.settlement
    return {"job": job, "until": desk.undo_until(job), "href": _desk_page(job.synthesis.analysis_id)}


def _decided(job: Settlement) -> dict[str, Any]:
    execution = Execution.objects.filter(settlement=job).first()
    return {
        "job": job,
        "href": change_page(job),
        "rate": _percent(job.acceptance_rate),
        "who": job.decided_by or "a person in Notion",
        "open": job.status != Settlement.Status.DONE,
        "until": desk.undo_until(job),
        "is_over": desk.undo_until(job) <= timezone.now(),
        "undoable": execution is not None and execution.status == Execution.Status.WAITING,
        "taken_back": execution is not None and execution.last_error == Execution.TAKEN_BACK,
        "execution": execution,
    }


def _price(proposal: Proposal) -> str:
    """What another argument at the same depth costs, in words; "" for a text that is too long to be read."""
    try:
        return str(quotes.of_depth(proposal.item, Depth(proposal.depth), triaged=True))
    except Never:
        return ""


def _percent(rate: float | None) -> str:
    """A rate in words; 100% only where nothing was changed."""
    return "" if rate is None else f"{rate if rate == 1 else min(rate, 0.99):.0%}"


def _desk_page(analysis_id: int) -> str:
    return reverse("admin:analysis_proposal_change", args=[analysis_id])


def _settlement(proposal: Proposal) -> Settlement:
    found = Settlement.objects.filter(action=proposal.action).first()
    if found is None:
        raise ValidationError("Nobody has decided yet.")
    return found


def _draft(request: HttpRequest, proposal: Proposal) -> Draft:
    """The form as it was sent. Raises ValidationError where it is not whole."""
    said = request.POST
    plan = Plan(
        recommended_option=said.get("recommended_option", ""),
        scenario_options=said.get("scenario_options", ""),
        risk_assessment=said.get("risk_assessment", ""),
        required_resources=said.get("required_resources", ""),
        tasks=said.getlist("task"),
    )
    wish = Wish("", plan, reason=said.get("reason", ""), note=said.get("note", ""))
    return Draft(wish, desk.unsealed(said.get("seen", "")))


def _edited(wish: Wish, deed: str) -> Wish:
    """The wish after one of the buttons beside the tasks: `up 2`, `down 2`, `drop 2`, `add`; otherwise as it was."""
    tasks = list(wish.plan.tasks)
    verb, _, number = deed.partition(" ")
    place = int(number) if number.isdecimal() and len(number) < 6 else len(tasks)
    if verb == "add" and len(tasks) < MOST_TASKS:
        tasks.append("")
    elif place < len(tasks):
        task = tasks.pop(place)
        if verb in ("up", "down"):
            tasks.insert(max(0, place - 1) if verb == "up" else place + 1, task)
        elif verb != "drop":
            tasks.insert(place, task)
    return replace(wish, plan=wish.plan.model_copy(update={"tasks": tasks}))
