"""What a person decided, and what follows from it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from analysis.models.thinking import Analysis, Synthesis
from emm.jobs import Job, JobQuerySet
from notion_sync.models import Action, InboxItem


class SettlementQuerySet(JobQuerySet):
    """Queries over settlements, named as adjectives."""

    def standing(self) -> Self:
        """Those whose decision holds: all but the approvals that were taken back before anything was made."""
        return self.exclude(execution__status=Job.Status.NEVER, execution__last_error=Execution.TAKEN_BACK)


SettlementManager = models.Manager.from_queryset(SettlementQuerySet)


class Settlement(Job):
    """The reading of one decision on one Action page, once, after the minute of the person's edit has closed."""

    stage = "settle"

    class Decision(models.TextChoices):
        APPROVED = "Approved", "approved"
        REJECTED = "Rejected", "rejected"
        NEEDS_REVISION = "Needs_Revision", "needs revision"

    action = models.OneToOneField(Action, on_delete=models.PROTECT, related_name="settlement")
    synthesis = models.OneToOneField(Synthesis, on_delete=models.PROTECT, related_name="settlement")
    decision = models.CharField(max_length=16, choices=Decision.choices, blank=True)
    rejection_reason = models.CharField(max_length=40, blank=True)
    note = models.TextField(blank=True, help_text="The person's User_Notes.")
    final_plan = models.JSONField(null=True, blank=True, help_text="The Plan as the person left it.")
    changes = models.JSONField(default=list, blank=True, help_text="What the person changed, in words.")
    acceptance_rate = models.FloatField(
        null=True, blank=True, help_text="A fraction; empty for a request for revision."
    )
    field_rates = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Of an approval: field of the plan to the fraction of it that was kept.",
    )
    persona_rates = models.JSONField(default=dict, blank=True, help_text="Persona to the rate of its own advice.")
    decided_by = models.CharField(
        max_length=150, blank=True, default="", db_default="", help_text="Who decided on the desk; empty: in Notion."
    )
    closest = models.CharField(
        max_length=12, blank=True, help_text="Whose advice the final plan is closest to, or synthesis."
    )

    objects: ClassVar[SettlementManager[Any]] = SettlementManager()

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=Q(acceptance_rate__isnull=True) | Q(acceptance_rate__gte=0, acceptance_rate__lte=1),
                name="settlement_rate_is_fraction",
            ),
        ]

    def __str__(self) -> str:
        return f"settlement of {self.action}"

    @property
    def item_id(self) -> Any:
        return self.synthesis.item_id

    def moved(self) -> None:
        """An item whose decision can't be settled is held with the reason, and awaits again when it is queued again."""
        _show_on(self, self.synthesis.analysis.item, InboxItem.State.PROPOSED)


class Execution(Job):
    """The making of the tasks of an approved plan, due when the time to undo the approval is over."""

    stage = "execute"

    TAKEN_BACK: ClassVar[str] = (
        "The approval was taken back before the tasks were made, so none were. To have them made after all, set "
        "Approval_Status to Approved and queue this execution again."
    )

    settlement = models.OneToOneField(Settlement, on_delete=models.PROTECT, related_name="execution")

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return f"execution of {self.settlement.action}"

    @property
    def item_id(self) -> Any:
        return self.settlement.item_id

    def moved(self) -> None:
        """An item whose tasks can't be made is held with the reason, and is decided again when it is queued again."""
        _show_on(self, self.settlement.synthesis.analysis.item, InboxItem.State.DECIDED)


class Proposal(Analysis):
    """An analysis as the review desk shows it: the plan that a person decides on."""

    class Meta:
        proxy = True
        verbose_name_plural = "review desk"
        permissions = [("decide_proposal", "Can decide on proposals")]


def _show_on(job: Job, item: InboxItem, otherwise: InboxItem.State) -> None:
    if job.status in (Job.Status.NEVER, Job.Status.DEAD):
        item.enter(InboxItem.State.HELD, job.last_error)
    elif job.status == Job.Status.WAITING and item.state == InboxItem.State.HELD:
        item.enter(otherwise)
