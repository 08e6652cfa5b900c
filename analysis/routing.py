"""What a triage leads to: an argument, a task, or notes. Each promises its pages in the caller's transaction."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.utils import timezone

from analysis import by_hand, depth, flags, ledger, nodes, router
from analysis.answers import Persona, Route, TriageAnswer
from analysis.models import Analysis, Depth, IntentRun, Policy
from analysis.pages import SYSTEM, log_values, priority
from analysis.prompts import live_areas, text_of, told_of, written_on
from emm.turns import take_turn
from notion_sync import markdown, outbox
from notion_sync.document import Paragraph, blocks
from notion_sync.models import Area, InboxItem, LogEntry, Mirror, Task

State = InboxItem.State

# The options of Triage_Destination. What stands there is a person's wish or our own word.
DESTINATIONS = {
    Route.STRATEGIC: "Strategic (Intent)",
    Route.OPERATIONAL: "Operational (Task)",
    Route.REFERENCE: "Reference (Node)",
}
CHOSEN = {destination: route for route, destination in DESTINATIONS.items()}
STATUS = {
    Route.STRATEGIC: "Triaged_to_Intent",
    Route.OPERATIONAL: "Triaged_to_Task",
    Route.REFERENCE: "Triaged_to_Node",
}


def follow(item: InboxItem, route: Route, answer: TriageAnswer) -> None:
    """Promise what the route asks for. Call it once for each time that the item takes the route."""
    match route:
        case Route.STRATEGIC:
            argue(item, answer)
        case Route.OPERATIONAL:
            make_task(item, answer)
        case Route.REFERENCE:
            keep_nodes(item, answer)


def area_of(answer: TriageAnswer) -> Area | None:
    """The area that the triage named, if it named one and people use one of that name."""
    wanted = answer.area.strip().casefold()
    return next((area for area in live_areas() if area.title.strip().casefold() == wanted), None)


def area_dropped(answer: TriageAnswer) -> str:
    """That the triage named an area which nobody uses, in words; "" where it named none, or one of the workspace's own."""
    if not answer.area.strip() or area_of(answer) is not None:
        return ""
    return f"The triage named the area {answer.area.strip()}, which is none of the workspace's own, so none was set."


def hold(item: InboxItem, why: str) -> None:
    """Give the item to a person: held here, Needs_Review in Notion."""
    item.enter(State.HELD, why)
    outbox.update_page(item, {"Status": "Needs_Review"}, purpose="ask a person to look at the item", item=item)


def argue(item: InboxItem, answer: TriageAnswer) -> None:
    """Strategic: open the argument, as deep as the rules or a person want it. An earlier one that was superseded stays."""
    policy = Policy.current()
    chosen, why = depth.choose(answer, by_hand.wished_depth(item), policy, ledger.strained(item))
    explanation = router.explain(f"{item.title}\n{text_of(item)}", answer.risk, answer.impact)
    lead, decided_by = router.choose(answer.lead_persona, explanation)
    earlier = item.analyses.order_by("-revision").first()
    run = IntentRun.objects.filter(item=item).first()
    analysis = Analysis.objects.create(
        item=item,
        revision=earlier.revision + 1 if earlier else 1,
        intent=earlier.intent if earlier else run.intent if run else None,
        asked_by=run.asked_by if run else "",
        lead=lead,
        lead_reason={**asdict(explanation), "named": answer.lead_persona, "decided_by": decided_by},
        item_digest=item.digest,
        item_read=told_of(item),
        depth=chosen,
        depth_reason=why,
        patient=policy.patient_lane and run is None and not item.values.get("Urgent"),
    )
    open_voices(analysis)


def open_voices(analysis: Analysis) -> None:
    """Ask the personas for their perspectives, the lead first; where the depth is quick, the lead alone.

    Call it with the page as they will read it: what in it reads like orders is flagged anew.
    """
    flags.flag(analysis.item)
    others = [] if analysis.depth == Depth.QUICK else [one.value for one in Persona if one != analysis.lead]
    analysis.open_round([analysis.lead, *others])
    analysis.item.enter(State.ANALYSING)


def make_task(item: InboxItem, answer: TriageAnswer) -> None:
    """Operational: a task with the item's text, a log entry, and last the item's own status."""
    task = outbox.create_page(
        Task,
        _emm_id(item, "task"),
        {
            "Name": answer.title,
            "Auto Generated": True,
            "Priority": priority(answer.impact),
            "DB_System_Inbox": [outbox.ref(item)],
            **_in_area("Area", answer),
        },
        purpose="make the task",
        item=item,
        children=blocks(_original(item, answer)),
    )
    _log(item, "Made a task", answer, task)
    close(item, Route.OPERATIONAL)


def keep_nodes(item: InboxItem, answer: TriageAnswer) -> None:
    """Reference: a node for each new concept with the item's text, links to those that exist.

    Where nothing new is named, the text gets a node of its own, unless one of this title holds the same text already.
    """
    take_turn("analysis.routing.nodes")  # two items must not both make the same node
    original = _original(item, answer)
    concepts = nodes.distinct(answer.concepts)
    known = nodes.known([concept.name for concept in concepts])
    fresh = [concept for concept in concepts if concept.name not in known]
    twin = None if fresh else nodes.holding(answer.title, original)
    existing = list(dict.fromkeys([*known.values(), *([twin] if twin else [])]))
    # A two-way relation is written on one side only: on the item where it needs a list anyway, else on the new nodes.
    source = {} if existing else {"Source_Inbox": [outbox.ref(item)]}
    shared = {**source, **_in_area("Areas", answer)}
    made = [
        nodes.promise(item, _emm_id(item, "node", ordinal), concept, original, shared)
        for ordinal, concept in enumerate(fresh, start=1)
    ]
    if not fresh and twin is None:
        made.append(nodes.promise_text(item, _emm_id(item, "node"), answer.title, original, shared))
    links = {}
    if existing:
        linked = [*item.values.get("Routed_to_Node", []), *map(outbox.ref, [*existing, *made])]
        links["Routed_to_Node"] = [link for index, link in enumerate(linked) if link not in linked[:index]]
    _log(item, f"Kept as {len(made)} new and {len(existing)} known nodes", answer)
    close(item, Route.REFERENCE, links)


def _original(item: InboxItem, answer: TriageAnswer) -> list[markdown.Line]:
    """What the person wrote: the title too, where the triage gave the page another one."""
    title = item.title.strip() if item.title.strip() != answer.title else ""
    return [*([Paragraph(title)] if title else []), *written_on(item)]


def _emm_id(item: InboxItem, kind: str, ordinal: int = 0) -> UUID:
    """The key of a page of this route; each time that a person sends the item elsewhere it is another page."""
    return outbox.emm_id_for(str(item.page_id), kind, item.corrections.count(), ordinal)


def _in_area(name: str, answer: TriageAnswer) -> dict[str, Any]:
    area = area_of(answer)
    return {} if area is None else {name: [outbox.ref(area)]}


def _log(item: InboxItem, done: str, answer: TriageAnswer, task: Mirror | None = None) -> None:
    values = log_values(
        f"{done}: {answer.title}",
        f"{answer.reasoning} {area_dropped(answer)}".strip(),
        SYSTEM,
        timezone.now(),
        inbox=outbox.ref(item),
        task=outbox.ref(task) if task else None,
    )
    outbox.create_page(LogEntry, _emm_id(item, "triage log"), values, purpose="log the triage", item=item)


def close(item: InboxItem, route: Route, links: dict[str, Any] | None = None) -> None:
    """The last promise about an item: its own status, which goes out when everything else is there.

    The destination is written only where none stands: another one is a person's wish that is looked at afterwards.
    """
    item = InboxItem.objects.select_for_update().get(pk=item.pk)
    said = {} if item.values.get("Triage_Destination") else {"Triage_Destination": DESTINATIONS[route]}
    values = {"Status": STATUS[route], **said, **(links or {})}
    outbox.update_page(item, values, purpose="close the item", item=item, last=True)
    item.enter(State.WRITING)
