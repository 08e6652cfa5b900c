"""Texts from mail, Slack and programs: signed or refused, kept whole, and one item each."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.models.functions import Now
from django.test import Client

from emm import tokens
from notion_sync import intake
from notion_sync.models import BodyRead, InboxItem, Intake, OutboxEntry, Refusal
from tests.factories import make_source
from tests.world import Sandbox, run

pytestmark = pytest.mark.django_db
SECRET = "a secret that only the sender knows"


@pytest.fixture(autouse=True)
def doors(settings: Any) -> None:
    settings.SLACK_SIGNING_SECRET = settings.MAIL_WEBHOOK_SECRET = SECRET


def digest(message: str) -> str:
    return hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()


def slack(body: str, *, at: float | None = None, kind: str = "application/json", **headers: str) -> Any:
    stamp = str(int(time.time() if at is None else at))
    signed = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest(f'v0:{stamp}:{body}')}"}
    return Client().post("/webhooks/slack", body, content_type=kind, headers={**signed, **headers})


def mail(found: Any, *, at: float | None = None, headers: dict[str, str] | None = None) -> Any:
    body = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    stamp = str(int(time.time() if at is None else at))
    signed = {"X-Signature": f"t={stamp},v1={digest(f'{stamp}.{body}')}"}
    return Client().post("/webhooks/mail", body, content_type="application/json", headers={**signed, **(headers or {})})


def message(text: str = "Shall we hire a second baker?", authorizations: Any = None, **fields: Any) -> str:
    event = {"type": "message", "text": text, "user": "U7", "channel": "C1", "ts": "1.2", **fields}
    return json.dumps({"type": "event_callback", "team_id": "T1", "event": event, "authorizations": authorizations})


def letter(**fields: Any) -> dict[str, Any]:
    return {
        "from": "ana@example.com",
        "to": "inbox@example.com",
        "subject": "A second shop?",
        "text": "In Porto.",
        "message_id": "<1@x>",
        **fields,
    }


@pytest.mark.parametrize("door", ["slack", "mail"])
def test_an_unsigned_request_is_refused(door: str) -> None:
    assert Client().post(f"/webhooks/{door}", "{}", content_type="application/json").status_code == 401
    assert not Intake.objects.exists()


@pytest.mark.parametrize("age", [-301, 301])
def test_a_signature_older_or_newer_than_five_minutes_is_refused(age: int) -> None:
    assert slack(message(), at=time.time() - age).status_code == 401
    assert mail(letter(), at=time.time() - age).status_code == 401


def test_a_door_whose_secret_is_unset_is_closed(settings: Any) -> None:
    settings.SLACK_SIGNING_SECRET = settings.MAIL_WEBHOOK_SECRET = ""
    assert slack(message()).status_code == 401
    assert mail(letter()).status_code == 401


@pytest.mark.parametrize(
    "header", ["", "t=1", "v1=00", "t=,v1=", "t=\u0661,v1=00", "t=1,v1=é", "nonsense", "t=9999999999999,v1=a"]
)
def test_a_malformed_signature_of_a_mail_is_refused(header: str) -> None:
    assert mail(letter(), headers={"X-Signature": header}).status_code == 401


def test_a_slack_message_becomes_an_item_with_its_sender_and_channel() -> None:
    make_source("inbox")
    assert slack(message()).json() == {"effect": "kept"}
    kept = Intake.objects.get()
    assert (kept.channel, kept.sender, kept.place) == ("slack", "U7", "Slack channel C1")
    assert kept.text == kept.item.title == "Shall we hire a second baker?"
    entry = OutboxEntry.objects.get()
    assert (entry.item, entry.values["Source"]) == (kept.item, "Slack")


def test_a_slack_message_is_kept_as_its_person_typed_it() -> None:
    slack(message("R&amp;D: spend &lt; $5k, and write &amp;lt; in the form?"))
    assert Intake.objects.get().text == "R&D: spend < $5k, and write &lt; in the form?"


def test_a_message_and_the_mention_in_it_are_one_item() -> None:
    make_source("inbox")
    slack(message())
    assert slack(message(type="app_mention")).json() == {"effect": "kept before"}
    assert InboxItem.objects.count() == OutboxEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<@U0APP> Shall we hire <@U2>?", "Shall we hire @U2?"),
        (" <@U0APP|board>: shall we?", "shall we?"),
        ("<@U2> says that <@U0APP> knows", "@U2 says that @U0APP knows"),
    ],
)
def test_the_apps_own_name_in_front_of_a_message_is_none_of_its_words(said: str, kept: str) -> None:
    slack(message(said, authorizations=[{"user_id": "U0APP", "is_bot": True}]))
    assert (Intake.objects.get().text, Intake.objects.get().title) == (kept, kept)


@pytest.mark.parametrize("listed", [None, "U0APP", [None, {"user_id": ["U0APP"]}], {"user_id": "U0APP"}])
def test_whatever_slack_lists_as_the_apps_names_the_message_is_kept(listed: Any) -> None:
    slack(message("<@U0APP> Shall we?", authorizations=listed))
    assert Intake.objects.get().text == "@U0APP Shall we?"


@pytest.mark.parametrize(
    "fields",
    [
        {"bot_id": "B1"},
        {"type": "reaction_added"},
        {"text": ""},
        *({"subtype": one} for one in ("message_changed", "channel_topic", "channel_name", "pinned_item", "bot_add")),
    ],
)
def test_what_is_no_persons_words_is_not_kept(fields: dict[str, Any]) -> None:
    assert slack(message(**fields)).json()["effect"].startswith("nothing")
    assert not Intake.objects.exists()


@pytest.mark.parametrize("subtype", [None, "file_share", "thread_broadcast", "me_message"])
def test_what_a_person_says_in_slack_is_kept_also_beside_a_file_or_from_a_thread(subtype: str | None) -> None:
    assert slack(message(subtype=subtype)).json() == {"effect": "kept"}


def test_what_is_written_in_slack_is_kept_as_it_was_written() -> None:
    make_source("inbox")
    slack(message("R&amp;D: &lt;$50k?"))
    slack(urlencode({"text": "R&amp;D: &gt;$80k?", "trigger_id": "9"}), kind="application/x-www-form-urlencoded")
    assert {one.text for one in Intake.objects.all()} == {"R&D: <$50k?", "R&D: >$80k?"}


def test_slacks_own_check_of_the_address_is_answered() -> None:
    assert slack(json.dumps({"type": "url_verification", "challenge": "abc"})).json() == {"challenge": "abc"}


def test_a_slash_command_is_kept_and_answered_in_words() -> None:
    make_source("inbox")
    form = urlencode({"text": "Sell the van?", "user_name": "ana", "channel_name": "board", "trigger_id": "9.9"})
    for _ in range(2):
        answer = slack(form, kind="application/x-www-form-urlencoded")
    assert "on its way" in answer.json()["text"]
    assert [(one.sender, one.place, one.title) for one in Intake.objects.all()] == [
        ("ana", "Slack channel board", "Sell the van?")
    ]


def test_a_mail_becomes_one_item_however_often_it_is_sent() -> None:
    make_source("inbox")
    assert [mail(letter()).status_code for _ in range(2)] == [201, 200]
    kept = Intake.objects.get()
    assert (kept.sender, kept.place, kept.title, kept.text) == (
        "ana@example.com", "inbox@example.com", "A second shop?", "In Porto.",
    )  # fmt: skip


def test_a_mail_to_many_people_and_with_a_long_name_is_kept_whole_and_once() -> None:
    people = ", ".join(f"colleague{n:03}@example.com" for n in range(200))
    sent = letter(to=people, **{"from": "a" * 2_000}, message_id=f"<{'m' * 900}@x>")
    assert [mail(sent).status_code for _ in range(2)] == [201, 200]
    assert mail({**sent, "message_id": f"<{'m' * 901}@x>"}).status_code == 201
    kept = Intake.objects.first()
    assert kept is not None
    assert (kept.place, kept.sender) == (people, "a" * 2_000)


def test_a_subject_too_long_for_a_title_is_shortened_there_and_whole_on_the_page() -> None:
    subject = "Shall we " + "really " * 300 + "move?"
    assert mail(letter(subject=subject)).status_code == 201
    kept = Intake.objects.get()
    assert (kept.item.title, kept.title) == (f"{subject[:200]}…", subject)
    said = [
        "".join(part["text"]["content"] for part in block["paragraph"]["rich_text"])
        for block in OutboxEntry.objects.get().children
    ]
    assert said == ["From ana@example.com in inbox@example.com", subject, "In Porto."]


def test_the_words_of_a_mail_that_is_html_alone_are_kept() -> None:
    make_source("inbox")
    assert mail(letter(text="", html="<p>In <b>Porto</b>?</p>")).status_code == 201
    assert Intake.objects.get().text == "In Porto?"
    assert mail(letter(html="<p>In Faro.</p>", message_id="<2@x>")).status_code == 201
    assert Intake.objects.get(external_id="<2@x>").text == "In Porto."
    assert mail(letter(text="", html=f"<p>{'a' * 400_001}</p>", message_id="<3@x>")).status_code == 413


@pytest.mark.parametrize("found", ["[]", "no json", {"subject": 3}, {"subject": "", "text": " "}])
def test_a_signed_mail_that_says_nothing_is_refused(found: Any) -> None:
    assert mail(found).status_code == 400


def test_a_text_beyond_what_is_read_at_once_is_refused_rather_than_cut() -> None:
    answer = mail(letter(text="a" * 400_001))
    assert answer.status_code == 413
    assert "400,000" in answer.json()["detail"]
    assert not InboxItem.objects.exists()


def test_a_text_that_takes_several_requests_is_kept_whole() -> None:
    assert mail(letter(text="語" * 200_000)).status_code == 201
    kept = OutboxEntry.objects.get()
    assert json.dumps(kept.children, ensure_ascii=False).count("語") == 200_000


def api(token: str, found: Any, **headers: str) -> Any:
    said = {"Authorization": f"Bearer {token}", **headers}
    return Client().post("/api/v1/intake", found, content_type="application/json", headers=said)


def test_a_program_with_a_token_puts_a_text_in_once_for_each_idempotency_key() -> None:
    make_source("inbox")
    _, secret = tokens.issue("form", ["intake"], by="test")
    answers = [api(secret, {"text": "Lease or buy?"}, **{"Idempotency-Key": "k1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert InboxItem.objects.count() == 1


def test_a_known_external_id_is_the_same_text_for_one_token_and_another_for_the_next() -> None:
    make_source("inbox")
    secrets = [tokens.issue(name, ["intake"], by="test")[1] for name in ("one", "two")]
    wish = {"text": "Lease or buy?", "external_id": "7"}
    assert [api(secret, wish).status_code for secret in (secrets[0], secrets[0], secrets[1])] == [201, 200, 201]


def test_a_token_without_the_scope_is_refused() -> None:
    _, secret = tokens.issue("reader", ["read", "operate"], by="test")
    assert api(secret, {"text": "x"}).status_code == 403
    assert Client().post("/api/v1/intake", {}, content_type="application/json").status_code == 401


@pytest.mark.parametrize("found", [{}, {"text": " "}, {"text": 5, "title": []}, {"title": "x" * 201}])
def test_a_request_that_says_nothing_is_refused(found: Any) -> None:
    _, secret = tokens.issue("form", ["intake"], by="test")
    assert api(secret, found).status_code == 400


def test_a_text_arrives_whole_in_notion_and_is_read_back_without_a_poll(workspace: Sandbox) -> None:
    text = "\n".join(f"Line {number}: what speaks for and against it." for number in range(1_500))
    kept, _ = intake.take(Intake.Channel.MAIL, text=text, title="Long", sender="ana", external_id="9")
    run(["deliver", "body"])
    item = InboxItem.objects.get(pk=kept.item_id)
    assert item.page_id is not None
    assert "From ana" in item.body
    assert all(line in item.body for line in text.splitlines())
    assert BodyRead.objects.get(item=item).status == "done"


def test_an_item_whose_page_cannot_be_made_is_held_until_it_is_queued_again(workspace: Sandbox) -> None:
    kept, _ = intake.take(Intake.Channel.API, text="Lease or buy?")
    entry = OutboxEntry.objects.get(item_id=kept.item_id)
    OutboxEntry.objects.filter(pk=entry.pk).update(values={**entry.values, "Source": 7})
    run(["deliver"])
    item = InboxItem.objects.get(pk=kept.item_id)
    assert (item.state, OutboxEntry.objects.get(pk=entry.pk).failures > 0) == ("waiting", True)
    OutboxEntry.objects.filter(pk=entry.pk).update(failures=4, due_at="2020-01-01T00:00:00Z")
    run(["deliver"])
    item.refresh_from_db()
    assert item.state == "held"
    assert item.state_reason.startswith("It is not in Notion's inbox.")
    OutboxEntry.objects.filter(pk=entry.pk).update(values=entry.values)
    OutboxEntry.objects.get(pk=entry.pk).queue_again()
    run(["deliver", "body"])
    item.refresh_from_db()
    assert (item.state, item.state_reason, item.page_id is not None) == ("waiting", "", True)


def refusals(client: Client) -> str:
    return client.get("/admin/notion_sync/refusal/").content.decode()


@pytest.mark.parametrize(
    ("door", "name"),
    [("slack", "SLACK_SIGNING_SECRET"), ("mail", "MAIL_WEBHOOK_SECRET"), ("notion", "NOTION_WEBHOOK_TOKEN")],
)
def test_the_console_shows_what_a_door_refused_and_what_to_do(
    door: str, name: str, admin_client: Client, settings: Any
) -> None:
    Client().post(f"/webhooks/{door}", "{}", content_type="application/json")
    shown = refusals(admin_client)
    assert Refusal.objects.get().why in shown
    assert "If it came from" in shown
    assert ("No handshake was made yet." in shown) == (door == "notion")
    if door != "notion":
        setattr(settings, name, "")
        assert f"{name} is unset, so this door is shut" in refusals(admin_client)


def test_a_door_keeps_its_last_refusal_once_a_minute_and_nothing_of_what_was_sent() -> None:
    for _ in range(3):
        Client().post("/webhooks/mail", b"the plans of a stranger", content_type="application/json")
    kept = Refusal.objects.get()
    assert "stranger" not in kept.why
    Refusal.objects.update(at=Now() - timedelta(minutes=2), why="Old.")
    Client().post("/webhooks/mail", b"{}", content_type="application/json")
    kept.refresh_from_db()
    assert kept.why != "Old."
    Refusal.objects.update(why="Fresh.")
    Client().post("/webhooks/mail", b"{}", content_type="application/json")
    kept.refresh_from_db()
    assert kept.why == "Fresh."


@pytest.mark.parametrize(
    ("found", "fix"), [({}, "docs/INTAKE.md"), (letter(text="a" * 400_001), "send it in parts")], ids=["empty", "long"]
)
def test_what_is_signed_and_cannot_be_taken_is_shown_with_a_fix_of_its_own(
    found: dict[str, Any], fix: str, admin_client: Client
) -> None:
    Client().post("/webhooks/mail", "{}", content_type="application/json")  # a stranger's knock hides nothing
    refused = mail(found)
    shown = refusals(admin_client)
    assert Refusal.objects.get().why == refused.json()["detail"]
    assert fix in shown
    assert "MAIL_WEBHOOK_SECRET" not in shown
