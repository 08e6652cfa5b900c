"""What we owe Notion: promised in the transaction that decided it, kept by `outbox.deliver`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from emm import schedule
from emm.jobs import Job
from notion_sync.models.mirrors import InboxItem
from notion_sync.models.sources import BodyRead

BLOCKED = timedelta(minutes=1)  # until one that waits for others is looked at again, should nobody wake it before


class OutboxEntry(Job):
    """One promised write: the creation, the change or the trashing of one page, named by its EMM_ID.

    A page that people made has no EMM_ID of ours: its entry is named by the uuid5 of its page id.
    `values` and `base` hold Python values by property name (as properties.write takes and properties.canonical gives them);
    `{"ref": EMM_ID}` inside a relation names a page that may not exist yet.
    """

    stage = "deliver"

    class Kind(models.TextChoices):
        CREATE = "create", "create"
        UPDATE = "update", "change"
        TRASH = "trash", "trash"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    source_key = models.CharField(max_length=12, help_text="The database, by its key in workspace.DATABASES.")
    emm_id = models.UUIDField()
    page_id = models.UUIDField(null=True, blank=True, help_text="Known at the latest when delivered.")
    sequence = models.PositiveIntegerField(default=0, help_text="Order among the entries of one page.")
    item = models.ForeignKey(InboxItem, null=True, blank=True, on_delete=models.SET_NULL, related_name="outbox")
    purpose = models.CharField(max_length=120, help_text="Why we write, in words for the console.")
    values = models.JSONField(help_text="Property name to the value that we want there.")
    base = models.JSONField(
        default=dict, blank=True, help_text="Property name to the value that stood there before, as far as we know."
    )
    children = models.JSONField(default=list, blank=True, help_text="Blocks of a page that is created.")
    needs = ArrayField(models.UUIDField(), default=list, blank=True, help_text="EMM_IDs of the pages it refers to.")
    last = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It says that all is there: it goes out when every earlier write for its item is delivered.",
    )
    placed = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many of the blocks the page has, or has once the request in flight is applied.",
    )
    child_ids = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Blocks of ours that we know on the page, while more are added.",
    )
    conflict = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Where a person's edit stands in the way: what we knew, what we want, what stands there, who shall win.",
    )
    undoes = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="undone_by",
        help_text="The delivered write that this one takes back.",
    )
    promised_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(
        null=True, blank=True, help_text="Set before a request whose fate is unknown until cleared."
    )
    misses = models.PositiveSmallIntegerField(
        default=0, help_text="Lookups that did not find the page after a lost answer."
    )

    class Meta(Job.Meta):
        verbose_name_plural = "outbox entries"
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["emm_id"], condition=Q(kind="create"), name="outboxentry_one_creation"),
            models.UniqueConstraint(fields=["emm_id", "sequence"], name="outboxentry_ordered"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source_key}: {self.purpose}"

    def ahead(self) -> Q:
        """What goes out ahead of this entry: earlier ones of its page, the pages it refers to, and all of its item's
        where it is the last. Each was promised earlier, so no two entries wait for each other."""
        earlier = Q(emm_id=self.emm_id, sequence__lt=self.sequence)
        needed = Q(kind=self.Kind.CREATE, emm_id__in=self.needs)
        all_else = Q(item=self.item_id, pk__lt=self.pk) if self.last and self.item_id else Q()
        return earlier | needed | all_else

    @property
    def what_next(self) -> str:
        """As of any job; and of one that has its turn after others, what it waits for."""
        if self.status == self.Status.WAITING and not self.last_error:
            first = OutboxEntry.objects.filter(self.ahead()).exclude(status=self.Status.DONE).order_by("pk").first()
            if first is not None:
                return f"It goes out after another: {first}. {first.last_error}".strip()
        return super().what_next

    @property
    def _trouble(self) -> str:
        return f"{self.last_error} {self.what_next}".strip()

    @classmethod
    def claim(cls, pk: Any) -> Self | None:
        """As any job, but not while what goes out ahead of it is still on its way.

        That nudges it when it is done, and it waits unclaimed until then: a claimed entry would miss the nudge. It waits
        a while, so that a sweep, which takes the longest due first, finds what can go out.
        """
        entry = cls.objects.due().filter(pk=pk).first()
        if entry is None:
            return None
        if cls.objects.unfinished().filter(entry.ahead()).exists():
            # Only from the time that we saw: who was done meanwhile has made it due.
            cls.objects.due().filter(pk=pk, due_at=entry.due_at).update(due_at=Now() + BLOCKED)
            return None
        return super().claim(pk)

    def moved(self) -> None:
        """What waited for this delivery is due now; the item is looked at, whether it can go on or needs a person."""
        if self.status == self.Status.DONE:
            behind = Q(needs__contains=[self.emm_id]) | Q(emm_id=self.emm_id)
            if self.item_id:
                behind |= Q(item=self.item_id, last=True)
            followers = OutboxEntry.objects.filter(behind, status=self.Status.WAITING, sent_at=None)
            for pk in followers.values_list("pk", flat=True):
                schedule.nudge("deliver", pk)
            followers.update(due_at=Now(), last_error="")
        if self.item is not None and self.status == self.Status.WAITING and self.item.state == InboxItem.State.WRITING:
            self.item.enter(InboxItem.State.WRITING, f"Not written yet: {self.purpose}. {self._trouble}")
        if self.item is not None and self.kind == self.Kind.CREATE and self.source_key == InboxItem.key:
            self._show_on_new(self.item)
        if self.item_id and self.status in (self.Status.DONE, self.Status.NEVER, self.Status.DEAD):
            schedule.nudge("advance")

    def _show_on_new(self, item: InboxItem) -> None:
        """An item that came from outside Notion waits for its own page; without one it is held."""
        stuck = self.status in (self.Status.NEVER, self.Status.DEAD)
        if stuck and item.state == InboxItem.State.WAITING:
            item.enter(InboxItem.State.HELD, f"It is not in Notion's inbox. {self.last_error}")
        elif self.status == self.Status.WAITING and item.page_id is None:
            item.enter(InboxItem.State.WAITING, f"Its page is not made yet. {self._trouble}".strip())
        elif self.status == self.Status.DONE and item.state == InboxItem.State.WAITING:
            item.enter(InboxItem.State.WAITING)
            schedule.nudge("body", BodyRead.objects.get_or_create(item=item)[0].pk)
