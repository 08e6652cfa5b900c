"""The rounds of the alert rules: N bad rounds in a row fire, M good ones clear, and people are told once of each."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from emm.audit import record
from ops import notices, papers
from ops.health import database_now
from ops.models import Alert, Contact, RuleState, on_call
from ops.rules import BY_KEY, CLEAR_AFTER, RULES, Judged, Rule

ESCALATE_AFTER = timedelta(minutes=15)


def review() -> None:
    """Stage alerts, every minute: judge each rule, fire and clear, and tell people what is new, in one message."""
    for rule in RULES:
        judged = rule.look()
        with transaction.atomic():
            _judge(rule, judged)
    with transaction.atomic():
        _tell_new()
        _escalate()


def _judge(rule: Rule, judged: Judged) -> None:
    RuleState.objects.get_or_create(key=rule.key)
    state = RuleState.objects.select_for_update().get(key=rule.key)
    bad = rule.bad(judged.value)
    # What cannot be measured now neither fires nor clears.
    if bad is not None:
        state.bad_rounds = state.bad_rounds + 1 if bad else 0
        state.good_rounds = 0 if bad else state.good_rounds + 1
    state.value, state.detail = judged
    state.looked_at = database_now()
    state.save(update_fields=["bad_rounds", "good_rounds", "value", "detail", "looked_at"])
    firing = Alert.objects.filter(key=rule.key, cleared_at=None)
    if bad and state.bad_rounds >= rule.fire_after:
        if not firing.update(detail=judged.detail):
            Alert.objects.create(key=rule.key, severity=rule.severity, detail=judged.detail)
    elif bad is False and state.good_rounds >= CLEAR_AFTER:
        _clear(rule, firing.first(), judged)


def _clear(rule: Rule, alert: Alert | None, judged: Judged) -> None:
    if alert is None:
        return
    Alert.objects.filter(pk=alert.pk).update(cleared_at=Now())
    if alert.told_at is not None:
        notices.tell(
            f"Recovered: {rule.title}",
            f"{judged.detail}\nIt began at {alert.fired_at:%Y-%m-%d %H:%M} UTC.",
            about="alert",
            channels=notices.listening(rule.severity),
        )


def _tell_new() -> None:
    """One message for all that is new; what is snoozed waits until the snooze ends."""
    asleep = RuleState.objects.filter(snoozed_until__gt=Now()).values("key")
    fresh = list(Alert.objects.select_for_update().filter(cleared_at=None, told_at=None).exclude(key__in=asleep))
    if not fresh:
        return
    Alert.objects.filter(pk__in=[alert.pk for alert in fresh]).update(told_at=Now(), escalated_at=Now())
    critical = [alert for alert in fresh if alert.severity == Alert.Severity.CRITICAL]
    for channel in notices.listening(Alert.Severity.CRITICAL):
        wanted = fresh if channel.least_severity == Alert.Severity.WARNING else critical
        if wanted:
            notices.tell(_subject(wanted), in_words(wanted), about="alert", channels=[channel])
    if critical:
        _call(on_call(database_now())[:1], critical)


def _escalate() -> None:
    """Who is next is told of what is critical and was acknowledged by nobody."""
    late = Alert.objects.select_for_update().filter(
        cleared_at=None, acknowledged_at=None, severity=Alert.Severity.CRITICAL, escalated_at__lt=Now() - ESCALATE_AFTER
    )
    people = on_call(database_now())
    for alert in late:
        following = people[alert.escalations + 1 : alert.escalations + 2]
        if following:
            _call(following, [alert])
            Alert.objects.filter(pk=alert.pk).update(escalations=F("escalations") + 1, escalated_at=Now())


def _call(people: list[Contact], alerts: list[Alert]) -> None:
    own = [person.channel for person in people if person.channel is not None and person.channel.enabled]
    notices.tell(f"You are called: {_subject(alerts)}", in_words(alerts), about="alert", channels=own)


def _subject(alerts: list[Alert]) -> str:
    first = BY_KEY[alerts[0].key].title
    return first if len(alerts) == 1 else f"{first}, and {len(alerts) - 1} more"


def in_words(alerts: list[Alert]) -> str:
    """What fires, each with where to look and where to answer."""
    blocks = []
    for alert in alerts:
        rule = BY_KEY[alert.key]
        guide = f"{settings.PUBLIC_URL}{papers.address(rule.runbook)}"
        page = f"{settings.PUBLIC_URL}/admin/ops/alert/{alert.pk}/change/"
        blocks.append(f"{rule.title} ({alert.severity})\n{alert.detail}\nRunbook: {rule.runbook}\n{guide}\n{page}")
    return "\n\n".join(blocks)


def acknowledge(alert: Alert, person: User) -> None:
    """Somebody looks after it: nobody else is called. Raises ValidationError for one that is over, or taken."""
    taken = Alert.objects.filter(Q(cleared_at=None, acknowledged_at=None), pk=alert.pk).update(
        acknowledged_at=Now(), acknowledged_by=person
    )
    if not taken:
        raise ValidationError("It is over, or somebody looks after it already.")
    record("alert.acknowledge", alert, by=person)


def snooze(key: str, until: datetime, person: User, why: str) -> None:
    """Tell nobody of this rule until then. Raises ValidationError without an end within a week, or without a reason."""
    now = database_now()
    if not now < until <= now + timedelta(days=7):
        raise ValidationError("A snooze ends within a week, and after now (UTC).")
    if not why.strip():
        raise ValidationError("Say why.")
    with transaction.atomic():
        state, _ = RuleState.objects.update_or_create(
            key=key, defaults={"snoozed_until": until, "snoozed_by": str(person)[:150]}
        )
        record("alert.snooze", state, by=person, after={"key": key, "until": until}, reason=why)
