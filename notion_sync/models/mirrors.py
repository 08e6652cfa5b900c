"""Mirrors: rows that copy what Notion says, one model per database. Our own state of the work lives in columns of its own."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Mirror(models.Model):
    """One Notion page. `polling.absorb` is the one function that writes the copied columns.

    `page_id` is empty while the page is only promised: an outbox entry with the same EMM_ID will create it.
    """

    key: ClassVar[str]  # of the database in workspace.DATABASES

    page_id = models.UUIDField(null=True, blank=True, unique=True)
    emm_id = models.UUIDField(null=True, blank=True, db_index=True)
    title = models.TextField(blank=True)
    values = models.JSONField(
        default=dict, blank=True, help_text="Property name to value, as properties.read gives it."
    )
    properties = models.JSONField(
        default=dict, blank=True, help_text="Property name to Notion's own JSON: formatting, links."
    )
    digest = models.CharField(max_length=64, blank=True, help_text="Over what people may change: what wakes us.")
    url = models.TextField(blank=True)
    ours = models.BooleanField(default=False, help_text="Created by this integration.")
    in_trash = models.BooleanField(default=False)  # or archived
    created_time = models.DateTimeField(null=True, blank=True, help_text="Notion's, floored to the minute.")
    last_edited_time = models.DateTimeField(null=True, blank=True, help_text="Notion's, floored to the minute.")
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When an answer of Notion last carried the page.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title or str(self.page_id or self.emm_id)


class InboxItem(Mirror):
    """A page of the System Inbox, and where our work on it stands: in exactly one state, with a reason and a time."""

    key = "inbox"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        TRIAGING = "triaging", "triaging"
        ANALYSING = "analysing", "analysing"
        WRITING = "writing", "writing"
        PROPOSED = "proposed", "awaits a person"
        DECIDED = "decided", "decided"
        DONE = "done", "done"
        SKIPPED = "skipped", "skipped"
        HELD = "held", "held"

    class Backlog(models.TextChoices):
        HELD = "held", "held"
        RELEASED = "released", "released"

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    state_reason = models.TextField(blank=True)
    state_since = models.DateTimeField(db_default=Now())
    body = models.TextField(blank=True, help_text="The page's content as markdown.")
    body_of = models.DateTimeField(
        null=True, blank=True, help_text="last_edited_time of the page when the body was read."
    )
    body_read_at = models.DateTimeField(null=True, blank=True)
    backlog = models.CharField(
        max_length=8,
        choices=Backlog.choices,
        default="",
        db_default="",
        blank=True,
        help_text="Was there when the workspace was adopted: held, or released by a person.",
    )
    orders = models.JSONField(
        null=True, blank=True, help_text="What in it reads like orders to a model; nothing where nobody has looked yet."
    )

    class Meta:
        # Triage asks for waiting items; the console counts by state.
        indexes = [models.Index(fields=["state", "state_since"], name="inboxitem_state")]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "waiting", "triaging", "analysing", "writing", "proposed", "decided", "done", "skipped", "held",
                    ]
                ),
                name="inboxitem_known_state",
            )
        ]  # fmt: skip

    def enter(self, state: InboxItem.State, why: str = "") -> None:
        """Move the item to `state`, in the transaction that causes it. Entering the same state again keeps its time."""
        changed = {} if state == self.state else {"state_since": Now()}
        type(self).objects.filter(pk=self.pk).update(state=state, state_reason=why, **changed)
        self.refresh_from_db(fields=["state", "state_reason", "state_since"])


class Intent(Mirror):
    """A page of Executive Intents: one strategic question, argued over."""

    key = "intents"


class Action(Mirror):
    """A page of Action Pipes: the proposed plan, where a person decides."""

    key = "actions"

    approval_status = models.CharField(max_length=40, blank=True, db_index=True)


class PersonaPage(Mirror):
    """A page of the Agent Registry."""

    key = "agents"


class LogEntry(Mirror):
    """A page of the Execution Log."""

    key = "log"

    class Meta:
        verbose_name_plural = "log entries"


class TrainingExample(Mirror):
    """A page of Training Data: what a person made of one proposal."""

    key = "training"


class Task(Mirror):
    """A page of Tasks."""

    key = "tasks"


class Project(Mirror):
    """A page of Projects."""

    key = "projects"


class Area(Mirror):
    """A page of Areas."""

    key = "areas"


class Node(Mirror):
    """A page of Nodes: something kept for later."""

    key = "nodes"
