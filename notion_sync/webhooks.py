"""Events of Notion. They carry no content, come late, twice or not at all: each only makes us look sooner.

A page is looked at by its id, one call; where many wait, and for all other events, the source is polled.

https://developers.notion.com/reference/webhooks
"""

from __future__ import annotations

import uuid
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse

from emm import credentials, schedule
from emm.audit import Actor, record
from notion_sync import drift, looks, pace
from notion_sync.mirror import bot_id, model_of
from notion_sync.models import DataSource, PageRead, PollCycle, Poller, Refusal, WebhookDelivery, Workspace
from notion_sync.polling import poller
from notion_sync.requests import Refused, body_of, door, json_of, text_of
from notion_sync.signatures import is_from_notion

log = structlog.get_logger(__name__)

TOKEN = "NOTION_WEBHOOK_TOKEN"  # noqa: S105  # its name, not itself
HANDSHAKE_OPEN = timedelta(minutes=10)
OF_SCHEMA = tuple(
    f"{of}.{what}" for of in ("data_source", "database") for what in ("schema_updated", "deleted", "undeleted")
)
UNLISTED = ("page.deleted", "page.undeleted", "page.moved")  # no query tells of them
EDITED = ("page.created", "page.content_updated", "page.properties_updated")
ONE_BY_ONE = 10  # edited pages of a source that wait to be looked at; for more of them one poll is cheaper


@door(Refusal.Door.NOTION)
def notion(request: HttpRequest) -> HttpResponse:
    """Take one event, or Notion's handshake. Anybody may ask; only what Notion has signed has an effect."""
    body = body_of(request)
    signature = request.headers.get("X-Notion-Signature", "")
    if not signature:
        return _shake_hands(json_of(body))
    secret = credentials.get(TOKEN)
    if not secret or not is_from_notion(body, signature, secret):
        raise Refused(401, "The signature does not fit.")
    return JsonResponse({"effect": take(json_of(body))})


def open_handshake(*, by: Actor, reason: str) -> None:
    """Let Notion's verification token in for ten minutes. A token that is there is replaced by the one that comes."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get(pk=1)
        Workspace.objects.filter(pk=1).update(handshake_until=Now() + HANDSHAKE_OPEN, webhook_verified_at=None)
        record("webhook.open_handshake", workspace, by=by, reason=reason)


def pending_token() -> str | None:
    """The verification token to paste into Notion. None: none has come, or Notion's events have proved it already."""
    if Workspace.objects.filter(pk=1, webhook_verified_at=None).exists():
        return credentials.get(TOKEN)
    return None


def _shake_hands(found: dict[str, Any]) -> HttpResponse:
    token = text_of(found, "verification_token", 200)
    if not token:
        raise Refused(401, "The request is not signed.")
    with transaction.atomic():
        opened = Workspace.objects.select_for_update().filter(pk=1, handshake_until__gt=Now()).exists()
        if not opened or credentials.is_in_environment(TOKEN):
            raise Refused(401, "Nobody awaits a handshake: open it in the console, on the page of the workspace.")
        credentials.store(TOKEN, token, by="Notion", reason="Notion's handshake.")
        Workspace.objects.filter(pk=1).update(handshake_until=None)
    return JsonResponse({"effect": "kept: copy it from the console into Notion"})


def take(event: dict[str, Any]) -> str:
    """Do what a signed event asks for, once for each event id. Returns the effect, in words.

    Raises Refused for an event without an id.
    """
    event_id, kind = text_of(event, "id", 64), text_of(event, "type", 80)
    if not event_id:
        raise Refused(400, "The event has no id.")
    entity = _object(event, "entity")
    attempt = event.get("attempt_number")
    with transaction.atomic():
        Workspace.objects.filter(pk=1, webhook_verified_at=None).update(webhook_verified_at=Now())
        delivery, fresh = WebhookDelivery.objects.get_or_create(
            event_id=event_id,
            defaults={
                "type": kind,
                "entity": text_of(entity, "id", 80),
                "attempt": attempt if isinstance(attempt, int) and 0 < attempt < 100 else 1,
                "effect": "",
            },
        )
        if not fresh:
            return "seen before"
        delivery.effect = _effect(event, kind, entity)
        delivery.save(update_fields=["effect"])
    return delivery.effect


def _effect(event: dict[str, Any], kind: str, entity: dict[str, Any]) -> str:
    authors = event.get("authors")
    ids = [author.get("id") for author in authors if isinstance(author, dict)] if isinstance(authors, list) else []
    if ids and all(one == bot_id() for one in ids):
        return "nothing: it tells of our own write"
    page_id = _uuid(entity.get("id")) if kind.startswith("page.") else None
    source = _source_of(event, entity, page_id)
    if source is None:
        return "nothing: it is about none of our databases"
    if kind in OF_SCHEMA:
        drift.want(source)
        return f"compares the properties of {source}"
    if page_id is not None and (kind in UNLISTED or (kind in EDITED and _can_look(source))):
        _look_at(source, page_id)
        return f"looks at the page of {source}"
    DataSource.objects.filter(pk=source.pk).update(wanted_at=Now())
    PollCycle.open(source, PollCycle.Trigger.WEBHOOK)
    return f"polls {source}"


def _can_look(source: DataSource) -> bool:
    """Whether an edited page is read by its id, which shows it at once: a query may come before Notion's index does."""
    waiting = PageRead.objects.filter(source=source, status=PageRead.Status.WAITING, in_background=False)
    return poller().status != Poller.Status.PAUSED and waiting.count() < ONE_BY_ONE


def _look_at(source: DataSource, page_id: uuid.UUID) -> None:
    """Have the page looked at, once however many events tell of it, and before all that nobody waits for."""
    waiting = PageRead.objects.filter(page_id=page_id, status=PageRead.Status.WAITING)
    if not waiting.update(in_background=False):
        PageRead.objects.bulk_create([PageRead(source=source, page_id=page_id)], ignore_conflicts=True)
    schedule.nudge("page")


def _source_of(event: dict[str, Any], entity: dict[str, Any], page_id: uuid.UUID | None) -> DataSource | None:
    """The source that the mirror has the page in, else the one that the event names; None for a stranger."""
    sources = list(DataSource.objects.all())
    if page_id is not None:
        for source in sources:
            if model_of(source.key)._default_manager.filter(page_id=page_id).exists():
                return source
    data = _object(event, "data")
    parent = _object(data, "parent")
    named = {_uuid(one) for one in (parent.get("data_source_id"), parent.get("id"), entity.get("id"))} - {None}
    return next((source for source in sources if {source.data_source_id, source.database_id} & named), None)


def read_page(job: PageRead) -> None:
    """Stage page: mirror one page by its id, also from the trash."""
    drift.refuse(job.source)
    with pace.background() if job.in_background else nullcontext():
        _, pages = looks.ask(job.source, job.page_id)
    with transaction.atomic():
        looks.note(job.source, job.page_id, pages)
        job.finish()


def _object(found: dict[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
