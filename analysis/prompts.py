"""What the models are sent: a system text of ours alone, and a user text in which everything foreign is fenced."""

from __future__ import annotations

import hashlib
import json
import random
import re
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from analysis import economics
from analysis.answers import Payoff, Persona
from analysis.models import Analysis, Perspective, PromptVersion
from analysis.personas import CHARACTERS
from emm.jobs import Never
from notion_sync import markdown, properties
from notion_sync.models import Area, InboxItem

SEEDS = settings.BASE_DIR / "templates" / "prompts"
LONGEST_TEXT = 400_000
_NAMES = re.compile("|".join(rf"\b{re.escape(character.name)}\b" for character in CHARACTERS.values()))
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
        seed.active, seed.served_at = True, Now()
        seed.save(update_fields=["active", "served_at"])
    return seed


def common(prompt: PromptVersion) -> str:
    """What all personas are told: the paragraphs of the prompt without a blank to fill in."""
    return "\n\n".join(part for part in prompt.text.split("\n\n") if "{{" not in part).strip()


def role(prompt: PromptVersion, persona: Persona) -> str:
    """What one persona alone is told: the paragraphs with blanks, filled in. It comes last, so that all before it is shared."""
    own = "\n\n".join(part.strip() for part in prompt.text.split("\n\n") if "{{" in part)
    character = CHARACTERS[persona]
    opposed = " or ".join(CHARACTERS[other].name for other in character.opposes)
    filled = own.replace("{{name}}", character.name).replace("{{charge}}", character.charge)
    return f"<role>\n{filled.replace('{{opposes}}', opposed)}\n</role>"


def fence(tag: str, value: Any) -> str:
    """`value` as JSON between tags. Nothing in it can look like a tag: every `<` is written as an escape."""
    text = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
    return f"<{tag}>{text}</{tag}>"


def text_of(item: InboxItem) -> str:
    """What a page says besides its title: its Content property and its body, as markdown."""
    rich_text = item.properties.get("Content", {}).get("rich_text", [])
    return "\n\n".join(part for part in (properties.markdown(rich_text).strip(), item.body.strip()) if part)


def written_on(item: InboxItem) -> list[markdown.Line]:
    """What a page says besides its title as its person formatted it, for our pages: models read `text_of`."""
    content = item.properties.get("Content", {}).get("rich_text", [])
    return [*markdown.paragraph(content), *markdown.document(item.body)]


def plain_text_of(item: InboxItem) -> str:
    """The same without formats, for a property."""
    return markdown.plain(written_on(item))


def words_of(item: InboxItem) -> list[str]:
    """All that a person wrote on the page: its title, and what it says besides."""
    return [item.title, text_of(item)]


def told_of(item: InboxItem) -> dict[str, Any]:
    """What a model is told of the item as it stands now."""
    return {
        "title": item.title,
        "content": text_of(item),
        "source": item.values.get("Source") or "",
        "urgent": bool(item.values.get("Urgent")),
    }


def read_of(analysis: Analysis) -> dict[str, Any]:
    """What all personas of this argument are told of the item, whatever became of its page since."""
    read: dict[str, Any] | None = analysis.item_read
    return told_of(analysis.item) if read is None else read


def words_read(analysis: Analysis) -> list[str]:
    """The title and the text that this argument is about."""
    read = read_of(analysis)
    return [read["title"], read["content"]]


def triage_user(item: InboxItem) -> str:
    """The item, and the areas that it may belong to."""
    return f"{_item(told_of(item))}\n{fence('areas', sorted(area.title for area in live_areas()))}"


def matter(analysis: Analysis) -> str:
    """The item and nothing that was said about it, the day it came and the day of the argument, by which people's dates and
    ours can be told. For a revision also the earlier plan, and what to change in it."""
    came = analysis.item.created_time
    days = {"received": _day(came) if came else "", "today": _day(analysis.opened_at)}
    return "\n".join([_item({**read_of(analysis), **days}), *_revision(analysis)])


def opinions(analysis: Analysis, voices: list[Perspective]) -> str:
    """The opinions of `voices` under numbers, without the names of the personas, what their figures come to, and what each
    answered."""
    replies = {reply.persona: {"rebuttal": numbered(reply, voices)} for reply in analysis.rebuttals}
    return "\n".join(
        fence(
            "opinion",
            {"from": label(voices, voice), **opinion(voice), **_sums(voice), **replies.get(voice.persona, {})},
        )
        for voice in voices
    )


def numbered(reply: Perspective, voices: list[Perspective]) -> dict[str, Any]:
    """A rebuttal, the advisers that it names under the numbers they have among `voices`."""
    order = others(reply.analysis, reply.persona)
    text = json.dumps(reply.answer, ensure_ascii=False)
    for number, voice in enumerate(order, start=1):  # in two steps, or a number could be replaced twice
        text = re.sub(rf"{LABEL} {number}\b", f"\0{voice.persona}\0", text, flags=re.IGNORECASE)
    for voice in order:
        text = text.replace(f"\0{voice.persona}\0", label(voices, voice))
    renumbered: dict[str, Any] = json.loads(text, strict=False)
    return renumbered


def opinion(voice: Perspective) -> dict[str, Any]:
    """What a persona said, for a reader who is not to know who is who: no persona is named in it."""
    text = json.dumps(voice.answer or {}, ensure_ascii=False)
    anonymous: dict[str, Any] = json.loads(_NAMES.sub("an adviser", text))
    return anonymous


def _sums(voice: Perspective) -> dict[str, Any]:
    """What a persona's payoffs come to, option by option; nothing where it named none."""
    bets = economics.weigh([Payoff.model_validate(payoff) for payoff in (voice.answer or {}).get("payoffs", [])])
    beaten = economics.dominated(bets)
    sums = [
        {
            "option": bet.option,
            **({"problem": bet.problem} if bet.problem else {"expected": bet.expected, "worst": bet.worst}),
            "unit": bet.unit,
            **({"dominated_by": beaten[bet.option]} if bet.option in beaten else {}),
        }
        for bet in bets
    ]
    return {"sums": sums} if sums else {}


def label(voices: list[Perspective], voice: Perspective) -> str:
    """The number that stands for a persona's name among `voices`."""
    return f"{LABEL} {[one.persona for one in voices].index(voice.persona) + 1}"


def others(analysis: Analysis, persona: str) -> list[Perspective]:
    """The opinions that a persona answers, in an order of this reader's own, the same each time."""
    found = sorted((voice for voice in analysis.voices if voice.persona != persona), key=lambda voice: voice.persona)
    random.Random(f"{analysis.pk} {persona}").shuffle(found)  # noqa: S311  # not a secret
    return found


def read_by(analysis: Analysis, persona: str) -> str:
    """The reader's own opinion, and the others' under numbers, without names."""
    own = next(voice for voice in analysis.voices if voice.persona == persona)
    read = others(analysis, persona)
    heard = [fence("opinion", {"from": label(read, voice), **opinion(voice)}) for voice in read]
    return "\n".join([fence("own", own.answer), *heard])


def shuffled(analysis: Analysis, voices: list[Perspective]) -> list[Perspective]:
    """`voices` in an order of this analysis' own, the same each time, so that no persona is always read first."""
    order = sorted(voices, key=lambda voice: voice.persona)
    random.Random(analysis.pk).shuffle(order)  # noqa: S311  # not a secret
    return order


def live_areas() -> list[Area]:
    """The areas that people use; a row without a name is none yet."""
    rows = Area.objects.filter(in_trash=False)
    return [area for area in rows if area.title.strip() and area.values.get("Status") != "Archived"]


def _day(moment: datetime) -> str:
    return timezone.localdate(moment).isoformat()


def _item(told: dict[str, Any]) -> str:
    length = len(told["content"])
    if length > LONGEST_TEXT:
        raise Never(
            f"The text has {length:,} characters, and at most {LONGEST_TEXT:,} are read at once. "
            "Shorten the page or split it, then queue it again."
        )
    return fence("item", told)


def _revision(analysis: Analysis) -> list[str]:
    revised = analysis.revised
    if revised is None or not analysis.note:
        return []
    return [fence("plan", revised.synthesis.plan), fence("note", analysis.note)]
