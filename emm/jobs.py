"""Work that survives a crash: a row with a status, a due time and a lease.

A worker takes a row by a conditional UPDATE (`claim`), runs one verb on it (`attempt`) and gives it back finished, postponed or
failed. A worker that dies leaves a lease that expires; `reap` gives such rows back. Messages only say where to look: losing one
costs seconds, never a row. Time is the database's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

import structlog
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from emm import schedule

log = structlog.get_logger(__name__)

MAX_FAILURES = 5
WHAT_TO_DO = "It failed too often: queue it again once the cause is mended; docs/runbooks/high-error-rate.md says how to find it."
FIRST_BACKOFF = timedelta(seconds=10)


class Later(Exception):
    """The work can succeed, but not now. `until`: an aware time, or a span from now on the database's clock."""

    def __init__(self, until: datetime | timedelta, why: str) -> None:
        super().__init__(why)
        self.until = until
        self.why = why


class Misconfigured(Later):
    """The work can succeed once a person mends a setting: `what` is wrong, `fix` says what to do and where."""

    def __init__(self, what: str, fix: str, until: datetime | timedelta = timedelta(minutes=2)) -> None:
        super().__init__(until, f"{what} {fix}")
        self.what = what
        self.fix = fix


class Never(Exception):
    """The work cannot succeed, however often it is tried. `why` is shown to the person who can act."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Submitted(Exception):
    """What the work needs was ordered and comes hours later: the row waits without a lease until `wake`. `why` is shown."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class LostLease(Exception):
    """Another worker owns the row by now: what this one found out must not be stored."""


class JobQuerySet(models.QuerySet[Any]):
    """Queries over any job model, named as adjectives."""

    def due(self) -> Self:
        """Rows that a worker may claim now."""
        return self.filter(status=Job.Status.WAITING, due_at__lte=Now())

    def abandoned(self) -> Self:
        """Rows whose worker died or hung: running, with a lease that has expired."""
        return self.filter(status=Job.Status.RUNNING, leased_until__lt=Now())

    def unfinished(self) -> Self:
        """Rows that may still change by themselves."""
        return self.filter(status__in=(Job.Status.WAITING, Job.Status.RUNNING, Job.Status.SUBMITTED))

    def stuck(self) -> Self:
        """Rows that only a person can move on."""
        return self.filter(status__in=(Job.Status.NEVER, Job.Status.DEAD))


JobManager = models.Manager.from_queryset(JobQuerySet)


class Job(models.Model):
    """One piece of work. Subclasses name their stage, which gives the lease, the queue and the period of the sweep."""

    class Status(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        SUBMITTED = "submitted", "submitted: the answer comes later"
        DONE = "done", "done"
        NEVER = "never", "cannot succeed"
        DEAD = "dead", "failed too often"

    stage: ClassVar[str]
    item_id: Any = (
        None  # the inbox item that the work is for, where there is one: a column or a property of the subclass
    )

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    status_since = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(null=True, blank=True)
    claims = models.PositiveIntegerField(default=0, help_text="Rises with every claim: the fencing token.")
    failures = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True)

    objects = JobManager()

    class Meta:
        abstract = True
        # The sweep asks for waiting rows by due time and for running rows by lease.
        indexes = [
            models.Index(fields=["due_at"], name="%(class)s_due", condition=Q(status="waiting")),
            models.Index(fields=["leased_until"], name="%(class)s_leased", condition=Q(status="running")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="running", leased_until__isnull=False)
                | (~Q(status="running") & Q(leased_until__isnull=True)),
                name="%(class)s_leased_while_running",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "running", "submitted", "done", "never", "dead"]),
                name="%(class)s_known_status",
            ),
        ]

    @classmethod
    def claim(cls, pk: Any) -> Self | None:
        """Take the row for one lease. None: not due, not there, or someone else has it."""
        lease = schedule.STAGES[cls.stage].lease
        taken = cls._default_manager.filter(pk=pk, status=cls.Status.WAITING, due_at__lte=Now()).update(
            status=cls.Status.RUNNING,
            status_since=Now(),
            leased_until=Now() + lease,
            claims=F("claims") + 1,
        )
        return cls.objects.get(pk=pk) if taken else None

    @classmethod
    def reap(cls) -> int:
        """Give back the rows whose lease expired, as one failure each. Returns how many."""
        count = 0
        for job in cls._default_manager.filter(status=cls.Status.RUNNING, leased_until__lt=Now()):
            try:
                job._fail("The worker stopped before it finished: its lease expired.")
                count += 1
            except LostLease:
                continue
        return count

    def attempt(self, verb: Callable[[Self], None]) -> None:
        """Run `verb` on this claimed row and give the row back. Never raises for what the verb raises.

        The verb ends by returning (done; it may have called `finish` in its own transaction), or by raising Later,
        Misconfigured, Submitted or Never. Anything else counts as a failure.
        """
        try:
            self._run(verb)
        except LostLease:
            log.warning("lease_lost", job=str(self), claims=self.claims)

    def _run(self, verb: Callable[[Self], None]) -> None:
        try:
            verb(self)
            if self.status == self.Status.RUNNING:
                self.finish()
        except LostLease:
            raise
        except Later as later:
            due_at = Now() + later.until if isinstance(later.until, timedelta) else later.until
            self._move(self.Status.WAITING, due_at=due_at, last_error=later.why)
        except Submitted as submitted:
            self._move(self.Status.SUBMITTED, last_error=submitted.why)
        except Never as never:
            self._move(self.Status.NEVER, last_error=never.why)
        except Exception as error:
            log.exception("job_failed", job=str(self))
            self._fail(f"{type(error).__name__}: {error}")

    def finish(self) -> None:
        """Mark the row done. Call it in the transaction that stores the result, so that a result is never found twice.

        Raises LostLease if another worker has claimed the row since.
        """
        self._move(self.Status.DONE, last_error="")

    def keep(self, **changes: Any) -> None:
        """Renew the lease and store `changes` with it. Raises LostLease if another worker has claimed the row since."""
        lease = schedule.STAGES[self.stage].lease
        kept = (
            type(self)
            ._default_manager.filter(pk=self.pk, claims=self.claims, status=self.Status.RUNNING)
            .update(leased_until=Now() + lease, **changes)
        )
        if not kept:
            raise LostLease
        if changes:
            self.refresh_from_db(fields=list(changes))

    def queue_again(self) -> None:
        """A person's wish: try a row that is never or dead once more, with a clean count.

        Raises LostLease if it moved, or if the database allows one such row and a newer one does its work.
        """
        stopped = type(self)._default_manager.filter(pk=self.pk, status__in=(self.Status.NEVER, self.Status.DEAD))
        again = {"status": self.Status.WAITING, "status_since": Now(), "due_at": Now(), "failures": 0, "last_error": ""}
        with transaction.atomic():
            try:
                with transaction.atomic():
                    moved = stopped.update(**again)
            except IntegrityError as newer:
                raise LostLease from newer
            if not moved:
                raise LostLease
            self.refresh_from_db()
            self.moved()
            schedule.nudge(self.stage, self.pk)

    def wake(self) -> None:
        """What a submitted row waits for is there, or will not come: it is due. Nothing where it is not submitted."""
        with transaction.atomic():
            moved = (
                type(self)
                ._default_manager.filter(pk=self.pk, status=self.Status.SUBMITTED)
                .update(status=self.Status.WAITING, status_since=Now(), due_at=Now(), last_error="")
            )
            if moved:
                self.refresh_from_db()
                self.moved()
                schedule.nudge(self.stage, self.pk)

    @property
    def what_next(self) -> str:
        """What becomes of a row that has told of trouble and does not need a person; "" for any other."""
        if self.status == self.Status.WAITING and self.last_error:
            return f"It is tried again by itself at {self.due_at:%Y-%m-%d %H:%M:%S} UTC."
        return "It goes on by itself when the answer comes." if self.status == self.Status.SUBMITTED else ""

    def moved(self) -> None:
        """Called in the transaction that changed `status`. Override it to move what depends on this row."""

    def _fail(self, why: str) -> None:
        dead = self.failures + 1 >= MAX_FAILURES
        self._move(
            self.Status.DEAD if dead else self.Status.WAITING,
            failures=F("failures") + 1,
            due_at=Now() + FIRST_BACKOFF * 2**self.failures,
            last_error=f"{why} {WHAT_TO_DO}" if dead else why,
        )

    def _move(self, status: Job.Status, **changes: Any) -> None:
        with transaction.atomic():
            moved = (
                type(self)
                ._default_manager.filter(pk=self.pk, claims=self.claims, status=self.Status.RUNNING)
                .update(status=status, status_since=Now(), leased_until=None, **changes)
            )
            if not moved:
                raise LostLease
            self.refresh_from_db(fields=["status", "status_since", "leased_until", *changes])
            self.moved()
