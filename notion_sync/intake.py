"""Texts from mail, Slack and programs: each becomes a page of the inbox, once, and is kept whole.

Taking one writes rows and nothing else; the outbox makes the page.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

from notion_sync import outbox, signatures
from notion_sync.document import DocumentTooLong, Paragraph, blocks
from notion_sync.foreign_text import of_html, of_slack
from notion_sync.models import InboxItem, Intake, OutboxEntry, Refusal
from notion_sync.requests import LARGEST, Refused, body_of, door, json_of, text_of

LONGEST_TEXT = 400_000  # characters: what fits into one creation, and what is read at once
LONGEST_TITLE = 200
SOURCES = {Intake.Channel.SLACK: "Slack", Intake.Channel.MAIL: "Email", Intake.Channel.API: "API"}
LONGEST_NAME = 255  # characters of the sender's own id of a text
# What people say in Slack comes without a subtype, or with one of these; all others are Slack's own notes.
SAID = ("file_share", "thread_broadcast", "me_message")
_ADDRESSED = re.compile(r"\s*<@(\w+)(?:\|[^<>]*)?>[\s,:]*")


def take(
    channel: Intake.Channel, *, text: str, title: str = "", sender: str = "", place: str = "", external_id: str = ""
) -> tuple[Intake, bool]:
    """Keep a text and promise its page. Returns the row and whether it is new: a known `external_id` changes nothing.

    Without a title the first line of the text is one. A title that is too long for Notion's is shortened there, with a
    mark, and stands whole above the text. Without an external id nothing is known to be a retry. Raises Refused for a
    text that one page cannot be made with: it would have to be cut.
    """
    heading = _heading(title or text)
    whole = title if title.strip() != heading else ""
    children = _children(_origin(sender, place), whole, text)
    name = _name(external_id)
    with transaction.atomic():
        known = Intake.objects.filter(channel=channel, external_id=name).first()
        if known is not None:
            return known, False
        emm_id = outbox.emm_id_for(f"{channel}:{name}", "intake")
        item = outbox.create_page(
            InboxItem,
            emm_id,
            {"Input_Title": heading, "Source": SOURCES[channel]},
            purpose=f"put a text from {channel.label} into the inbox",
            item=None,
            children=children,
        )
        assert isinstance(item, InboxItem)
        OutboxEntry.objects.filter(emm_id=emm_id).update(item=item)
        kept, made = Intake.objects.get_or_create(
            channel=channel,
            external_id=name,
            defaults={"sender": sender, "place": place, "title": title or heading, "text": text, "item": item},
        )
    return kept, made


def _heading(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= LONGEST_TITLE else f"{first[:LONGEST_TITLE].rstrip()}…"


def _name(external_id: str) -> str:
    """The sender's id of a text, as it is kept: a very long one by its digest, none as one that nothing else has."""
    if len(external_id) > LONGEST_NAME:
        return f"sha256:{hashlib.sha256(external_id.encode()).hexdigest()}"
    return external_id or uuid.uuid4().hex


def _children(*parts: str) -> list[dict[str, Any]]:
    try:
        return blocks([Paragraph(part) for part in parts if part])
    except DocumentTooLong as error:
        raise Refused(413, f"The text is too long for one page: send it in parts. {error}") from None


def _origin(sender: str, place: str) -> str:
    return " ".join(part for part in (f"From {sender}" if sender else "", f"in {place}" if place else "") if part)


@door(Refusal.Door.SLACK)
def slack(request: HttpRequest) -> HttpResponse:
    """A message to the app, a mention of it or a slash command, signed by Slack. Nobody else is let in."""
    body = body_of(request)
    secret = settings.SLACK_SIGNING_SECRET
    stamp, signature = (request.headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature"))
    if not secret or not signatures.is_from_slack(body, stamp, signature, secret, time.time()):
        raise Refused(401, "The request is not signed by Slack within five minutes.")
    if request.content_type == "application/x-www-form-urlencoded":
        return _slash_command(body)
    return _slack_event(json_of(body))


def _slash_command(body: bytes) -> HttpResponse:
    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    text = of_slack(text_of(form, "text", LONGEST_TEXT))
    if not text:
        return JsonResponse({"response_type": "ephemeral", "text": "Write what has to be decided behind the command."})
    take(
        Intake.Channel.SLACK,
        text=text,
        sender=text_of(form, "user_name") or text_of(form, "user_id"),
        place=_channel(text_of(form, "channel_name")),
        external_id=f"command:{text_of(form, 'trigger_id') or hashlib.sha256(body).hexdigest()}",
    )
    return JsonResponse({"response_type": "ephemeral", "text": "It is on its way into the inbox."})


def _slack_event(found: dict[str, Any]) -> HttpResponse:
    if found.get("type") == "url_verification":
        return JsonResponse({"challenge": text_of(found, "challenge")})
    event = found.get("event")
    if not isinstance(event, dict) or event.get("type") not in ("message", "app_mention"):
        return JsonResponse({"effect": "nothing: not a message"})
    if (
        event.get("bot_id")
        or (event.get("subtype") or "") not in ("", *SAID)
        or not (text := of_slack(_said(found, event)))
    ):
        return JsonResponse({"effect": "nothing: not a person's words"})
    # A mention in a channel that the app reads comes as two events: team, channel and time name the message itself.
    named = ":".join(text_of(source, name) for source, name in ((found, "team_id"), (event, "channel"), (event, "ts")))
    _, made = take(
        Intake.Channel.SLACK,
        text=text,
        sender=text_of(event, "user"),
        place=_channel(text_of(event, "channel")),
        external_id=named,
    )
    return JsonResponse({"effect": "kept" if made else "kept before"})


def _said(found: dict[str, Any], event: dict[str, Any]) -> str:
    """The text of a message, without the mention of the app in front of it: that says to whom, not what.

    https://docs.slack.dev/apis/events-api/#authorizations names the app's own user.
    """
    text = text_of(event, "text", LONGEST_TEXT)
    addressed, listed = _ADDRESSED.match(text), found.get("authorizations")
    apps = [one.get("user_id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return text[addressed.end() :] if addressed and addressed[1] in apps else text


def _channel(name: str) -> str:
    return f"Slack channel {name}" if name else "Slack"


@door(Refusal.Door.MAIL)
def mail(request: HttpRequest) -> HttpResponse:
    """A mail as JSON (from, to, subject, text or else html, message_id) with X-Signature: t=SECONDS,v1=HMAC. Others are refused."""
    body = body_of(request)
    secret = settings.MAIL_WEBHOOK_SECRET
    if not secret or not signatures.is_from_mail(body, request.headers.get("X-Signature", ""), secret, time.time()):
        raise Refused(401, "The request is not signed within five minutes.")
    found = json_of(body)
    sender, place, subject, text, name = (
        text_of(found, part, LONGEST_TEXT) for part in ("from", "to", "subject", "text", "message_id")
    )
    if not text:
        read = of_html(text_of(found, "html", LARGEST))
        text = text_of({"the text in html": read}, "the text in html", LONGEST_TEXT)
    if not subject and not text:
        raise Refused(400, "The mail has neither a subject nor a text.")
    kept, made = take(
        Intake.Channel.MAIL,
        text=text,
        title=subject,
        sender=sender,
        place=place,
        external_id=name or hashlib.sha256(body).hexdigest(),
    )
    return JsonResponse({"id": kept.pk, "item": kept.item_id}, status=201 if made else 200)
