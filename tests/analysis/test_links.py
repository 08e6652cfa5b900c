"""Which addresses on our pages open at a click."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.agreement import Conflict
from analysis.pages import intent_page, live_links
from notion_sync.document import Block, Bullet, Columns, Divider, Paragraph, Span, Table, Toggle, blocks
from tests.analysis.test_pages import longest
from tests.factories import TODAY

ROOT = Path(__file__).resolve().parent.parent.parent


def live(children: Any) -> list[str]:
    """The addresses that are links, anywhere within some blocks."""
    if isinstance(children, list):
        return [address for child in children for address in live(child)]
    if not isinstance(children, dict):
        return []
    own = [children["link"]["url"]] if isinstance(children.get("link"), dict) else []
    return own + [address for child in children.values() for address in live(child)]


def shown(children: Any) -> str:
    if isinstance(children, list):
        return "".join(shown(child) for child in children)
    if not isinstance(children, dict):
        return ""
    return str(children.get("content", "")) + "".join(shown(child) for child in children.values())


def links_in(answer: str, *item: str) -> list[str]:
    return live(blocks(live_links([Paragraph(answer)], *item)))


@pytest.mark.parametrize(
    ("answer", "item"),
    [
        ("See https://a.example/x.", "Look at https://a.example/x and tell me"),
        ("(https://a.example/x)", "[the offer](<https://a.example/x>)"),
        ("https://a.example/x", "HTTPS://A.example:443/x"),
        ("https://a.example/x", "**https://a.example/x**"),
        ("https://a.example/a_b?c=d&e=f#g", r"https://a.example/a\_b?c=d&e=f\#g"),
        ("https://a.example/Öl_(Begriff)", "https://a.example/Öl_(Begriff)"),
    ],
)
def test_an_address_that_stood_in_the_item_is_a_link(answer: str, item: str) -> None:
    assert links_in(answer, "A title", item) == [
        answer.strip("(). ").removeprefix("See ") + ")" * answer.endswith("f)")
    ]


@pytest.mark.parametrize(
    "answer",
    [
        "https://b.example/x",
        "https://a.example/x?leak=secret",
        "https://a.example/x#secret",
        "https://a.example/x/secret",
        "https://a.example/y",
        "http://a.example/x",
        "https://a.example:8443/x",
        "https://a.example.b.example/x",
        "https://a.example@b.example/x",
        "https://user:word@a.example/x",
        "https://а.example/x",  # noqa: RUF001  # a Cyrillic letter
        "https://a.example/x\u200b",
        "https://a.example\\@b.example/x",
        "https://[broken/x",
        "https://a.example:port/x",
        "[a good page](https://a.example/x)",
        "![a picture](<https://a.example/x>)",
        '<a href="https://a.example/x">',
        "mailto:ada@a.example",
        "ada@a.example",
        "javascript:alert(1)//https:a.example/x",
        "data:text/html,https://a.example/x",
        "//a.example/x",
        "www.a.example/x",
    ],
)
def test_any_other_address_stays_text(answer: str) -> None:
    item = "https://a.example/x https://user:word@a.example/x mailto:ada@a.example https://a.example/x\u200b www.a.example/x"
    found = blocks(live_links([Paragraph(answer)], item))
    assert live(found) == []
    assert shown(found) == answer


def test_links_are_found_on_every_part_of_a_page_and_nothing_else_changes() -> None:
    said = "Read https://a.example/x, then https://b.example/y."
    page: list[Block] = [
        Paragraph([Span("Bold ", bold=True), said]),
        Bullet(Span(said, italic=True)),
        Toggle(said, [Bullet(said)]),
        Table([said], [[said]]),
        Columns([[Paragraph(said)], [Paragraph(said)]]),
        Divider(),
        Paragraph(Span(said, code=True)),
    ]
    found = blocks(live_links(page, "https://a.example/x"))
    assert live(found) == ["https://a.example/x"] * 7
    assert shown(found) == shown(blocks(page))
    assert found[1]["bulleted_list_item"]["rich_text"][1]["annotations"] == {"italic": True}


def test_a_page_full_of_links_still_fits_one_request() -> None:
    answer, voices = longest()
    addresses = "".join(f"http://a.bc/{number:03} " for number in range(250))
    answer = answer.model_copy(
        update={"decision": addresses, "risk_assessment": addresses, "premortem": [addresses] * 6}
    )
    options = [option.model_copy(update={"pros": [addresses[:300]] * 6}) for option in answer.options]
    page = intent_page("t", answer.model_copy(update={"options": options}), voices, Conflict.MAJOR, TODAY)
    found = blocks(live_links(page, addresses))
    assert 0 < len(live(found)) <= 100
    assert shown(found) == shown(blocks(page))


@given(st.text(st.sampled_from("htps:/.a[]()<>@\\?#x \n\u202e"), max_size=60), st.text(max_size=30))
def test_whatever_is_said_no_link_appears_that_was_not_in_the_item(answer: str, item: str) -> None:
    found = blocks(live_links([Paragraph(f"https://{answer} http://a.x")], item, "http://a.x"))
    assert set(live(found)) <= {"http://a.x"}
    assert shown(found) == f"https://{answer} http://a.x".replace("\0", "\ufffd")


def test_no_other_place_of_the_analysis_makes_links() -> None:
    makers = [path.name for path in (ROOT / "analysis").rglob("*.py") if "link=" in path.read_text()]
    assert makers == ["links.py"]
