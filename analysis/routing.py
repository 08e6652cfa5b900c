"""What a triage leads to: an argument, a task, or notes. Each promises its pages in the caller's transaction."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.utils import timezone

from analysis.answers import Concept, Persona, TriageAnswer
from analysis.models import Analysis, Perspective
from analysis.pages import SYSTEM, log_values, priority
from analysis.prompts import live_areas, text_of
from emm.schedule import nudge
from notion_sync import outbox
from notion_sync.document import DocumentTooLong, Paragraph, blocks
from notion_sync.models import Area, InboxItem, LogEntry, Mirror, Node, Task

State = InboxItem.State
# A property of Notion holds 100 pieces of 2,000 characters; formatting splits pieces, so we stay well below.
LONGEST_PROPERTY = 50_000


def area_of(answer: TriageAnswer) -> Area | None:
    """The area that the triage named, if people use one of that name."""
    wanted = answer.area.strip().casefold()
    return next((area for area in live_areas() if area.title.strip().casefold() == wanted), None)


def hold(item: InboxItem, why: str) -> None:
    """Give the item to a person: held here, Needs_Review in Notion."""
    item.enter(State.HELD, why)
    outbox.update_page(item, {"Status": "Needs_Review"}, purpose="ask a person to look at the item", item=item)


def argue(item: InboxItem, answer: TriageAnswer) -> None:
    """Strategic: open the argument of the three personas."""
    analysis = Analysis.objects.create(item=item, lead=answer.lead_persona, item_digest=item.digest)
    open_voices(analysis)


def open_voices(analysis: Analysis) -> None:
    """Ask every persona for its perspective, side by side."""
    for persona in Persona:
        nudge("argue", Perspective.objects.create(analysis=analysis, persona=persona).pk)
    analysis.item.enter(State.ANALYSING)


def make_task(item: InboxItem, answer: TriageAnswer) -> None:
    """Operational: a task with the item's text, a log entry, and last the item's own status."""
    task = outbox.create_page(
        Task,
        outbox.emm_id_for(str(item.page_id), "task"),
        {
            "Name": answer.title,
            "Status": "Not started",
            "Auto Generated": True,
            "Priority": priority(answer.impact),
            "DB_System_Inbox": [outbox.ref(item)],
            **_in_area("Area", answer),
        },
        purpose="make the task",
        item=item,
        children=_children(text_of(item)),
    )
    _log(item, "Made a task", answer, task)
    close(item, "Triaged_to_Task", "Operational (Task)")


def keep_nodes(item: InboxItem, answer: TriageAnswer) -> None:
    """Reference: a node for each new concept, links to those that exist; without a concept, one node with the text."""
    _take_turn()
    concepts = {concept.name.casefold(): concept for concept in reversed(answer.concepts)}
    existing = known_nodes(list(concepts))
    fresh = [concept for name, concept in reversed(concepts.items()) if name not in existing]
    # A two-way relation is written on one side only: on the item where it needs a list anyway, else on the new nodes.
    source = {} if existing else {"Source_Inbox": [outbox.ref(item)]}
    shared = {**source, **_in_area("Areas", answer)}
    nodes = [_concept_node(item, ordinal, concept, shared) for ordinal, concept in enumerate(fresh, start=1)]
    if not concepts:
        nodes.append(_text_node(item, answer.title, shared))
    links = {}
    if existing:
        linked = [*item.values.get("Routed_to_Node", []), *map(outbox.ref, [*existing.values(), *nodes])]
        links["Routed_to_Node"] = [link for index, link in enumerate(linked) if link not in linked[:index]]
    _log(item, f"Kept as {len(nodes)} new and {len(existing)} known nodes", answer)
    close(item, "Triaged_to_Node", "Reference (Node)", links)


def _concept_node(item: InboxItem, ordinal: int, concept: Concept, shared: dict[str, Any]) -> Mirror:
    return outbox.create_page(
        Node,
        outbox.emm_id_for(str(item.page_id), "node", ordinal=ordinal),
        {"Name": concept.name, "Node_Type": concept.kind, "Content": concept.note, **shared},
        purpose=f"keep the node {concept.name[:80]}",
        item=item,
    )


def _text_node(item: InboxItem, title: str, shared: dict[str, Any]) -> Mirror:
    text = text_of(item)
    fits = len(text) <= LONGEST_PROPERTY
    return outbox.create_page(
        Node,
        outbox.emm_id_for(str(item.page_id), "node"),
        {
            "Name": title,
            "Node_Type": "Knowledge_Asset",
            "Content": text if fits else "The text stands on the page itself.",
            **shared,
        },
        purpose="keep the text",
        item=item,
        children=[] if fits else _children(text),
    )


def known_nodes(names: list[str]) -> dict[str, Node]:
    """The nodes of these names, by case-folded name: the oldest of each, among those that exist or are promised."""
    names = [name.casefold() for name in names]
    found = Node.objects.filter(in_trash=False).order_by("-pk").values_list("pk", "title")
    pks = {title.strip().casefold(): pk for pk, title in found if title.strip().casefold() in names}
    nodes = Node.objects.in_bulk(pks.values())
    return {name: nodes[pks[name]] for name in names if name in pks}


def _take_turn() -> None:
    """Until the transaction ends, nobody else looks names up: two items must not both make the same node."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('analysis.routing.nodes'))")


def _in_area(name: str, answer: TriageAnswer) -> dict[str, Any]:
    area = area_of(answer)
    return {} if area is None else {name: [outbox.ref(area)]}


def _children(text: str) -> list[dict[str, Any]]:
    """The text as blocks; one too long for a request stays where it is, and the page says so."""
    if not text:
        return []
    try:
        return blocks([Paragraph(text)])
    except DocumentTooLong:
        return blocks([Paragraph(f"The text has {len(text):,} characters: read it on the linked inbox page.")])


def _log(item: InboxItem, done: str, answer: TriageAnswer, task: Mirror | None = None) -> None:
    values = log_values(
        f"{done}: {answer.title}",
        answer.reasoning,
        SYSTEM,
        timezone.now(),
        inbox=outbox.ref(item),
        task=outbox.ref(task) if task else None,
    )
    emm_id = outbox.emm_id_for(str(item.page_id), "triage log")
    outbox.create_page(LogEntry, emm_id, values, purpose="log the triage", item=item)


def close(item: InboxItem, status: str, destination: str, links: dict[str, Any] | None = None) -> None:
    """The last promise about an item: its own status, when everything else is there."""
    values = {"Status": status, "Triage_Destination": destination, **(links or {})}
    outbox.update_page(item, values, purpose="close the item", item=item)
    item.enter(State.WRITING)
