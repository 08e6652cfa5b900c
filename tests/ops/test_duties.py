"""Duties that come back, incidents and their follow-ups."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client

from ops import alerts, checklist, duties, facts, incidents, readiness, signoff
from ops.models import (
    Alert,
    Channel,
    Confirmation,
    Contact,
    DutyReminder,
    FollowUp,
    Incident,
    Notice,
    RuleState,
    Shift,
)
from tests.ops.test_levels import minute

pytestmark = pytest.mark.django_db


@pytest.fixture
def old_installation() -> None:
    DutyReminder.objects.create(key="", due_at=Now() - timedelta(days=40))


def test_an_overdue_duty_is_reminded_of_once_and_shown_first(
    channel: Channel, old_installation: None, admin_client: Client
) -> None:
    duties.remind()
    duties.remind()
    assert Notice.objects.filter(about="duty").count() == 1
    assert "duties are overdue" in admin_client.get("/admin/").content.decode()
    assert "Overdue since" in admin_client.get("/admin/ops/proberun/").content.decode()


def test_a_new_installation_owes_nothing_yet() -> None:
    duties.remind()
    assert duties.overdue() == []


def test_a_duty_that_was_done_is_due_again_after_its_time(old_installation: None, admin_user: User) -> None:
    signoff.confirm("day.errors", admin_user, "0.1 % failed.")
    assert "day.errors" not in [duty.item.key for duty in duties.overdue()]
    Confirmation.objects.update(at=Now() - timedelta(hours=25))
    assert "day.errors" in [duty.item.key for duty in duties.overdue()]


def test_a_duty_comes_with_what_is_known() -> None:
    minute(1, requests=200, failed=1)
    assert "0.50 %" in facts.of("day.errors")
    assert facts.of("week.backups") == "No backup was made yet."
    assert facts.of("quarter.architecture") == ""


def test_what_leans_on_an_overdue_duty_is_stale(old_installation: None, admin_user: User) -> None:
    item = checklist.load().items["doc.readme"]
    signoff.confirm("doc.readme", admin_user, "Followed it.")
    assert readiness.standings([item])[0].state == "stale"
    signoff.confirm("month.documents", admin_user, "Read all.")
    assert readiness.standings([item])[0].state == "pass"


def test_every_item_leans_on_a_duty_that_there_is() -> None:
    known = checklist.load()
    recurring = {item.key for area in known.areas if area.every for item in area.items}
    assert {item.leans_on for item in known.items.values() if item.leans_on} <= recurring


def test_an_incident_is_opened_from_an_alert_once_and_keeps_its_timeline(admin_user: User) -> None:
    alert = Alert.objects.create(key="parts", severity="critical", detail="The worker is down.")
    incident = incidents.open_from(alert, admin_user)
    assert incidents.open_from(alert, admin_user) == incident
    incidents.note(incident, "Restarted it.", by=admin_user)
    incidents.move(incident, Incident.Status.RESOLVED, by=admin_user, why="It works again.")
    assert [entry.by for entry in incident.entries.all()] == ["system", "admin", "admin"]
    text = incidents.as_text(incident)
    assert "The worker is down." in text
    assert "Resolved: It works again." in text
    assert incident.resolved_at is not None


@pytest.mark.parametrize(("severity", "minutes", "is_late"), [(1, 14, False), (1, 16, True), (3, 16, False)])
def test_the_answer_is_late_by_the_severity(severity: int, minutes: int, is_late: bool) -> None:
    incident = Incident.objects.create(title="x", severity=severity, opened_by="me")
    Incident.objects.update(opened_at=Now() - timedelta(minutes=minutes))
    incident.refresh_from_db()
    assert incidents.late(incident) is is_late


def test_the_texts_for_those_who_wait_hold_no_markup(admin_client: Client, admin_user: User) -> None:
    incident = Incident.objects.create(title="A < B", severity=2, opened_by="me")
    incidents.note(incident, 'We look into "it".', by=admin_user)
    for kind in incidents.MESSAGES:
        answer = admin_client.get(f"/admin/ops/incident/{incident.pk}/message_{kind}/")
        assert answer["Content-Type"].startswith("text/plain")
        assert "A < B" in answer.content.decode()
    assert "A < B" in admin_client.get(f"/admin/ops/incident/{incident.pk}/export/").content.decode()


def test_a_line_is_written_in_the_console(admin_client: Client) -> None:
    incident = Incident.objects.create(title="x", severity=2, opened_by="me")
    page = f"/admin/ops/incident/{incident.pk}/add_note/"
    admin_client.post(page, {"_form_submitted": "True", "reason": "Found it.", "status": "mitigated"})
    incident.refresh_from_db()
    assert (incident.status, incident.answered_at is not None) == ("mitigated", True)
    assert "Found it." in admin_client.get(f"/admin/ops/incident/{incident.pk}/change/").content.decode()


def test_a_late_follow_up_is_reminded_of_once_and_stands_on_the_home_page_until_it_is_done(
    channel: Channel, admin_client: Client
) -> None:
    incident = Incident.objects.create(title="The queue stood", severity=2, opened_by="me")
    late = FollowUp.objects.create(incident=incident, text="Watch it", owner="Ada", due=date(2020, 1, 1))
    FollowUp.objects.create(incident=incident, text="Write it down", owner="Ben", due=date(2999, 1, 1))
    duties.remind()
    duties.remind()
    told = Notice.objects.get(about="duty")
    assert (told.subject, told.body) == (
        "Overdue: Watch it (incident: The queue stood)",
        "Watch it (incident: The queue stood) (Ada), due 2020-01-01",
    )
    assert "Overdue after incidents: Watch it." in admin_client.get("/admin/").content.decode()
    FollowUp.objects.filter(pk=late.pk).update(done_at=Now())
    assert "No follow-up is late." in admin_client.get("/admin/").content.decode()


def test_an_incident_is_opened_by_hand_with_what_is_known_then(admin_client: Client) -> None:
    page = admin_client.get("/admin/ops/incident/add/").content.decode()
    assert "DatabaseDefault" not in page
    form = {"title": "Mails don't arrive", "severity": "3", "reason": "A customer called."}
    answer = admin_client.post("/admin/ops/incident/add/", form)
    assert answer.status_code == 302, answer.context["errors"]
    assert Incident.objects.get().opened_by == "admin"


def test_the_table_of_contacts_shows_who_is_on_call_now(admin_client: Client) -> None:
    ada, _ = (Contact.objects.create(name=name, role="On call") for name in ("Ada", "Ben"))
    Shift.objects.create(contact=ada, starts_at=Now() - timedelta(hours=1), ends_at="2999-01-01T00:00Z")
    Shift.objects.create(contact=ada, starts_at=Now() - timedelta(days=3), ends_at=Now() - timedelta(days=2))
    assert admin_client.get("/admin/ops/contact/").content.decode().count("now, until 2999-01-01 00:00 UTC") == 1


def test_an_alert_names_its_runbook_once_as_a_link(admin_client: Client) -> None:
    alert = Alert.objects.create(key="parts", severity="critical", detail="worker_llm is down")
    page = admin_client.get(f"/admin/ops/alert/{alert.pk}/change/").content.decode()
    assert page.count('href="/admin/help/docs/runbooks/service-down.md#first"') == 1


def test_the_rules_show_their_limit_beside_their_value(admin_client: Client) -> None:
    RuleState.objects.create(key="slo.cpu", value=29.566666)
    page = admin_client.get("/admin/ops/rulestate/").content.decode()
    assert "29.57" in page
    assert "at 80 or more, " in page


def test_an_alert_becomes_an_incident_in_the_console(admin_client: Client) -> None:
    alert = Alert.objects.create(key="parts", severity="critical", detail="Down.")
    answer = admin_client.post(f"/admin/ops/alert/{alert.pk}/open_incident/", {"_form_submitted": "True"})
    assert answer["HX-Redirect"] == f"/admin/ops/incident/{Incident.objects.get().pk}/change/"
    assert alerts.in_words([alert]).startswith("A part of the product is down")


def test_the_help_page_links_what_it_promises(admin_client: Client, client: Client) -> None:
    page = admin_client.get("/admin/help/").content.decode()
    for promised in ("docs/QUICK_DEPLOY.md", "status.claude.com", "/api/docs/", "1,440"):
        assert promised in page
    assert client.get("/admin/help/").status_code == 302
