"""A release after it has left, the way back, and what comes round again."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from notion_sync.models import PollCycle, Poller
from ops import backups, bundle, checklist, deployments, evidence, facts, readiness, signoff
from ops.models import (
    Channel,
    Evidence,
    Notice,
    ProbeRun,
    Recommendation,
    Release,
    Rollback,
    State,
)
from ops.probes import levels
from ops.probes.registry import Seen, fails, passes
from tests.factories import make_source
from tests.ops.test_levels import minute

pytestmark = pytest.mark.django_db
OLD, NEW = "1" * 40, "2" * 40
SEVEN = (
    "ok.health", "ok.poller", "ok.no_critical", "ok.latency", "ok.monitoring", "ok.smoke", "ok.alerts",
)  # fmt: skip


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Seen]:
    """The seven criteria as a test says them; all hold at first."""
    found = {key: passes("So it is.") for key in SEVEN}
    monkeypatch.setattr(deployments, "criteria", lambda release: dict(found))
    return found


def deployed(version: str = "2.0", commit: str = NEW, minutes_ago: int = 0) -> Release:
    release = signoff.open_release(version, commit, by="ci")
    deployments.report(commit)
    Release.objects.filter(pk=release.pk).update(deployed_at=Now() - timedelta(minutes=minutes_ago))
    release.refresh_from_db()
    return release


def hold_for(minutes: int) -> None:
    Release.objects.exclude(stable_since=None).update(stable_since=Now() - timedelta(minutes=minutes))


def test_a_release_reports_itself_once_and_says_that_nobody_approved_it(channel: Channel) -> None:
    release = signoff.open_release("2.0", NEW, by="ci")
    for _ in range(3):
        deployments.report(NEW)
    release.refresh_from_db()
    assert (release.status, release.note) == ("deployed", "It was deployed without approval.")
    assert Notice.objects.count() == 1
    assert deployments.report("f" * 40) is None


def test_the_page_of_a_release_that_nobody_approved_says_so_and_takes_no_more_names(
    admin_client: Client, admin_user: User
) -> None:
    release = signoff.open_release("2.0", NEW, by="ci")
    admin_user.groups.add(Group.objects.create(name=checklist.ROLES["qa"]))
    page = f"/admin/ops/release/{release.pk}/change/"
    assert "Sign as QA/Testing" in admin_client.get(page).content.decode()
    deployments.report(NEW)
    shown = admin_client.get(page).content.decode()
    assert '<li class="ck-missed">not approved</li>' in shown
    assert "Sign as QA/Testing" not in shown


def test_it_is_successful_only_after_all_have_held_for_thirty_minutes(looks: dict[str, Seen]) -> None:
    release = deployed()
    deployments.watch()
    release.refresh_from_db()
    assert release.status == "watching"
    hold_for(29)
    deployments.watch()
    assert ProbeRun.objects.get(key="ok.stable", release=release).state == State.UNKNOWN
    hold_for(31)
    deployments.watch()
    release.refresh_from_db()
    assert release.status == "successful"
    found = {run.key: run.state for run in ProbeRun.objects.filter(release=release, key__startswith="ok.")}
    assert found == dict.fromkeys((*SEVEN, "ok.stable"), "pass")


@pytest.mark.parametrize("key", SEVEN)
def test_any_one_that_does_not_hold_stops_the_clock(key: str, looks: dict[str, Seen]) -> None:
    release = deployed()
    deployments.watch()
    hold_for(29)
    looks[key] = fails("It does not.")
    deployments.watch()
    looks[key] = passes("Again.")
    deployments.watch()
    release.refresh_from_db()
    assert release.status == "watching"
    assert timezone.now() - release.stable_since < timedelta(minutes=1)  # type: ignore[operator]  # it holds again


def test_what_nobody_could_see_is_no_success(looks: dict[str, Seen]) -> None:
    release = deployed()
    looks["ok.smoke"] = Seen(State.UNKNOWN, "Nobody looked.")
    for _ in range(3):
        deployments.watch()
        hold_for(40)
    release.refresh_from_db()
    assert (release.status, release.stable_since) == ("watching", None)


def test_a_release_that_is_replaced_before_it_was_stable_has_failed_or_was_rolled_back() -> None:
    first = deployed("1.0", OLD)
    second = deployed("2.0", NEW)
    first.refresh_from_db()
    assert first.status == "failed"
    deployments.report(OLD)
    second.refresh_from_db()
    assert second.status == "rolled_back"


def test_errors_after_a_deployment_recommend_the_way_back_with_their_metric(
    looks: dict[str, Seen], channel: Channel
) -> None:
    release = deployed(minutes_ago=10)
    minute(3, requests=100, failed=2)
    deployments.watch()
    assert not Recommendation.objects.exists()
    minute(2, requests=300, failed=299)
    for _ in range(2):
        deployments.watch()
    found = Recommendation.objects.get()
    assert found.trigger == "trigger.errors"
    assert "75 % of requests fail" in found.metric
    assert Notice.objects.filter(subject__contains="Roll 2.0 back?").count() == 1
    assert ProbeRun.objects.get(key="trigger.errors", release=release).state == State.FAIL


def test_a_release_that_is_half_as_slow_again_is_found_out(looks: dict[str, Seen]) -> None:
    minute(60, requests=100)
    release = deployed(minutes_ago=10)
    minute(2, requests=100, slow=50)
    deployments.watch()
    assert release.recommendations.get().trigger == "trigger.performance"
    assert "3.00 s" in release.recommendations.get().metric
    assert "0.05 s" in release.recommendations.get().metric


def test_too_few_requests_say_nothing(looks: dict[str, Seen]) -> None:
    minute(60, requests=100)
    deployed(minutes_ago=10)
    minute(2, requests=5, failed=5, slow=5)
    deployments.watch()
    assert not Recommendation.objects.exists()


def test_what_fails_for_thirty_minutes_is_unresolved(looks: dict[str, Seen]) -> None:
    release = deployed(minutes_ago=40)
    looks["ok.health"] = fails("Down.")
    deployments.watch()
    ProbeRun.objects.filter(key="ok.health", release=release).update(failing_since=Now() - timedelta(minutes=31))
    deployments.watch()
    assert release.recommendations.get().trigger == "trigger.unresolved"


def test_damaged_data_recommends_the_way_back_and_names_what_does_not_hold(
    looks: dict[str, Seen], channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = deployed(minutes_ago=1)
    deployments.watch()
    assert ProbeRun.objects.get(key="trigger.corruption", release=release).state == State.PASS
    monkeypatch.setitem(backups.INVARIANTS, "no release has this version", "SELECT count(*) FROM ops_release")
    deployments.watch()
    assert release.recommendations.get().metric == "It does not hold that no release has this version."
    assert ProbeRun.objects.get(key="trigger.corruption", release=release).state == State.FAIL


def test_a_person_says_that_a_trigger_happened_and_everybody_is_told(channel: Channel, admin_client: Client) -> None:
    waiting = signoff.open_release("1.9", OLD, by="ci")
    page = "/admin/ops/release/{}/change/"
    deed = {"deed": "raise", "key": "trigger.vulnerability", "note": "The export shows other people's rows."}
    admin_client.post(page.format(waiting.pk), deed)
    assert not Recommendation.objects.exists()
    release = deployed()
    admin_client.post(page.format(release.pk), {**deed, "key": "doc.readme"})
    assert not Recommendation.objects.exists()
    shown = admin_client.post(page.format(release.pk), deed, follow=True).content.decode()
    assert "admin: The export shows other people" in shown
    assert Notice.objects.filter(subject="Roll 2.0 back? The release opens a hole").count() == 1


def test_the_smoke_test_has_to_be_made_after_the_deployment() -> None:
    release = deployed(minutes_ago=5)
    of = {"key": "post.smoke", "commit": NEW}
    Evidence.objects.create(**of, state="pass", evidence="Before.", at=Now() - timedelta(minutes=6))
    ProbeRun.objects.update_or_create(
        key="test.api",
        release=None,
        defaults={"state": "pass", "commit": OLD, "seen_at": Now(), "evidence": "Other code."},
    )
    assert deployments.criteria(release)["ok.smoke"].state == State.UNKNOWN
    ProbeRun.objects.update(commit=NEW, evidence="Ours.", seen_at=Now() - timedelta(minutes=2))
    assert deployments.criteria(release)["ok.smoke"] == passes("Ours.")
    evidence.bring({"commit": NEW, "proofs": [{"key": "post.smoke", "state": "fail", "evidence": "From outside."}]})
    assert deployments.criteria(release)["ok.smoke"] == fails("From outside.")


def test_a_cycle_of_the_code_before_is_none_of_this_release() -> None:
    source = make_source("inbox")
    Poller.objects.create(pk=1, interval_seconds=60)
    cycle = PollCycle.objects.create(source=source, status="done")
    release = deployed()
    PollCycle.objects.filter(pk=cycle.pk).update(status_since=Now() - timedelta(seconds=30))
    assert deployments.criteria(release)["ok.poller"].state == State.UNKNOWN
    PollCycle.objects.filter(pk=cycle.pk).update(status_since=Now() + timedelta(seconds=1))
    assert deployments.criteria(release)["ok.poller"].state == State.PASS


def test_a_deployment_makes_every_probe_look_again() -> None:
    readiness.open_probes()
    ProbeRun.objects.update(status="done", seen_at=Now())
    deployed()
    assert set(ProbeRun.objects.filter(release=None).values_list("status", flat=True)) == {"waiting"}


def test_what_follows_a_deployment_is_due_and_comes_with_what_changed(admin_client: Client) -> None:
    minute(30 * 60, requests=100, failed=1)
    release = deployed(minutes_ago=25 * 60)
    minute(10, requests=100, failed=3)
    assert facts.of("day1.errors", release).startswith(
        "Since the deployment 3.00 % of requests failed; in the 24 hours"
    )
    page = admin_client.get(f"/admin/ops/release/{release.pk}/change/").content.decode()
    assert page.count("Overdue since") == 7
    assert page.count(">Due ") == 5


def test_a_rollback_is_walked_through_on_a_clock(admin_client: Client) -> None:
    good = deployed("1.0", OLD)
    Release.objects.filter(pk=good.pk).update(status="successful")
    release = deployed("2.0", NEW)
    page = f"/admin/ops/release/{release.pk}/change/"
    assert f'href="/admin/ops/release/{good.pk}/change/">1.0</a>' in admin_client.get(page).content.decode()
    admin_client.post(page, {"deed": "rollback"})
    for item in deployments.steps():
        admin_client.post(page, {"deed": "step", "key": item.key})
    release.refresh_from_db()
    assert release.status == "rolled_back"
    done = Rollback.objects.get()
    assert done.finished_at is not None
    assert [step.by for step in done.steps.all()] == ["admin"] * 8
    steps = readiness.standings(deployments.steps(), release)
    assert {(one.state, one.who, one.note) for one in steps} == {("pass", "admin", "Done in the rollback of 2.0.")}
    assert levels.rollback().state == State.PASS
    assert "took 0.0 minutes" in admin_client.get(page).content.decode()


def test_a_drill_leaves_the_release_as_it_is_and_a_slow_one_fails(admin_user: User) -> None:
    release = deployed()
    assert levels.rollback().state == State.FAIL
    begun = deployments.start_rollback(release, drill=True, by=admin_user)
    with pytest.raises(ValidationError):
        deployments.start_rollback(release, drill=True, by=admin_user)
    with pytest.raises(ValidationError):
        deployments.do_step(begun, "roll.coffee", by=admin_user)
    for item in deployments.steps():
        deployments.do_step(begun, item.key, by=admin_user)
    release.refresh_from_db()
    assert release.status == "deployed"
    assert ProbeRun.objects.due().filter(key="infra.rollback").exists(), "the end of a drill is looked at, at once"
    Rollback.objects.update(started_at=Now() - timedelta(minutes=6))
    assert levels.rollback().state == State.FAIL


def test_only_who_may_change_releases_ends_one(client: Client, django_user_model: Any) -> None:
    release = deployed()
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    for deed in ("failed", "rolled_back", "rollback", "drill", "step"):
        answer = client.post(f"/admin/ops/release/{release.pk}/change/", {"deed": deed, "note": "Because."})
        assert answer.status_code == 403
    release.refresh_from_db()
    assert release.status == "deployed"


def test_a_bundle_is_verified_offline_and_a_change_of_it_shows(
    tmp_path: Path, admin_client: Client, admin_user: User
) -> None:
    release = signoff.open_release("2.0", NEW, by="ci")
    evidence.bring({"commit": NEW, "proofs": [{"key": "test.local", "state": "pass", "evidence": "9 tests."}]})
    admin_user.groups.add(Group.objects.create(name=checklist.ROLES["qa"]))
    signoff.sign(release, "qa", admin_user)
    deployments.report(NEW)
    answer = admin_client.get(f"/admin/ops/release/{release.pk}/change/?bundle=json")
    file = tmp_path / "evidence.json"
    file.write_bytes(answer.content)

    def verified() -> int:
        return subprocess.run([sys.executable, "scripts/verify-bundle.py", str(file)], check=False).returncode

    assert verified() == 0
    found = json.loads(file.read_text())
    assert len(found["bundle"]["items"]) == len(checklist.load().items)
    assert [one["evidence"] for one in found["bundle"]["history"] if one["key"] == "test.local"] == ["9 tests."]
    found["bundle"]["release"]["commit"] = OLD
    file.write_text(json.dumps(found))
    assert verified() == 1
    found = bundle.make(release)
    found["bundle"]["signoffs"][0]["statement"]["commit"] = OLD
    file.write_text(json.dumps({"bundle": found["bundle"], "sha256": bundle.sha256(found["bundle"])}))
    assert verified() == 1  # the hash of the whole was made anew, and the sign-off gives it away
    printed = admin_client.get(f"/admin/ops/release/{release.pk}/change/?bundle=page").content.decode()
    assert bundle.make(release)["bundle"]["release"]["commit"] in printed
    assert "not yet" in printed
    assert "None</td>" not in printed
