"""The wordings of the prompts: drafted here, compared, tried on past decisions, put into service and taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from analysis import prompt_versions, prompts, quotes, replay
from analysis.admin.confirming import Choice, Run, confirm
from analysis.models import LLMCall, PromptReplay, PromptVersion
from emm.admin import (
    ReasonDialog,
    ReasonedAdmin,
    ReasonForm,
    change_page,
    done,
    person,
    shortened,
)
from emm.jobs import Job

Origin = PromptVersion.Origin
SIZES = (5, 10, 20, replay.MOST)  # decisions that a replay may ask about


class PromptForm(ReasonForm):
    """A new wording of a prompt, or another one of a draft."""

    name = forms.ChoiceField(
        choices=lambda: [(name, name) for name in prompt_versions.names()], widget=UnfoldAdminSelectWidget
    )
    text = forms.CharField(
        max_length=prompt_versions.LONGEST_TEXT + 1_000,  # a browser sends two characters for the end of a line
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 30}),
        help_text="What stands in double braces is filled in, and the tags name what is material: both have to stay.",
    )

    class Meta:
        model = PromptVersion
        fields = ("name", "text")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if self.instance.pk:
            del self.fields["name"]
            self.fields["reason"].initial = self.instance.why

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError for a wording that would break the program, or that is there already."""
        said: dict[str, Any] = super().clean() or {}
        name = self.instance.name or said.get("name", "")
        text = prompt_versions.tidy(said.get("text", ""))
        if wrong := prompt_versions.problems(name, text):
            raise ValidationError(wrong)
        same = PromptVersion.objects.filter(name=name, hash=prompt_versions.digest(text)).exclude(pk=self.instance.pk)
        if same.exists():
            raise ValidationError(f"This wording is there already: {same.get()}.")
        return said


class PromotionDialog(ReasonDialog):
    """Why, and why without a replay where there is none."""

    without_replay = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        label="Why without a replay",
        help_text="Only where no replay of it has ended well.",
    )


@admin.register(PromptVersion)
class PromptVersionAdmin(ReasonedAdmin):
    """A wording that was tried or served is never changed: ledger rows point to it by its hash."""

    form = PromptForm
    list_display = ("name", "short_hash", "standing", "origin", "author", "served_at", "tried")
    list_filter = ("name", "active", "origin")
    ordering = ("name", "-active", "-pk")
    actions_detail = ("replay", "promote", "roll_back", "draft_from")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["name", "text", "reason"]
        shown = ["status", "difference", "replays", "origin", "author", "why", "hash", "served_at", "served_by"]
        if self.has_change_permission(request, obj):
            return ["text", "reason", *shown]
        return [*shown, "created_at", "wording"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for name in self.get_fields(request, obj) if name not in ("name", "text", "reason")] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A draft begins with the words of the version that it is made from, or with those that are served."""
        found = PromptVersion.objects.filter(pk=pk).first() if (pk := request.GET.get("from", "")).isdecimal() else None
        found = found or prompts.served("persona")
        return {"name": found.name, "text": found.text}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts alone."""
        return super().has_change_permission(request, obj) and (obj is None or prompt_versions.is_draft(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_draft_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may write a new wording."""
        return self.has_add_permission(request)

    def has_promote_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may try and serve this wording, which never was served."""
        return super().has_change_permission(request) and any(one.waits for one in _one(object_id))

    def has_return_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may serve an earlier wording again: this one, or the one before the active one."""
        earlier = any(not one.waits and (not one.active or prompt_versions.before(one)) for one in _one(object_id))
        return super().has_change_permission(request) and earlier

    @display(description="version")
    def short_hash(self, prompt: PromptVersion) -> str:
        return prompt.hash[:8]

    @display(description="standing", label={"served": "success", "draft": "warning", "newer seed": "info"})
    def standing(self, prompt: PromptVersion) -> str:
        if prompt.active:
            return "served"
        if not prompt.waits:
            return "earlier"
        return "draft" if prompt.origin == Origin.PERSON else "newer seed"

    @display(description="last replay")
    def tried(self, prompt: PromptVersion) -> str:
        last = prompt.replays.order_by("-pk").first()
        return str(replay.result(last)) if last else ""

    @display(description="standing")
    def status(self, prompt: PromptVersion) -> str:
        if not prompt.active:
            return {
                "earlier": "Served earlier: it can be taken back.",
                "draft": "A draft: nothing is sent in these words.",
                "newer seed": "Came with a release while another wording was chosen by a person: it waits for one.",
            }[self.standing(prompt)]
        newer = prompt_versions.newer_seed(prompt)
        chosen = f"Served, chosen by {prompt.served_by}." if prompt.served_by else "Served: it came with the release."
        return (
            f"{chosen} A release has brought a newer seed since, {newer}: compare and promote it." if newer else chosen
        )

    @display(description="difference")
    def difference(self, prompt: PromptVersion) -> str:
        served = prompts.served(prompt.name)
        pieces = None if prompt.pk == served.pk else prompt_versions.difference(served.text, prompt.text)
        return render_to_string("analysis/prompt_diff.html", {"pieces": pieces, "against": served})

    @display(description="text")
    def wording(self, prompt: PromptVersion) -> SafeString:
        return format_html('<div style="white-space: pre-wrap; overflow-wrap: anywhere">{}</div>', prompt.text)

    @display(description="replays")
    def replays(self, prompt: PromptVersion) -> str:
        rows = [_shown(one) for one in prompt.replays.order_by("-pk")[:5]]
        return render_to_string("analysis/replays.html", {"rows": rows})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Keep the draft; the form has looked for what is wrong with it."""
        said, by = form.cleaned_data, person(request)
        if change:
            prompt_versions.reword(obj, said["text"], by=by, why=said["reason"])
        else:
            obj.pk = prompt_versions.draft(said["name"], said["text"], by=by, why=said["reason"]).pk
        obj.refresh_from_db()

    @action(description="New draft from this", permissions=["draft"])
    def draft_from(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:analysis_promptversion_add')}?{urlencode({'from': object_id})}")

    @action(description="Replay", permissions=["promote"])
    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        version = get_object_or_404(PromptVersion, pk=object_id)
        found = {size: quotes.of_replay(version, size) for size in SIZES}
        counts = {number: size for size, (number, _) in reversed(found.items()) if number}
        choices = [
            Choice(str(number), f"The latest {number} past decisions", found[size][1])
            for number, size in sorted(counts.items())
        ]
        run = Run(
            title="Replay",
            subject=f"What {version} would have answered",
            says="Each past decision is asked about once more in these words, and the answer is held against what the "
            "person left. Nothing is written to Notion, and no item changes.",
            button="Replay",
            back=change_page(version),
            choices=choices,
            empty="There is no past decision that this prompt had a part in. Approve a proposal first; until then a "
            "wording can be promoted with a reason.",
        )

        def start(choice: Choice, reason: str) -> tuple[str, str]:
            replay.start(version, int(choice.value), choice.estimate, by=person(request), reason=reason)
            return "It runs. Load the page again to see how far it is.", change_page(version)

        return confirm(request, run, start)

    @action(
        description="Promote",
        permissions=["promote"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Serve this wording",
            "description": "Calls from now on use it. What was served before can be taken back with one click.",
            "form_class": PromotionDialog,
            "form_submit_text": "Promote",
        },
    )
    def promote(self, request: HttpRequest, form: PromotionDialog, object_id: int) -> HttpResponse:
        version = PromptVersion.objects.get(pk=object_id)
        said = form.cleaned_data
        return _do(request, version, prompt_versions.promote, said["reason"], without_replay=said["without_replay"])

    @action(
        description="Roll back",
        permissions=["return"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Roll back",
            "description": "To this wording; where it is the one that is served, to the one before it. The next call uses it.",
            "form_class": ReasonDialog,
            "form_submit_text": "Roll back",
        },
    )
    def roll_back(self, request: HttpRequest, form: ReasonDialog, object_id: int) -> HttpResponse:
        version = PromptVersion.objects.get(pk=object_id)
        target = prompt_versions.before(version) if version.active else version
        return _do(request, target or version, prompt_versions.roll_back, form.cleaned_data["reason"])


def _one(object_id: Any) -> QuerySet[PromptVersion]:
    """The version of that key; none for what is no key."""
    return PromptVersion.objects.filter(pk=object_id if str(object_id).isdecimal() else 0)


def _shown(found: PromptReplay) -> dict[str, Any]:
    """One replay, and where its parts are."""
    calls = LLMCall.objects.filter(asker__in=[f"replay {pk}" for pk in found.cases.values_list("pk", flat=True)])
    failed = found.cases.filter(status__in=(Job.Status.NEVER, Job.Status.DEAD)).first()
    result = replay.result(found)
    purpose = {"purpose": f"{found.version.name} replay", "opened_at__gte": found.opened_at.isoformat()}
    return {
        "replay": found,
        "result": result,
        "done": result.answered + result.failed,
        "cost": calls.aggregate(sum=Sum("cost_usd"))["sum"] or 0,
        "error": shortened(failed.last_error, 200) if failed else "",
        "cases": f"{reverse('admin:analysis_replaycase_changelist')}?replay__id__exact={found.pk}",
        "ledger": f"{reverse('admin:analysis_llmcall_changelist')}?{urlencode(purpose)}",
    }


def _do(request: HttpRequest, version: PromptVersion, verb: Callable[..., None], why: str, **more: str) -> HttpResponse:
    try:
        verb(version, by=person(request), reason=why, **more)
    except ValidationError as error:
        return done(request, " ".join(error.messages), change_page(version), messages.ERROR)
    return done(request, f"{version} is served from the next call on.", change_page(version))
