"""The scripts by their fixed names: each can pass, and fails when it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from pytest_django.live_server_helper import LiveServer

from emm import tokens
from ops import evidence
from ops.models import Evidence

ROOT = settings.BASE_DIR
# What a real key looks like, in two parts, so that no file of ours holds one.
CANARY = "sk-ant-" + "api03-" + "x" * 60


def script(name: str, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, str(cwd / "scripts" / name), *words]
    return subprocess.run(
        asked, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ)
    )  # our own script


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with our script and one commit."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "evidence.py").write_text((ROOT / "scripts" / "evidence.py").read_text(encoding="utf-8"))
    (tmp_path / ".gitignore").write_text(".env\nevidence.json\n")
    commit(tmp_path, "first")
    return tmp_path


def commit(repository: Path, message: str) -> None:
    who = ["-c", "user.name=T", "-c", "user.email=t@example.com"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", message]):
        subprocess.run(["git", "-C", str(repository), *words], check=True)  # fixed words


def proofs(repository: Path, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    out = repository / "evidence.json"
    ended = script("evidence.py", "--out", str(out), *words, cwd=repository)
    found = json.loads(out.read_text(encoding="utf-8"))
    return ended.returncode, {row["key"]: row for row in found["proofs"]}


@pytest.mark.django_db
def test_a_clean_repository_is_proved_and_its_file_can_be_imported(repository: Path) -> None:
    result = repository / "result.xml"
    result.write_text('<testsuites><testsuite tests="9" failures="0" errors="0"/></testsuites>')
    code, found = proofs(repository, "--tests", str(result), "--checks", "passed", "--image", "sha256:1")
    assert code == 0
    assert {row["state"] for row in found.values()} == {"pass"}
    said = json.loads((repository / "evidence.json").read_text(encoding="utf-8"))
    assert evidence.bring(said) == len(found) == 6
    assert Evidence.objects.get(key="test.local").at.isoformat() == said["at"]


def test_a_secret_in_the_tree_is_named_by_its_place_and_not_shown(repository: Path) -> None:
    (repository / "config.py").write_text(f"\nKEY = '{CANARY}'\n")
    commit(repository, "oops")
    code, found = proofs(repository)
    assert code == 1
    assert found["sec.no_hardcoded"]["evidence"] == "Found at config.py:2."
    assert CANARY not in json.dumps(found)


def test_a_secret_that_was_removed_is_still_in_the_history(repository: Path) -> None:
    (repository / "config.py").write_text(CANARY)
    commit(repository, "oops")
    (repository / "config.py").unlink()
    commit(repository, "remove it")
    _, found = proofs(repository)
    assert found["sec.no_hardcoded"]["state"] == "pass"
    assert found["env.no_secrets_in_git"]["state"] == "fail"


def test_an_environment_file_that_git_does_not_ignore_is_red(repository: Path) -> None:
    (repository / ".gitignore").write_text("")
    _, found = proofs(repository)
    assert found["sec.env_ignored"]["state"] == "fail"


def test_a_clone_without_its_history_proves_nothing_about_it(repository: Path, tmp_path: Path) -> None:
    (repository / "more").write_text("more")
    commit(repository, "second")
    shallow = tmp_path / "shallow"
    words = ["git", "clone", "-q", "--depth", "1", f"file://{repository}", str(shallow)]
    subprocess.run(words, check=True)  # fixed words
    code, found = proofs(shallow)
    assert (code, found["env.no_secrets_in_git"]["state"]) == (1, "unknown")
    assert "fetch the whole history" in found["env.no_secrets_in_git"]["evidence"]


@pytest.mark.parametrize(("failures", "tests", "state"), [(1, 9, "fail"), (0, 0, "fail"), (0, 9, "pass")])
def test_a_suite_that_failed_or_ran_nothing_is_red(repository: Path, failures: int, tests: int, state: str) -> None:
    result = repository / "result.xml"
    result.write_text(f'<testsuite tests="{tests}" failures="{failures}" errors="0"/>')
    _, found = proofs(repository, "--tests", str(result))
    assert found["test.local"]["state"] == state


@pytest.mark.django_db
def test_the_smoke_test_looks_at_everything_and_fails_for_what_is_not_well(live_server: LiveServer) -> None:
    _, secret = tokens.issue("smoke", ["read"], by="test")
    ended = script("smoke-test.py", live_server.url, "--token", secret, "--json")
    rows: dict[str, Any] = {row["check"]: row for row in json.loads(ended.stdout)}
    assert [name for name, row in rows.items() if not row["ok"]] == ["health", "poller"]  # no worker runs here
    assert "documented calls that only read answer" in rows["operations"]["detail"]
    assert ended.returncode == 1
    assert secret not in ended.stdout + ended.stderr


@pytest.mark.django_db
def test_what_a_smoke_test_could_not_look_at_is_not_called_well(live_server: LiveServer) -> None:
    rows = {row["check"]: row for row in json.loads(script("smoke-test.py", live_server.url, "--json").stdout)}
    assert [name for name, row in rows.items() if row["skipped"]] == ["tls", "operations"]
    lines = script("smoke-test.py", live_server.url).stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("skipped")] == ["tls", "operations"]


@pytest.mark.django_db
def test_a_smoke_test_is_kept_as_evidence_of_the_commit_that_runs_there(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", "c" * 40)
    _, reader = tokens.issue("reader", ["read"], by="test")
    ended = script("smoke-test.py", live_server.url, "--token", reader, "--record")
    assert "the token needs the scope operate" in ended.stdout
    assert not Evidence.objects.exists()
    _, operator = tokens.issue("operator", ["read", "operate"], by="test")
    script("smoke-test.py", live_server.url, "--token", operator, "--record")
    kept = Evidence.objects.get()
    assert (kept.key, kept.state, kept.commit) == ("post.smoke", "fail", "c" * 40)  # no worker runs here
    assert kept.evidence.startswith("health: ")
    assert script("smoke-test.py", live_server.url, "--record").returncode == 2


def test_the_smoke_test_of_an_address_that_does_not_answer_ends_with_one() -> None:
    ended = script("smoke-test.py", "http://127.0.0.1:9")
    assert ended.returncode == 1
    assert "ConnectError" in ended.stdout
    assert script("smoke-test.py", "ftp://nowhere").returncode == 2


@pytest.mark.faults  # for its length
def test_the_checks_before_a_deployment_name_what_failed(tmp_path: Path) -> None:
    bad = tmp_path / "env"
    bad.write_text("ENVIRONMENT=production\nSECRET_KEY=changeme\n")
    words = ["bash", str(ROOT / "scripts" / "pre-deploy-check.sh"), "--skip-tests", "--env-file", str(bad)]
    ended = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ)
    )  # fixed words
    assert ended.returncode == 1
    assert "environment                 FAILS" in ended.stdout
    assert "migrations are complete     ok" in ended.stdout
    assert "check --deploy              ok" in ended.stdout
    assert "documents                   ok" in ended.stdout
    assert "1 failed: environment" in ended.stdout
