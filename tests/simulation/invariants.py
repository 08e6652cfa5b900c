"""What must hold once everything has come to rest, whatever happened before."""

from __future__ import annotations

from collections import Counter
from typing import Any

from analysis.models import BudgetPeriod, LLMCall
from notion_sync import properties, workspace
from notion_sync.mirror import model_of
from notion_sync.models import Double, InboxItem, OutboxEntry
from sandbox.notion.users import BOT
from tests.simulation.machine import Installation

AT_REST = {"proposed", "done", "held", "skipped"}


def broken(world: Installation) -> list[str]:
    """Every invariant that does not hold, in words; nothing where all is well."""
    pages = {key: _live(world, key) for key in workspace.DATABASES}
    trash = {key: _live(world, key, in_trash=True) for key in workspace.DATABASES}
    return [
        *_items(pages["inbox"]),
        *_keys(pages, trash),
        *_relations(pages, world),
        *(f"a person's edit is lost: {what}" for what in world.overwritten),
        *_spend(),
        *_outbox(),
        *_mirror(pages),
    ]


def _live(world: Installation, key: str, *, in_trash: bool = False) -> dict[str, Any]:
    address = f"/data_sources/{world.person.sources[key].data_source_id}/query"
    body: dict[str, Any] = {"page_size": 100, **({"in_trash": True} if in_trash else {})}
    answer = world.sandbox.as_person("POST", address, body)
    assert not answer["has_more"]
    ids = {i: n for n, i in world.person.sources[key].property_ids.items()}
    return {
        page["id"]: {**page, "named": {ids[p["id"]]: p for p in page["properties"].values() if p["id"] in ids}}
        for page in answer["results"]
    }


def _items(inbox: dict[str, Any]) -> list[str]:
    rows = Counter(str(page_id) for page_id in InboxItem.objects.values_list("page_id", flat=True))
    found = [f"inbox page {page} has {rows[page]} rows" for page in inbox if rows[page] != 1]
    for item in InboxItem.objects.all():
        if item.state not in AT_REST:
            found.append(f"item {item.pk} {item.page_id} stays {item.state}: {item.state_reason}")
        elif item.state in ("held", "skipped") and not item.state_reason:
            found.append(f"item {item.pk} is {item.state} without a reason")
    return found


def _keys(pages: dict[str, dict[str, Any]], trash: dict[str, dict[str, Any]]) -> list[str]:
    live, gone = (
        Counter(_key(page) for found in where.values() for page in found.values() if page["created_by"]["id"] == BOT.id)
        for where in (pages, trash)
    )
    found = [f"{count} live pages carry {key}" for key, count in live.items() if key and count > 1]
    found += [f"the outbox made a page twice: {double}" for double in Double.objects.all()]
    for entry in OutboxEntry.objects.filter(kind="create", status="done"):
        if live[str(entry.emm_id)] + gone[str(entry.emm_id)] == 0:
            found.append(f"{entry} is delivered, but there is no such page")
    return found


def _key(page: dict[str, Any]) -> str:
    return properties.read(page["named"]["EMM_ID"]) if "EMM_ID" in page["named"] else ""


def _relations(pages: dict[str, dict[str, Any]], world: Installation) -> list[str]:
    everything = {page_id for found in pages.values() for page_id in found}
    found = []
    for entry in OutboxEntry.objects.filter(kind="create", status="done"):
        page = pages[entry.source_key].get(str(entry.page_id))
        for name, value in entry.values.items():
            if page is None or workspace.DATABASES[entry.source_key].property(name).type != "relation":
                continue
            wanted = {target for target in value if target in everything}
            stands = set(properties.read(page["named"][name]))
            later = OutboxEntry.objects.filter(emm_id=entry.emm_id, kind="update", values__has_key=name).exists()
            if not later and not wanted <= stands:
                found.append(f"{name} of {entry} names {stands}, not {wanted}")
    return found


def _spend() -> list[str]:
    found = []
    for period in BudgetPeriod.objects.select_related("budget"):
        if period.spent_usd > period.budget.limit_usd:
            found.append(f"{period} is over its limit")
        if period.reserved_usd:
            found.append(f"{period} still reserves {period.reserved_usd}")
    keys = Counter(LLMCall.objects.filter(status="answered").values_list("key", flat=True))
    return [*found, *(f"one answer was bought {count} times" for count in keys.values() if count > 1)]


def _outbox() -> list[str]:
    stuck = set(OutboxEntry.objects.stuck().values_list("emm_id", flat=True))
    held = set(OutboxEntry.objects.stuck().exclude(item=None).values_list("item", flat=True))
    found = []
    for entry in OutboxEntry.objects.exclude(status="done").order_by("pk"):
        behind = entry.emm_id in stuck or stuck & set(entry.needs) or (entry.last and entry.item_id in held)
        if entry.status == "waiting" and behind:
            stuck.add(entry.emm_id)
        elif entry.status in ("waiting", "running"):
            found.append(f"{entry} stays {entry.status}: {entry.last_error}")
        elif not entry.last_error:
            found.append(f"{entry} is {entry.status} without a reason")
        elif entry.status == "dead":
            found.append(f"{entry} is dead: {entry.last_error}")
    return found


def _mirror(pages: dict[str, dict[str, Any]]) -> list[str]:
    found = []
    for key, live in pages.items():
        rows = {
            str(row.page_id): row for row in model_of(key)._default_manager.filter(in_trash=False).exclude(page_id=None)
        }
        found += [f"{key} page {page} is not in the mirror" for page in live.keys() - rows.keys()]
        found += [f"{key} row {page} is not in the workspace" for page in rows.keys() - live.keys()]
        for page_id in live.keys() & rows.keys():
            for name in workspace.watched(workspace.DATABASES[key]):
                stands = live[page_id]["named"].get(name)
                copied = rows[page_id].properties.get(name)
                if stands is not None and (
                    copied is None or properties.canonical(stands) != properties.canonical(copied)
                ):
                    found.append(f"{name} of {key} {page_id} is {stands}, mirrored as {copied}")
    return found
