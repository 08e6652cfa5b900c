"""What Slack and mails send becomes the words that a person wrote, and nothing takes long to read."""

from __future__ import annotations

import pytest

from notion_sync.foreign_text import of_html, of_slack

LONG = 200_000


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("R&amp;D: &lt;$50k or &gt;$80k?", "R&D: <$50k or >$80k?"),
        ("as &amp;lt; in HTML", "as &lt; in HTML"),
        ("<@U7> asks <@U8|ana> in <#C2|board>, <!here>", "@U7 asks @ana in #board, @here"),
        ("see <https://x.y/a?b=1&amp;c=2|the sheet>", "see the sheet (https://x.y/a?b=1&c=2)"),
        ("<https://x.y>, <http://x.y|x.y> or <mailto:a@x.y|a@x.y>", "https://x.y, x.y or a@x.y"),
        ("<$50k or >$80k", "<$50k or >$80k"),
    ],
)
def test_a_message_of_slack_says_what_was_written(sent: str, written: str) -> None:
    assert of_slack(sent) == written


@pytest.mark.parametrize(
    ("page", "read"),
    [
        ("<div>Hello&nbsp;<b>Ana</b>,<br>R&amp;D &lt; $50k</div>", "Hello Ana,\nR&D < $50k"),
        ("<!DOCTYPE html><title>T</title><style>p{a>b}</style><p>One</p><p>Two<script>if(a<b){}</script>", "One\n\nTwo"),
        ("<tr><td>Rent</td><td>900</td></tr><tr><td>Power</td></tr>", "Rent 900\n\nPower"),
        ("<a href='https://x.y/?b=1&amp;c'>the sheet</a>, <a href=https://x.y>https://x.y</a>.",
         "the sheet (https://x.y/?b=1&c), https://x.y."),
        ("<!--[if mso]>old<![endif]--><!--[if !mso]><!-->shown<!--<![endif]-->", "shown"),
        ("kept <!-- without an end", "kept <!-- without an end"),
    ],
)  # fmt: skip
def test_of_a_page_stays_what_a_person_reads(page: str, read: str) -> None:
    assert of_html(page) == read


@pytest.mark.parametrize("part", ["<!--", "<a ", "<a href='", "<style>", "<![CDATA[", "\n <p> ", "<@a|", "&"])
def test_of_hostile_texts_no_more_is_read_than_was_sent(part: str) -> None:
    sent = part * (LONG // len(part))  # what is quadratic would take minutes
    for read in (of_html, of_slack):
        assert len(read(sent)) <= len(sent)
