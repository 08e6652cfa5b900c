"""Every night each mirror is held against all that Notion lists: nothing missed, nothing doubled.

Polls see what was edited. They cannot see what is no longer listed (trashed, moved, deleted), what came back with an old
edit time, and what a fault of ours or of Notion's kept from them. So all pages are listed, in windows; what they bring is
mirrored like anything else; and what the mirror has and the list lacks is read by its id. From a list that was not read to
its end nothing is concluded.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

import structlog
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from emm import schedule
from emm.audit import Actor, record
from emm.jobs import Later, Never
from notion_sync import looks, pace
from notion_sync.looks import Found
from notion_sync.mirror import model_of
from notion_sync.models import DataSource, Mirror, Poller, Reconciliation
from notion_sync.windows import OVERLAP, open_for, page_ids

log = structlog.get_logger(__name__)

NIGHT_HOUR = 3  # UTC
ONCE_A_NIGHT = timedelta(hours=12)
A_NIGHT_WAS_LOST = timedelta(hours=25)  # nobody was there at the hour
LISTING = timedelta(minutes=1)  # the last window wakes us; this is for the case that its nudge is lost


def open_nightly() -> None:
    """Open the reconciliations of this night. None while the poller is paused, and of sources never mirrored or held."""
    if Poller.objects.filter(status=Poller.Status.PAUSED).exists():
        return
    now = timezone.now()
    rest = ONCE_A_NIGHT if now.hour == NIGHT_HOUR else A_NIGHT_WAS_LOST
    lately = Q(mirrored_at__gt=now - rest) | Q(
        pk__in=Reconciliation.objects.filter(opened_at__gt=now - rest).values("source")
    )
    _open(DataSource.objects.filter(hold="", mirrored_at__isnull=False).exclude(lately))


def start(*, by: Actor, reason: str) -> int:
    """Reconcile all sources now, because a person asks. Returns how many were opened: those under way are left alone.

    Raises ValidationError without a reason.
    """
    if not reason.strip():
        raise ValidationError("Say why, for whoever wonders later.")
    with transaction.atomic():
        count = _open(DataSource.objects.filter(hold="", mirrored_at__isnull=False))
        record("reconciliation.start", None, by=by, after={"sources": count}, reason=reason.strip())
    return count


def _open(sources: QuerySet[DataSource]) -> int:
    count = 0
    for source in sources:
        if not Reconciliation.objects.unfinished().filter(source=source).exists():
            Reconciliation.objects.bulk_create([Reconciliation(source=source)], ignore_conflicts=True)
            count += 1
    if count:  # or this sweep, which opens the nightly ones, would call itself without end
        schedule.nudge("reconcile")
    return count


def reconcile(job: Reconciliation) -> None:
    """Stage reconcile: list, compare, look. Raises Later while the list is being read, Never where that failed."""
    if job.listed_at is None:
        _list(job)
    with pace.background():
        while job.to_look:
            _look(job, job.to_look[0])
    job.finish()
    log.info("reconciled", source=job.source.key, seen=job.seen, missed=job.missed, doubled=job.doubled)


def _list(job: Reconciliation) -> None:
    with transaction.atomic():
        windows = job.windows.all()
        if not windows.exists():
            open_for(job.source, None, job)
    if windows.unfinished().exists():
        raise Later(LISTING, "Notion's list is being read.")
    if stuck := windows.stuck().first():
        raise Never(
            f"Notion's list could not be read to its end, so nothing is concluded from it. {stuck.last_error} The next night "
            "compares anew; Compare now does so at once."
        )
    with transaction.atomic():
        _compare(job)


def _compare(job: Reconciliation) -> None:
    """Note what the list says, and which pages of the mirror it lacks: those have to be looked at."""
    windows = job.windows.all()
    listed = page_ids(windows)
    live = model_of(job.source.key)._default_manager.filter(page_id__isnull=False, in_trash=False)
    unlisted = live.filter(created_time__lt=job.opened_at + job.source.clock_ahead - OVERLAP).exclude(
        Exists(listed.filter(page_id=OuterRef("page_id")))
    )
    job.keep(
        listed_at=Now(),
        seen=listed.count(),
        to_look=list(unlisted.values_list("page_id", flat=True)),
        doubled=_doubled(model_of(job.source.key)),
        requests=job.requests + windows.aggregate(n=Sum("requests"))["n"],
    )
    job.refresh_from_db()
    windows.delete()


def _doubled(model: type[Mirror]) -> int:
    ours = model._default_manager.filter(ours=True, in_trash=False, page_id__isnull=False, emm_id__isnull=False)
    return ours.values("emm_id").annotate(n=Count("pk")).filter(n__gt=1).count()


def _look(job: Reconciliation, page_id: uuid.UUID) -> None:
    """Read one page that the list lacks. One that is there after all was only late in Notion's index."""
    found, pages = looks.ask(job.source, page_id)
    counted = {} if found == Found.THERE else {found.value: F(found.value) + 1, "repaired": F("repaired") + 1}
    with transaction.atomic():
        looks.note(job.source, page_id, pages)
        job.keep(to_look=job.to_look[1:], requests=F("requests") + 1, **counted)
