"""Messages hold words of others: whoever reads them in mail or a chat finds them there as words, and nothing else."""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
import requests
from apprise.plugins.base import NotifyBase
from apprise.plugins.email.smtp import AppriseSMTPController
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from analysis.models import Analysis, Budget, BudgetPeriod
from notion_sync.models import Action, InboxItem
from ops import calls, digest, notices
from ops.models import Channel, Notice, NoticePolicy
from ops.notices import defanged
from tests.factories import database_now, make_channel, make_item, make_proposal
from tests.hostile_items import corpus
from tests.world import run_stage

MASKED = (
    "Renew the <https://evil.example/login?x=1|Notion login> <!channel> <@U123> @everyone [offer](https://evil.example/o) "
    "&lt;!here&gt; <a href='https://evil.example'>here</a>\n- A line of mine\n  https://www.notion.so/evil"
)
DISCORDS_MOST = (
    2_000  # characters of one message, https://docs.discord.com/developers/resources/webhook#execute-webhook
)
CHANNELS = {
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "mail": "mailto://me:word@mail.example.com?to=you@mail.example.com",
    "mail as HTML": "mailto://me:word@mail.example.com?to=you@mail.example.com&format=html",
}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the library hands to the services, each as the service reads it."""
    found: list[str] = []

    def post(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        assert isinstance(request.body, str | bytes)
        said = json.loads(request.body)
        found.extend([said["content"]] if "content" in said else [])
        for part in said.get("attachments", []):
            assert said["mrkdwn"] is False
            found.extend([read(part["title"]), read(part["text"])])  # Slack reads its three entities likewise
        answer = requests.Response()
        answer.status_code, answer._content = (400 if len(said.get("content", "")) > DISCORDS_MOST else 200), b"ok"
        return answer

    def mail(server: AppriseSMTPController, sender: str, to: list[str], message: str) -> bool:
        parsed = email.message_from_string(message, policy=email.policy.default)
        found.append(str(parsed["Subject"]))
        for part in parsed.walk():
            if part.get_content_maintype() == "text":
                text = part.get_content()
                found.append(read(text) if part.get_content_subtype() == "html" else text)
        return True

    monkeypatch.setattr(HTTPAdapter, "send", post)
    monkeypatch.setattr(AppriseSMTPController, "__enter__", lambda server: server)
    monkeypatch.setattr(AppriseSMTPController, "sendmail", mail)
    monkeypatch.setattr(NotifyBase, "throttle", lambda *args, **options: None)
    for name, url in CHANNELS.items():
        make_channel(name, url, digests=True, decisions=True)
    return found


def read(page: str) -> str:
    """HTML as it is shown, without the breaks that the library puts between lines. Any other tag stays one."""
    return html.unescape(page.replace("<br/>", "\n")).replace("\xa0", " ")


def live(said: str, own: set[str]) -> list[str]:
    """What a service would open, ping or format: all addresses but our own, and signs that are more than themselves."""
    for address in sorted(own, key=len, reverse=True):
        said = re.sub(rf"{re.escape(address)}(?!\S)", "", said)
    return re.findall(r"\S*(?:://|www\.\w|[<>@]|\]\(|&#?\w+;)\S*", said)


def a_proposal(title: str) -> Analysis:
    """One that waits since an hour, under a title that a model chose."""
    proposal = make_proposal(make_item(title, state=InboxItem.State.PROPOSED))
    assert proposal.action is not None
    Action.objects.filter(pk=proposal.action.pk).update(title=title[:2_000], url=f"https://www.notion.so/{proposal.pk}")
    return proposal


@pytest.mark.django_db
def test_no_hostile_title_or_reason_is_live_in_any_channel(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MOST_LINES", 1_000)
    now = database_now()
    NoticePolicy(hour=now.hour, weekly=False).save()
    NoticePolicy.objects.update(since=now - timedelta(days=1))
    hostile = [MASKED, *(f"{item.title} {item.said} {item.body}"[:4_000] for item in corpus())]
    for words in hostile:
        make_item(words[:2_000], state=InboxItem.State.HELD, state_reason=f"Unsure where it goes. {words}")
        a_proposal(words)
        calls.open_due()
    run_stage("digests")
    budget = Budget.objects.create(scope="item", limit_usd=1)
    BudgetPeriod.objects.create(budget=budget, period=str(make_item(MASKED).pk), spent_usd=1, refused_at=now)
    run_stage("budgets")
    run_stage("notify")
    assert set(Notice.objects.values_list("status", flat=True)) == {"done"}

    pages = {f"https://www.notion.so/{pk}" for pk in Analysis.objects.values_list("pk", flat=True)}
    console = re.compile(rf"{re.escape(settings.PUBLIC_URL)}/admin/[\w/?=.-]*")
    own = pages | {found for said in sent for found in console.findall(said)}
    assert len(sent) > 4 * len(hostile)
    assert {found for said in sent for found in live(said, own)} == set()
    readable = "Renew the \u2039https[:]//evil[.]example/login?x=1|Notion login\u203a \u2039!channel\u203a"
    assert any(f"- Held: {readable}" in said for said in sent)
    assert any(
        said.startswith("A decision waits for you: Renew the") and "In Notion: https://" in said for said in sent
    )


@pytest.mark.django_db
def test_several_calls_of_one_kind_are_one_message_and_no_title_in_it_is_live(sent: list[str]) -> None:
    NoticePolicy(daily=False, weekly=False).save()
    for number in range(calls.MOST_LISTED + 2):
        a_proposal(f"{MASKED} {number}")
    calls.open_due()
    calls.open_due()
    assert Notice.objects.count() == len(CHANNELS)
    notice = Notice.objects.filter(channel__name="slack").get()
    assert notice.subject == f"{calls.MOST_LISTED + 2} decisions wait for you"
    assert notice.body.count("A decision waits for you: Renew the") == calls.MOST_LISTED
    assert f"And 2 more: {settings.PUBLIC_URL}/admin/" in notice.body
    run_stage("notify")
    assert set(Notice.objects.values_list("status", flat=True)) == {"done"}
    own = {
        address
        for said in sent
        for address in re.findall(r"(?:https://www.notion.so/|http://[\w.:]+/admin/)[\w/]*(?!\S)", said)
    }
    assert {found for said in sent for found in live(said, own)} == set()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Pay R&D 50 %, see page 3 (now)", "Pay R&D 50 %, see page 3 (now)"),
        ("See https://a.example/x.pdf.", "See https[:]//a[.]example/x[.]pdf."),
        ("www.a.example", "www[.]a[.]example"),
        ("ada@a.example", "ada\uff20a.example"),
        ("[x](https://a.example)", "[x] (https[:]//a[.]example)"),
        ("&lt;!here&gt; &#60;", "\uff06lt;!here\uff06gt; \uff06#60;"),
        ("one\n- two\r\n\tthree ", "one - two three"),
    ],
)
def test_words_of_others_stay_readable(words: str, shown: str) -> None:
    assert defanged(words) == shown


@given(st.text(st.sampled_from("htps:/w.@<>[]()&#x2;lt\n ") | st.characters(), max_size=80))
def test_whatever_others_write_nothing_of_it_has_power(words: str) -> None:
    said = defanged(words)
    assert not re.search(r"://|[<>@\n\r]|\]\(|&#?\w+;|\bwww\.\w", said, re.IGNORECASE)
    assert defanged(said) == said


@pytest.mark.django_db
def test_long_titles_and_reasons_are_cut_with_a_mark(sent: list[str]) -> None:
    now = database_now()
    NoticePolicy(hour=now.hour, weekly=False).save()
    NoticePolicy.objects.update(since=now - timedelta(days=1))
    make_item("t" * 900, state=InboxItem.State.HELD, state_reason="r" * 4_000)
    a_proposal("p" * 900)
    calls.open_due()
    run_stage("digests")
    body = Notice.objects.filter(about="digest")[0].body
    assert f"- Held: {'t' * 200}\u2026 (900 characters in all). {'r' * 400}\u2026 (4,000 characters in all)\n" in body
    call = Notice.objects.filter(about="decision")[0]
    assert len(call.subject) == 200
    assert call.subject.endswith("\u2026")
    assert f"{'p' * 200}\u2026 (900 characters in all)\n" in call.body


@pytest.mark.django_db
def test_a_message_that_is_too_long_for_a_channel_arrives_there_in_several(sent: list[str]) -> None:
    body = "\n".join(f"- Decision {number} waits\n  {settings.PUBLIC_URL}/admin/{number}/" for number in range(100))
    notices.tell("Daily digest", body, about="digest", channels=Channel.objects.filter(name="discord"))
    run_stage("notify")
    assert Notice.objects.get().status == "done"
    assert len(sent) > 1
    arrived = {line.strip() for said in sent for line in said.splitlines()}
    assert [line for line in body.splitlines() if line.strip() not in arrived] == []


@pytest.mark.django_db
def test_what_waits_for_long_is_one_message_that_claims_nobody_was_told_who_was_not(sent: list[str]) -> None:
    NoticePolicy(daily=False, weekly=False).save()
    for number in range(2):
        a_proposal(f"Van {number}")
    InboxItem.objects.update(state_since=database_now() - timedelta(days=4))
    calls.open_due()
    notice = Notice.objects.filter(channel__name="slack", subject__startswith="Nobody").get()
    assert notice.subject == "Nobody has decided for long: 2 decisions wait"
    assert notice.body.count("and nobody is on call who could be told") == 2
