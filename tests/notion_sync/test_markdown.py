"""The markdown in which Notion tells a page's body becomes blocks again, and plain text, without losing a word."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notion_sync.document import Bullet, Divider, Heading, Paragraph, Quote, Span, Todo, blocks
from notion_sync.markdown import Line, document, plain

ESCAPED = "\\*~`$[]<>{}|^"


def escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in ESCAPED else sign for sign in text)


def spans(text: str) -> list[Span]:
    (block,) = document(text)
    assert isinstance(block, Paragraph)
    assert isinstance(block.text, list)
    return block.text


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="#->"), min_size=1))
def test_what_a_person_typed_comes_back_as_it_was_typed(typed: str) -> None:
    if typed.strip("\n"):
        assert spans(escaped(typed)) == [Span(typed)]
        assert plain(document(escaped(typed))) == typed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a **b** c", [Span("a "), Span("b", bold=True), Span(" c")]),
        ("*i* ~~s~~", [Span("i", italic=True), Span(" "), Span("s", strikethrough=True)]),
        ("***both***", [Span("both", bold=True, italic=True)]),
        (r"**a \*\* b\***", [Span("a ** b*", bold=True)]),
        ('<span underline="true">u</span>', [Span("u", underline=True)]),
        ('<span color="red"><span underline="true">u</span> r</span>', [Span("u", underline=True), Span(" r")]),
        ("`x[1] * **y**`", [Span("x[1] * **y**", code=True)]),
        ("never **closed", [Span("never **closed")]),
        ("</span> alone", [Span("</span> alone")]),
        ("one<br>two", [Span("one\ntwo")]),
        ("see [the **offer**](https://a.example/x(1)?y=2).", [
            Span("see "),
            Span("the ", link="https://a.example/x(1)?y=2"),
            Span("offer", bold=True, link="https://a.example/x(1)?y=2"),
            Span("."),
        ]),
        (r"\[typed\](https://evil.example)", [Span("[typed](https://evil.example)")]),
        ("![a chart](https://files.example/c.png)", [Span("![a chart](https://files.example/c.png)")]),
        ('<mention-user url="user://7">Ana</mention-user> asks', [Span("Ana asks")]),
        ('<page url="https://app.notion.com/p/1">Lease</page>', [Span("Lease", link="https://app.notion.com/p/1")]),
        ("[](https://a.example)", [Span("https://a.example", link="https://a.example")]),
        ('<page url="https://a.example/p"></page>', [Span("https://a.example/p", link="https://a.example/p")]),
        ('a line {color="red_background"}', [Span("a line")]),
        ("1. first\n1. second\n2024. a year", [Span("1. first\n1. second\n2024. a year")]),
        ("```python\nif a[0] < b:\n\t**no**\n```", [Span("if a[0] < b:\n\t**no**", code=True)]),
        ("```python\nnever closed", [Span("```python\nnever closed", code=True)]),
        (
            '<table header-row="true">\n<tr>\n<td>a</td>\n<td>**b**</td>\n</tr>\n<tr><td>c</td><td>d</td></tr>\n</table>',
            [Span("a | "), Span("b", bold=True), Span("\n\nc | d")],
        ),
        ("<details>\n<summary>More</summary>\n\tinside\n</details>", [Span("More\n\tinside")]),
        ("<unknown>stays</unknown>", [Span("<unknown>stays</unknown>")]),
    ],
)  # fmt: skip
def test_formats_links_and_mentions_are_what_they_are_in_notion(text: str, expected: list[Span]) -> None:
    assert spans(text) == expected


LIST = r"""Before
we meet:

# Bring \[all\]
- the **lease**
	- page 3
- [x] the keys
- [ ] 400 \$
> Be on time
---
After"""


def test_headings_lists_quotes_and_rules_are_blocks_and_what_stands_below_an_entry_stays_with_it() -> None:
    expected: list[Line] = [
        Paragraph([Span("Before\nwe meet:")]),
        Heading([Span("Bring [all]")], 1),
        Bullet([Span("the "), Span("lease", bold=True), Span("\n\t- page 3")]),
        Todo([Span("the keys")], done=True),
        Todo([Span("400 $")]),
        Quote([Span("Be on time")]),
        Divider(),
        Paragraph([Span("After")]),
    ]
    assert document(LIST) == expected
    assert [block["type"] for block in blocks(expected)][1:4] == ["heading_1", "bulleted_list_item", "to_do"]


def test_plain_text_keeps_each_word_each_sign_and_each_address() -> None:
    assert plain(document(LIST)) == (
        "Before\nwe meet:\n\n# Bring [all]\n\n- the lease\n\t- page 3\n[x] the keys\n[ ] 400 $\n\n> Be on time\n\n---\n\nAfter"
    )
    assert plain(document("[here](https://a.example) and [https://b.example](https://b.example)")) == (
        "here (https://a.example) and https://b.example"
    )
    assert plain([]) == ""


@pytest.mark.parametrize(
    "piece",
    ["*", "**a", "~~ ", "[", "[a](", "[](x(y)", "![", "`", "``a", "<", "<page ", '<page url="', "<br", "</td> ", "</span>",
     '<span underline="true">', ' {color="', "\\", "```\n", "- \n", "<td>", "\t", "#", "> "],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    document(text)
    assert time.process_time() - began < 5
