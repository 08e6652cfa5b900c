from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notion_sync.document import (
    Block,
    Bullet,
    Callout,
    Columns,
    Divider,
    DocumentTooLong,
    Heading,
    Numbered,
    Paragraph,
    Quote,
    Span,
    Table,
    Todo,
    Toggle,
    blocks,
    markdown,
    measure,
    requests,
)


def shown(found: list[dict[str, Any]]) -> str:
    """All text of some blocks, in reading order."""
    parts = []
    for block in found:
        content = block[block["type"]]
        for rich_text in (content.get("rich_text", []), *content.get("cells", [])):
            parts += [item["text"]["content"] for item in rich_text]
        parts.append(shown(content.get("children", [])))
    return "".join(parts)


def lists(value: Any) -> list[list[Any]]:
    """Every JSON array within `value`."""
    if isinstance(value, dict):
        return [inner for part in value.values() for inner in lists(part)]
    if isinstance(value, list):
        return [value, *(inner for part in value for inner in lists(part))]
    return []


def test_it_makes_a_block_of_each_kind() -> None:
    found = blocks(
        [
            Heading("h", 1),
            Paragraph("p"),
            Bullet("b"),
            Numbered("n"),
            Todo("t", done=True),
            Quote("q"),
            Callout("c", "🎯", "blue_background"),
            Toggle("s", [Paragraph("inside")]),
            Table(("x",), [("1",)]),
            Columns([[Paragraph("l")], [Paragraph("r")]]),
            Divider(),
        ]
    )
    assert [block["type"] for block in found] == [
        "heading_1",
        "paragraph",
        "bulleted_list_item",
        "numbered_list_item",
        "to_do",
        "quote",
        "callout",
        "toggle",
        "table",
        "column_list",
        "divider",
    ]
    assert found[4]["to_do"]["checked"] is True
    assert found[6]["callout"]["icon"] == {"type": "emoji", "emoji": "🎯"}
    assert shown(found) == "hpbntqcsinsidex1lr"


def test_it_keeps_a_bold_link() -> None:
    found = blocks([Paragraph(("see ", Span("it", bold=True, link="https://e.com")))])
    assert found[0]["paragraph"]["rich_text"] == [
        {"type": "text", "text": {"content": "see "}},
        {"type": "text", "text": {"content": "it", "link": {"url": "https://e.com"}}, "annotations": {"bold": True}},
    ]


def test_an_unsafe_link_is_shown_as_text() -> None:
    found = blocks([Paragraph(Span("click", link="javascript:alert(1)"))])
    assert found[0]["paragraph"]["rich_text"] == [{"type": "text", "text": {"content": "click (javascript:alert(1))"}}]


def test_markup_in_plain_text_stays_text() -> None:
    text = "[a](https://e.com) **b** <script>"
    assert blocks([Paragraph(text)])[0]["paragraph"]["rich_text"] == [{"type": "text", "text": {"content": text}}]
    assert markdown([Paragraph(text)]) == "\\[a\\](https\\://e.com) \\*\\*b\\*\\* \\<script\\>"


def test_text_beyond_100_items_goes_on_below() -> None:
    found = blocks([Quote("x" * 250_000)])
    assert [block["type"] for block in found] == ["quote", "paragraph"]
    assert shown(found) == "x" * 250_000


def test_rows_beyond_99_go_on_in_a_table_with_the_header() -> None:
    found = blocks([Table(("n",), [(str(number),) for number in range(150)])])
    rows = [block["table"]["children"] for block in found]
    assert [len(part) for part in rows] == [100, 52]
    assert shown([rows[1][0], rows[1][1]]) == "n99"


def test_a_table_without_rows_has_its_header() -> None:
    assert len(blocks([Table(("n",), [])])[0]["table"]["children"]) == 1


def test_a_toggle_that_holds_too_much_goes_on_in_another_that_says_so() -> None:
    found = blocks([Toggle("More", [Paragraph(f"{number};") for number in range(250)])])
    assert [shown([{**block, "toggle": {**block["toggle"], "children": []}}]) for block in found] == [
        "More",
        "More (continued)",
        "More (continued)",
    ]
    assert shown(found).count(";") == 250


def test_a_summary_that_is_too_long_goes_on_inside() -> None:
    found = blocks([Toggle("x" * 200_001, [Paragraph("inside")])])
    assert [block["type"] for block in found] == ["toggle"]
    assert shown(found) == "x" * 200_001 + "inside"


def fits(request: list[dict[str, Any]]) -> bool:
    size = measure(request)
    widest = max((len(part) for part in lists(request)), default=0)
    return size.count <= 1_000 and size.depth <= 3 and size.bytes <= 450_000 and widest <= 100


TEXTS = st.text(max_size=300) | st.builds(
    lambda text, times: text * times, st.text("aé漢👩‍👩‍👧\n\x07🇩🇪", min_size=1, max_size=12), st.integers(1, 4_000)
)
DOCUMENTS = st.lists(
    st.builds(Paragraph, TEXTS)
    | st.builds(lambda text, times: Toggle("s", [Bullet(text)] * times), st.text(max_size=9), st.integers(0, 1_200))
    | st.builds(lambda cell, times: Table(("h",), [(cell,)] * times), st.text(max_size=9), st.integers(0, 300)),
    max_size=6,
)


@given(DOCUMENTS, st.integers(0, 460_000))
@settings(max_examples=25, deadline=None)
def test_whatever_its_size_a_document_is_divided_into_requests_without_loss(document: list[Block], taken: int) -> None:
    found = blocks(document)
    divided = list(requests(found, taken))
    assert [block for request in divided for block in request] == found
    assert all(fits(request) for request in divided)
    assert not divided or measure(divided[0]).bytes <= 500_000 - taken or not divided[0]
    assert all(divided[1:])


@given(st.integers(0, 1_700))
@settings(max_examples=20, deadline=None)
def test_no_request_holds_more_than_100_and_nothing_is_lost(count: int) -> None:
    divided = list(requests(blocks([Bullet("é") for _ in range(count)])))
    assert max((len(request) for request in divided), default=0) <= 100
    assert shown([block for request in divided for block in request]) == "é" * count
    assert len(divided) == -(-count // 100)


@pytest.mark.parametrize("letter", ["x\x07", "漢👩‍👩‍👧"])
def test_a_text_of_three_megabytes_arrives_whole(letter: str) -> None:
    text = letter * (3_000_000 // len(letter.encode()))
    divided = list(requests(blocks([Paragraph(text)])))
    assert all(fits(request) for request in divided)
    assert shown([block for request in divided for block in request]) == text


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([Toggle("1", [Toggle("2", [Toggle("3", [Paragraph("4")])])])], "4 levels of blocks; one request carries 3"),
        ([Table(("a", "b", "c"), [("x" * 190_000,) * 3])], "bytes; one request carries 450,000"),
        ([Table(("x" * 200_001,), [])], "101 pieces of text; Notion takes 100"),
        ([Columns([[Paragraph("x")] * 101, [Paragraph("y")]])], "101 blocks side by side; one request carries 100"),
    ],
)
def test_it_refuses_what_cannot_be_divided(document: list[Block], told: str) -> None:
    with pytest.raises(DocumentTooLong, match=told):
        blocks(document)


def test_rows_of_different_width_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="as many cells"):
        blocks([Table(("a", "b"), [("1",)])])


def test_one_column_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="two or more"):
        blocks([Columns([[Paragraph("a")]])])


def test_it_measures_levels_blocks_and_bytes() -> None:
    found = blocks([Paragraph("é"), Toggle("s", [Table(("a",), [("1",)])])])
    size = measure(found)
    assert (size.count, size.depth) == (5, 3)
    assert size.bytes > len(shown(found))
    assert (measure([]).count, measure([]).depth) == (0, 0)


def test_it_shows_a_document_as_markdown() -> None:
    document: list[Block] = [
        Heading("Plan\nB", 2),
        Paragraph(("Take ", Span("it", bold=True))),
        Bullet("one"),
        Bullet("two\nlines"),
        Numbered("a"),
        Todo("b", done=True),
        Quote("q\nr"),
        Callout("c", "🎯"),
        Toggle("More", [Paragraph("p"), Bullet("x")]),
        Table(("a", "b"), [("1|2", Span("x|y", code=True))]),
        Columns([[Paragraph("l")], [Paragraph("r")]]),
        Divider(),
    ]
    assert markdown(document) == (
        "## Plan B\n\n"
        "Take **it**\n\n"
        "- one\n- two\n  lines\n\n"
        "1. a\n\n"
        "- [x] b\n\n"
        "> q\n> r\n\n"
        "> 🎯 c\n\n"
        "- **More**\n  \n  p\n  \n  - x\n\n"
        "| a | b |\n| --- | --- |\n| 1\\|2 | `x\\|y` |\n\n"
        "l\n\nr\n\n"
        "---"
    )
