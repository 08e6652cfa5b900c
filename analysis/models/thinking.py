"""What the models were asked about an item, and what they answered."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from analysis.agreement import Conflict, conflict
from analysis.answers import Persona, Route
from analysis.personas import CHARACTERS
from emm.jobs import Job
from emm.schedule import nudge
from notion_sync.models import Action, InboxItem, Intent

# Done voices that a synthesis needs; the missing one is named in it.
QUORUM = 2


class PromptVersion(models.Model):
    """One wording of one prompt. The active one is what is served; its hash is in every ledger row it caused."""

    name = models.CharField(max_length=40, help_text="The file of its seed in templates/prompts/, without the ending.")
    text = models.TextField()
    hash = models.CharField(max_length=64, help_text="SHA-256 of the text, in hex.")
    active = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "hash"], name="promptversion_once"),
            models.UniqueConstraint(fields=["name"], condition=Q(active=True), name="promptversion_one_active"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.hash[:8]}"


class Triage(Job):
    """The triage of one item: where it goes. The columns are empty until it is done."""

    stage = "triage"

    item = models.OneToOneField(InboxItem, on_delete=models.CASCADE, related_name="triage")
    answer = models.JSONField(null=True, blank=True, help_text="A TriageAnswer.")
    route = models.CharField(max_length=12, blank=True, choices=[(r.value, r.value) for r in Route])
    confidence = models.FloatField(null=True, blank=True, help_text="A fraction.")

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return f"triage of {self.item}"

    def moved(self) -> None:
        """The item shows why its triage waits or stopped."""
        _show_on(self.item, self)


class Analysis(models.Model):
    """One argument about one item. A request for revision makes the next one; the old one is kept."""

    item = models.ForeignKey(InboxItem, on_delete=models.PROTECT, related_name="analyses")
    revision = models.PositiveIntegerField(default=1)
    lead = models.CharField(max_length=12, choices=[(p.value, p.value) for p in Persona])
    note = models.TextField(blank=True, help_text="What a person asked for when they wanted a revision.")
    item_digest = models.CharField(max_length=64, help_text="The item's digest when it was read.")
    intent = models.ForeignKey(Intent, null=True, blank=True, on_delete=models.PROTECT, related_name="analyses")
    action = models.OneToOneField(Action, null=True, blank=True, on_delete=models.PROTECT, related_name="analysis")
    opened_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "analyses"
        constraints = [models.UniqueConstraint(fields=["item", "revision"], name="analysis_revision")]

    def __str__(self) -> str:
        return f"{self.item}, revision {self.revision}"

    @property
    def voices(self) -> list[Perspective]:
        """The perspectives that were given, by persona."""
        return list(self.perspectives.filter(status=Job.Status.DONE).order_by("persona"))

    @property
    def missing(self) -> list[Perspective]:
        """The perspectives that could not be given, by persona; `last_error` says why."""
        return list(self.perspectives.filter(status__in=(Job.Status.NEVER, Job.Status.DEAD)).order_by("persona"))

    @property
    def conflict(self) -> Conflict:
        """How far the given perspectives differ."""
        answers = [voice.answer or {} for voice in self.voices]
        return conflict((answer["stance"], answer["recommended"]) for answer in answers)

    def hear(self) -> None:
        """Take account of a perspective that moved: open the synthesis once all are in, or show what is missing.

        Call it in the transaction that moved the perspective, with this row locked, so that exactly one of two last
        voices finds that it was the last.
        """
        if Synthesis.objects.filter(analysis=self).exists():
            return
        unfinished = list(self.perspectives.exclude(status__in=(Job.Status.DONE, Job.Status.NEVER, Job.Status.DEAD)))
        waiting = [voice.absence for voice in unfinished if _postponed(voice)]
        if waiting:
            self.item.enter(InboxItem.State.HELD, " ".join(waiting))
        elif unfinished:
            self.resume()
        elif len(self.voices) >= QUORUM:
            self.resume()
            nudge("synthesise", Synthesis.objects.create(analysis=self).pk)
        else:
            self.item.enter(
                InboxItem.State.HELD,
                f"{len(self.voices)} of {len(Persona)} voices were heard, {QUORUM} are needed. "
                + " ".join(voice.absence for voice in self.missing),
            )

    def resume(self) -> None:
        """Show on a held item that the argument goes on."""
        if self.item.state == InboxItem.State.HELD:
            self.item.enter(InboxItem.State.ANALYSING)


class Perspective(Job):
    """One persona's argument in one round."""

    stage = "argue"

    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="perspectives")
    persona = models.CharField(max_length=12, choices=[(p.value, p.value) for p in Persona])
    round = models.PositiveSmallIntegerField(default=1)
    answer = models.JSONField(null=True, blank=True, help_text="A PerspectiveAnswer.")

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["analysis", "persona", "round"], name="perspective_one_voice"),
        ]

    def __str__(self) -> str:
        return f"{self.persona} on {self.analysis}"

    @property
    def absence(self) -> str:
        """That this voice is missing, and why, in words."""
        return f"{CHARACTERS[Persona(self.persona)].name} is missing: {self.last_error}"

    @property
    def item_id(self) -> Any:
        return self.analysis.item_id

    def moved(self) -> None:
        """The last voice of an analysis opens its synthesis; a missing one shows on the item."""
        Analysis.objects.select_for_update().get(pk=self.analysis_id).hear()


class Synthesis(Job):
    """What the personas' arguments add up to, and the plan that is proposed to a person."""

    stage = "synthesise"

    analysis = models.OneToOneField(Analysis, on_delete=models.CASCADE, related_name="synthesis")
    answer = models.JSONField(null=True, blank=True, help_text="A SynthesisAnswer.")
    plan = models.JSONField(null=True, blank=True, help_text="The proposed Plan, immutable.")

    class Meta(Job.Meta):
        verbose_name_plural = "syntheses"

    def __str__(self) -> str:
        return f"synthesis of {self.analysis}"

    @property
    def item_id(self) -> Any:
        return self.analysis.item_id

    def moved(self) -> None:
        """The item shows why its synthesis waits or stopped."""
        _show_on(self.analysis.item, self)


def _postponed(job: Job) -> bool:
    """True while the job waits for a later time because of what its last attempt met."""
    return job.status == Job.Status.WAITING and bool(job.last_error) and job.due_at > timezone.now()


def _show_on(item: InboxItem, job: Job) -> None:
    """Hold the item while a person or a reset of a budget is needed, and let it go on when the job is queued again."""
    working = InboxItem.State.TRIAGING if isinstance(job, Triage) else InboxItem.State.ANALYSING
    if job.status in (Job.Status.NEVER, Job.Status.DEAD) or _postponed(job):
        item.enter(InboxItem.State.HELD, job.last_error)
    elif job.status == Job.Status.WAITING and item.state == InboxItem.State.HELD:
        item.enter(working)
