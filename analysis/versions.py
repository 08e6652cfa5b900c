"""Arguing about an item once more: as a person asks, with the voices that failed, or with their note on a plan.

Each is a version of its own beside the older ones, whose pages stay as they are.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from analysis import by_hand, ledger, prompts
from analysis.answers import TriageAnswer
from analysis.depth import cheaper, choose
from analysis.models import Analysis, Depth, Perspective, Policy, Synthesis
from analysis.routing import open_voices
from emm.audit import Actor, record
from notion_sync.models import InboxItem


def argue_again(analysis: Analysis, depth: Depth, *, by: Actor, reason: str = "") -> Analysis:
    """A new version beside the latest one, started by a person: blind to it, and none of its pages is touched.

    Raises ValidationError while the latest version is still being argued.
    """
    with transaction.atomic():
        item = InboxItem.objects.select_for_update().get(pk=analysis.item_id)
        latest = item.analyses.order_by("-revision").first()
        assert latest is not None
        if latest.superseded:
            raise ValidationError(f"{latest.superseded} Send it back to strategic to have it argued again.")
        if not Synthesis.objects.filter(analysis=latest, status=Synthesis.Status.DONE).exists():
            raise ValidationError("The latest version is still being argued: wait for it, or queue its voices again.")
        again = Analysis.objects.create(
            item=item,
            revision=latest.revision + 1,
            lead=latest.lead,
            lead_reason=latest.lead_reason,
            depth=depth,
            depth_reason=f"{by} asked for it.",
            asked_by=str(by)[:150],
            item_digest=item.digest,
            item_read=prompts.told_of(item),
            intent=latest.intent,
        )
        open_voices(again)
        record("analysis.again", again, by=by, after={"depth": str(depth), "revision": again.revision}, reason=reason)
    return again


def complete(analysis: Analysis, *, by: Actor, reason: str = "") -> Analysis:
    """Ask only for the voices of `lacking`. Before the synthesis they are queued again; after it the stored voices go
    into a new version, unbought, beside the old one, where a new opinion is answered by all. Raises ValidationError
    where no voice is missing, and while the synthesis is under way."""
    with transaction.atomic():
        # In this order: a voice that finishes locks its analysis, then its item.
        analysis = Analysis.objects.select_for_update().get(pk=analysis.pk)
        InboxItem.objects.select_for_update().get(pk=analysis.item_id)
        absent = analysis.lacking
        if analysis.superseded:
            raise ValidationError(analysis.superseded)
        if not absent:
            raise ValidationError("No voice is missing.")
        missing = {"missing": [voice.persona for voice in absent]}
        record("analysis.complete", analysis, by=by, after=missing, reason=reason)
        if not Synthesis.objects.filter(analysis=analysis).exists():
            for voice in absent:
                voice.queue_again()
            return analysis
        if Synthesis.objects.unfinished().filter(analysis=analysis).exists():
            raise ValidationError("Its opinions are being weighed: wait for that, then ask for the missing voices.")
        newest = analysis.item.analyses.order_by("-revision").first()
        if newest is None or newest.pk != analysis.pk:
            raise ValidationError("There is a newer version already.")
        whole = Analysis.objects.create(
            item=analysis.item,
            revision=analysis.revision + 1,
            lead=analysis.lead,
            lead_reason=analysis.lead_reason,
            depth=analysis.depth,
            depth_reason=f"{by} asked for the missing voices.",
            asked_by=str(by)[:150],
            note=analysis.note,
            revises=analysis.revised,
            item_digest=analysis.item_digest,
            item_read=analysis.item_read,
            intent=analysis.intent,
        )
        _take_over(analysis, whole, replies=absent[0].round == 2)
        whole.open_round([voice.persona for voice in absent], absent[0].round)
        analysis.item.enter(InboxItem.State.ANALYSING, "The missing voices are asked again.")
    return whole


def _take_over(old: Analysis, new: Analysis, *, replies: bool) -> None:
    """Give `new` the opinions that were heard, and the `replies` to them under the numbers that its readers see."""

    def heard(voice: Perspective, answer: Any) -> Perspective:
        done = Perspective.Status.DONE
        return Perspective(analysis=new, persona=voice.persona, round=voice.round, answer=answer, status=done)

    Perspective.objects.bulk_create([heard(voice, voice.answer) for voice in old.voices])
    if replies:
        read = {voice.persona: prompts.others(new, voice.persona) for voice in old.rebuttals}
        Perspective.objects.bulk_create(
            [heard(reply, prompts.numbered(reply, read[reply.persona])) for reply in old.rebuttals]
        )


def open_revision(analysis: Analysis, note: str) -> Analysis:
    """A new argument about the same item, with a person's `note` on this version. Call it once for each wish, in the
    transaction that read it.

    The depth is the one that a person chose, else that of this version, or a cheaper one where a budget is short.
    """
    InboxItem.objects.select_for_update().get(pk=analysis.item_id)  # so that no two versions get one number
    latest = analysis.item.analyses.order_by("-revision").first()
    assert latest is not None
    depth, why = _depth_of_revision(analysis)
    revision = Analysis.objects.create(
        item=analysis.item,
        revision=latest.revision + 1,
        lead=analysis.lead,
        lead_reason=analysis.lead_reason,
        depth=depth,
        depth_reason=why,
        note=note,
        revises=analysis,
        item_digest=analysis.item.digest,
        item_read=prompts.told_of(analysis.item),
        intent=analysis.intent,
    )
    open_voices(revision)
    return revision


def _depth_of_revision(analysis: Analysis) -> tuple[Depth, str]:
    """The depth, and who or what chose it. One that was chosen for this version alone holds on."""
    depth, why = Depth(analysis.depth), analysis.depth_reason
    if analysis.asked_by:
        return depth, why
    triage = TriageAnswer.model_validate(analysis.item.triage.answer)
    if wished := by_hand.wished_depth(analysis.item):
        return choose(triage, wished, Policy.current())
    strained = ledger.strained(analysis.item)
    return cheaper(depth, why, triage, strained) if strained else (depth, why)
