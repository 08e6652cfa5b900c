"""People send an item elsewhere, in Notion or in the console: that is done, kept, and learned from."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Now
from django.utils import timezone

from analysis import routing
from analysis.answers import Route, TriageAnswer
from analysis.models import Analysis, Correction, Policy, Settlement, Triage
from analysis.pages import YOU, log_values, shorten
from analysis.prompts import plain_text_of
from analysis.thresholds import Judged, Suggestion, suggest
from emm.audit import Actor, record
from notion_sync import outbox
from notion_sync.models import Action, DataSource, InboxItem, LogEntry, Mirror, OutboxEntry, Task

State = InboxItem.State
MINUTE = timedelta(
    minutes=1
)  # Notion floors the time of an edit: only a poll that began after it has seen the edit whole
IN_NOTION = "a person in Notion"
SUPERSEDED = "Superseded: "
LONGEST_TITLE = 1_900  # characters; one piece of a Notion title


def take_from_notion() -> None:
    """Follow each Triage_Destination that a person has changed after the triage was done, or chose where it stopped."""
    for item in _moved():
        route = routing.CHOSEN[item.values["Triage_Destination"]]
        try:
            correct(item.triage, route, by=IN_NOTION, how=Correction.How.NOTION)
        except ValidationError:
            continue  # not now, or no longer: the console says why


def _moved() -> list[InboxItem]:
    """Items that name another destination in Notion than their triage, or any where it stopped, and where no write of
    ours is on its way."""
    source = DataSource.objects.filter(key=InboxItem.key).exclude(cursor=None).first()
    if source is None or source.cursor is None:
        return []
    elsewhere = Q(destination__in=routing.CHOSEN, triage__status__in=(Triage.Status.NEVER, Triage.Status.DEAD))
    for route, destination in routing.DESTINATIONS.items():
        there = Q(triage__route__in=("", route))
        elsewhere |= Q(destination=destination, triage__status=Triage.Status.DONE) & ~there
    rows = (
        InboxItem.objects.alias(destination=KT("values__Triage_Destination"))
        .filter(elsewhere, last_edited_time__lte=source.cursor - MINUTE)
        .exclude(Exists(OutboxEntry.objects.unfinished().filter(item=OuterRef("pk"))))
    )
    return list(rows.select_related("triage"))


def why_not(triage: Triage) -> str:
    """Why the item cannot be sent elsewhere now, in words; "" where it can."""
    item = triage.item
    if not triage.stopped and (triage.status != Triage.Status.DONE or triage.answer is None):
        return "It has not been triaged yet."
    if item.in_trash:
        return "It is in Notion's trash: restore it there first."
    if _decided(item):
        return "A person has decided on its proposal already."
    if item.outbox.stuck().exists():
        return "Some of its pages could not be written. See to those first, under Outbox entries."
    return ""


def _decided(item: InboxItem) -> bool:
    settled = Settlement.objects.filter(synthesis__analysis__item=item)
    if settled.exclude(decision=Settlement.Decision.NEEDS_REVISION).exists():
        return True
    proposed = Action.objects.filter(analysis__item=item, analysis__superseded="", settlement=None, in_trash=False)
    return proposed.filter(approval_status__in=Settlement.Decision.values).exists()


def correct(triage: Triage, route: Route, *, by: Actor, how: Correction.How, reason: str = "") -> None:
    """Send the item where a person wants it: supersede what its old route made, and open the new route's work, once.

    An item that was held goes on; that is a correction only where the person disagrees with the triage's guess. Where the
    model made none, a stand-in takes the place of its answer. Raises ValidationError, with why, where the item is there
    already or cannot be sent elsewhere now.
    """
    with transaction.atomic():
        # In this order: a voice that finishes locks its analysis, then its item.
        list(Analysis.objects.select_for_update().filter(item=triage.item_id, superseded="").order_by("pk"))
        triage = Triage.objects.select_for_update().get(pk=triage.pk)
        item = InboxItem.objects.select_for_update().get(pk=triage.item_id)
        earlier = list(item.analyses.filter(superseded="").order_by("pk"))  # also a version opened until this moment
        if triage.route == route and not triage.stopped:
            raise ValidationError(f"Its route is {route} already.")
        if why := why_not(triage):
            raise ValidationError(why)
        was = triage.route
        if triage.stopped:
            answer = _stand_in(item, route, triage.last_error)
            kept = {"answer": answer.model_dump(mode="json"), "confidence": None, "last_error": ""}
            Triage.objects.filter(pk=triage.pk).update(status=Triage.Status.DONE, status_since=Now(), **kept)
        else:
            answer = TriageAnswer.model_validate(triage.answer)
            note(item, answer, was or answer.route, route, by=by, how=how, reason=reason)
        record("triage.reroute", triage, by=by, before={"route": was}, after={"route": route.value}, reason=reason)
        Triage.objects.filter(pk=triage.pk).update(route=route)
        _set_destination(item, route)
        if was:
            _supersede(item, earlier, f"{by} sent the item from {was} to {route}.", reason)
        routing.follow(item, route, answer)


def _stand_in(item: InboxItem, route: Route, why: str) -> TriageAnswer:
    """What the rest of the way reads where the model gave no answer: no more than the page and the person say.

    Nobody has judged risk and impact, so they stand in the middle: three personas argue, and a task is not urgent.
    """
    words = " ".join((item.title.strip() or plain_text_of(item)).split())
    return TriageAnswer(
        reasoning=f"A person chose {route}. Risk and impact are not judged: there is no answer. {shorten(why, 2_000)}",
        title=shorten(words, 200) or "Untitled",
        route=route,
        lead_persona="unclear",
        risk="Medium",
        impact=5,
        area="",
        concepts=[],
        success_criteria=[],
        confidence=0,
    )


def note(
    item: InboxItem, answer: TriageAnswer, was: str, route: Route, *, by: Actor, how: Correction.How, reason: str = ""
) -> None:
    """Keep that a person chose `route` instead of `was`, in the caller's transaction; nothing where that is the same."""
    if was == route:
        return
    Correction.objects.create(
        item=item,
        number=item.corrections.count() + 1,
        from_route=was,
        to_route=route,
        confidence=answer.confidence,
        by=str(by)[:150],
        how=how,
        reason=reason,
    )


def _set_destination(item: InboxItem, route: Route) -> None:
    wanted = {"Triage_Destination": routing.DESTINATIONS[route]}
    outbox.update_page(item, wanted, purpose="show where a person sent the item", item=item)


def _supersede(item: InboxItem, analyses: list[Analysis], what: str, reason: str) -> None:
    """Mark what the old route made, and log it. Nothing is deleted, and nodes stay as they are: others link to them."""
    Analysis.objects.filter(pk__in=[one.pk for one in analyses]).update(superseded=what)
    tasks = OutboxEntry.objects.filter(item=item, kind=OutboxEntry.Kind.CREATE, source_key=Task.key)
    for task in Task.objects.filter(emm_id__in=tasks.values("emm_id")):
        _mark(task, "Name")
    for analysis in analyses:
        if analysis.action is not None:
            _mark(analysis.action, "Action_Title")
        if analysis.intent is not None:
            _promise(analysis.intent, {"Status": "Archived"})
    intent = next((one.intent for one in analyses if one.intent is not None), None)
    values = log_values(
        shorten(f"Sent elsewhere: {item.title}", LONGEST_TITLE),
        f"{what} {reason}".strip(),
        YOU,
        timezone.now(),
        inbox=outbox.ref(item),
        intent=outbox.ref(intent) if intent else None,
    )
    emm_id = outbox.emm_id_for(str(item.page_id), "correction log", item.corrections.count())
    outbox.create_page(LogEntry, emm_id, values, purpose="log the correction", item=item)


def _mark(page: Mirror, title: str) -> None:
    if not page.title.startswith(SUPERSEDED):
        _promise(page, {title: shorten(f"{SUPERSEDED}{page.title}", LONGEST_TITLE)})


def _promise(page: Mirror, values: dict[str, str]) -> None:
    """A change that the item does not wait for: a person may have deleted the page meanwhile."""
    if not page.in_trash:
        outbox.update_page(page, values, purpose="mark what a person has superseded", item=None)


def suggestions() -> dict[Route, Suggestion]:
    """For each route the threshold that people's corrections suggest. A held item counts once a person chose for it.

    An intent that a person had argued does not count: its route was theirs from the start.
    """
    rows = (
        Triage.objects.filter(status=Triage.Status.DONE, confidence__isnull=False, item__run=None)
        .exclude(route="")
        .annotate(guess=KT("answer__route"))
        .values("guess", "confidence")
        .annotate(items=Count("pk"), corrected=Count("pk", filter=~Q(route=F("guess"))))
    )
    judged: dict[str, list[Judged]] = {route: [] for route in Route}
    for row in rows:
        judged[row["guess"]].append(Judged(row["confidence"], row["items"], row["corrected"]))
    policy = Policy.current()
    return {route: suggest(judged[route], policy.min_confidence(route)) for route in Route}


def news(policy: Policy) -> dict[str, float]:
    """The suggested threshold of each route whose threshold in `policy` is another one."""
    found = {route.value: one.threshold for route, one in suggestions().items()}
    return {route: least for route, least in found.items() if least not in (None, policy.min_confidence(route))}


def adopt(*, by: Actor, reason: str) -> dict[str, float]:
    """Make what is suggested the policy. Returns what changed, by route. Raises ValidationError where nothing would."""
    with transaction.atomic():
        Policy.current()
        policy = Policy.objects.select_for_update().get()
        new = news(policy)
        if not new:
            raise ValidationError("Nothing is suggested that is not the policy already.")
        before = {route: policy.min_confidence(route) for route in new}
        for route, least in new.items():
            policy.set_min_confidence(route, least)
        policy.save()
        record("policy.adopt_suggestions", policy, by=by, before=before, after=new, reason=reason)
    return new
