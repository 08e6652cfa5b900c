"""Five people sign for a release, and what voids their names."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client

from ops import checklist, health, signoff
from ops.models import Confirmation, Notice, ProbeRun, Release, SignOff, State
from tests.factories import make_channel
from tests.ops.rows import COMMIT, standing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("our_commit")]


@pytest.fixture
def five(django_user_model: Any) -> dict[str, Any]:
    """A person for each role."""
    people = {}
    for role, name in checklist.ROLES.items():
        people[role] = django_user_model.objects.create_user(role, is_staff=True)
        people[role].groups.add(Group.objects.get_or_create(name=name)[0])
    return people


def test_five_people_approve_a_release(well: Release, five: dict[str, Any]) -> None:
    for role, person in five.items():
        well.refresh_from_db()
        assert well.status == "opened"
        signoff.sign(well, role, person)
    well.refresh_from_db()
    assert well.status == "approved"
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("readiness", release="1.4.0", json=True, stdout=out)
    assert ended.value.code == 0
    assert json.loads(out.getvalue())["signed"] == {role: role for role in five}


def test_a_release_with_five_names_and_a_red_item_is_not_approved(well: Release, five: dict[str, Any]) -> None:
    ProbeRun.objects.filter(key="sec.cors").update(state=State.FAIL)
    for role, person in five.items():
        signoff.sign(well, role, person)
    well.refresh_from_db()
    assert well.status == "opened"


def test_only_who_holds_a_role_signs_for_it_and_nobody_for_two(well: Release, five: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Only members"):
        signoff.sign(well, "security", five["qa"])
    five["qa"].groups.add(Group.objects.get(name=checklist.ROLES["security"]))
    signoff.sign(well, "qa", five["qa"])
    with pytest.raises(ValidationError, match="another role"):
        signoff.sign(well, "security", five["qa"])
    with pytest.raises(ValidationError, match="signed already"):
        signoff.sign(well, "qa", five["qa"])


@pytest.mark.parametrize("change", ["state", "note", "commit", "waiver"])
def test_a_change_of_what_was_signed_voids_the_names_with_the_difference(
    change: str, well: Release, five: dict[str, Any], admin_user: Any
) -> None:
    make_channel()
    for role, person in five.items():
        signoff.sign(well, role, person)
    if change == "state":
        ProbeRun.objects.get(key="sec.cors").keep_evidence(State.FAIL, "A foreign origin is allowed.", COMMIT)
    elif change == "note":
        signoff.confirm("doc.readme", admin_user, "Another look.")
    elif change == "commit":
        Release.objects.update(commit="b" * 40)
    else:
        ProbeRun.objects.filter(key="sec.cors").update(state=State.FAIL)
        signoff.waive("sec.cors", admin_user, "For today.", health.database_now() + timedelta(days=1))
    signoff.review()
    well.refresh_from_db()
    assert well.status == "opened"
    assert not SignOff.objects.filter(ended_at=None).exists()
    told = Notice.objects.get(about="release")
    assert told.subject == "Release 1.4.0: 5 sign-offs are void"
    wanted = {"state": "sec.cors", "note": "doc.readme", "commit": "commit was", "waiver": "sec.cors"}[change]
    assert wanted in SignOff.objects.all()[0].ended_because
    assert wanted in told.body
    assert "QA/Testing (qa)" in told.body
    signoff.review()
    assert Notice.objects.count() == 1


def test_what_only_ages_blocks_and_voids_nothing(well: Release, five: dict[str, Any]) -> None:
    for role, person in five.items():
        signoff.sign(well, role, person)
    ProbeRun.objects.filter(key="sec.cors").update(seen_at=Now() - timedelta(days=2))
    signoff.review()
    well.refresh_from_db()
    assert (well.status, SignOff.objects.filter(ended_at=None).count()) == ("opened", 5)


def test_the_team_is_told_over_every_channel_and_the_row_says_so(well: Release, admin_client: Client) -> None:
    page = f"/admin/ops/release/{well.pk}/change/"
    deed = {"deed": "tell", "key": "pre.team", "note": "Tonight at eight; Maria watches."}
    Confirmation.objects.filter(key="pre.team").delete()
    assert "There is no channel" in admin_client.post(page, deed, follow=True).content.decode()
    assert standing("pre.team", well).state == "open"
    make_channel()
    admin_client.post(page, deed)
    assert Notice.objects.get().body == "Tonight at eight; Maria watches.\nadmin"
    assert standing("pre.team", well).note == "Sent over team: Tonight at eight; Maria watches."


def test_a_name_is_taken_back_by_its_own_person_and_stays_on_record(well: Release, five: dict[str, Any]) -> None:
    signed = signoff.sign(well, "qa", five["qa"])
    with pytest.raises(ValidationError, match="Only whoever signed"):
        signoff.withdraw(signed, five["security"], "I know better.")
    signoff.withdraw(signed, five["qa"], "A test was skipped.")
    signed.refresh_from_db()
    assert signed.ended_because == "Withdrawn: A test was skipped."
    assert signoff.sign(well, "qa", five["qa"]).pk != signed.pk


def test_two_releases_never_share_a_version() -> None:
    signoff.open_release("1", COMMIT, by="ci")
    with pytest.raises(ValidationError):
        signoff.open_release("1", COMMIT, by="ci")
    with pytest.raises(ValidationError):
        signoff.open_release("2", "main", by="ci")
