from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from notion_sync import properties
from notion_sync.rich_text import Span, items, marked, pieces, safe_link, spans

FAMILY = "👨‍👩‍👧‍👦"
FLAG = "🇩🇪"
ARABIC = "مرحبا بالعالم "
COMBINED = "e\u0301"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def item(text: str, link: str | None = None, **annotations: Any) -> dict[str, Any]:
    """Text as Notion answers it, with every default spelled out."""
    plain = {
        "bold": False,
        "italic": False,
        "strikethrough": False,
        "underline": False,
        "code": False,
        "color": "default",
    }
    return {
        "type": "text",
        "text": {"content": text, "link": {"url": link} if link else None},
        "annotations": {**plain, **annotations},
        "plain_text": text,
        "href": link,
    }


def text(*rich_text: dict[str, Any]) -> dict[str, Any]:
    return {"id": "abc", "type": "rich_text", "rich_text": list(rich_text)}


def mention(kind: str, target: dict[str, Any], name: str, href: str | None = None) -> dict[str, Any]:
    return {"type": "mention", "mention": {"type": kind, kind: target}, "plain_text": name, "href": href}


# Reading


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("title", [item("Buy "), item("it", bold=True)], "Buy it"),
        ("rich_text", [], ""),
        ("number", 0.5, 0.5),
        ("select", {"id": "1", "name": "High", "color": "red"}, "High"),
        ("select", None, None),
        ("status", {"id": "1", "name": "Done", "color": "green"}, "Done"),
        ("multi_select", [{"name": "a"}, {"name": "b"}], ["a", "b"]),
        ("checkbox", True, True),
        ("date", {"start": "2026-01-02", "end": None, "time_zone": None}, {"start": "2026-01-02", "end": None}),
        ("date", None, None),
        ("people", [{"object": "user", "id": ID, "name": "Ann"}], [ID]),
        ("relation", [{"id": ID}], [ID]),
        ("relation", {"id": ID}, [ID]),
        ("url", "https://example.com", "https://example.com"),
        ("unique_id", {"prefix": "INBOX", "number": 12}, "INBOX-12"),
        ("unique_id", {"prefix": None, "number": 12}, "12"),
        ("created_time", "2026-01-02T03:04:00.000Z", "2026-01-02T03:04:00.000Z"),
        ("created_by", {"object": "user", "id": ID}, ID),
        ("files", [{"name": "a.pdf", "type": "file", "file": {"url": "https://signed"}}], ["a.pdf"]),
        ("formula", {"type": "string", "string": "x"}, "x"),
        ("formula", {"type": "boolean", "boolean": False}, False),
        ("formula", {"type": "date", "date": None}, None),
        ("rollup", {"type": "number", "number": 2, "function": "count"}, 2),
        ("rollup", {"type": "array", "array": [{"type": "title", "title": [item("a")]}], "function": "x"}, ["a"]),
    ],
)
def test_it_reads_each_type(kind: str, raw: Any, value: Any) -> None:
    assert properties.read({"id": "x", "type": kind, kind: raw}) == value


@pytest.mark.parametrize(
    "prop",
    [
        {"id": "x", "type": "hologram", "hologram": 1},
        {"id": "x", "type": "people"},
        {"id": "x", "type": "select", "select": "High"},
        {"id": "x", "type": "rollup", "rollup": {"type": "incomplete", "incomplete": {}}},
        {},
    ],
)
def test_it_marks_what_it_cannot_read(prop: dict[str, Any]) -> None:
    assert properties.read(prop) == {"unreadable": prop.get("type", ""), "raw": prop}
    assert properties.canonical(prop) == properties.canonical(dict(prop))


@pytest.mark.parametrize("kind", ["title", "rich_text", "relation", "people"])
def test_a_list_of_25_entries_may_be_cut(kind: str) -> None:
    assert properties.cut({"type": kind, kind: [{"id": ID}] * 25})
    assert not properties.cut({"type": kind, kind: [{"id": ID}] * 24})


def test_a_relation_that_has_more_is_cut_and_is_made_whole() -> None:
    prop = {"id": "r", "type": "relation", "relation": [{"id": ID}], "has_more": True}
    assert properties.cut(prop)
    found = properties.whole(prop, [{"object": "property_item", "type": "relation", "relation": {"id": ID}}] * 3)
    assert properties.read(found) == [ID] * 3
    assert not properties.cut(found)


def test_a_multi_select_is_never_cut() -> None:
    assert not properties.cut({"type": "multi_select", "multi_select": [{"name": "a"}] * 60})


# Writing


def test_it_writes_plain_text_as_one_item() -> None:
    assert properties.write("rich_text", "*a*") == {"rich_text": [{"type": "text", "text": {"content": "*a*"}}]}


@pytest.mark.parametrize(
    ("kind", "empty"),
    [
        ("title", []),
        ("rich_text", []),
        ("number", None),
        ("select", None),
        ("status", None),
        ("multi_select", []),
        ("checkbox", False),
        ("date", None),
        ("people", []),
        ("relation", []),
        ("url", None),
        ("email", None),
        ("phone_number", None),
    ],
)
def test_none_empties(kind: str, empty: Any) -> None:
    assert properties.write(kind, None) == {kind: empty}


def test_it_writes_dates_and_times() -> None:
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert properties.write("date", date(2026, 1, 2)) == {"date": {"start": "2026-01-02", "end": None}}
    assert properties.write("date", moment) == {"date": {"start": "2026-01-02T03:04:00+00:00", "end": None}}
    both = {"start": "2026-01-02", "end": "2026-01-03"}
    assert properties.write("date", both) == {"date": both}


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("date", datetime(2026, 1, 2, 3, 4), "no time zone"),
        ("date", "2026-01-02T03:04", "no time zone"),
        ("date", "soon", "soon"),
        ("number", True, "True"),
        ("number", float("nan"), "nan"),
        ("number", "7", "7"),
        ("relation", [ID] * 101, "takes 100 of a relation"),
        ("people", [ID] * 101, "takes 100 of a people"),
        ("url", "https://e.com/" + "x" * 2_000, "takes 2,000 of a url"),
        ("rich_text", "x" * 200_001, "200,001 characters; Notion takes 100 pieces of at most 2,000"),
        ("formula", "1", "'formula' cannot be written"),
        ("unique_id", "1", "'unique_id' cannot be written"),
    ],
)
def test_it_refuses_what_notion_would_refuse_or_cut(kind: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        properties.write(kind, value)


def test_a_decimal_becomes_a_number() -> None:
    assert properties.write("number", Decimal("0.5")) == {"number": 0.5}


def test_200_000_characters_fill_a_property_exactly() -> None:
    found = properties.write("rich_text", "x" * 200_000)["rich_text"]
    assert [len(piece["text"]["content"]) for piece in found] == [2_000] * 100


def test_nul_and_lone_surrogates_are_replaced() -> None:
    assert properties.clean("a\x00b\ud800c😀") == "a�b�c😀"
    assert properties.write("title", "a\x00")["title"][0]["text"]["content"] == "a�"
    assert properties.write("select", "a\udfff") == {"select": {"name": "a�"}}


clusters = st.sampled_from([FAMILY, FLAG, COMBINED, "a", " ", "\n", "\r\n", "ش", "👍🏽", "한", "नि"])
texts = st.one_of(st.lists(clusters, max_size=30).map("".join), st.text(max_size=60))


@given(texts, st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_pieces_lose_nothing_and_break_no_grapheme(found: str, times: int) -> None:
    whole = found * times
    parts = pieces(whole)
    assert "".join(parts) == whole
    assert all(0 < units(part) <= 2_000 for part in parts)
    assert [g for part in parts for g in regex.findall(r"\X", part)] == regex.findall(r"\X", whole)


@pytest.mark.parametrize("cluster", [FAMILY, FLAG, COMBINED, ARABIC, "👍🏽"])
def test_a_cluster_on_the_edge_stays_together(cluster: str) -> None:
    for before in range(1_980, 2_001):
        parts = pieces("x" * before + cluster * 3)
        assert "".join(parts) == "x" * before + cluster * 3
        assert all(units(part) <= 2_000 for part in parts)
        edge = parts[1] if len(parts) > 1 else ""
        assert not edge or regex.match(r"\X", (parts[0] + edge)[len(parts[0]) :])
        if cluster != ARABIC:
            assert edge == "" or edge.startswith(cluster)


def test_200_kb_of_mixed_text_comes_back_as_it_was() -> None:
    whole = (ARABIC + FAMILY + COMBINED) * 4_000
    assert len(whole.encode()) > 200_000
    parts = pieces(whole)
    assert "".join(parts) == whole
    assert max(units(part) for part in parts) <= 2_000


def test_a_grapheme_longer_than_a_piece_is_cut_between_code_points() -> None:
    zalgo = "e" + "\u0301" * 5_000
    parts = pieces(zalgo + "!")
    assert "".join(parts) == zalgo + "!"
    assert [units(part) <= 2_000 for part in parts] == [True] * len(parts)


# Comparing


@given(texts)
@settings(max_examples=60, deadline=None)
def test_what_we_write_and_what_notion_answers_are_equal(found: str) -> None:
    written = properties.write("rich_text", found * 80)
    answer = text(*[item(piece["text"]["content"]) for piece in written["rich_text"]])
    assert properties.canonical(written) == properties.canonical(answer) == properties.clean(found * 80)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("select", {"name": "High"}, {"id": "1", "name": "High", "color": "red"}),
        ("relation", [{"id": ID}, {"id": "b"}], [{"id": "b"}, {"id": ID.replace("-", "")}]),
        ("relation", [{"id": f"{n}"} for n in range(9)], [{"id": f"{n}"} for n in reversed(range(9))]),
        ("people", [{"object": "user", "id": ID}], [{"object": "user", "id": ID, "name": "Ann", "type": "person"}]),
        ("number", 7, 7.0),
        ("date", {"start": "2026-01-02"}, {"start": "2026-01-02", "end": None, "time_zone": None}),
        ("date", {"start": "2026-01-02T03:04:31+00:00"}, {"start": "2026-01-02T04:04:00.000+01:00", "end": None}),
        ("date", {"start": "2026-07-02T03:04:31", "time_zone": "Europe/London"}, {"start": "2026-07-02T02:04:00Z"}),
        ("multi_select", [{"name": "a"}, {"name": "b"}], [{"name": "b", "id": "2"}, {"name": "a", "id": "1"}]),
        ("title", [item("ab", bold=True)], [item("a", bold=True), item("b", bold=True)]),
        (
            "files",
            [{"name": "a", "type": "file", "file": {"url": "https://e.com/1"}}],
            [{"name": "a", "type": "file", "file": {"url": "https://e.com/2"}}],
        ),
        ("rich_text", [mention("page", {"id": ID}, "Old")], [mention("page", {"id": ID}, "New", "https://n.so")]),
    ],
)
def test_the_same_said_otherwise_is_equal(kind: str, one: Any, other: Any) -> None:
    assert properties.canonical({kind: one}) == properties.canonical({"id": "x", "type": kind, kind: other})


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("select", {"name": "High"}, None),
        ("rich_text", [item("a")], [item("a", bold=True)]),
        ("rich_text", [item("a")], [item("a", link="https://e.com")]),
        ("rich_text", [item("a")], [item("a ")]),
        ("rich_text", [item("a")], [mention("page", {"id": ID}, "a")]),
        ("rich_text", [mention("page", {"id": ID}, "a")], [mention("page", {"id": "b"}, "a")]),
        (
            "rich_text",
            [mention("user", {"id": ID}, "a"), mention("user", {"id": ID}, "a")],
            [mention("user", {"id": ID}, "a")],
        ),
        ("date", {"start": "2026-01-02"}, {"start": "2026-01-02T00:00:00Z"}),
        ("date", {"start": "2026-01-02T03:04:00Z"}, {"start": "2026-01-02T03:05:00Z"}),
        ("relation", [{"id": ID}], [{"id": ID}, {"id": "b"}]),
        ("checkbox", False, True),
    ],
)
def test_a_difference_that_people_see_counts(kind: str, one: Any, other: Any) -> None:
    assert properties.canonical({kind: one}) != properties.canonical({kind: other})


@given(
    st.datetimes(
        datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(timezone(timedelta(hours=5, minutes=30)))
    )
)
def test_a_time_equals_itself_floored_to_the_minute(moment: datetime) -> None:
    floored = moment.astimezone(UTC).replace(second=0, microsecond=0)
    assert properties.canonical(properties.write("date", moment)) == properties.canonical(
        properties.write("date", floored)
    )


# Markdown


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([item("a "), item("bold", bold=True), item(" c")], "a **bold** c"),
        ([item("x", bold=True, link="https://e.com")], "[**x**](<https://e.com>)"),
        ([item("a", italic=True), item(", b")], "_a_, b"),
        ([item("a", strikethrough=True)], "~~a~~"),
        ([item("a", underline=True)], "<u>a</u>"),
        ([item("a`b", code=True)], "``a`b``"),
        ([item("`a", code=True)], "`` `a ``"),
        ([item("bo", bold=True), item("ld")], "<b>bo</b>ld"),
        ([item("a", bold=True), item("b", italic=True)], "<b>a</b><i>b</i>"),
        ([item("a", bold=True), item(".", italic=True)], "<b>a</b><i>.</i>"),
        ([item("a\n b ", bold=True), item("c")], "**a**\n **b** c"),
        ([item("a", link="javascript:alert(1)")], "a (javascript:alert(1))"),
        ([item("a", link="https://e.com/<x>")], "[a](<https://e.com/%3Cx%3E>)"),
        ([item("p", link="/0f8f")], "[p](<https://www.notion.so/0f8f>)"),
        ([mention("page", {"id": ID}, "My [page]", "https://n.so/1")], "[My \\[page\\]](<https://n.so/1>)"),
        ([mention("user", {"id": ID}, "@Ann")], "@Ann"),
        ([mention("date", {"start": "2026-01-02"}, "2026-01-02")], "2026-01-02"),
        ([{"type": "equation", "equation": {"expression": "E=mc^2"}, "plain_text": "E=mc^2"}], "$E=mc^2$"),
        ([item("*a* <b> [x](y) 5$ a|b &amp; R&D snake_case _x_")],
         "\\*a\\* \\<b\\> \\[x\\](y) 5\\$ a\\|b \\&amp; R&D snake_case \\_x\\_"),
        ([item("# a\n- b\n1. c\n2) d\n> e")], "\\# a\n\\- b\n1\\. c\n2\\) d\n\\> e"),
        ([item("a"), item("\n"), item("  - b")], "a\n  \\- b"),
        ([item("a - b")], "a - b"),
        ([item("see https://e.com")], "see https://e.com"),
    ],
)  # fmt: skip
def test_it_shows_text_as_markdown(parts: list[dict[str, Any]], shown: str) -> None:
    assert properties.markdown(parts) == shown


def test_bare_addresses_can_be_kept_from_becoming_links() -> None:
    span = Span("https://e.com, www.e.com, a@e.com")
    assert marked([span], bare_links=False) == "https\\://e.com, www\\.e.com, a\\@e.com"


@given(texts)
@settings(max_examples=60, deadline=None)
def test_markdown_without_its_escapes_is_the_text(found: str) -> None:
    assert properties.unescaped(properties.markdown([item(found)])) == found


@pytest.mark.parametrize("address", ["https://e.com", "HTTP://e.com/a?b", "mailto:a@e.com"])
def test_web_and_mail_addresses_are_links(address: str) -> None:
    assert safe_link(address) == address


@pytest.mark.parametrize(
    "address", [None, "", "javascript:x", "data:text/html,x", "file:///x", "/x", "https://a b", "https://"]
)
def test_other_addresses_are_no_links(address: str | None) -> None:
    assert safe_link(address) is None


def test_spans_come_back_from_what_they_were_written_as() -> None:
    parts = [Span("a", bold=True), Span("b" * 4_500, link="https://e.com"), Span("c", code=True, color="red")]
    assert spans(items(parts)) == parts
