"""What the models were asked about an item, and what they answered."""

from __future__ import annotations

from datetime import timedelta
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
from notion_sync import outbox
from notion_sync.models import Action, InboxItem, Intent

NOTHING_NEW = (
    "The others were heard before, so nothing is proposed anew. Decide on what was proposed, or press Ask the missing voices "
    "on the page of this version."
)
WAYS_ON = (
    "Choose a Triage_Destination in Notion or a route in the console, or say more on the page and set Status to "
    "Unprocessed."
)
# Done voices that a synthesis needs; the missing one is named in it.
QUORUM = 2
# How long the other voices of a round wait for the first one's answer to begin, if nobody says that it has.
HEAD_START = timedelta(seconds=4)


class PromptVersion(models.Model):
    """One wording of one prompt. The active one is what is served; its hash is in every ledger row it caused."""

    class Origin(models.TextChoices):
        SEED = "seed", "came with a release"
        PERSON = "person", "written by a person"

    name = models.CharField(max_length=40, help_text="The file of its seed in templates/prompts/, without the ending.")
    text = models.TextField()
    hash = models.CharField(max_length=64, help_text="SHA-256 of the text, in hex.")
    active = models.BooleanField(default=False)
    origin = models.CharField(max_length=6, choices=Origin.choices, default=Origin.SEED, db_default=Origin.SEED)
    author = models.CharField(max_length=150, blank=True, default="", db_default="")
    why = models.TextField(blank=True, default="", db_default="", help_text="What it is meant to do better.")
    served_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last put into service; nothing for a wording that never was."
    )
    served_by = models.CharField(
        max_length=150, blank=True, default="", db_default="", help_text="Who chose it; nobody where the product did."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "hash"], name="promptversion_once"),
            models.UniqueConstraint(fields=["name"], condition=Q(active=True), name="promptversion_one_active"),
            models.CheckConstraint(condition=Q(origin__in=["seed", "person"]), name="promptversion_known_origin"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.hash[:8]}"

    @property
    def waits(self) -> bool:
        """Whether it was never served: a draft of a person's, or a seed that came while a person's version was."""
        return not self.active and self.served_at is None


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

    @property
    def stopped(self) -> bool:
        """Whether the model gave no answer that can be used, so that only a person can say where the item goes."""
        return self.status in (Job.Status.NEVER, Job.Status.DEAD)

    def moved(self) -> None:
        """The item shows why its triage waits or stopped; one that stopped is a person's, and Notion says so."""
        _show_on(self.item, self)
        if self.stopped and not self.item.in_trash:
            self.item.enter(InboxItem.State.HELD, f"{self.last_error} {WAYS_ON}")
            review, purpose = {"Status": "Needs_Review"}, "ask a person to look at the item"
            outbox.update_page(self.item, review, purpose=purpose, item=self.item)


class Depth(models.TextChoices):
    """How much argument an item gets. The values are the options of Depth in System Inbox, in lower case."""

    QUICK = "quick", "quick: the lead persona alone"
    STANDARD = "standard", "standard: three personas, then a synthesis"
    DEEP = "deep", "deep: they answer each other, and the synthesis is judged twice"


class Analysis(models.Model):
    """One argument about one item. A request for revision makes the next one; the old one is kept."""

    item = models.ForeignKey(InboxItem, on_delete=models.PROTECT, related_name="analyses")
    revision = models.PositiveIntegerField(default=1)
    lead = models.CharField(max_length=12, choices=[(p.value, p.value) for p in Persona])
    lead_reason = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="The router's Explanation: who leads, and why."
    )
    depth = models.CharField(max_length=8, choices=Depth.choices, default=Depth.STANDARD, db_default=Depth.STANDARD)
    depth_reason = models.TextField(
        blank=True, default="", db_default="", help_text="The rule or the person that chose the depth."
    )
    patient = models.BooleanField(
        default=False, db_default=False, help_text="On the patient lane: asked through Message Batches."
    )
    asked_by = models.CharField(
        max_length=150, blank=True, default="", db_default="", help_text="The person who started it by hand."
    )
    note = models.TextField(blank=True, help_text="What a person asked for when they wanted a revision.")
    revises = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="revised_by",
        help_text="The version that the note is about; empty: the one before, or no note.",
    )
    superseded = models.TextField(
        blank=True, default="", db_default="", help_text="Why it no longer counts: a person sent the item elsewhere."
    )
    item_digest = models.CharField(max_length=64, help_text="The item's digest when it was read.")
    item_read = models.JSONField(
        null=True,
        blank=True,
        help_text="What the personas are told of the item, as it stood when the argument was opened; empty: older than this.",
    )
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
        """The perspectives that were given in the first round, by persona."""
        return [one for one in self._spoken if one.status == Job.Status.DONE and one.round == 1]

    @property
    def rebuttals(self) -> list[Perspective]:
        """What the personas answered each other, by persona; empty unless the depth is deep and they disagreed."""
        return [one for one in self._spoken if one.status == Job.Status.DONE and one.round == 2]

    @property
    def missing(self) -> list[Perspective]:
        """The perspectives of either round that could not be given, by persona; `last_error` says why."""
        return [one for one in self._spoken if one.status in (Job.Status.NEVER, Job.Status.DEAD)]

    @property
    def lacking(self) -> list[Perspective]:
        """The missing perspectives that can be asked for: the opinions, else the replies to them."""
        absent = self.missing
        return [one for one in absent if one.round == 1] or absent

    @property
    def _spoken(self) -> list[Perspective]:
        """All perspectives by persona and round, as they are now, or as they were prefetched for a list."""
        return sorted(self.perspectives.all(), key=lambda one: (one.persona, one.round))

    @property
    def verdicts(self) -> dict[str, tuple[str, str]]:
        """Persona to its last stance and recommended option: after the rebuttal, where it gave one."""
        said = {voice.persona: voice.answer or {} for voice in [*self.voices, *self.rebuttals]}
        return {persona: (answer["stance"], answer["recommended"]) for persona, answer in said.items()}

    @property
    def conflict(self) -> Conflict:
        """How far the personas differ in the end."""
        return conflict(self.verdicts.values())

    @property
    def revised(self) -> Analysis | None:
        """The version whose plan `note` is about; None where no person asked for a revision."""
        if self.revises is None and self.note:
            return Analysis.objects.get(item_id=self.item_id, revision=self.revision - 1)
        return self.revises

    @property
    def quorum(self) -> int:
        """How many voices of the first round a synthesis needs."""
        return 1 if self.depth == Depth.QUICK else QUORUM

    def hear(self) -> None:
        """Take account of a perspective that moved: open the synthesis once all are in, or show what is missing.

        Call it in the transaction that moved the perspective, with this row locked, so that exactly one of two last
        voices finds that it was the last.
        """
        if self.superseded or Synthesis.objects.filter(analysis=self).exists():
            return
        unfinished = list(self.perspectives.exclude(status__in=(Job.Status.DONE, Job.Status.NEVER, Job.Status.DEAD)))
        waiting = [f"{voice.absence} {voice.what_next}" for voice in unfinished if _postponed(voice)]
        ordered = [voice.last_error for voice in unfinished if voice.status == Job.Status.SUBMITTED]
        if waiting:
            self.item.enter(InboxItem.State.HELD, " ".join(waiting))
        elif ordered:
            self.item.enter(InboxItem.State.ANALYSING, ordered[0])
        elif unfinished:
            self.resume()
        elif len(self.voices) < self.quorum:
            asked = self.perspectives.filter(round=1).count()
            self.item.enter(
                InboxItem.State.HELD,
                f"{len(self.voices)} of {asked} voices were heard, {self.quorum} are needed. "
                + " ".join(voice.absence for voice in self.missing),
            )
        elif self._only_taken_over():
            missing = " ".join(voice.absence for voice in self.missing)
            self.item.enter(InboxItem.State.HELD, f"{missing} {NOTHING_NEW}")
        elif self._owes_rebuttals():
            self.resume()
            self.open_round([voice.persona for voice in self.voices], round_=2)
        else:
            self.resume()
            nudge("synthesise", Synthesis.objects.create(analysis=self).pk)

    def _only_taken_over(self) -> bool:
        """Whether all that was heard comes from the version before: a voice that was asked for here was claimed."""
        return not any(voice.claims for voice in [*self.voices, *self.rebuttals])

    def _owes_rebuttals(self) -> bool:
        """Whether the voices have to answer each other: only where they disagree, and once."""
        if self.depth != Depth.DEEP or self.perspectives.filter(round=2).exists():
            return False
        return len(self.voices) > 1 and len(set(self.verdicts.values())) > 1

    def open_round(self, personas: list[str], round_: int = 1) -> None:
        """Ask these personas: the first one at once, the others when its answer has begun (`release`), or shortly.

        The prompt cache can be read only from then on. The rows are due from the start, so nothing depends on the first.
        """
        first, *others = [Perspective.objects.create(analysis=self, persona=one, round=round_) for one in personas]
        nudge("argue", first.pk)
        for other in others:
            nudge("argue", other.pk, after=timedelta(0) if self.patient else HEAD_START)

    def release(self, round_: int) -> None:
        """Start the voices of a round that nobody has started."""
        for pk in self.perspectives.due().filter(round=round_).values_list("pk", flat=True):
            nudge("argue", pk)

    def resume(self) -> None:
        """Show on an item that was held, or waited for a batch, that the argument goes on."""
        argued = self.item.state == InboxItem.State.ANALYSING and self.item.state_reason
        if self.item.state == InboxItem.State.HELD or argued:
            self.item.enter(InboxItem.State.ANALYSING)


class Perspective(Job):
    """One persona's argument in one round."""

    stage = "argue"

    analysis = models.ForeignKey(Analysis, on_delete=models.CASCADE, related_name="perspectives")
    persona = models.CharField(max_length=12, choices=[(p.value, p.value) for p in Persona])
    round = models.PositiveSmallIntegerField(default=1)
    answer = models.JSONField(
        null=True, blank=True, help_text="A PerspectiveAnswer; in the second round a RebuttalAnswer."
    )

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
    second = models.JSONField(
        null=True, blank=True, help_text="Deep only: the SynthesisAnswer to the same opinions in reversed order."
    )
    contested = models.BooleanField(
        default=False, db_default=False, help_text="The two orders led to different recommendations."
    )

    class Meta(Job.Meta):
        verbose_name_plural = "syntheses"

    def __str__(self) -> str:
        return f"synthesis of {self.analysis}"

    @property
    def item_id(self) -> Any:
        return self.analysis.item_id

    def moved(self) -> None:
        """The item shows why its synthesis waits or stopped, unless it goes elsewhere by now."""
        if Analysis.objects.filter(pk=self.analysis_id, superseded="").exists():
            _show_on(self.analysis.item, self)


def _postponed(job: Job) -> bool:
    """True while the job waits for a later time because of what its last attempt met."""
    return job.status == Job.Status.WAITING and bool(job.last_error) and job.due_at > timezone.now()


def _show_on(item: InboxItem, job: Job) -> None:
    """Hold the item while a person or a reset of a budget is needed, and let it go on when the job is queued again."""
    working = InboxItem.State.TRIAGING if isinstance(job, Triage) else InboxItem.State.ANALYSING
    if job.status in (Job.Status.NEVER, Job.Status.DEAD) or _postponed(job):
        item.enter(InboxItem.State.HELD, f"{job.last_error} {job.what_next}".strip())
    elif job.status == Job.Status.SUBMITTED:
        item.enter(working, job.last_error)
    elif job.status == Job.Status.WAITING and item.state in (InboxItem.State.HELD, working):
        item.enter(working)
