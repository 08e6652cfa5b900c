"""Training files: what goes in, what stays out, and that each keeps to its format."""

from __future__ import annotations

import csv
import gc
import hashlib
import io
import json
import re
import tracemalloc
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from analysis import exports, settlement
from analysis.answers import Plan
from analysis.exports import FORMATS, Choice, Kind, archive, problems
from analysis.exports.examples import SYSTEM, in_validation
from analysis.exports.redaction import Redactor
from analysis.models import Analysis, LLMCall, Settlement, Synthesis
from emm.audit import AuditEntry
from emm.jobs import Job
from tests.factories import make_item, make_proposal, make_settlement, proposed_plan

GOLDEN = Path(__file__).parent / "golden"
PAGE = "/admin/analysis/training/export/"
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


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to ana.b+x@mail.example.co.uk.", ["mail"]),
        ("Pay $4,200 a month, or 400 EUR, or €1.2m, or 2 million dollars.", ["money"] * 4),
        ("IBAN DE89 3704 0044 0532 0130 00 please", ["account"]),
        ("Card 4111 1111 1111 1111, customer 123456789", ["account", "account"]),
        ("Call +43 1 5337822 or (030) 901820 or 555-867-5309", ["phone"] * 3),
        ("Call 030 / 90 18 20, 0171 \u2013 234 56 78, 555\u2011867\u20115309 or 030\\.901820", ["phone"] * 4),
        ("o'brien@example.com, ?to=ana%40example.com, ana\\_@example.com, ana\uff20example.com", ["mail"] * 4),
        ("No day: 2345-67-89 and 2026-11-22-1234", ["phone"] * 2),
        ("On 2026-11-22 09:30, 22.11.2026, 11/22/2026 and 2024-2026", []),
        (
            "(2026-11-22), 22\\.11.2026 \u2013 24.12.2026, 5 - 22.11.2026, (2024-2026), 2024/2025, 09.30 \u2013 10.30",
            [],
        ),
        ("From 10 000 \u2013 20 000 users, plan for FY26 with some cash, EU27 will need more", []),
        ("Option A, risk 3/5, 40% of 1,000 customers in 12 weeks, v2.10.3", []),
        ("Customer \uff15\uff15\uff15\uff18\uff16\uff17\uff15\uff13\uff10\uff19", ["account"]),
    ],
)
def test_mail_and_numbers_are_hidden_and_dates_and_counts_are_not(text: str, kinds: list[str]) -> None:
    redactor = Redactor(Kind)
    marked = redactor.hide(text)
    assert sorted(redactor.counts.elements()) == sorted(kinds)
    assert (marked == text) == (not kinds)
    assert Redactor(Kind).hide(marked) == marked  # a mark is no number


def hidden(text: str) -> str:
    """`text` redacted, its marks without what tells them apart."""
    return re.sub(r"_[0-9a-f]{8}]", "]", Redactor(Kind).hide(text))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Pay $1.5M now, then $.50.", "Pay [MONEY] now, then [MONEY]."),
        ("It costs 1.5 million dollars, or 5 hundred Swiss francs", "It costs [MONEY], or [MONEY]"),
        ("€2.5k, USD 1.2bn, US$ 5.5m, 1.2m€", "[MONEY], [MONEY], [MONEY], [MONEY]"),
        ("a fee of 1,5 EUR, 10 Mio. EUR or 45,- EUR", "a fee of [MONEY], [MONEY] or [MONEY]"),
        ("45,000 CNY and kr 45000 and Rs. 4,200 and 10 MEUR", "[MONEY] and [MONEY] and [MONEY] and [MONEY]"),
        ("EUR400, 400EUR, 1'234.50 CHF, 1\u00a0234,50\u00a0€", "[MONEY], [MONEY], [MONEY], [MONEY]"),
        ("€1.234.567,89; $4,200/month", "[MONEY]; [MONEY]/month"),
        ("400-500 EUR, 400 to 500 EUR, $1.5M-2M", "[MONEY], [MONEY], [MONEY]"),
        ("$1.5 to 2 million, between 3 and 4 million dollars", "[MONEY], between [MONEY]"),
        ("2000-2050 EUR, 4200 zł, SFr. 4200", "[MONEY], [MONEY], [MONEY]"),
        ("1\\.200 EUR, **4,200** EUR", "[MONEY], **[MONEY]"),
        ("buy 5 $400 chairs, in 2026 EUR 400", "buy [MONEY] chairs, in [MONEY]"),
        ("on 22.11.2026 $400, and 400 EUR 22.11.2026", "on 22.11.2026 [MONEY], and [MONEY] 22.11.2026"),
        ("2 for $400, 3 times", "2 for [MONEY], 3 times"),
        ("400 EUR 0171 2345678", "[MONEY] [PHONE]"),
        ("We try 3 times, PHP 8.2, Ron 3", "We try 3 times, PHP 8.2, Ron 3"),
        ("track 12345678901234567890", "track [ACCOUNT]"),
        ("id 555123456a, x20261122_y", "id [ACCOUNT]a, x[ACCOUNT]_y"),
        ("call 555-123-4567x12 or Tel.0171 234567 or 0171 2345678_", "call [PHONE] or Tel.[PHONE] or [PHONE]_"),
        ("2026-11-22T09:30, 22.11.2026a", "2026-11-22T09:30, 22.11.2026a"),
    ],
)
def test_an_amount_or_a_number_is_hidden_whole_and_what_stands_around_it_stays(text: str, left: str) -> None:
    assert hidden(text) == left


@given(
    whole=st.integers(0, 10**15),
    thousands=st.sampled_from(["", ",", ".", "'", " ", "\u00a0", "\u202f"]),
    fraction=st.from_regex(r"([.,][0-9]{1,6})?", fullmatch=True),
    scale=st.sampled_from(["", "k", "M", " million", "bn", " Mio.", "\u00a0Mrd."]),
    gap=st.sampled_from(["", " ", "  ", "\u00a0"]),
    currency=st.sampled_from(["$", "€", "US$", "₹", "EUR", "usd", "CNY", "kr", "euros"]),
    behind=st.booleans(),
)
def test_no_digit_of_an_amount_is_left(
    whole: int, thousands: str, fraction: str, scale: str, gap: str, currency: str, behind: bool
) -> None:
    amount = f"{whole:,}".replace(",", thousands) + fraction + scale
    gap = gap or " " * (scale[-1:].isalpha() and currency[0].isalpha())
    said = f"{amount}{gap}{currency}" if behind else f"{currency}{gap}{amount}"
    assert not re.search(r"\d", hidden(f"We pay {said} then."))


around = st.text(alphabet="12a_.x-/ $", max_size=9)


@given(around, st.from_regex(r"[0-9]{8,30}", fullmatch=True), around)
def test_no_run_of_eight_digits_is_left_whatever_stands_around_it(before: str, run: str, after: str) -> None:
    assert not re.search(r"\d{8}", hidden(f"{before}{run}{after}"))


def test_the_same_value_gets_the_same_mark_however_it_is_spaced_and_others_another() -> None:
    one, same, other = (Redactor(Kind).hide(text) for text in ("+43 1 5337822", "+43-1-5337822", "+43 1 5337823"))
    assert one == same != other
    assert one.startswith("[PHONE_")
    assert "5337822" not in one


def test_a_decimal_comma_makes_another_value_and_one_between_thousands_does_not() -> None:
    fraction, whole, spaced, grouped = map(Redactor(Kind).hide, ("1,5 EUR", "15 EUR", "1500 EUR", "1,500 EUR"))
    assert fraction != whole
    assert spaced == grouped


def test_another_currency_or_address_makes_another_value() -> None:
    said = ("$400", "\u20ac400", "ana-b@example.com", "anab@example.com")
    assert len({Redactor(Kind).hide(one) for one in said}) == len(said)


def test_a_kind_that_is_kept_stays_and_a_key_never_does() -> None:
    text = "ana@example.com pays 400 EUR with sk-ant-api03-abcdefghijklmnop"
    assert Redactor([Kind.MAIL]).hide(text).endswith("pays 400 EUR with sk-ant-api03-[hidden]")
    assert Redactor([]).hide("ana@example.com pays 400 EUR") == "ana@example.com pays 400 EUR"


@given(st.text(alphabet="a1@.-+ ()€$", max_size=300))
def test_redaction_never_leaves_a_mail_address_and_never_fails(text: str) -> None:
    assert "ana@example.com" not in Redactor(Kind).hide(f"{text} ana@example.com {text}")


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "1 " * 50_000, "a.-" * 40_000 + "@", "EUR" * 30_000, "$1" * 5_000, "1.1," * 30_000]
)
def test_redaction_takes_time_in_proportion_to_the_text(text: str) -> None:
    hidden = Redactor(Kind).hide(f"{text} ana@example.com")  # one that backtracks would not come back
    assert "ana@example.com" not in hidden


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


def broken(tmp_path: Path, name: str, text: str) -> list[str]:
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    return list(problems(name, path))


GOOD = {name: json.loads((GOLDEN / f"{name}.json").read_text()) for name in FORMATS.keys() - {"csv"}}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_validator_names_the_line_of_what_breaks_a_format(tmp_path: Path, name: str) -> None:
    good = json.dumps(GOOD[name])
    key = next(iter(GOOD[name]))
    bad = [
        good,
        json.dumps({**GOOD[name], "more": 1}),
        json.dumps({other: value for other, value in GOOD[name].items() if other != key}),
        json.dumps({**GOOD[name], key: []}),
        good.replace('"assistant"', '"user"'),
        good.replace('"role"', '"Role"', 1),
        "[]",
        "{",
        "",
        "[" * 100_000,
        good,
    ]
    found = broken(tmp_path, name, "\n".join(bad) + "\n")
    assert [int(one.split(":")[0].removeprefix("line ")) for one in found] == list(range(2, 11))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("trl-dpo", "chosen", "rejected"), ("openai-preference", "preferred_output", "non_preferred_output")],
)
def test_a_pair_of_equals_teaches_nothing(tmp_path: Path, name: str, good: str, bad: str) -> None:
    record = {**GOOD[name], bad: GOOD[name][good]}
    assert broken(tmp_path, name, json.dumps(record)) == [f"line 1: {good} and {bad} are the same"]


def test_the_validator_of_tables_names_lines_and_formulas(tmp_path: Path) -> None:
    assert broken(tmp_path, "csv", 'a,b\r\n1,"two\r\nlines"\r\n') == []
    assert broken(tmp_path, "csv", 'a,b\r\n1,"x\r\ny"\r\n1\r\n2, =1+1\r\n') == [
        "line 4: 1 cells, the header has 2",
        "line 5: b begins like a formula",
    ]
    assert broken(tmp_path, "csv", 'a,b\r\n1,"never ends')[0].startswith("line 2")
    assert broken(tmp_path, "csv", "a,a\r\n")[0].startswith("line 1")


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


def test_the_command_writes_a_zip_that_only_its_owner_reads_and_leaves_an_audit_entry(db: None, tmp_path: Path) -> None:
    settled(tasks=["Rent it for a day"])
    target, out = tmp_path / "out.zip", io.StringIO()
    call_command("export_training", str(target), "--format", "trl-dpo", "--reason", "A trial", stdout=out)
    assert target.stat().st_mode & 0o077 == 0
    assert "1 record, about" in out.getvalue()
    assert "own hardware" in out.getvalue()
    entry = AuditEntry.objects.get(action="training.export")
    assert entry.reason == "A trial"
    assert entry.after is not None
    assert entry.after["choice"]["formats"] == ["trl-dpo"]
    with zipfile.ZipFile(target) as found:
        found.extract("trl-dpo-train.jsonl", tmp_path)
        found.extract("trl-dpo-validation.jsonl", tmp_path)
    for split in ("train", "validation"):
        call_command(
            "export_training", "--check", str(tmp_path / f"trl-dpo-{split}.jsonl"), "--format", "trl-dpo", stdout=out
        )
    full = next(path for path in tmp_path.glob("*.jsonl") if path.stat().st_size)
    with pytest.raises(CommandError, match="line 1: the record has to have the keys"):
        call_command("export_training", "--check", str(full), "--format", "supervised")


def test_the_command_says_what_it_cannot_do(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("export_training", str(tmp_path / "no" / "out.zip"))
    with pytest.raises(CommandError, match="No such file"):
        call_command("export_training", "--check", str(tmp_path / "none"), "--format", "csv")
    with pytest.raises(CommandError, match="Name the zip file"):
        call_command("export_training")
    with pytest.raises(CommandError):
        call_command("export_training", "x.zip", "--min-acceptance", "101")
    assert not AuditEntry.objects.exists()


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def said(**more: Any) -> dict[str, Any]:
    form = {"formats": ["trl-dpo", "csv"], "redact": list(Kind), "min_acceptance": "0", "validation_percent": "10"}
    return {**form, "reason": "A trial", **more}


def test_only_who_has_the_permission_may_take_anything_out(db: None) -> None:
    settled()
    client = staff("view_training", "change_training")
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, said(deed="download")).status_code == 403
    assert "Take training files out" not in client.get("/admin/analysis/training/").content.decode()
    assert Client().get(PAGE).status_code == 302
    assert not AuditEntry.objects.filter(action="training.export").exists()


def test_the_page_shows_the_count_and_sends_the_files(db: None) -> None:
    settled()
    settled(tasks=["Rent it for a day"])
    client = staff("export_training", "view_training")
    assert "2 decisions fit" in client.get(PAGE).content.decode()
    assert PAGE in client.get("/admin/analysis/training/").content.decode()
    counted = client.post(PAGE, said(deed="count", min_acceptance="100"))
    assert "1 decision fits" in counted.content.decode()
    assert not AuditEntry.objects.filter(action="training.export").exists()
    answer: Any = client.post(PAGE, said(deed="download"))
    assert answer["Content-Disposition"].startswith('attachment; filename="training-')
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as found:
        manifest = json.loads(found.read("manifest.json"))
        assert sorted(found.namelist()) == [
            "decisions.csv", "manifest.json", "trl-dpo-train.jsonl", "trl-dpo-validation.jsonl",
        ]  # fmt: skip
    entry = AuditEntry.objects.get(action="training.export")
    assert (entry.label, entry.reason) == ("ada", "A trial")
    assert entry.after is not None
    assert entry.after["sha256"] == manifest["sha256"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"reason": ""}, "Say what the files are for"),
        ({"decision": "Rejected"}, "No decision fits"),
        ({"formats": ["../etc"]}, "Select a valid choice"),
        ({"min_acceptance": "1000"}, "less than or equal to 100"),
        ({"since": "yesterday"}, "Enter a valid date"),
        ({"prompt": "%"}, "Select a valid choice"),
    ],
)
def test_a_wish_that_cannot_be_met_is_answered_in_words(db: None, more: dict[str, Any], why: str) -> None:
    settled()
    answer = staff("export_training").post(PAGE, said(deed="download", **more))
    assert answer.status_code == 200
    assert why in answer.content.decode()
    assert not AuditEntry.objects.filter(action="training.export").exists()


def test_more_than_a_request_can_carry_is_sent_to_the_command(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    settled()
    monkeypatch.setattr("analysis.admin.exports.MOST", 0)
    answer = staff("export_training").post(PAGE, said(deed="download"))
    assert "manage.py export_training" in answer.content.decode()


def test_what_is_kept_of_each_field_is_stored_with_approvals_only(db: None) -> None:
    approved, rejected = settled(tasks=[]), settled("Rejected")
    assert approved.field_rates["tasks"] == 0
    assert approved.field_rates["recommended_option"] == 1
    assert rejected.field_rates == {}
