"""What the real API answered, and what it allows us to ask."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from notion_sync import document as doc
from notion_sync import properties, workspace
from notion_sync.rich_text import spans
from tests.contract.openapi import RequestContract

Recorded = list[dict[str, Any]]
NOT_WRITTEN = {
    "button",
    "created_by",
    "created_time",
    "files",
    "formula",
    "last_edited_by",
    "last_edited_time",
    "place",
    "rollup",
    "unique_id",
}
PAGE = "11111111-1111-4111-8111-111111111111"


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object within `value`."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def answers(exchanges: Recorded) -> Iterator[dict[str, Any]]:
    for exchange in exchanges:
        yield from nodes(exchange["response"])


def page_properties(exchanges: Recorded) -> Iterator[dict[str, Any]]:
    for node in answers(exchanges):
        if node.get("object") == "page" and isinstance(node.get("properties"), dict):
            yield from node["properties"].values()


def test_it_reads_every_recorded_property(exchanges: Recorded, counts: Counter[str]) -> None:
    kinds: Counter[str] = Counter()
    unreadable: Counter[str] = Counter()
    for prop in page_properties(exchanges):
        value = properties.read(prop)
        properties.canonical(prop)
        properties.cut(prop)
        kinds[prop["type"]] += 1
        if isinstance(value, dict) and "unreadable" in value:
            unreadable[prop["type"]] += 1
    counts["recorded properties read"] += kinds.total() - unreadable.total()
    counts["recorded properties of a type without reading (button, place)"] += unreadable.total()
    assert kinds.total() > 2_000
    assert set(unreadable) == {"button", "place"}


def test_it_reads_every_recorded_property_item(exchanges: Recorded) -> None:
    items = [node for node in answers(exchanges) if node.get("object") == "property_item"]
    assert items
    for item in items:
        assert ("unreadable" in str(properties.read(item))) == (item["type"] in ("button", "place"))


def test_it_shows_every_recorded_text_as_markdown(exchanges: Recorded) -> None:
    shown = 0
    for node in answers(exchanges):
        for value in node.values():
            if isinstance(value, list) and value and isinstance(value[0], dict) and "plain_text" in value[0]:
                assert properties.markdown(value) or not "".join(item["plain_text"] for item in value)
                assert "".join(span.text for span in spans(value)) == "".join(item["plain_text"] for item in value)
                shown += 1
    assert shown > 1_000


def test_a_recorded_value_without_formatting_is_the_same_when_we_write_it(exchanges: Recorded) -> None:
    written = formatted = 0
    for prop in page_properties(exchanges):
        if prop["type"] in NOT_WRITTEN:
            continue
        if not isinstance(properties.canonical(prop), str) and prop["type"] in ("title", "rich_text"):
            formatted += 1
            continue
        again = properties.write(prop["type"], properties.read(prop))
        assert properties.canonical(again) == properties.canonical(prop), prop
        written += 1
    assert written > 2_000
    assert formatted < 10


def test_what_was_sent_equals_what_notion_answered(exchanges: Recorded) -> None:
    compared = 0
    for exchange in exchanges:
        sent, answer = exchange["request"], exchange["response"]
        if exchange["method"] not in ("POST", "PATCH") or (answer or {}).get("object") != "page":
            continue
        by_id = {prop["id"]: prop for prop in answer["properties"].values()}
        for name, prop in (sent.get("properties") or {}).items():
            if isinstance(prop, dict):
                answered = answer["properties"].get(name) or by_id[name]
                assert properties.canonical(prop) == properties.canonical(answered), name
                compared += 1
    assert compared > 250


def test_a_cut_value_is_completed_by_its_property_items(exchanges: Recorded) -> None:
    cut = [prop for prop in page_properties(exchanges) if properties.cut(prop)]
    assert cut
    for prop in cut:
        item = {"object": "property_item", prop["type"]: prop[prop["type"]][0]}
        complete = properties.whole(prop, [item] * 40)
        assert len(complete[prop["type"]]) == 40
        assert not complete.get("has_more")


def test_recorded_requests_pass_the_contract(exchanges: Recorded, contract: RequestContract) -> None:
    """But for two forms that the real API took and its description does not have."""
    checked = 0
    for exchange in exchanges:
        if exchange["notion_version"] != "2026-03-11" or exchange["status"] != 200:
            continue
        address = urlsplit(exchange["path"])
        query = {key: found if len(found) > 1 else found[0] for key, found in parse_qs(address.query).items()}
        body = exchange["request"] or (None if exchange["method"] in ("GET", "DELETE") else exchange["request"])
        errors = contract.errors(exchange["method"], address.path, query, body)
        assert all("'has_more'" in error or "'unique_id'" in error for error in errors), errors
        checked += 1
    assert checked > 800


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "told"),
    [
        ("GET", "/v1/nothing", {}, None, "not in the description"),
        ("GET", "/v1/users", {"size": "5"}, None, "query size"),
        ("GET", "/v1/users", {"page_size": "many"}, None, "query page_size"),
        ("GET", "/v1/users", {}, {"page_size": 5}, "the description has none"),
        ("POST", "/v1/pages", {}, {"parent": {"page_id": PAGE}, "titel": "x"}, "titel"),
        ("POST", "/v1/pages", {}, {"parent": {"database": PAGE}}, "body/parent"),
        ("PATCH", f"/v1/pages/{PAGE}", {}, {"properties": {"a": {"number": "7"}}}, "body/properties/a"),
    ],
)
def test_the_contract_tells_what_is_wrong(
    contract: RequestContract, method: str, path: str, query: dict[str, str], body: object, told: str
) -> None:
    errors = contract.errors(method, path, query, body)
    assert len(errors) == 1
    assert told in errors[0]


@pytest.mark.parametrize("database", workspace.DATABASES.values(), ids=workspace.DATABASES.keys())
def test_notion_allows_the_database(contract: RequestContract, database: workspace.Database) -> None:
    body = {
        "parent": {"type": "page_id", "page_id": PAGE},
        "title": [{"type": "text", "text": {"content": database.title}}],
        "initial_data_source": {
            "properties": workspace.creation_schema(database, dict.fromkeys(workspace.DATABASES, PAGE))
        },
    }
    assert contract.errors("POST", "/v1/databases", {}, body) == []


def test_notion_allows_every_value_that_we_write(contract: RequestContract) -> None:
    now = datetime(2026, 11, 22, 23, 1, tzinfo=UTC)
    values: dict[str, tuple[Any, ...]] = {
        "title": ("A", None),
        "rich_text": ("x" * 5_000, "", None),
        "number": (7, 0.5, None),
        "select": ("High", None),
        "status": ("Done", None),
        "multi_select": (["a", "b"], None),
        "checkbox": (True, None),
        "date": (now.date(), None),
        "people": ([PAGE], None),
        "relation": ([PAGE], None),
        "url": ("https://example.com", None),
        "email": ("a@example.com", None),
        "phone_number": ("1", None),
    }
    for kind, several in values.items():
        for value in several:
            body = {"properties": {"x": properties.write(kind, value)}}
            assert contract.errors("PATCH", f"/v1/pages/{PAGE}", {}, body) == [], (kind, value)


def test_notion_allows_a_page_with_every_kind_of_block(contract: RequestContract) -> None:
    rich = ("plain ", doc.Span("bold", bold=True, color="red"), doc.Span("link", link="https://example.com"))
    inner: list[doc.Block] = [doc.Bullet(rich), doc.Numbered(rich), doc.Todo(rich, done=True), doc.Quote(rich)]
    document: list[doc.Block] = [
        doc.Heading(rich, 1),
        doc.Heading("Two"),
        doc.Heading("Three", 3),
        doc.Paragraph("x" * 300_000),
        doc.Callout(rich, "🎯", "blue_background"),
        doc.Toggle(rich, [*inner, doc.Table(("a", "b"), [("1", rich)] * 110)]),
        doc.Columns([inner, inner]),
        doc.Divider(),
        *[doc.Bullet(f"Entry {number}") for number in range(120)],
    ]
    first, *rest = doc.requests(doc.blocks(document))
    body = {"parent": {"data_source_id": PAGE}, "children": first}
    assert contract.errors("POST", "/v1/pages", {}, body) == []
    assert rest
    for part in rest:
        assert contract.errors("PATCH", f"/v1/blocks/{PAGE}/children", {}, {"children": part}) == []
