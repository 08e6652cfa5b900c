"""The page on which a person sees what a run costs before they start it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from analysis.estimates import Estimate
from analysis.models import Policy
from emm.admin import LONGEST_REASON


@dataclass(frozen=True)
class Choice:
    """One way to run, and its price."""

    value: str
    label: str
    estimate: Estimate


@dataclass(frozen=True)
class Run:
    """What is to be started. `empty`: what to say where there is nothing to choose from."""

    title: str
    subject: str
    says: str
    button: str
    back: str
    choices: Sequence[Choice]
    empty: str = ""


def confirm(request: HttpRequest, run: Run, start: Callable[[Choice, str], tuple[str, str]]) -> HttpResponse:
    """Show the prices; on a POST start what was chosen, if its price is still at most what the person saw.

    `start` is given the choice and the reason; it returns a message and the address to go on at, or raises
    ValidationError, which is shown.
    """
    problems: list[str] = []
    chosen = next((one for one in run.choices if one.value == request.POST.get("choice")), None)
    reason = request.POST.get("reason", "").strip()
    if request.method == "POST":
        problems = _problems(request, chosen, reason)
        if chosen is not None and not problems:
            try:
                message, address = start(chosen, reason)
            except ValidationError as error:
                problems = error.messages
            else:
                messages.success(request, message)
                return HttpResponseRedirect(address)
    policy = Policy.current()
    context = {
        **admin.site.each_context(request),
        "title": run.title,
        "subject": run.subject,
        "says": run.says,
        "button": run.button,
        "back": run.back,
        "choices": run.choices,
        "empty": run.empty,
        "chosen": chosen.value if chosen else run.choices[0].value if run.choices else "",
        "reason": reason[:LONGEST_REASON],
        "problems": problems,
        "budget": f"{policy.standing} It waits until then." if policy.model_calls_stopped else "",
    }
    return TemplateResponse(request, "analysis/run.html", context)


def _problems(request: HttpRequest, chosen: Choice | None, reason: str) -> list[str]:
    if chosen is None:
        return ["Choose one."]
    if not reason or len(reason) > LONGEST_REASON:
        return [f"Say why, in at most {LONGEST_REASON} characters."]
    try:
        seen = Decimal(request.POST.get(f"seen {chosen.value}", ""))
    except InvalidOperation:
        return ["Look at the price first."]
    if not seen.is_finite() or chosen.estimate.worst > seen:
        return ["The price has risen since it was shown: look at it again."]
    return []
