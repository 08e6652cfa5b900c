"""Incidents: opened by hand or from an alert, a timeline that is only added to, and texts for whoever waits."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.template.loader import render_to_string

from emm.audit import Actor, record
from ops.health import database_now
from ops.models import Alert, Incident, IncidentEntry, Release
from ops.rules import BY_KEY

ANSWER_WITHIN = {
    Incident.Severity.ALL: timedelta(minutes=15),
    Incident.Severity.MANY: timedelta(minutes=30),
    Incident.Severity.SOME: timedelta(hours=4),
    Incident.Severity.LOW: timedelta(days=1),
}
MESSAGES = ("opened", "update", "resolved")


def open_from(alert: Alert, person: User) -> Incident:
    """The incident about an alert: the open one if there is one already."""
    with transaction.atomic():
        Alert.objects.select_for_update().get(pk=alert.pk)
        known = Incident.objects.filter(alert=alert).exclude(status=Incident.Status.RESOLVED).first()
        if known is not None:
            return known
        critical = alert.severity == Alert.Severity.CRITICAL
        incident = Incident.objects.create(
            title=BY_KEY[alert.key].title if alert.key in BY_KEY else alert.key,
            severity=Incident.Severity.MANY if critical else Incident.Severity.SOME,
            opened_by=str(person)[:150],
            alert=alert,
            release=Release.objects.exclude(deployed_at=None).order_by("-deployed_at").first(),
        )
        IncidentEntry.objects.create(incident=incident, by="system", text=f"Opened from an alert: {alert.detail}")
        record("incident.open", incident, by=person, after={"alert": alert.key})
    return incident


def note(incident: Incident, text: str, *, by: Actor) -> IncidentEntry:
    """Add a line to the timeline. The first one by a person is the answer that the severity asks for."""
    if not text.strip():
        raise ValidationError("Write what happened, or what you do.")
    with transaction.atomic():
        entry = IncidentEntry.objects.create(incident=incident, by=str(by)[:150], text=text.strip())
        Incident.objects.filter(pk=incident.pk, answered_at=None).update(answered_at=Now())
    return entry


def move(incident: Incident, status: Incident.Status, *, by: Actor, why: str) -> None:
    """Change its state, with a line in the timeline. Raises ValidationError without words."""
    with transaction.atomic():
        row = Incident.objects.select_for_update().get(pk=incident.pk)
        note(row, f"{status.label.capitalize()}: {why}" if why.strip() else "", by=by)
        resolved = Now() if status == Incident.Status.RESOLVED else None
        Incident.objects.filter(pk=row.pk).update(status=status, resolved_at=resolved)
        record("incident.move", row, by=by, before={"status": row.status}, after={"status": str(status)}, reason=why)
    incident.refresh_from_db()


def late(incident: Incident) -> bool:
    """Whether nobody answered within the time that its severity allows."""
    if incident.answered_at is not None:
        return incident.answered_at - incident.opened_at > ANSWER_WITHIN[Incident.Severity(incident.severity)]
    return database_now() - incident.opened_at > ANSWER_WITHIN[Incident.Severity(incident.severity)]


def message(incident: Incident, kind: str) -> str:
    """A text for users and the team: opened, update or resolved."""
    newest = incident.entries.exclude(by="system").last()
    return render_to_string(f"ops/messages/{kind}.txt", {"incident": incident, "newest": newest}).strip() + "\n"


def as_text(incident: Incident) -> str:
    """The whole incident as Markdown: timeline, post-mortem, follow-ups."""
    return (
        render_to_string("ops/messages/postmortem.txt", {"incident": incident, "late": late(incident)}).strip() + "\n"
    )
