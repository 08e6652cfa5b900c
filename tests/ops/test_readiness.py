"""The checklist, alive: what probes see, what people say, and whether a release may go."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from emm import tokens
from notion_sync.models import PollCycle, Poller
from ops import checklist, evidence, health, readiness, signoff
from ops.models import Confirmation, Evidence, ProbeRun, Release, SignOff, State
from ops.probes import REGISTRY, Seen
from ops.probes.registry import NEAR, Probe
from tests.factories import make_source
from tests.ops.rows import COMMIT, all_pass, look_again, standing
from tests.world import run_stage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("our_commit")]


@pytest.fixture
def one_probe(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A registry of one probe, env.production, that answers or raises what the list's last entry is."""
    says: list[Any] = [Seen(State.PASS, "It is.")]

    def look() -> Seen:
        if isinstance(says[-1], Exception):
            raise says[-1]
        seen: Seen = says[-1]
        return seen

    monkeypatch.setattr("ops.probes.registry.REGISTRY", {"env.production": Probe("env.production", look, NEAR)})
    monkeypatch.setattr("ops.readiness.REGISTRY", {"env.production": Probe("env.production", look, NEAR)})
    return says


def test_a_probe_turns_red_and_back_within_a_cycle(one_probe: list[Any]) -> None:
    for seen in (Seen(State.FAIL, "It is not."), Seen(State.PASS, "It is."), Seen(State.UNKNOWN, "Who knows.")):
        one_probe.append(seen)
        look_again()
        assert (standing("env.production").state, standing("env.production").evidence) == seen
    assert [row.state for row in Evidence.objects.order_by("pk")] == ["fail", "pass", "unknown"]


def test_a_probe_that_crashes_is_unknown_with_the_error_and_takes_no_other_down(one_probe: list[Any]) -> None:
    run_stage("probe")
    one_probe.append(OSError("the disk is gone"))
    look_again()
    assert standing("env.production").state == "unknown"
    assert "the disk is gone" in standing("env.production").evidence
    one_probe.append(Seen(State.PASS, "It is."))
    look_again()
    assert standing("env.production").state == "pass"


def test_evidence_holds_no_secret(one_probe: list[Any], settings: Any) -> None:
    settings.NOTION_API_KEY = "ntn_a_secret_that_is_long_enough"
    one_probe.append(Seen(State.FAIL, f"Refused: {settings.NOTION_API_KEY}."))
    run_stage("probe")
    assert settings.NOTION_API_KEY not in ProbeRun.objects.get().evidence


def test_evidence_that_has_aged_no_longer_passes(one_probe: list[Any]) -> None:
    run_stage("probe")
    assert standing("env.production").state == "pass"
    ProbeRun.objects.update(seen_at=Now() - timedelta(hours=25))
    assert standing("env.production").state == "stale"


def test_proofs_are_kept_by_commit_and_count_from_when_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    next_one = "b" * 40
    release = signoff.open_release("2", next_one, by="ci")
    old = timezone.now() - timedelta(days=40)
    proofs = [{"key": key, "state": "pass", "evidence": "Seen."} for key in ("test.local", "pre.checks")]
    for _ in range(2):
        evidence.bring({"commit": COMMIT, "at": old.isoformat(), "proofs": proofs})
    evidence.bring({"commit": next_one, "proofs": proofs})
    assert Evidence.objects.count() == 4  # the same file twice is one
    assert standing("test.local").state == "stale"
    assert standing("test.local", release).state == standing("pre.checks", release).state == "pass"
    late = {"commit": COMMIT, "at": (timezone.now() + timedelta(hours=1)).isoformat(), "proofs": proofs}
    with pytest.raises(evidence.Refused, match="has not come yet"):
        evidence.bring(late)


def test_what_was_proved_of_another_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence.bring({"commit": COMMIT, "proofs": [{"key": "test.local", "state": "pass", "evidence": "9 tests."}]})
    assert standing("test.local").state == "pass"
    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", "b" * 40)
    assert standing("test.local").state == "unknown"


@pytest.mark.parametrize(
    "found",
    [
        [],
        {"commit": "short", "proofs": []},
        {"commit": COMMIT, "proofs": [{"key": "env.production", "state": "pass", "evidence": "I say so."}]},
        {"commit": COMMIT, "proofs": [{"key": "test.local", "state": "fine", "evidence": ""}]},
    ],
)
def test_what_a_program_sees_by_itself_cannot_be_brought(found: Any) -> None:
    with pytest.raises(evidence.Refused):
        evidence.bring(found)
    assert not ProbeRun.objects.exists()


def test_an_item_of_people_waits_for_a_word_and_keeps_whose_it_was(admin_user: Any) -> None:
    assert standing("doc.readme").state == "open"
    word = signoff.confirm("doc.readme", admin_user, "Followed it on a new laptop.")
    assert (standing("doc.readme").state, standing("doc.readme").who) == ("pass", "admin")
    signoff.unconfirm(word, admin_user, "It was the old one.")
    assert standing("doc.readme").state == "open"
    assert Confirmation.objects.count() == 1


def test_a_word_ages(admin_user: Any) -> None:
    signoff.confirm("doc.readme", admin_user, "Read.")
    Confirmation.objects.update(at=Now() - timedelta(days=91))
    assert standing("doc.readme").state == "stale"


def test_a_person_confirms_only_after_the_probe_has_passed(admin_user: Any) -> None:
    with pytest.raises(ValidationError, match="probe has to pass"):
        signoff.confirm("doc.runbooks", admin_user, "Looks good.")
    ProbeRun.objects.create(key="doc.runbooks", state=State.PASS, seen_at=Now())
    signoff.confirm("doc.runbooks", admin_user, "Read them all.")
    assert standing("doc.runbooks").state == "pass"
    ProbeRun.objects.update(state=State.FAIL)
    assert standing("doc.runbooks").state == "fail"


def test_a_waiver_ends_early_and_only_what_stands_in_the_way_can_be_waived(
    admin_user: Any, admin_client: Client
) -> None:
    tomorrow = health.database_now() + timedelta(days=1)
    waiver = signoff.waive("infra.domain", admin_user, "There is no domain.", tomorrow)
    page = admin_client.get("/admin/ops/proberun/").content.decode()
    assert "admin: There is no domain. (until" in page
    admin_client.post("/admin/ops/proberun/", {"deed": "unwaive", "waiver": waiver.pk, "note": "There is one now."})
    assert standing("infra.domain").state == "unknown"
    waiver.refresh_from_db()
    assert waiver.withdrawn_at is not None
    assert admin_client.post("/admin/ops/proberun/", {"deed": "unwaive", "waiver": "x", "note": "?"}).status_code == 404
    with pytest.raises(ValidationError, match="stands in a release's way"):
        signoff.waive("slo.uptime", admin_user, "Not today.", tomorrow)


@pytest.mark.parametrize("key", ["env.production", "no.such"])
def test_nobody_ticks_what_a_probe_sees(key: str, admin_user: Any) -> None:
    with pytest.raises(ValidationError):
        signoff.confirm(key, admin_user, "It is fine.")


def test_a_waiver_lets_an_item_go_until_its_end_and_shows_why(admin_user: Any) -> None:
    now = health.database_now()
    signoff.waive("infra.domain", admin_user, "There is no domain.", now + timedelta(days=1))
    assert standing("infra.domain").state == "waived"
    assert "There is no domain. (until" in standing("infra.domain").note
    assert "UTC" in standing("infra.domain").note
    with pytest.raises(ValidationError):
        signoff.waive("infra.domain", admin_user, "Once more.", now - timedelta(seconds=1))
    with pytest.raises(ValidationError):
        signoff.waive("infra.domain", admin_user, " ", now + timedelta(days=1))


def test_an_advisory_item_and_what_comes_after_the_deployment_stand_in_nobodys_way() -> None:
    all_pass()
    assert readiness.verdict().ready
    assert not standing("mon.dashboard").blocks
    assert not standing("slo.uptime").blocks


def test_one_item_that_is_unknown_stands_in_the_way() -> None:
    all_pass()
    ProbeRun.objects.filter(key="sec.cors").update(state=State.UNKNOWN)
    assert [one.item.key for one in readiness.verdict().blocking] == ["sec.cors"]


def test_the_verdict_of_the_command_the_page_and_the_api_is_one(admin_client: Client) -> None:
    all_pass()
    _, secret = tokens.issue("ci", ["read"], by="test")

    def answers() -> tuple[bool, bool, bool]:
        with pytest.raises(SystemExit) as ended:
            call_command("readiness", stdout=StringIO())
        asked = Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/readiness").json()
        page = admin_client.get("/admin/ops/proberun/").content.decode()
        return ended.value.code == 0, asked["ready"], "Nothing stands in the way" in page

    assert answers() == (True, True, True)
    ProbeRun.objects.filter(key="sec.cors").update(state=State.FAIL)
    assert answers() == (False, False, False)


@pytest.mark.parametrize(("seen", "code"), [("pass", 0), ("fail", 1), ("unknown", 2)])
def test_doctor_says_by_its_exit_code_what_it_found(seen: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [item.key for area in checklist.load().areas if area.key == "papers" for item in area.items if item.by_probe]
    fake = {key: Probe(key, lambda: Seen(State(seen), "So it is."), NEAR) for key in keys}
    for module in ("ops.probes.registry", "ops.readiness", "ops.management.commands.doctor"):
        monkeypatch.setattr(f"{module}.REGISTRY", fake)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", only="papers", json=True, stdout=out)
    assert ended.value.code == code
    probes = json.loads(out.getvalue())["probes"]
    assert {(one["key"], one["state"]) for one in probes} == {(key, seen) for key in keys}
    assert all({"key", "state", "evidence", "fix"} <= one.keys() for one in probes)


def test_doctor_judges_the_release_on_its_way_each_row_in_its_own_time(
    well: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ops.probes.registry", "ops.readiness", "ops.management.commands.doctor"):
        monkeypatch.setattr(f"{module}.REGISTRY", {})

    monkeypatch.setenv("RAILWAY_GIT_COMMIT_SHA", "b" * 40)  # other code runs here, of which nothing was proved

    def judged() -> set[str]:
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("doctor", json=True, stdout=out)
        states = {one["key"]: one["state"] for one in json.loads(out.getvalue())["probes"]}
        assert states["test.local"] == "unknown"
        return {key for key in states if checklist.load().items[key].of_release}

    assert judged() == {"pre.checks", "pre.backup"}
    well.enter(Release.Status.DEPLOYED, deployed_at=Now())
    assert {"post.watch", "ok.stable", "trigger.errors"} <= judged()
    assert "pre.checks" not in judged()
    well.enter(Release.Status.SUCCESSFUL)
    assert judged() == set()


def test_doctor_names_the_areas_where_one_is_unknown() -> None:
    with pytest.raises(CommandError, match="security"):
        call_command("doctor", only="nowhere")


def test_a_poller_that_no_longer_finishes_turns_its_probe_red() -> None:
    Poller.objects.create(pk=1, interval_seconds=60)
    source = make_source("inbox")
    look = REGISTRY["test.poller"].look
    assert look().state == State.FAIL
    cycle = PollCycle.objects.create(source=source, status="done")
    assert look().state == State.PASS
    PollCycle.objects.filter(pk=cycle.pk).update(status_since=Now() - timedelta(hours=1))
    assert look().state == State.FAIL


def test_a_token_with_operate_opens_a_release_and_brings_evidence() -> None:
    _, secret = tokens.issue("ci", ["operate", "read"], by="test")
    ci = Client(headers={"Authorization": f"Bearer {secret}"})
    said = {"version": "2.0", "commit": COMMIT, "changes": "Everything is new."}
    assert ci.post("/api/v1/releases", said, content_type="application/json").status_code == 201
    assert ci.post("/api/v1/releases", said, content_type="application/json").status_code == 400
    proofs = {"commit": COMMIT, "proofs": [{"key": "pre.checks", "state": "pass", "evidence": "All."}]}
    assert ci.post("/api/v1/evidence", proofs, content_type="application/json").json() == {"kept": 1}
    assert standing("pre.checks", Release.objects.get()).state == "pass"
    assert ci.get("/api/v1/readiness?release=3.0").status_code == 404
    assert ci.get("/api/v1/releases").json()["results"][0]["version"] == "2.0"


def test_people_work_on_the_pages_of_the_console(admin_client: Client, admin_user: Any, well: Release) -> None:
    page = "/admin/ops/proberun/"
    answer = admin_client.post(page, {"deed": "confirm", "key": "doc.readme", "note": "<script>alert(1)</script>"})
    assert answer.status_code == 302
    shown = admin_client.get(page).content.decode()
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    mine = f"/admin/ops/release/{well.pk}/change/"
    admin_client.post(mine, {"deed": "sign", "role": "qa", "note": ""})
    assert not SignOff.objects.exists()
    admin_user.groups.add(Group.objects.get_or_create(name=checklist.ROLES["qa"])[0])
    admin_client.post(mine, {"deed": "sign", "role": "qa", "note": "Ran it all."})
    assert SignOff.objects.get().note == "Ran it all."
    assert "Ran it all." in admin_client.get(mine).content.decode()
    admin_client.post(mine, {"deed": "unsign", "role": "qa", "note": "Too early."})
    assert "Too early." in admin_client.get(mine).content.decode()


def test_staff_without_the_right_see_and_change_nothing(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    assert client.get("/admin/ops/proberun/").status_code == 403
    assert client.post("/admin/ops/proberun/", {"deed": "waive", "key": "env.production"}).status_code == 403
