"""Taking training files out: the command and the page, and who may."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from analysis.exports import Kind
from emm.audit import AuditEntry
from tests.analysis.test_exports import settled
from tests.factories import staff

PAGE = "/admin/analysis/training/export/"


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
