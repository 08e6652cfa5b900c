"""What is kept for later: the nodes of a reference item, and those that exist already under almost the same name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import regex
from rapidfuzz import fuzz, process

from analysis.answers import Concept
from notion_sync import markdown, outbox
from notion_sync.document import blocks
from notion_sync.models import InboxItem, Mirror, Node

SAME = 95  # of 100: rapidfuzz's ratio of two normalised names
# A property of Notion holds 100 pieces of 2,000 characters; formatting splits pieces, so we stay well below.
LONGEST_PROPERTY = 50_000


def normal(name: str) -> str:
    """A name as it is compared: one spelling of each letter, no case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def same(name: str, names: Sequence[str]) -> int | None:
    """The place of `name` in `names`, all normal: the first equal one, else the most similar. None: it is not there.

    Names that differ in a number are of different things, however similar they look.
    """
    if name in names:
        return names.index(name)
    numbers = _numbers(name)
    close = process.extract(name, names, scorer=fuzz.ratio, score_cutoff=SAME, limit=None)
    return next((place for other, _, place in close if _numbers(other) == numbers), None)


def _numbers(name: str) -> list[str]:
    found: list[str] = regex.findall(r"\d+", name)
    return found


def known(names: Sequence[str]) -> dict[str, Node]:
    """The nodes of these names, by name as given: of equal ones the oldest, among all that exist or are promised."""
    rows = list(Node.objects.filter(in_trash=False).order_by("pk").values_list("pk", "title")) if names else []
    titles = [normal(title) for _, title in rows]
    places = {name: same(normal(name), titles) for name in names if normal(name)}
    nodes = Node.objects.in_bulk([rows[place][0] for place in places.values() if place is not None])
    return {name: nodes[rows[place][0]] for name, place in places.items() if place is not None}


def holding(title: str, original: Sequence[markdown.Line]) -> Node | None:
    """The oldest node of this title that holds the same text; None for no node, and for a text too long to compare."""
    same = Node.objects.filter(in_trash=False, title=title, values__Content=markdown.plain(original))
    return same.order_by("pk").first()


def distinct(concepts: Sequence[Concept]) -> list[Concept]:
    """The concepts, each thing once: the first of those with almost the same name."""
    kept: list[Concept] = []
    for concept in concepts:
        if same(normal(concept.name), [normal(one.name) for one in kept]) is None:
            kept.append(concept)
    return kept


def promise(
    item: InboxItem, emm_id: UUID, concept: Concept, original: Sequence[markdown.Line], shared: dict[str, Any]
) -> Mirror:
    """A node for one thing that the item names, the item's text in its body."""
    return outbox.create_page(
        Node,
        emm_id,
        {"Name": concept.name, "Node_Type": concept.kind, "Content": concept.note, **shared},
        purpose=f"keep the node {concept.name[:80]}",
        item=item,
        children=blocks(original),
    )


def promise_text(
    item: InboxItem, emm_id: UUID, title: str, original: Sequence[markdown.Line], shared: dict[str, Any]
) -> Mirror:
    """A node for the item's text itself."""
    text = markdown.plain(original)
    fits = len(text) <= LONGEST_PROPERTY
    return outbox.create_page(
        Node,
        emm_id,
        {
            "Name": title,
            "Node_Type": "Knowledge_Asset",
            "Content": text if fits else "The text stands on the page itself.",
            **shared,
        },
        purpose="keep the text",
        item=item,
        children=[] if fits else blocks(original),
    )
