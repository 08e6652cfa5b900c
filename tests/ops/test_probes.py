"""Each probe, turned red and back by what it looks at."""

from __future__ import annotations

import dataclasses
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models.functions import Now

from emm import credentials, environment, logs, tokens
from notion_sync.models import DataSource, PollCycle, Poller
from ops import checklist, facts, papers, rules
from ops.models import ProbeRun, RuleState, State
from ops.probes import dependencies, documents, monitoring, security
from tests.factories import make_source
from tests.ops.rows import look
from tests.ops.test_levels import minute
from tests.world import Sandbox

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("key", "setting", "red", "green"),
    [
        ("env.production", "PRODUCTION", False, True),
        ("env.log_level", "LOG_LEVEL", "DEBUG", "INFO"),
    ],
)
def test_a_setting_turns_its_probe(key: str, setting: str, red: Any, green: Any, settings: Any) -> None:
    setattr(settings, setting, red)
    assert look(key)[0] == "fail"
    setattr(settings, setting, green)
    assert look(key)[0] == "pass"


def test_a_required_variable_that_is_missing_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in environment.VARIABLES:
        if variable.production:
            monkeypatch.setenv(variable.name, "a-value-that-nobody-may-see")
    assert look("env.required")[0] == "pass"
    monkeypatch.delenv("SECRET_KEY")
    state, evidence = look("env.required")
    assert (state, evidence) == ("fail", "Unset: SECRET_KEY.")


def test_a_required_key_in_the_console_counts_as_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in environment.VARIABLES:
        if variable.production:
            monkeypatch.setenv(variable.name, "a-value-that-nobody-may-see")
    monkeypatch.delenv("NOTION_API_KEY")
    state, evidence = look("env.required")
    assert state == "fail"
    assert evidence.startswith("Unset: NOTION_API_KEY. NOTION_API_KEY may be entered at http")
    credentials.store("NOTION_API_KEY", "a-value-that-nobody-may-see", by="test")
    state, evidence = look("env.required")
    assert (state, "Entered in the console: NOTION_API_KEY." in evidence) == ("pass", True)
    credentials.store("SECRET_KEY", "not here", by="test")
    monkeypatch.delenv("SECRET_KEY")
    assert look("env.required") == ("fail", "Unset: SECRET_KEY.")


def test_the_sandbox_is_no_key_and_a_placeholder_is_none_either(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    assert look("env.keys_valid") == (
        "fail",
        "NOTION_API_KEY is unset: the sandbox stands in. ANTHROPIC_API_KEY is unset: the sandbox stands in.",
    )
    settings.NOTION_IS_SANDBOX = settings.ANTHROPIC_IS_SANDBOX = False
    settings.NOTION_API_KEY, settings.ANTHROPIC_API_KEY = "changeme", ""
    state, evidence = look("env.keys_valid")
    assert evidence.startswith("NOTION_API_KEY is a placeholder. There is no ANTHROPIC_API_KEY. Paste it at http")
    assert state == "fail"


@pytest.mark.parametrize("in_console", [False, True])
def test_keys_that_are_accepted_pass_wherever_they_stand(workspace: Sandbox, settings: Any, in_console: bool) -> None:
    settings.NOTION_IS_SANDBOX = settings.ANTHROPIC_IS_SANDBOX = False
    settings.NOTION_ADDRESS, settings.ANTHROPIC_ADDRESS = settings.NOTION_BASE_URL, settings.ANTHROPIC_BASE_URL
    for name in ("NOTION_API_KEY", "ANTHROPIC_API_KEY"):
        setattr(settings, name, "" if in_console else "kJ2hX9wQ7rT4mB8nV3cZ6pL1sD5fG0aY")
        if in_console:
            credentials.store(name, "kJ2hX9wQ7rT4mB8nV3cZ6pL1sD5fG0aY", by="test")
    assert look("env.keys_valid")[0] == "pass"
    workspace.claude(script=[{"kind": "401", "times": 9}])


def test_a_database_that_lost_a_property_is_named_with_the_fix(workspace: Sandbox) -> None:
    assert look("env.database_ids")[0] == "pass"
    source = DataSource.objects.get(key="tasks")
    path = f"/data_sources/{source.data_source_id}"
    workspace.as_person("PATCH", path, {"properties": {source.property_ids["Priority"]: {"name": "Rank"}}})
    assert look("env.database_ids")[0] == "pass"
    workspace.as_person("PATCH", path, {"properties": {source.property_ids["Priority"]: None}})
    state, evidence = look("env.database_ids")
    assert state == "fail"
    assert "Tasks has no property Priority (select): restore it in Notion" in evidence


@pytest.mark.usefixtures("outside")
def test_the_doors_are_closed_and_an_open_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("sec.api_auth")[0] == "pass"
    monkeypatch.setattr(tokens.HasScope, "has_permission", lambda self, request, view: True)
    state, evidence = look("sec.api_auth")
    assert state == "fail"
    assert "GET /api/v1/items answers 200." in evidence


@pytest.mark.usefixtures("outside")
def test_every_operation_of_the_api_is_tried_and_one_open_method_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = {f"{method} {path}" for method, path in security.api_routes()}
    assert {
        "POST /api/v1/releases",
        "GET /api/v1/releases",
        "POST /api/v1/poller/pause",
        "GET /api/v1/items/0",
    } <= tried
    closed = tokens.HasScope.has_permission
    monkeypatch.setattr(
        tokens.HasScope,
        "has_permission",
        lambda self, request, view: request.method == "POST" or closed(self, request, view),
    )
    state, evidence = look("sec.api_auth")
    assert state == "fail"
    assert "POST /api/v1/releases answers 400." in evidence
    assert "GET " not in evidence
    assert Poller.objects.filter(status=Poller.Status.PAUSED).count() == 0  # an open door was found, and nothing done


@pytest.mark.usefixtures("outside")
def test_where_the_limit_answers_first_nothing_is_known_of_the_doors(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    waits: list[float] = []
    monkeypatch.setattr("ops.probes.security.time.sleep", waits.append)
    state, evidence = look("sec.api_auth")
    assert state == "unknown"
    assert "the rate limit answered first" in evidence
    assert [0 < wait <= security.LONGEST_WAIT for wait in waits] == [True]


@pytest.mark.usefixtures("outside")
def test_a_foreign_origin_turns_cors_red(settings: Any) -> None:
    assert look("sec.cors")[0] == "pass"
    settings.CORS_ALLOWED_ORIGINS = ["https://foreign.example"]
    assert look("sec.cors")[0] == "fail"
    settings.CORS_ALLOWED_ORIGINS = ["*"]
    assert look("sec.cors") == ("fail", "Every origin is allowed.")


@pytest.mark.usefixtures("outside")
def test_the_fourth_call_of_three_is_refused(settings: Any) -> None:
    assert look("sec.rate_limit")[0] == "pass"
    settings.RATE_LIMIT_ENABLED = False
    assert look("sec.rate_limit")[0] == "fail"


@pytest.mark.usefixtures("outside")
def test_a_header_that_is_gone_is_named(settings: Any) -> None:
    assert look("sec.headers")[0] == "pass"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "XFrame" not in name]
    settings.X_FRAME_OPTIONS = "SAMEORIGIN"
    assert look("sec.headers")[0] == "fail"


@pytest.mark.usefixtures("outside")
def test_the_outside_view_of_pages_and_figures(settings: Any) -> None:
    assert look("doc.api")[0] == "pass"
    assert look("mon.metrics")[0] == "fail"  # nothing of our own was measured yet
    RuleState.objects.create(key="stuck", value=0.0)
    assert look("mon.metrics")[0] == "pass"
    settings.ENABLE_METRICS = False
    assert look("mon.metrics")[0] == "fail"


@pytest.mark.parametrize(
    "key",
    ["sec.api_auth", "sec.cors", "sec.rate_limit", "sec.headers", "doc.api", "mon.metrics", "test.health", "test.api"],
)
def test_an_address_that_does_not_answer_is_unknown_and_never_passed(key: str, settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    state, evidence = look(key)
    assert state == "unknown"
    assert "PUBLIC_URL" in evidence


def test_plain_http_is_red() -> None:
    state, evidence = look("sec.https")
    assert state == "fail"
    assert "PUBLIC_URL is not https." in evidence


def test_a_cycle_counts_only_if_it_ended_since_the_workers_started() -> None:
    source = make_source("inbox")
    Poller.objects.create(pk=1, interval_seconds=60)
    cycle = PollCycle.objects.create(source=source, status="done")
    minute(0, kind="worker")
    PollCycle.objects.filter(pk=cycle.pk).update(status_since=Now() - timedelta(seconds=90))
    state, evidence = look("test.poller")
    assert state == "unknown"
    assert "since the workers started" in evidence
    PollCycle.objects.filter(pk=cycle.pk).update(status_since=Now())
    assert look("test.poller")[0] == "pass"


@pytest.mark.parametrize(("json_lines", "state"), [(True, "pass"), (False, "fail")])
def test_the_log_s_own_output_has_to_parse(json_lines: bool, state: str, settings: Any) -> None:
    try:
        logs.configure({"level": "INFO", "json": json_lines})
        assert look("env.json_logs")[0] == state
    finally:
        logs.configure(settings.LOGGING)


def test_alert_rules_that_differ_lead_nowhere_or_do_not_parse_are_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look("mon.alerts")[0] == "pass"
    text = monitoring.ALERTS.read_text(encoding="utf-8")
    monkeypatch.setattr(monitoring, "ALERTS", tmp_path / "alerts.yaml")
    assert look("mon.alerts") == ("fail", "config/alerts.yaml is missing.")
    monitoring.ALERTS.write_text(text.replace(">= 26", ">= 260"), encoding="utf-8")
    assert look("mon.alerts")[1].startswith("Backup is not as the code has it")
    monitoring.ALERTS.write_text("groups: [", encoding="utf-8")
    assert "does not parse" in look("mon.alerts")[1]
    monitoring.ALERTS.write_text(text, encoding="utf-8")
    monkeypatch.setitem(rules.RUNBOOKS, "stuck", "docs/runbooks/high-error-rate.md#coffee")
    assert "which is not there" in look("mon.alerts")[1]


def test_a_domain_that_has_no_address_is_red(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    assert look("infra.domain")[0] == "fail"
    settings.PUBLIC_URL = "https://emm.example.com"
    monkeypatch.setattr("ops.probes.infrastructure.socket.getaddrinfo", lambda *args: [])
    assert look("infra.domain") == ("pass", "emm.example.com has an address.")

    def nobody(*args: Any) -> None:
        raise OSError

    monkeypatch.setattr("ops.probes.infrastructure.socket.getaddrinfo", nobody)
    assert look("infra.domain") == ("fail", "emm.example.com has no address.")


def test_a_review_that_is_due_and_a_document_that_is_gone_are_red(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("paper.review")[0] == "pass"
    due = dataclasses.replace(checklist.load(), next_review=date(2026, 1, 1))
    monkeypatch.setattr(checklist, "load", lambda: due)
    assert look("paper.review") == ("fail", "The review was due on 2026-01-01.")
    monkeypatch.setitem(papers.TITLES, "docs/COFFEE.md", "Coffee")
    assert "docs/COFFEE.md is missing." in look("paper.links")[1]


@pytest.mark.parametrize(("told", "state"), [("[]", "pass"), ("", "unknown")])
def test_dependencies_that_are_behind_are_told_and_a_silent_index_too(
    told: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "PIP", (sys.executable, "-c", f"print({told!r}) or exit({int(not told)})"))
    assert look(dependencies.OUTDATED)[0] == state
    behind = '[{"name": "django", "version": "5.2.1", "latest_version": "5.2.19"}]'
    monkeypatch.setattr(dependencies, "PIP", (sys.executable, "-c", f"print({behind!r})"))
    ProbeRun.objects.create(key=dependencies.OUTDATED, evidence=look(dependencies.OUTDATED)[1], seen_at=Now())
    assert "django 5.2.1 (newest 5.2.19)" in facts.of("week.dependencies")


def test_the_runbooks_have_their_headings_and_a_missing_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look("doc.runbooks")[0] == look("run.deployment")[0] == "pass"
    monkeypatch.setattr(documents, "RUNBOOKS", tmp_path)
    (tmp_path / "performance.md").write_text("## Signs\n", encoding="utf-8")
    assert "docs/runbooks/deployment.md is missing." in look("doc.runbooks")[1]
    assert (
        look("run.performance")[1]
        == "performance lacks “## First”. performance lacks “## Then”. performance lacks “## Back to normal”."
        " performance names no command to run."
    )


def test_the_example_of_the_environment_has_every_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("doc.env")[0] == "pass"
    text = documents.EXAMPLE.read_text(encoding="utf-8").replace("SECRET_KEY=", "SECRET_KEI=")
    monkeypatch.setattr(documents, "EXAMPLE", tmp_path / "example")
    documents.EXAMPLE.write_text(text, encoding="utf-8")
    assert look("doc.env") == ("fail", "Missing in the example: SECRET_KEY. Unknown in the example: SECRET_KEI.")


def test_the_document_of_the_environment_has_every_variable_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = documents.TABLE.read_text(encoding="utf-8").replace("`SECRET_KEY`", "`SECRET_KEI`")
    monkeypatch.setattr(documents, "TABLE", tmp_path / "ENVIRONMENT.md")
    assert look("doc.env") == ("fail", "docs/ENVIRONMENT.md is missing.")
    documents.TABLE.write_text(text, encoding="utf-8")
    assert look("doc.env") == (
        "fail",
        "Missing in docs/ENVIRONMENT.md: SECRET_KEY. Unknown in docs/ENVIRONMENT.md: SECRET_KEI.",
    )


def test_a_group_without_members_is_named(django_user_model: Any) -> None:
    for name in checklist.ROLES.values():
        Group.objects.get_or_create(name=name)[0].user_set.add(
            django_user_model.objects.create_user(name, is_staff=True)
        )
    assert look("paper.groups")[0] == "pass"
    django_user_model.objects.filter(username="Sign-off: QA").update(is_active=False)
    assert look("paper.groups") == ("fail", "Nobody is in Sign-off: QA.")


def test_the_recommended_values_are_held_against_what_runs(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Poller.objects.create(pk=1, interval_seconds=120)
    assert look("value.polling")[0] == look("value.model")[0] == look("value.workers")[0] == "pass"
    Poller.objects.update(interval_seconds=10)
    settings.ANTHROPIC_MODELS = {"triage": "claude-nobody-knows"}
    monkeypatch.setenv("WEB_CONCURRENCY", "100000")
    assert look("value.polling")[0] == look("value.model")[0] == look("value.workers")[0] == "fail"
    assert look("value.basics")[0] == "fail"
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://emm.example")
    monkeypatch.setenv("API_KEY", "k" * 40)
    assert look("value.api")[0] == "pass"
    assert look("value.monitoring")[0] == "fail"
    monkeypatch.setenv("SENTRY_DSN", "https://key@sentry.example/7")
    assert look("value.monitoring")[0] == "pass"
    settings.PRODUCTION = True
    monkeypatch.setenv("JSON_LOGS", "true")
    assert look("value.basics")[0] == "pass"


def test_a_secret_service_that_does_not_answer_fails_the_connections(workspace: Sandbox, settings: Any) -> None:
    assert look("test.connections")[0] == "pass"
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    state, evidence = look("test.connections")
    assert state == str(State.FAIL)
    assert evidence.startswith("Redis: ")
