"""The checklist as data: no row can vanish, and what a program is said to see has something that looks."""

from __future__ import annotations

import pytest

from ops import checklist, deployments, facts, readiness
from ops.probes import REGISTRY

# Before a deployment: by these names other documents speak of the rows.
BEFORE = [
    "env.required",
    "env.keys_valid",
    "env.database_ids",
    "env.production",
    "env.log_level",
    "env.json_logs",
    "env.no_secrets_in_git",
    "sec.api_auth",
    "sec.cors",
    "sec.rate_limit",
    "sec.headers",
    "sec.env_ignored",
    "sec.no_hardcoded",
    "sec.https",
    "mon.sentry",
    "mon.metrics",
    "mon.logs",
    "mon.alerts",
    "mon.dashboard",
    "test.local",
    "test.image",
    "test.connections",
    "test.health",
    "test.api",
    "test.poller",
    "doc.readme",
    "doc.deploy",
    "doc.env",
    "doc.api",
    "doc.runbooks",
    "infra.host",
    "infra.repo",
    "infra.domain",
    "infra.backup",
    "infra.rollback",
]
BY_PEOPLE = {"mon.logs", "mon.dashboard", "doc.readme", "doc.deploy", "infra.host", "infra.repo"}
BY_BOTH = {"mon.alerts", "test.image", "doc.runbooks", "infra.domain", "infra.backup", "infra.rollback"}
ADVISORY = {"mon.sentry", "mon.dashboard"}
# How many rows each other group has.
COUNTS = {
    "before": 5, "during": 5, "after": 8,
    "health": 5, "apis": 4, "system": 4, "business": 4,
    "success": 8,
    "operations": 5 + 5 + 3,
    "daily": 4, "weekly": 4, "monthly": 6, "quarterly": 5 + 1,
    "triggers": 5, "rollback": 8,
    "first_day": 7, "first_week": 5,
    "values": 6, "papers": 4,
}  # fmt: skip
GROUPS = {"environment": 7, "security": 7, "monitoring": 5, "testing": 6, "documents": 5, "infrastructure": 5, **COUNTS}
# Written by the watch of a release, which looks at each of them every minute.
WATCHED = {
    "pre.backup", "post.logs", "post.watch", "ok.stable", *deployments.AFTER, *deployments.AFTER.values(),
    *deployments.MEASURED, "ok.alerts",
}  # fmt: skip


def test_every_row_before_a_deployment_is_there_under_its_name() -> None:
    areas = ("environment", "security", "monitoring", "testing", "documents", "infrastructure")
    found = [item for area in checklist.load().areas if area.key in areas for item in area.items]
    assert [item.key for item in found] == BEFORE
    assert {item.key for item in found if item.by_human and not item.by_probe} == BY_PEOPLE
    assert {item.key for item in found if item.by_human and item.by_probe} == BY_BOTH
    assert {item.key for item in found if item.advisory} == ADVISORY


def test_every_other_group_has_all_its_rows() -> None:
    assert {area.key: len(area.items) for area in checklist.load().areas} == GROUPS
    assert len(checklist.load().items) == sum(GROUPS.values()) == 146


def test_every_row_has_an_owner_a_fix_and_something_that_makes_it_true() -> None:
    found = checklist.load().items.values()
    assert all(item.title and item.fix and item.owner in checklist.ROLES for item in found)
    assert all(item.by_probe or item.by_human for item in found)


def test_what_gates_a_release_is_what_comes_before_it_and_nothing_later() -> None:
    gating = {area.key for area in checklist.load().areas if area.items[0].gates}
    assert gating == {
        "environment", "security", "monitoring", "testing", "documents", "infrastructure", "before",
    }  # fmt: skip


def test_every_row_that_a_program_sees_has_something_that_looks_and_nothing_else_does() -> None:
    seen = {item.key for item in checklist.load().items.values() if item.by_probe}
    looking = {key for key in REGISTRY if not key.startswith("fact.")}
    assert looking.isdisjoint(WATCHED)
    assert looking.isdisjoint(readiness.BROUGHT)
    assert looking | WATCHED | set(readiness.BROUGHT) == seen


@pytest.mark.parametrize("days", [1, 7, 30, 91])
def test_every_duty_comes_round(days: int) -> None:
    assert [area for area in checklist.load().areas if area.every is not None and area.every.days == days]


def test_a_row_that_leans_on_a_duty_names_one_that_is_there() -> None:
    items = checklist.load().items
    duties = {item.key for area in checklist.load().areas if area.every is not None for item in area.items}
    leaning = {item.leans_on for item in items.values() if item.leans_on}
    assert leaning
    assert leaning <= duties


def test_what_comes_with_a_row_belongs_to_one() -> None:
    assert {*facts.LEVELS, *facts.PLAIN, *facts.OF_A_RELEASE} <= set(checklist.load().items)


def test_what_a_fix_names_is_there() -> None:
    from ops import papers

    for item in checklist.load().items.values():
        for link in papers.MENTION.findall(item.fix):
            assert papers.has_section(link), f"{item.key} names {link}"
