"""Stores where everything is, and makes the pages that a workspace starts with: the areas and the personas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.template.defaultfilters import pluralize
from django.utils import timezone

from emm.jobs import Later, Never
from notion_sync import client, properties, workspace
from notion_sync.mirror import model_of
from notion_sync.models import DataSource, Workspace
from notion_sync.outbox import emm_id_for
from notion_sync.setup import command_center
from notion_sync.setup.survey import Found, Survey, Wishes
from notion_sync.workspace import EMM_ID

AREAS = {name: {"Status": "Active"} for name in workspace.AREAS}
PERSONAS = {
    "The Entrepreneur": {
        "Risk_Tolerance": "Aggressive",
        "Focus_Area": "What this could become: reach, timing, leverage, and the price of standing still.",
        "System_Prompt": "Argue for the boldest option that one could survive, and say what has to go right.",
    },
    "The Quant": {
        "Risk_Tolerance": "Moderate",
        "Focus_Area": "What the numbers say: base rates, ranges, expected value, and which one would turn the choice.",
        "System_Prompt": "Put numbers and ranges on every option, name where each comes from, and say what is a guess.",
    },
    "The Auditor": {
        "Risk_Tolerance": "Conservative",
        "Focus_Area": "What can go wrong: duties, rules, hidden costs, and what could not be undone.",
        "System_Prompt": "Look for what breaks, whom it hurts and whether it can be undone; name a safeguard for each.",
    },
}


def personas(models: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The pages of the Agent Registry, each with the model that it argues with: its own, or that of all personas."""
    own = {name: models.get(name.split()[-1].lower(), models["persona"]) for name in PERSONAS}
    return {name: {**values, "Active": True, "API_Model": own[name]} for name, values in PERSONAS.items()}


def wanted() -> dict[str, tuple[str, Mapping[str, Mapping[str, Any]]]]:
    """What a workspace starts with: key of the database to the kind of its pages, and those by title."""
    return {"areas": ("area", AREAS), "agents": ("persona", personas(settings.ANTHROPIC_MODELS))}


@transaction.atomic
def store(survey: Survey, wishes: Wishes) -> None:
    """Keep every id. The inbox of an adopted workspace gets the time up to which its pages wait for a release."""
    bot, now = survey.bot, timezone.now()
    Workspace.objects.filter(pk=1).update(
        bot_id=bot["id"],
        workspace_id=bot["bot"].get("workspace_id") or "",
        name=properties.clean(bot["bot"]["workspace_name"] or ""),
        parent_page_id=survey.parent_id,
        lacks=survey.lacks,
    )
    replaced = []
    for key, one in survey.found.items():
        # Another data source under the same key is another mirror, which starts from nothing.
        if DataSource.objects.filter(key=key).exclude(data_source_id=one.data_source_id).delete()[0]:
            replaced.append(key)
        values = {
            "database_id": one.database_id,
            "data_source_id": one.data_source_id,
            "url": one.url,
            "property_ids": one.ids,
            "hold": "",
            "schema_checked_at": now,
        }
        adopted = key == "inbox" and not one.made and (wishes.adopt or not one.by_us)
        first = {**values, "backlog_until": now if adopted else None}
        DataSource.objects.update_or_create(key=key, defaults=values, create_defaults=first)
    command_center.forget_views(replaced)


def plant(found: Found, kind: str, pages: Mapping[str, Mapping[str, Any]]) -> str:
    """Make the pages that were never there. Raises Later where an answer was lost so recently that Notion's query may not show the
    page yet."""
    title = _title(found)
    made = 0
    for name in list(pages) if found.made else missing(found, kind, pages):
        emm_id = str(emm_id_for(name, kind))
        if _was_sent(found, emm_id, name):
            continue
        written = {title: name, EMM_ID: emm_id, **pages[name]}
        body = {
            found.ids[key]: properties.write(found.database.property(key).type, value) for key, value in written.items()
        }
        _note(found, emm_id, {"sent_at": timezone.now().isoformat()})
        try:
            page_id = client.create_page(body, parent_data_source_id=found.data_source_id)["id"]
        except client.Committed as committed:  # saved all the same
            page_id = str(committed.resource_id)
        except (Later, Never):
            _note(found, emm_id, {})
            raise
        _note(found, emm_id, {"page_id": page_id})
        made += 1
    return f"{found.database.title}: {made} page{pluralize(made)} made, {len(pages) - made} there before."


def missing(found: Found, kind: str, pages: Iterable[str]) -> list[str]:
    """Titles of the pages that were never there: neither our key nor the title is in Notion, nor our key known here."""
    keys, titles = _present(found, _title(found))
    return [name for name in pages if str(emm_id_for(name, kind)) not in keys and name.casefold() not in titles]


def _title(found: Found) -> str:
    return next(declared.name for declared in found.database.properties if declared.type == "title")


def _present(found: Found, title: str) -> tuple[set[str], set[str]]:
    """EMM_IDs and titles (case folded) of the pages in Notion, and the EMM_IDs of pages that once were."""
    mirrored: set[str] = set()
    if DataSource.objects.filter(data_source_id=found.data_source_id, mirrored_at__isnull=False).exists():
        rows = model_of(found.database.key)._default_manager.exclude(emm_id=None)
        mirrored = {str(emm_id) for emm_id in rows.values_list("emm_id", flat=True)}
    keys, titles = mirrored, set()
    cursor = None
    while True:
        answer = client.query(found.data_source_id, start_cursor=cursor)
        for page in answer.pages:
            by_id = {prop["id"]: properties.read(prop) for prop in page["properties"].values()}
            keys.add(by_id.get(found.ids.get(EMM_ID, "")) or "")
            titles.add((by_id.get(found.ids[title]) or "").casefold())
        cursor = answer.next_cursor
        if cursor is None:
            return keys, titles


def _was_sent(found: Found, emm_id: str, name: str) -> bool:
    """Whether this very data source was given the page, though its query may not show it yet."""
    note = Workspace.objects.get(pk=1).seeds.get(emm_id) or {}
    if note.get("source") != found.data_source_id:
        return False
    if note.get("page_id"):
        return True
    until = datetime.fromisoformat(note["sent_at"]) + settings.OUTBOX_QUARANTINE
    if timezone.now() < until:
        why = f"The answer about the page {name} was lost. Notion may show it late: it is looked for at {until:%H:%M:%S} UTC."
        raise Later(until, why)
    return False


@transaction.atomic
def _note(found: Found, emm_id: str, what: Mapping[str, str]) -> None:
    row = Workspace.objects.select_for_update().get(pk=1)
    row.seeds.pop(emm_id, None)
    if what:
        row.seeds[emm_id] = {"source": found.data_source_id, **what}
    row.save(update_fields=["seeds"])
