"""Stage 9: ask how an approved decision turned out once its day has come, and keep what people answer.

The asking is a task in Notion, due on that day, and a line on the console's page of reviews. The answer is Outcome on
the Intent page, or given in the console. Of several answers the last counts, until it is settled.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, Coalesce, Left, Now
from django.utils import timezone

from analysis import pages
from analysis.acceptance import SYNTHESIS
from analysis.answers import PerspectiveAnswer, SynthesisAnswer
from analysis.models import Execution, Outcome, Settlement
from analysis.settlement import IN_NOTION, last_words
from emm.audit import Actor, record
from emm.jobs import Later
from notion_sync import outbox
from notion_sync.document import blocks
from notion_sync.models import Intent, LogEntry, Mirror, OutboxEntry, Task

SETTLED_AFTER = timedelta(days=30)  # from the first answer on; by then a person has had time to correct a slip
NEXT_LOOK = timedelta(days=1)
INTENT = "settlement__synthesis__analysis__intent"


def open_outcomes() -> None:
    """Read what people answered, open the outcome of each approval that is carried out, and follow moved review dates."""
    for outcome in _answered_in_notion():  # first: what stands on an intent now belongs to its decision so far
        _take_from_notion(outcome)
    approved = Settlement.objects.standing().filter(
        status=Settlement.Status.DONE, decision=Settlement.Decision.APPROVED, outcome=None
    )
    final = approved.exclude(execution__status__in=(Execution.Status.WAITING, Execution.Status.RUNNING))
    for settlement in final.select_related("synthesis__analysis__intent"):
        _open(settlement)
    _follow_moved_dates()


def ask(job: Outcome) -> None:
    """Promise the task that asks a person, and show the day on the intent. Raises Later while the approval is taken back."""
    settlement = job.settlement
    analysis = settlement.synthesis.analysis
    if settlement.action.approval_status != Settlement.Decision.APPROVED:
        raise Later(NEXT_LOOK, "The approval was taken back, so nobody is asked how it went.")
    with transaction.atomic():
        job.finish()  # first: whoever lost the lease must not promise anything
        if job.result or _replaced().filter(pk=job.pk).exists():
            return
        item, intent = analysis.item, analysis.intent
        assert intent is not None, "a proposal has its Intent"
        about = {"intent": outbox.ref(intent), "inbox": outbox.ref(item)}
        priority = intent.values.get("Priority") or "P2"
        outbox.create_page(
            Task,
            _task_id(job),
            pages.review_task_values(intent.title, job.review_on, priority, **about),
            purpose="ask how the decision turned out",
            item=item,
            children=blocks(pages.review_page(_foreseen(job), intent.values.get("Success_Criteria") or "")),
        )
        _promise(intent, {"Due_Date": job.review_on.isoformat()}, "show that the review is due", job)
        Outcome.objects.filter(pk=job.pk).update(asked_at=Now())


def due() -> QuerySet[Outcome]:
    """What a person is asked now and has not answered, the longest waiting first."""
    return Outcome.objects.filter(asked_at__isnull=False, result="").order_by("review_on", "pk")


def answer(outcome: Outcome, result: str, *, by: Actor, how: Outcome.How, note: str = "") -> None:
    """Keep what a person says. "" takes an answer back. Raises ValidationError once the outcome is settled."""
    with transaction.atomic():
        locked = Outcome.objects.select_for_update().get(pk=outcome.pk)
        if is_settled(locked):
            raise ValidationError(
                f"It was settled {SETTLED_AFTER.days} days after the first answer and stays as it is."
            )
        before = {"result": locked.result, "note": locked.note, "how": locked.how, "by": locked.answered_by}
        now = timezone.now() if result else None
        locked.result, locked.note, locked.how, locked.answered_at = result, note, how if result else "", now
        locked.answered_by = str(by)[:150] if result else ""
        locked.first_answered_at = locked.first_answered_at or now
        locked.save(update_fields=["result", "note", "how", "answered_at", "answered_by", "first_answered_at"])
        after = {"result": result, "how": str(how)}
        record("outcome.answer", locked, by=by, before=before, after=after, reason=note)
        _show(locked)


def is_settled(outcome: Outcome) -> bool:
    """Whether the time to correct the answer is over."""
    return outcome.first_answered_at is not None and outcome.first_answered_at + SETTLED_AFTER <= timezone.now()


def _open(settlement: Settlement) -> None:
    """Keep what was predicted, and when to ask. A Review_Date that was over when it was approved is set anew, and the
    answer to an earlier decision on the same intent makes room for the one to this."""
    analysis = settlement.synthesis.analysis
    intent = analysis.intent
    assert intent is not None, "a proposal has its Intent"
    stands = intent.values.get("Outcome")
    said = SynthesisAnswer.model_validate(settlement.synthesis.answer)
    option = (settlement.final_plan or {}).get("recommended_option") or ""
    advised: dict[str, PerspectiveAnswer | SynthesisAnswer] = {**last_words(analysis), SYNTHESIS: said}
    sure = {who: pages.confidence_in(verdict, option) for who, verdict in advised.items()}
    written = _day(intent.values.get("Review_Date"))
    over = written is not None and written <= settlement.status_since.date()
    reckoned = (settlement.status_since + timedelta(days=said.review_in_days)).date()
    review_on = reckoned if written is None or over else written
    with transaction.atomic():
        outcome, opened = Outcome.objects.get_or_create(
            settlement=settlement,
            defaults={
                "review_on": review_on,
                "due_at": _midnight(review_on),
                "prediction": said.prediction,
                "probability": said.prediction_probability,
                "option": option,
                "stated": {who: stated for who, stated in sure.items() if stated is not None},
                "seen_in_notion": stands if stands in Outcome.Result.values else "",
            },
        )
        if not opened:
            return
        if over:
            _promise(intent, {"Review_Date": review_on.isoformat()}, "set the review anew", outcome)
        earlier = Outcome.objects.filter(**{INTENT: intent}, settlement__lt=settlement).exclude(result="")
        if earlier.exists() and not _replaced().filter(pk=outcome.pk).exists():
            _promise(intent, {"Outcome": ""}, "make room for the answer to the new decision", outcome)


def _day(value: Any) -> date | None:
    """The day of a date property of a mirror, delivered or still promised; None where there is none."""
    text = (value or {}).get("start") if isinstance(value, dict) else value
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _follow_moved_dates() -> None:
    """What an intent says is a person's word, once no date of ours is on its way there."""
    wanted = Left(KeyTextTransform("start", KeyTransform("Review_Date", f"{INTENT}__values")), 10)
    waiting = Outcome.objects.filter(status=Outcome.Status.WAITING, asked_at=None).annotate(wanted=wanted)
    moved = waiting.exclude(wanted=None).exclude(wanted=Cast("review_on", CharField()))
    for outcome in moved.exclude(Exists(_our_words("Review_Date"))):
        day = _day(outcome.wanted)
        if day is not None:
            unclaimed = Outcome.objects.filter(pk=outcome.pk, status=Outcome.Status.WAITING)
            unclaimed.update(review_on=day, due_at=_midnight(day))


def _answered_in_notion() -> QuerySet[Any]:
    """Outcomes whose Intent page says something else than when it was last read; only of the intent's latest approval.

    While a word of ours is not there yet, the page says nothing new: a person's edit meanwhile shows as its conflict.
    """
    here = Coalesce(KeyTextTransform("Outcome", f"{INTENT}__values"), Value(""), output_field=CharField())
    changed = Outcome.objects.annotate(here=here).exclude(here=F("seen_in_notion"))
    latest = changed.exclude(pk__in=_replaced().values("pk")).exclude(Exists(_our_words("Outcome")))
    return latest.filter(here__in=["", *Outcome.Result.values], **{f"{INTENT}__in_trash": False}).order_by("pk")


def _our_words(name: str) -> QuerySet[OutboxEntry]:
    """Our changes of this property on an outcome's intent that are not there yet."""
    on_intent = OutboxEntry.objects.filter(item__analyses__intent=OuterRef(INTENT), source_key=Intent.key)
    return on_intent.filter(values__has_key=name).exclude(status=OutboxEntry.Status.DONE)


def _replaced() -> QuerySet[Outcome]:
    """Outcomes of approvals after which another version on the same intent was approved."""
    later = Outcome.objects.filter(**{INTENT: OuterRef(INTENT)}, settlement__gt=OuterRef("settlement"))
    return Outcome.objects.filter(Exists(later))


def _take_from_notion(outcome: Any) -> None:
    with transaction.atomic():
        locked = Outcome.objects.select_for_update().get(pk=outcome.pk)
        still = _answered_in_notion().filter(pk=locked.pk).first()
        if still is None:
            return  # answered in the console meanwhile
        said = still.here
        Outcome.objects.filter(pk=locked.pk).update(seen_in_notion=said)
        if said == locked.result:
            return  # our own word, from an answer in the console
        if is_settled(locked):
            seen = {"result": locked.result}
            record("outcome.late_answer", locked, by=IN_NOTION, before=seen, after={"said": said}, reason="Settled.")
            return
        answer(locked, said, by=IN_NOTION, how=Outcome.How.NOTION)


def _show(outcome: Outcome) -> None:
    """Projected against actual on the log entry of the decision, the answer on the intent, and the task closed."""
    analysis = outcome.settlement.synthesis.analysis
    item, intent = analysis.item, analysis.intent
    said = f"{outcome.answered_by}, {outcome.answered_at:%Y-%m-%d}" if outcome.answered_at else ""
    values = pages.outcome_values(_foreseen(outcome), outcome.result, said, outcome.note)
    entry = LogEntry.objects.filter(emm_id=outbox.emm_id_for(str(item.page_id), "decision", analysis.revision)).first()
    if entry is not None:
        _promise(entry, values, "log how the decision turned out", outcome)
    replaced = _replaced().filter(pk=outcome.pk).exists()
    if intent is not None and not intent.in_trash and not replaced and outcome.how == Outcome.How.CONSOLE:
        _promise(intent, {"Outcome": outcome.result}, "show how the decision turned out", outcome)
        Outcome.objects.filter(pk=outcome.pk).update(seen_in_notion=outcome.result)  # our own word is no answer
    task = Task.objects.filter(emm_id=_task_id(outcome)).first()
    if task is not None and outcome.result:
        _promise(task, {"Status": "Done"}, "close the question how it went", outcome)


def _promise(page: Mirror, values: dict[str, Any], purpose: str, outcome: Outcome) -> None:
    """A change of a page, unless a person has deleted it."""
    if not page.in_trash:
        outbox.update_page(page, values, purpose=purpose, item=outcome.settlement.synthesis.analysis.item)


def _task_id(outcome: Outcome) -> Any:
    analysis = outcome.settlement.synthesis.analysis
    return outbox.emm_id_for(str(analysis.item.page_id), "review", analysis.revision)


def _foreseen(outcome: Outcome) -> str:
    confidence = outcome.stated.get(SYNTHESIS)
    return pages.projected(outcome.prediction, outcome.probability, outcome.option, confidence)
