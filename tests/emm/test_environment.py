"""The table of variables: what it takes, what it refuses, and that a refusal never shows the value."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from emm import environment

SECRET = "hunter2-hunter2"

MALFORMED = {
    "ENVIRONMENT": SECRET, "PUBLIC_URL": SECRET, "PORT": SECRET, "WEB_CONCURRENCY": "0", "DATABASE_URL": f"mysql://{SECRET}",
    "REDIS_URL": f"http://{SECRET}", "LOG_LEVEL": SECRET, "JSON_LOGS": SECRET, "POLLING_INTERVAL_SECONDS": "0",
    "NOTION_BASE_URL": SECRET, "NOTION_PARENT_PAGE": SECRET, "NOTION_REQUESTS_PER_MINUTE": "1", "NOTION_BURST": "0",
    "ANTHROPIC_BASE_URL": SECRET, "ANTHROPIC_MODEL": SECRET, "ANTHROPIC_MODEL_TRIAGE": SECRET, "BUDGET_DAY_USD": "-1",
    "BUDGET_MONTH_USD": "NaN", "BUDGET_ITEM_USD": SECRET, "OUTBOX_QUARANTINE_SECONDS": "-1",
    "OUTBOX_LEASE_SECONDS": "60", "UNDO_SECONDS": SECRET, "RATE_LIMIT_ENABLED": SECRET, "RATE_LIMIT_PER_MINUTE": "0",
    "SENTRY_DSN": SECRET,
    "SENTRY_TRACES_SAMPLE_RATE": "1.5", "ENABLE_METRICS": SECRET, "DEAD_MAN_URL": SECRET,
    "OTEL_EXPORTER_OTLP_ENDPOINT": SECRET, "NOTION_DB_TASKS": SECRET,
}  # fmt: skip

PRODUCTION = {
    "ENVIRONMENT": "production", "SECRET_KEY": "k" * 50, "ALLOWED_HOSTS": "emm.example.org",
    "PUBLIC_URL": "https://emm.example.org", "DATABASE_URL": "postgres://db/emm", "REDIS_URL": "redis://cache",
    "NOTION_API_KEY": "ntn_1", "ANTHROPIC_API_KEY": "sk-ant-1",
    "EMM_ENCRYPTION_KEY": "e" * 44,
}  # fmt: skip


@pytest.mark.parametrize("name", environment.BY_NAME)
def test_an_empty_variable_is_an_unset_one(name: str) -> None:
    assert environment.value_of(name, {name: "  "}) == environment.BY_NAME[name].default


@pytest.mark.parametrize("variable", [v for v in environment.VARIABLES if v.example], ids=lambda v: v.name)
def test_an_example_is_a_value_that_its_variable_takes(variable: environment.Variable) -> None:
    assert environment.value_of(variable.name, {variable.name: variable.example}) is not None


@pytest.mark.parametrize("variable", environment.VARIABLES, ids=lambda v: v.name)
def test_a_default_is_a_value_that_its_variable_takes(variable: environment.Variable) -> None:
    if variable.default not in (None, []):
        assert environment.value_of(variable.name, {variable.name: str(variable.default)}) == variable.default


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_value_is_refused_by_name_and_never_shown(name: str) -> None:
    found = environment.problems({name: MALFORMED[name]})
    assert [line.split()[0] for line in found] == [name]
    assert SECRET not in found[0]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("JSON_LOGS", "Yes", True),
        ("ENABLE_METRICS", "0", False),
        ("ALLOWED_HOSTS", "a.org, b.org,", ["a.org", "b.org"]),
        ("BUDGET_DAY_USD", "0", Decimal(0)),
        ("LOG_LEVEL", "info", "INFO"),
        (
            "NOTION_DB_TASKS",
            "https://www.notion.so/ws/Tasks-0123456789abcdef0123456789abcdef?v=1",
            "0123456789abcdef" * 2,
        ),
        ("NOTION_DB_TASKS", "01234567-89ab-cdef-0123-456789abcdef", "0123456789abcdef" * 2),
    ],
)
def test_a_value_is_read_as_its_type(name: str, text: str, value: object) -> None:
    assert environment.value_of(name, {name: text}) == value


@pytest.mark.parametrize(("retired", "successor"), environment.RETIRED_MODELS.items())
def test_a_retired_model_is_refused_and_its_successor_named(retired: str, successor: str) -> None:
    (line,) = environment.problems({"ANTHROPIC_MODEL": retired})
    assert successor in line
    assert environment.problems({"ANTHROPIC_MODEL": successor}) == []


def test_nothing_needs_to_be_set_in_development() -> None:
    assert environment.problems({}) == []


def test_production_starts_with_what_it_requires() -> None:
    assert environment.problems(PRODUCTION) == []


@pytest.mark.parametrize(
    "name", [v.name for v in environment.VARIABLES if v.production and not v.console and v.name != "ENVIRONMENT"]
)
def test_production_does_not_start_without(name: str) -> None:
    assert environment.problems(PRODUCTION | {name: ""}) == [f"{name} is required in production."]


@pytest.mark.parametrize("name", ["NOTION_API_KEY", "ANTHROPIC_API_KEY"])
def test_production_starts_without_what_the_console_takes(name: str) -> None:
    assert environment.problems(PRODUCTION | {name: " "}) == []
    assert environment.left_to_console(PRODUCTION | {name: " "}) == [name]
    assert environment.left_to_console(PRODUCTION) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "k" * 49),
        ("SECRET_KEY", "change-me" * 10),
        ("NOTION_API_KEY", "your-notion-key"),
        ("ANTHROPIC_API_KEY", "sk-ant-..."),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "http://emm.example.org"),
        ("POLLING_INTERVAL_SECONDS", "9"),
    ],
)
def test_production_refuses(name: str, value: str) -> None:
    (line,) = environment.problems(PRODUCTION | {name: value})
    assert line.startswith(name)
    assert value == "*" or value not in line


def test_an_unknown_variable_is_named_with_the_nearest_known_one() -> None:
    assert environment.unknown({"NOTION_API_KEI": "x", "HOME": "/root", "PORT": "1"}) == [
        "NOTION_API_KEI is unknown: did you mean NOTION_API_KEY?"
    ]


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert environment.read_file(str(tmp_path / "none")) == {}


def test_the_values_of_a_file_do_not_reach_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTION_BURST", raising=False)
    (tmp_path / ".env").write_text('NOTION_BURST=3\n# a comment\nAPI_KEY="two words"\n')
    assert environment.read_file(str(tmp_path / ".env")) == {"NOTION_BURST": "3", "API_KEY": "two words"}
    assert "NOTION_BURST" not in os.environ
