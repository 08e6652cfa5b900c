"""Stage 2: where an item goes. What waits is found from the mirror; one model call answers."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from analysis import corrections, flags, llm, prompts, routing
from analysis.answers import Route, TriageAnswer
from analysis.models import Correction, IntentRun, Policy, Triage
from analysis.models.thinking import WAYS_ON
from emm.jobs import Job
from emm.schedule import nudge
from notion_sync import outbox
from notion_sync.models import InboxItem, OutboxEntry

State = InboxItem.State
UNPROCESSED = ("", "Unprocessed")
# A page that was read longer ago is looked at before a call is paid for: no query tells of the trash.
FRESH = timedelta(minutes=5)
TRASHED = "It was trashed in Notion, or moved out of the inbox. Bring it back there to have it triaged."
EMPTY = "The page says nothing: no title, no Content, no body. Write something and set Status to Unprocessed."

# A page that people have edited is not judged by its old text.
_READ_SINCE_THE_EDIT = Q(in_trash=False, body_of__gte=F("last_edited_time"))


def open_triages() -> None:
    """Open the triage of every item that is ready for it, and explain on all others why there is none."""
    for item in _untriaged():
        with transaction.atomic():
            _look_at(item)
    for item in _answered_by_people():
        with transaction.atomic():
            _ask_again(item.triage)
    corrections.take_from_notion()


def triage(job: Triage) -> None:
    """Ask where the item goes, and promise what follows from the answer. Raises what llm.ask raises."""
    item = job.item
    if item.body_read_at and item.body_read_at < timezone.now() - FRESH:
        outbox.refresh(item)
    if item.in_trash:
        with transaction.atomic():
            job.finish()
            item.enter(State.SKIPPED, TRASHED)
            Triage.objects.filter(pk=job.pk, answer__isnull=True).delete()  # a page that is restored is triaged afresh
        return
    item.enter(State.TRIAGING)
    flags.flag(item)
    prompt = prompts.served("triage")
    answer = llm.ask(
        purpose="triage",
        job=job,
        item=item,
        system=prompt.text,
        user=prompts.triage_user(item),
        answer=TriageAnswer,
        prompt_hash=prompt.hash,
    )
    least = Policy.current().min_confidence(answer.route)
    with transaction.atomic():
        job.finish()
        asked, item = item, InboxItem.objects.select_for_update().get(pk=item.pk)
        if prompts.words_of(item) != prompts.words_of(asked):  # people go on writing while the model thinks
            flags.flag(item)
        chosen = routing.CHOSEN.get(item.values.get("Triage_Destination") or "")
        sure = chosen is not None or answer.confidence >= least
        job.answer = answer.model_dump(mode="json")
        job.confidence = answer.confidence
        job.route = (chosen or Route(answer.route)) if sure else ""
        job.save(update_fields=["answer", "confidence", "route"])
        if sure:
            routing.follow(item, Route(job.route), answer)
        else:
            routing.hold(item, _unsure(answer, least))
        if chosen is not None and not IntentRun.objects.filter(item=item).exists():
            corrections.note(item, answer, answer.route, chosen, by=corrections.IN_NOTION, how=Correction.How.NOTION)


def _unsure(answer: TriageAnswer, least: float) -> str:
    guess = f"Unsure where it goes: {answer.route} with a confidence of {answer.confidence:.0%}."
    return f"{guess} At least {least:.0%} is asked for. {answer.reasoning} {WAYS_ON}"


def _untriaged() -> QuerySet[InboxItem]:
    """Items that no triage was opened for: those that wait, and those that were passed over but are ready by now."""
    waiting = Q(state=State.WAITING) & (Q(body_of__isnull=False) | Q(in_trash=True))
    ready = Q(state__in=(State.SKIPPED, State.HELD), status__in=UNPROCESSED) & _READ_SINCE_THE_EDIT
    return (
        InboxItem.objects.alias(status=_text("values__Status"))
        .filter(waiting | ready, triage=None)
        .exclude(body_job__status__in=(Job.Status.NEVER, Job.Status.DEAD))
        .exclude(backlog=InboxItem.Backlog.HELD)
    )


def _answered_by_people() -> QuerySet[InboxItem]:
    """Items to ask about again: a person has reset Status since, or chosen the destination of one that was unsure.

    Where the model gave no answer at all, a chosen destination needs none: `corrections` follows it.
    """
    reset, chosen = Q(status__in=UNPROCESSED), Q(chosen__in=routing.CHOSEN)
    unsure = Q(triage__status=Job.Status.DONE, triage__route="") & (reset | chosen)
    stopped = Q(triage__status__in=(Job.Status.NEVER, Job.Status.DEAD)) & reset
    return (
        InboxItem.objects.alias(status=_text("values__Status"), chosen=_text("values__Triage_Destination"))
        .filter(unsure | stopped, _READ_SINCE_THE_EDIT, state=State.HELD)
        .exclude(Exists(OutboxEntry.objects.unfinished().filter(item=OuterRef("pk"))))
        .select_related("triage")
    )


def _text(path: str) -> Coalesce:
    """A value of the mirror as text; one that is empty or missing as the empty text."""
    return Coalesce(KT(path), Value(""), output_field=TextField())


def _look_at(item: InboxItem) -> None:
    status = item.values.get("Status") or ""
    if item.in_trash:
        item.enter(State.SKIPPED, TRASHED)
    elif _is_double(item):
        item.enter(
            State.SKIPPED,
            "Notion made this page of ours twice. The other one goes on; the check of doubles sees to this one.",
        )
    elif status not in UNPROCESSED:
        why = f"Its Status was {status} when it was first seen. Set it to Unprocessed to have it triaged."
        item.enter(State.SKIPPED, why)
    elif item.title.strip() or prompts.text_of(item):
        Triage.objects.bulk_create([Triage(item=item)], ignore_conflicts=True)
        item.enter(State.WAITING)
        nudge("triage", Triage.objects.get(item=item).pk)
    elif item.state != State.HELD:
        routing.hold(item, EMPTY)


def _is_double(item: InboxItem) -> bool:
    """Whether it is a page of ours beside the one that was promised under its key."""
    if not item.ours or item.emm_id is None:
        return False
    promised = OutboxEntry.objects.filter(kind=OutboxEntry.Kind.CREATE, emm_id=item.emm_id, item__isnull=False)
    return bool(promised.exclude(item=item).exists())


def _ask_again(triage: Triage) -> None:
    ended = Q(status=Job.Status.DONE, route="") | Q(status__in=(Job.Status.NEVER, Job.Status.DEAD))
    afresh = {"status": Job.Status.WAITING, "status_since": Now(), "due_at": Now(), "failures": 0, "last_error": ""}
    if Triage.objects.filter(ended, pk=triage.pk).update(**afresh):
        triage.item.enter(State.WAITING)
        nudge("triage", triage.pk)
