"""`manage.py prepare`: all that must be there, made once, however often it is asked for."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTask
from pytest_django.fixtures import Settings

from analysis.models import ModelPrice, PromptVersion
from emm import engines, schedule
from emm.tokens import ApiToken
from notion_sync.models import Poller
from ops.management.commands import prepare
from ops.models import Evidence


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Path:
    """A state folder without secrets, static files that were collected, no password from outside."""
    monkeypatch.setenv("EMM_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("EMM_ADMIN_PASSWORD", raising=False)
    (tmp_path / "staticfiles.json").touch()
    settings.STATIC_ROOT = tmp_path
    return tmp_path


def run() -> str:
    output = io.StringIO()
    call_command("prepare", stdout=output)
    return output.getvalue()


def rows() -> list[int]:
    models = (get_user_model(), ModelPrice, PromptVersion, ApiToken, PeriodicTask, Poller)
    return [model._default_manager.count() for model in models]


@pytest.mark.django_db
def test_a_second_time_changes_nothing(settings: Settings) -> None:
    settings.API_KEY = "a-long-random-key"
    first = run()
    made = rows()
    assert all(made)
    assert PeriodicTask.objects.filter(name__startswith="sweep ").count() == len(schedule.STAGES)
    assert engines.secret("admin_password") in first
    assert engines.secret("admin_password") not in run()
    assert rows() == made


@pytest.mark.django_db
def test_what_ci_proved_about_the_image_is_kept_once_and_a_bad_file_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "EVIDENCE", tmp_path / "evidence.json")
    proof = '{"key": "test.local", "state": "pass", "evidence": "9 tests ran, 0 failed."}'
    prepare.EVIDENCE.write_text(f'{{"commit": "{"a" * 40}", "at": "2026-11-25T10:00:00+00:00", "proofs": [{proof}]}}')
    assert "1 items were proved." in run()
    run()
    assert Evidence.objects.get().at.isoformat() == "2026-11-25T10:00:00+00:00"
    prepare.EVIDENCE.write_text("{")
    assert "holds no evidence" in run()


@pytest.mark.django_db
def test_the_generated_password_opens_the_console_and_only_its_owner_reads_it(state: Path) -> None:
    run()
    assert get_user_model().objects.get(username="admin").check_password((state / "admin_password").read_text())
    assert (state / "admin_password").stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
def test_a_chosen_password_is_neither_printed_nor_kept(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMM_ADMIN_PASSWORD", "chosen-by-a-person")
    assert "chosen-by-a-person" not in run()
    assert get_user_model().objects.get(username="admin").check_password("chosen-by-a-person")
    assert not (state / "admin_password").exists()


@pytest.mark.django_db
def test_production_makes_no_administrator_by_itself(state: Path, settings: Settings) -> None:
    settings.PRODUCTION = True
    assert "EMM_ADMIN_PASSWORD is unset" in run()
    assert not get_user_model().objects.exists()
    assert not (state / "admin_password").exists()


@pytest.mark.django_db
def test_an_interval_that_a_person_chose_is_kept() -> None:
    run()
    Poller.objects.update(interval_seconds=45)
    run()
    assert Poller.objects.get().interval_seconds == 45


@pytest.mark.parametrize(("sandboxed", "given", "seconds"), [(True, "", 10), (True, "120", 120), (False, "", 120)])
def test_only_the_sandbox_is_polled_at_short_intervals_unasked(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    sandboxed: bool,
    given: str,
    seconds: int,
) -> None:
    settings.NOTION_IS_SANDBOX, settings.POLLING_INTERVAL_SECONDS = sandboxed, 120
    monkeypatch.setenv("POLLING_INTERVAL_SECONDS", given)
    assert prepare.first_interval() == seconds


@pytest.mark.django_db
def test_a_dead_server_is_one_line_without_its_password(settings: Settings) -> None:
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"
    with pytest.raises(CommandError) as refused:
        run()
    assert str(refused.value).startswith("Redis does not answer (REDIS_URL): ")
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)
