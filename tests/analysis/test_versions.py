"""An item that is argued once more: beside the old version, with the voices that failed, or with a person's note."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Sum

from analysis import corrections, prompts, quotes, versions
from analysis.answers import Route
from analysis.models import Analysis, Correction, Depth, LLMCall, Synthesis
from emm import schedule
from notion_sync.models import Action, InboxItem, OutboxEntry
from tests.analysis.rows import an_item
from tests.factories import make_item, make_proposal
from tests.world import Sandbox, run, run_stage, someone_waits_for_us

pytestmark = pytest.mark.django_db
AUDITOR = {"purpose": "persona", "contains": "You are The Auditor."}
REPLY = {"purpose": "rebuttal", "contains": "You are The Auditor."}


def argued(wish: str) -> Analysis:
    """An analysis after triage, at the depth that a person wished for."""
    item = an_item("Buy Vantor Ltd for $400k?", "Dana Brightside runs it. We may earn $900,000 a year.")
    item.values = {**item.values, "Depth": wish}
    item.save(update_fields=["values"])
    run_stage("triage")
    found: Analysis = Analysis.objects.get()
    return found


def test_a_new_version_stands_beside_the_old_one_and_touches_none_of_its_pages(sandbox: Sandbox) -> None:
    analysis = argued("Standard")
    run(["argue", "synthesise"])
    first = Action.objects.get()
    before = OutboxEntry.objects.filter(source_key="actions").count()
    again = versions.argue_again(analysis, Depth.QUICK, by="ana")
    run(["argue", "synthesise"])
    assert (again.revision, again.asked_by, again.depth) == (2, "ana", "quick")
    assert Action.objects.count() == 2
    assert first.emm_id is not None
    touched = OutboxEntry.objects.filter(source_key="actions", emm_id=first.emm_id)
    assert touched.count() == before == 1
    assert "revision 2" in str(OutboxEntry.objects.filter(source_key="actions").latest("pk").values["Action_Title"])


def test_nothing_is_argued_again_while_it_is_being_argued(sandbox: Sandbox) -> None:
    analysis = argued("Standard")
    with pytest.raises(ValidationError, match="still being argued"):
        versions.argue_again(analysis, Depth.DEEP, by="ana")


@pytest.mark.django_db(transaction=True)
def test_a_version_that_was_opened_as_the_item_was_sent_elsewhere_counts_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "_send", lambda *_: None)
    analysis = make_proposal()

    def send_elsewhere() -> None:
        try:
            corrections.correct(analysis.item.triage, Route.OPERATIONAL, by="ana", how=Correction.How.CONSOLE)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as workers:
        with transaction.atomic():
            versions.argue_again(analysis, Depth.QUICK, by="ben")
            sent = workers.submit(send_elsewhere)
            while not (sent.done() or someone_waits_for_us()):
                pass
        sent.result()
    assert [bool(one.superseded) for one in Analysis.objects.all()] == [True, True]


def test_a_missing_voice_is_completed_later_without_buying_the_others_again(sandbox: Sandbox) -> None:
    analysis = argued("Standard")
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "persona"}}])
    run(["argue"])
    with pytest.raises(ValidationError, match="are being weighed: wait"):
        versions.complete(analysis, by="ana")
    run(["synthesise"])
    assert len(analysis.missing) == 1
    whole = versions.complete(analysis, by="ana")
    bought = LLMCall.objects.filter(purpose="persona").count()
    run(["argue", "synthesise"])
    assert LLMCall.objects.filter(purpose="persona").count() == bought + 1
    assert (whole.revision, len(whole.voices), Action.objects.count()) == (2, 3, 2)
    with pytest.raises(ValidationError, match="No voice is missing"):
        versions.complete(whole, by="ana")


def test_a_voice_that_is_missing_again_proposes_nothing_anew_and_can_be_asked_once_more(sandbox: Sandbox) -> None:
    analysis = argued("Standard")
    auditor = {"purpose": "persona", "contains": "You are The Auditor."}
    sandbox.claude(script=[{"kind": "refusal", "match": auditor, "times": 2}])
    run(["argue", "synthesise"])
    first = Synthesis.objects.get()
    whole = versions.complete(analysis, by="ana")
    run(["argue", "synthesise"])
    assert Synthesis.objects.get() == first, "nothing is paid for the same voices"
    assert Action.objects.count() == 1
    item = InboxItem.objects.get()
    assert item.state == "held"
    assert " is missing: Claude declined" in item.state_reason
    assert "Decide on what was proposed" in item.state_reason
    assert versions.complete(whole, by="ana") == whole
    run(["argue", "synthesise"])
    assert (len(whole.voices), Action.objects.count()) == (3, 2)


def test_a_voice_missing_before_the_synthesis_is_asked_again_in_place(sandbox: Sandbox) -> None:
    analysis = argued("Standard")
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "persona"}, "times": 2}])
    run(["argue", "synthesise"])
    assert InboxItem.objects.get().state == "held"
    assert versions.complete(analysis, by="ana") == analysis
    run(["argue", "synthesise"])
    assert Synthesis.objects.get().status == "done"
    assert Analysis.objects.count() == 1


def test_no_voice_is_asked_about_an_item_that_was_sent_elsewhere_a_moment_ago(sandbox: Sandbox) -> None:
    analysis = argued("Standard")
    sandbox.claude(script=[{"kind": "refusal", "match": {"purpose": "persona"}, "times": 2}])
    run(["argue"])
    Analysis.objects.update(superseded="Ana sent the item from strategic to operational.")
    with pytest.raises(ValidationError, match="Ana sent the item"):
        versions.complete(analysis, by="ben")
    assert Analysis.objects.get().lacking


def test_a_note_on_an_older_version_opens_one_after_the_newest_about_the_old_plan(sandbox: Sandbox) -> None:
    first = argued("Standard")
    run(["argue", "synthesise"])
    newest = versions.argue_again(first, Depth.QUICK, by="ana")
    run(["argue", "synthesise"])
    noted = versions.open_revision(first, "Stay below 10,000 EUR.")
    assert (newest.revision, noted.revision, noted.revised) == (2, 3, first)
    assert InboxItem.objects.get().state == "analysing"
    matter = prompts.matter(noted)
    assert prompts.fence("plan", first.synthesis.plan) in matter
    assert "Stay below 10,000 EUR." in matter
    run(["argue", "synthesise"])
    assert [action.analysis.revision for action in Action.objects.order_by("pk")] == [1, 2, 3]


def test_a_note_from_before_versions_were_linked_is_about_the_version_before() -> None:
    first = make_proposal(make_item())
    second = Analysis.objects.create(item=first.item, revision=2, note="Cheaper", lead="quant", item_digest="")
    assert second.revised == first
    assert first.revised is None


def test_a_missing_voice_of_a_revision_hears_the_note_too(sandbox: Sandbox) -> None:
    first = argued("Standard")
    run(["argue", "synthesise"])
    second = versions.open_revision(first, "Stay below 10,000 EUR.")
    sandbox.claude(script=[{"kind": "refusal", "match": AUDITOR}])
    run(["argue", "synthesise"])
    whole = versions.complete(second, by="ana")
    assert (whole.note, whole.revised) == ("Stay below 10,000 EUR.", first)
    second.refresh_from_db()  # as the workers read it
    assert prompts.matter(whole) == prompts.matter(second)


def test_who_answers_the_others_in_a_revision_reads_the_note(sandbox: Sandbox) -> None:
    first = argued("Deep")
    run(["argue", "synthesise"])
    second = versions.open_revision(first, "Stay below 10,000 EUR.")
    noted = {"purpose": "rebuttal", "contains": prompts.fence("note", second.note)}
    sandbox.claude(script=[{"kind": "refusal", "match": noted, "times": 3}])
    run(["argue", "synthesise"])
    assert len(second.missing) == 3, "every question held the note, so every one was refused"


def test_a_missing_reply_is_asked_alone_and_the_others_keep_theirs(sandbox: Sandbox) -> None:
    first = argued("Deep")
    run_stage("argue")
    sandbox.claude(script=[{"kind": "refusal", "match": REPLY}])
    run(["argue", "synthesise"])
    assert [voice.persona for voice in first.lacking] == ["auditor"]
    before = LLMCall.objects.count()
    whole = versions.complete(first, by="ana")
    run(["argue", "synthesise"])
    asked = LLMCall.objects.order_by("pk")[before:].values_list("purpose", flat=True)
    assert list(asked) == ["rebuttal", "synthesis", "synthesis"]
    assert len(whole.rebuttals) == 3
    for old, new in zip(first.rebuttals, [one for one in whole.rebuttals if one.persona != "auditor"], strict=True):
        voices = first.voices
        assert prompts.numbered(old, voices) == prompts.numbered(new, voices), "it answers whom it answered before"
    assert "did not answer the others" not in str(
        OutboxEntry.objects.filter(source_key="actions").latest("pk").children
    )


@pytest.mark.parametrize("failing", [AUDITOR, REPLY])
def test_the_price_of_missing_voices_counts_all_calls_that_follow(sandbox: Sandbox, failing: dict[str, str]) -> None:
    first = argued("Deep")
    if failing == REPLY:
        run_stage("argue")
    sandbox.claude(script=[{"kind": "refusal", "match": failing}])
    run(["argue", "synthesise"])
    price = quotes.of_missing(first)
    before = LLMCall.objects.latest("pk").pk
    versions.complete(first, by="ana")
    run(["argue", "synthesise"])
    made = LLMCall.objects.filter(pk__gt=before)
    reserved: Decimal = made.aggregate(usd=Sum("reserved_usd"))["usd"]
    assert made.count() == price.calls == (6 if failing == AUDITOR else 3)
    assert reserved <= price.worst


@pytest.mark.parametrize(("wish", "depth"), [("Deep", "deep"), ("", "quick")])
def test_a_revision_is_as_deep_as_a_person_wishes_by_now(wish: str, depth: str) -> None:
    first = make_proposal(make_item(values={}))
    Analysis.objects.filter(pk=first.pk).update(depth="quick")
    InboxItem.objects.update(values={"Depth": wish})
    first = Analysis.objects.get()
    assert versions.open_revision(first, "Once more.").depth == depth


def test_a_depth_that_was_chosen_for_a_version_holds_for_its_revision() -> None:
    first = make_proposal(make_item(values={"Depth": "Quick"}))
    Analysis.objects.filter(pk=first.pk).update(depth="deep", asked_by="ana")
    first = Analysis.objects.get()
    assert versions.open_revision(first, "Once more.").depth == "deep"
