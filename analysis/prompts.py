"""What the models are sent: a system text of ours alone, and a user text in which everything foreign is fenced."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

from django.conf import settings
from django.db import transaction

from analysis.answers import Persona
from analysis.models import Analysis, Perspective, PromptVersion
from analysis.personas import CHARACTERS
from emm.jobs import Never
from notion_sync import properties
from notion_sync.models import Area, InboxItem

SEEDS = settings.BASE_DIR / "templates" / "prompts"
LONGEST_TEXT = 400_000
LABEL = "Adviser number"  # with a number as long as the longest name of a persona, which takes its place afterwards


def served(name: str) -> PromptVersion:
    """The wording that is served under `name`: the active version, or the seed file where none is active."""
    active = PromptVersion.objects.filter(name=name, active=True).first()
    if active is not None:
        return active
    text = (SEEDS / f"{name}.md").read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    with transaction.atomic():
        PromptVersion.objects.bulk_create([PromptVersion(name=name, text=text, hash=digest)], ignore_conflicts=True)
        seed = PromptVersion.objects.select_for_update().get(name=name, hash=digest)
        seed.active = True
        seed.save(update_fields=["active"])
    return seed


def persona_system(prompt: PromptVersion, persona: Persona) -> str:
    """The persona prompt, filled in for one of them."""
    character = CHARACTERS[persona]
    opposed = " or ".join(CHARACTERS[other].name for other in character.opposes)
    filled = prompt.text.replace("{{name}}", character.name).replace("{{charge}}", character.charge)
    return filled.replace("{{opposes}}", opposed)


def fence(tag: str, value: Any) -> str:
    """`value` as JSON between tags. Nothing in it can look like a tag: every `<` is written as an escape."""
    text = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
    return f"<{tag}>{text}</{tag}>"


def text_of(item: InboxItem) -> str:
    """What a page says besides its title: its Content property and its body, as markdown."""
    rich_text = item.properties.get("Content", {}).get("rich_text", [])
    return "\n\n".join(part for part in (properties.markdown(rich_text).strip(), item.body.strip()) if part)


def triage_user(item: InboxItem) -> str:
    """The item, and the areas that it may belong to."""
    return f"{_item(item)}\n{fence('areas', sorted(area.title for area in live_areas()))}"


def persona_user(analysis: Analysis) -> str:
    """The item alone: an adviser hears no other. For a revision also the earlier plan, and what to change in it."""
    return "\n".join([_item(analysis.item), *_revision(analysis)])


def synthesis_user(analysis: Analysis, voices: list[Perspective]) -> str:
    """The item and the opinions of `voices` under numbers, without the names of the personas."""
    opinions = [
        fence("opinion", {"from": f"{LABEL} {number}", **(voice.answer or {})})
        for number, voice in enumerate(voices, start=1)
    ]
    return "\n".join([_item(analysis.item), *_revision(analysis), *opinions])


def shuffled(analysis: Analysis, voices: list[Perspective]) -> list[Perspective]:
    """`voices` in an order of this analysis' own, the same each time, so that no persona is always read first."""
    order = sorted(voices, key=lambda voice: voice.persona)
    random.Random(analysis.pk).shuffle(order)  # noqa: S311  # not a secret
    return order


def live_areas() -> list[Area]:
    """The areas that people use."""
    return [area for area in Area.objects.filter(in_trash=False) if area.values.get("Status") != "Archived"]


def _item(item: InboxItem) -> str:
    text = text_of(item)
    if len(text) > LONGEST_TEXT:
        raise Never(
            f"The text has {len(text):,} characters, and at most {LONGEST_TEXT:,} are read at once. "
            "Shorten the page or split it, then queue it again."
        )
    matter = {
        "title": item.title,
        "content": text,
        "source": item.values.get("Source") or "",
        "urgent": bool(item.values.get("Urgent")),
    }
    return fence("item", matter)


def _revision(analysis: Analysis) -> list[str]:
    if analysis.revision == 1:
        return []
    earlier = Analysis.objects.get(item_id=analysis.item_id, revision=analysis.revision - 1)
    return [fence("plan", earlier.synthesis.plan), fence("note", analysis.note)]
