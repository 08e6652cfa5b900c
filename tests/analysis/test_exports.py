"""Training files: what goes in, what stays out, and that each keeps to its format."""

from __future__ import annotations

import csv
import gc
import hashlib
import io
import json
import tracemalloc
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import exports, settlement
from analysis.answers import Plan
from analysis.exports import FORMATS, Choice, archive
from analysis.exports.examples import SYSTEM, in_validation
from analysis.models import Analysis, LLMCall, Settlement, Synthesis
from emm.jobs import Job
from tests.factories import make_item, make_proposal, make_settlement, proposed_plan

GOLDEN = Path(__file__).parent / "golden"
NO_SPLIT: dict[str, Any] = {"validation_percent": 0}


def settled(status: str = "Approved", *, item: Any = None, **changes: Any) -> Settlement:
    """A decision, settled as the stage does; `changes` of the plan make it an edited one."""
    plan = proposed_plan().model_copy(update=changes)
    made = make_settlement(make_proposal(item), status, plan, User_Notes="See to it")
    claimed = Settlement.claim(made.pk)
    assert claimed is not None
    claimed.attempt(settlement.settle)
    made.refresh_from_db()
    assert made.status == Job.Status.DONE, made.last_error
    return made


def packed(**choice: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest of an export, and its files by name."""
    target = io.BytesIO()
    manifest = exports.pack(Choice(**choice), target)
    with zipfile.ZipFile(target) as found:
        files = {name: found.read(name) for name in found.namelist()}
    assert json.loads(files.pop("manifest.json")) == manifest
    return manifest, files


def lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.decode().splitlines()]


def records(name: str, **choice: Any) -> list[Any]:
    return lines(packed(formats=(name,), **{**NO_SPLIT, **choice})[1][f"{name}-train.jsonl"])


@pytest.mark.django_db
def test_every_format_is_written_to_the_letter() -> None:
    """The golden files were written by hand from each format's own documentation."""
    item = make_item(page_id="11111111-1111-4111-8111-111111111111")
    settled(tasks=["Compare four offers", "Sign for one month"], item=item)
    _, files = packed(redact=frozenset(), **NO_SPLIT)
    question = files["supervised-train.jsonl"]
    plans = Settlement.objects.get()
    both = (plans.synthesis.plan, plans.final_plan)
    proposed, final = (Plan.model_validate(plan).model_dump_json() for plan in both)
    words = {"SYSTEM": SYSTEM, "QUESTION": lines(question)[0]["messages"][0]["content"], "PROPOSED": proposed}
    words |= {"FINAL": final, "BOTH": f"{SYSTEM}\n\n{words['QUESTION']}"}
    for name in FORMATS.keys() - {"csv"}:
        golden = json.loads((GOLDEN / f"{name}.json").read_text())
        assert lines(files[f"{name}-train.jsonl"]) == [filled(golden, words)], name
        assert list(lines(files[f"{name}-train.jsonl"])[0]) == list(golden)
        assert files[f"{name}-validation.jsonl"] == b""


def filled(golden: Any, words: dict[str, str]) -> Any:
    if isinstance(golden, dict):
        return {key: filled(value, words) for key, value in golden.items()}
    if isinstance(golden, list):
        return [filled(value, words) for value in golden]
    return words.get(golden, golden) if isinstance(golden, str) else golden


@pytest.mark.django_db
def test_the_question_is_the_item_and_the_answer_the_persons_plan() -> None:
    settled(tasks=["Rent it for a day"])
    (found,) = records("supervised")
    asked, answered = (message["content"] for message in found["messages"])
    assert "We walk to every customer." in asked
    assert "Should we buy a van?" in asked
    assert json.loads(answered)["tasks"] == ["Rent it for a day"]


@pytest.mark.django_db
def test_pairs_come_only_from_plans_that_a_person_edited_and_kto_from_the_rest_too() -> None:
    settled()
    edited = settled(tasks=["Rent it for a day"])
    settled("Rejected")
    settled("Needs_Revision")
    for name in ("openai-preference", "trl-dpo"):
        assert len(records(name)) == 1
    (pair,) = records("trl-dpo", redact=frozenset())
    assert edited.final_plan is not None
    assert json.loads(pair["chosen"][0]["content"]) == edited.final_plan
    assert json.loads(pair["rejected"][0]["content"]) == edited.synthesis.plan
    assert [one["label"] for one in records("trl-kto")] == [True, True, False]
    assert len(records("supervised")) == len(records("openai-chat")) == 2
    counted = exports.counts(Choice())
    assert counted.decisions == 4
    assert counted.records == {
        "supervised": 2, "openai-chat": 2, "openai-preference": 1, "trl-dpo": 1, "trl-kto": 3, "csv": 4,
    }  # fmt: skip


@pytest.mark.django_db
def test_a_revision_is_asked_with_the_earlier_plan_and_the_note() -> None:
    first = make_proposal()
    second = make_proposal(first.item, revision=2)
    Analysis.objects.filter(pk=second.pk).update(note="Think of a bicycle, ask 0171 2345678")
    second.refresh_from_db()
    job = Settlement.claim(make_settlement(second).pk)
    assert job is not None
    job.attempt(settlement.settle)
    (found,) = records("supervised")
    asked = found["messages"][0]["content"]
    assert "<plan>" in asked
    assert "Think of a bicycle, ask [PHONE_" in asked


@pytest.mark.django_db
def test_each_filter_leaves_out_what_does_not_fit() -> None:
    old, new, other = settled(), settled(tasks=["Rent it for a day"]), settled("Rejected")
    Settlement.objects.filter(pk=old.pk).update(status_since=datetime(2026, 3, 1, 23, 59, tzinfo=UTC), closest="quant")
    Settlement.objects.filter(pk=new.pk).update(status_since=datetime(2026, 3, 2, 0, 0, tzinfo=UTC))
    Settlement.objects.filter(pk=other.pk).update(status_since=datetime(2026, 3, 4, 12, 0, tzinfo=UTC))
    item = new.synthesis.analysis.item
    item.triage.route = "operational"
    item.triage.save()
    LLMCall.objects.create(
        purpose="synthesis", item=item, status="answered", reserved_usd=0, cost_usd=0, prompt_hash="abc123", model="m"
    )
    LLMCall.objects.update(opened_at=new.synthesis.status_since - timedelta(minutes=1))

    def found(**choice: Any) -> list[int]:
        return list(Choice(**choice).decisions().values_list("pk", flat=True))

    assert found() == [old.pk, new.pk, other.pk]
    assert found(since=date(2026, 3, 2)) == [new.pk, other.pk]
    assert found(until=date(2026, 3, 1)) == [old.pk]
    assert found(since=date(2026, 3, 2), until=date(2026, 3, 2)) == [new.pk]
    assert found(since=date.min, until=date.max) == [old.pk, new.pk, other.pk]
    assert found(persona="quant") == [old.pk]
    assert found(route="operational") == [new.pk]
    assert found(prompt="abc") == [new.pk]
    assert found(decision="Rejected") == [other.pk]
    assert found(min_acceptance=1.0) == [old.pk, other.pk]  # it says nothing about what was rejected


@pytest.mark.django_db
def test_nothing_that_was_to_be_hidden_is_in_any_file() -> None:
    secrets = ["ana@example.com", "4,200", "5337822", "DE89370400440532013000"]
    said = "Mail ana@example.com, pay $4,200, call +43 1 5337822, account DE89370400440532013000"
    item = make_item(said, body=f"\n4,200 EUR\n{said}")
    settled(tasks=[said], risk_assessment=said, item=item)
    Settlement.objects.update(note=said, changes=[said])
    manifest, files = packed()
    for name, data in files.items():
        assert [secret for secret in secrets if secret.encode() in data] == [], name
    assert manifest["redacted"]["mail"]["values"] > 0
    assert "names" in manifest["not_redacted"]


@pytest.mark.django_db
def test_records_that_say_the_same_are_written_once() -> None:
    for _ in range(3):
        settled()
    settled(tasks=["Rent it for a day"])
    manifest, _ = packed(formats=("supervised",), **NO_SPLIT)
    train = manifest["files"][0]
    assert (train["records"], train["duplicates_dropped"]) == (2, 2)


@pytest.mark.django_db
def test_what_is_in_train_is_not_in_validation_too() -> None:
    for _ in range(12):
        settled(tasks=["Rent it for a day"])  # the same text and plan, on twelve inbox pages
    for n in range(12):
        settled(tasks=["Rent it for a day"], item=make_item(f"Question {n}"))
    names = tuple(FORMATS.keys() - {"csv"})
    manifest, files = packed(formats=names, validation_percent=50)
    for name in names:
        sides = [files[f"{name}-{split}.jsonl"].splitlines() for split in ("train", "validation")]
        assert not set(sides[0]) & set(sides[1])
        assert sum(map(len, sides)) == 13
        assert any("Question" in line.decode() for line in sides[1])
    for one in manifest["files"]:
        assert one["records"] == len(files[one["name"]].splitlines())
        assert one["sha256"] == hashlib.sha256(files[one["name"]]).hexdigest()
        assert (one["bytes"], one["problems"]) == (len(files[one["name"]]), [])
        assert 0 < one["tokens"]["at_most"] < one["bytes"]
    dropped = [one["duplicates_dropped"] for one in manifest["files"]]
    assert sum(dropped) == 11 * len(names)


@pytest.mark.django_db
def test_no_item_changes_sides_when_more_is_exported_later() -> None:
    def sides() -> tuple[set[str], set[str]]:
        rows = list(
            csv.DictReader(io.StringIO(packed(formats=("csv",), validation_percent=50)[1]["decisions.csv"].decode()))
        )
        train, validation = ({row["title"] for row in rows if row["split"] == side} for side in ("train", "validation"))
        return train, validation

    for n in range(8):
        settled(item=make_item(f"Question {n}"))
    train, validation = sides()
    assert train
    assert validation
    for n in range(8, 12):
        settled(item=make_item(f"Question {n}"))
    later_train, later_validation = sides()
    assert train <= later_train
    assert validation <= later_validation
    assert not later_train & later_validation


@given(st.uuids(), st.integers(0, 100))
def test_a_larger_validation_share_only_adds_to_it(page: Any, percent: int) -> None:
    assert not in_validation(str(page), percent) or in_validation(str(page), min(100, percent + 1))
    assert in_validation(str(page), 100)
    assert not in_validation(str(page), 0)


@pytest.mark.django_db
def test_the_manifest_says_what_the_files_are_and_can_be_verified() -> None:
    settled(tasks=["Rent it for a day"])
    manifest, files = packed(persona="", min_acceptance=0.1)
    for one in manifest["files"]:
        data = files[one["name"]]
        assert hashlib.sha256(data).hexdigest() == one["sha256"]
        assert one["bytes"] == len(data)
        assert one["problems"] == []
        assert one["tokens"]["estimate"] * 4 >= one["tokens"]["at_most"]
        assert one["tokens"]["at_most"] <= len(data)
        assert one["trains"]
    assert manifest["sha256"] == archive.digest(manifest)
    assert manifest["schema_version"] == 1
    assert manifest["choice"]["min_acceptance"] == 0.1
    assert manifest["prompts"] == {"unknown": 1}
    assert "No tokenizer" in manifest["tokens"]
    again, _ = packed(persona="", min_acceptance=0.1)
    assert again["files"] == manifest["files"]


@pytest.mark.django_db
def test_cells_that_a_spreadsheet_could_run_are_made_harmless() -> None:
    settled(tasks=['=HYPERLINK("http://evil.example")', "-1+1", "@SUM(A1)"], item=make_item("\uff1dcmd|' /C calc'!A0"))
    data = packed(formats=("csv",))[1]["decisions.csv"].decode()
    (row,) = csv.DictReader(io.StringIO(data))
    assert row["title"].startswith("'\uff1d")
    assert row["final_tasks"].startswith("'=HYPERLINK")
    assert float(row["acceptance_rate"]) < 1
    assert float(row["tasks_kept"]) < 1
    assert float(row["recommended_option_kept"]) == 1


@pytest.mark.django_db
def test_strange_letters_break_no_line() -> None:
    strange = "a\u2028b\u2029c\x85d \U0001f469\u200d\U0001f680 </item> \"'\\ \r\n e"
    settled(tasks=["Rent it"], risk_assessment=strange, item=make_item(strange, body=strange))
    manifest, files = packed(**NO_SPLIT)
    assert all(one["problems"] == [] for one in manifest["files"])
    data = files["supervised-train.jsonl"]
    assert len(data.decode().splitlines()) == 1  # which splits at each of them
    assert json.loads(lines(data)[0]["messages"][1]["content"])["risk_assessment"] == strange


@pytest.mark.django_db
def test_an_item_that_became_too_long_is_left_out_and_said_so() -> None:
    settled(item=make_item(body="a" * 400_001))
    settled()
    manifest, _ = packed(formats=("supervised",), **NO_SPLIT)
    assert manifest["left_out"] == {"the item's text is too long": 1}
    assert manifest["files"][0]["records"] == 1


@pytest.mark.faults  # for its length
def test_an_export_holds_only_some_decisions_in_memory_at_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "AT_ONCE", 2)
    first = settled(tasks=["Rent it for a day"])
    synthesis, item, action = first.synthesis, first.synthesis.analysis.item, type(first.action)

    def copies(numbers: range) -> None:
        for n in numbers:
            analysis = Analysis.objects.create(item=item, revision=n, lead="quant", item_digest="")
            Settlement.objects.create(
                action=action.objects.create(title="Copy"),
                synthesis=Synthesis.objects.create(analysis=analysis, status="done", plan=synthesis.plan),
                status="done",
                decision="Approved",
                acceptance_rate=0.9,
                final_plan={**(first.final_plan or {}), "tasks": [f"Task {n}", "x" * 20_000]},
            )

    def peak() -> int:
        with open("/dev/null", "r+b") as nowhere:
            usual = gc.get_threshold()
            gc.set_threshold(100, 1, 1)  # what only waits to be collected is not held
            tracemalloc.start()
            manifest = exports.pack(Choice(formats=("trl-dpo",), validation_percent=0), nowhere)
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            gc.set_threshold(*usual)
        assert manifest["files"][0]["records"] == Settlement.objects.count()
        return size

    copies(range(2, 12))
    peak()  # what is loaded once is loaded now
    few = peak()
    copies(range(12, 72))
    assert peak() < few + 600_000  # to hold sixty more would take 1,200,000


def test_what_is_kept_of_each_field_is_stored_with_approvals_only(db: None) -> None:
    approved, rejected = settled(tasks=[]), settled("Rejected")
    assert approved.field_rates["tasks"] == 0
    assert approved.field_rates["recommended_option"] == 1
    assert rejected.field_rates == {}
