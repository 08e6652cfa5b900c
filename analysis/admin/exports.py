"""The page on which a person takes training files out."""

from __future__ import annotations

from collections.abc import Iterable
from tempfile import TemporaryFile
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from analysis import exports
from analysis.admin.names import NAMES
from analysis.answers import Persona, Route
from analysis.exports import FORMATS, Choice, Kind
from analysis.exports.redaction import WHAT
from analysis.models import PromptVersion, Settlement
from emm.admin import LONGEST_REASON, person
from emm.audit import record

MAY = "analysis.export_training"
MOST = 5_000  # decisions that a request may take out; more would keep a web process busy for minutes
ANY = ("", "any")
DAY = UnfoldAdminTextInputWidget(attrs={"type": "date"})


class ExportForm(forms.Form):
    """What to take out, and what for."""

    formats = forms.MultipleChoiceField(
        choices=[(name, one.title) for name, one in FORMATS.items()], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    since = forms.DateField(required=False, widget=DAY, help_text="The first day of the decisions, in UTC.")
    until = forms.DateField(required=False, widget=DAY, help_text="The last day.")
    decision = forms.ChoiceField(
        choices=[ANY, *Settlement.Decision.choices], required=False, widget=UnfoldAdminSelectWidget
    )
    persona = forms.ChoiceField(
        choices=[ANY, *((one, NAMES[one]) for one in (*Persona, "synthesis"))],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Whose advice the final plan is closest to; only approvals have one.",
    )
    route = forms.ChoiceField(
        choices=[ANY, *((one.value, one.value) for one in Route)], required=False, widget=UnfoldAdminSelectWidget
    )
    prompt = forms.ChoiceField(
        required=False, widget=UnfoldAdminSelectWidget, help_text="The wording that the synthesis was given."
    )
    min_acceptance = forms.IntegerField(
        min_value=0, max_value=100, initial=0, widget=UnfoldAdminIntegerFieldWidget, help_text="Percent; of approvals."
    )
    validation_percent = forms.IntegerField(
        min_value=0,
        max_value=50,
        initial=10,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Of 100 items, how many go into the validation files. The same ones each time.",
    )
    redact = forms.MultipleChoiceField(
        choices=[(kind.value, WHAT[kind]) for kind in Kind],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Each value gets a mark of its own, the same everywhere. Names and street addresses stay.",
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="What the files are for: goes into the audit log. Needed for the download.",
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        versions = PromptVersion.objects.filter(name="synthesis").order_by("-pk")
        prompt = self.fields["prompt"]
        assert isinstance(prompt, forms.ChoiceField)
        # House rules put their own hash behind the first 47 characters of the version's.
        prompt.choices = [ANY, *((one.hash[:47], str(one)) for one in versions)]

    def choice(self) -> Choice:
        """What a valid form asks for."""
        said = self.cleaned_data
        return Choice(
            formats=tuple(said["formats"]),
            since=said["since"],
            until=said["until"],
            persona=said["persona"],
            route=said["route"],
            prompt=said["prompt"],
            decision=said["decision"],
            min_acceptance=said["min_acceptance"] / 100,
            redact=frozenset(map(Kind, said["redact"])),
            validation_percent=said["validation_percent"],
        )


def show(request: HttpRequest) -> HttpResponseBase:
    """The page; a POST counts what was chosen, or sends it. Raises PermissionDenied without `export_training`."""
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    form = ExportForm(request.POST or None, initial={"formats": list(FORMATS), "redact": list(Kind)})
    download = request.POST.get("deed") == "download"
    choice = Choice() if not form.is_bound else form.choice() if form.is_valid() else None
    counts = exports.counts(choice) if choice else None
    if download and choice and counts:
        problem = _why_not(form.cleaned_data["reason"], counts.decisions)
        if not problem:
            return _download(request, choice, form.cleaned_data["reason"])
        form.add_error(None, problem)
    context = {
        **admin.site.each_context(request),
        "title": "Export training files",
        "form": form,
        "counts": counts,
        "rows": _rows(counts.records.items()) if counts else [],
        "most": MOST,
        "training_page": reverse("admin:analysis_training_changelist"),
    }
    return TemplateResponse(request, "analysis/export.html", context)


def _why_not(reason: str, decisions: int) -> str:
    if not reason.strip():
        return "Say what the files are for: it goes into the audit log."
    if not decisions:
        return "No decision fits, so there is nothing to take out. Ask for less."
    if decisions > MOST:
        return f"More than {MOST:,} decisions are for manage.py export_training: ask for less here, or use that."
    return ""


def _download(request: HttpRequest, choice: Choice, reason: str) -> FileResponse:
    file = TemporaryFile()  # noqa: SIM115  # the answer closes it
    manifest = exports.pack(choice, file)
    record("training.export", None, by=person(request), after=exports.summary(manifest), reason=reason)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"training-{manifest['sha256'][:8]}.zip")


def _rows(records: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"title": FORMATS[name].title, "records": n, "trains": FORMATS[name].trains} for name, n in records]
