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


def test_blocks_beyond_100_stand_in_toggles_that_say_so() -> None:
    found = blocks([Paragraph(f"{number};") for number in range(301)])
    assert len(found) == 100
    assert [block["type"] for block in found[-4:]] == ["paragraph", "toggle", "toggle", "toggle"]
    assert shown(found[-1:]).startswith("Continued (3 of 3)")
    for number in range(301):
        assert f"{number};" in shown(found)


@given(st.integers(0, 900))
@settings(max_examples=40, deadline=None)
def test_no_array_holds_more_than_100_and_nothing_is_lost(count: int) -> None:
    found = blocks([Bullet("é") for _ in range(count)])
    assert max(len(part) for part in lists(found)) <= 100
    assert shown(found).count("é") == count
    assert measure(found).count >= count


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([Paragraph("x")] * 1_200, "blocks; one request carries 1,000"),
        ([Paragraph("x")] * 20_000, "blocks; one request carries 1,000"),
        ([Toggle("1", [Toggle("2", [Toggle("3", [Paragraph("4")])])])], "4 levels of blocks; one request carries 3"),
        ([Paragraph("x" * 500_000)], "bytes; one request carries 450,000"),
        ([Toggle("x" * 200_001, [])], "101 pieces of text; Notion takes 100"),
    ],
)
def test_it_refuses_what_one_request_cannot_carry(document: list[Block], told: str) -> None:
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
