"""A dozen things a busy person drops into an inbox, written as that person: no two of a kind."""

from typing import Any

from sandbox.notion import pages
from sandbox.notion.errors import NotionError
from sandbox.notion.rich_text import text_item, written
from sandbox.notion.sources import Source, load_source
from sandbox.notion.store import Workspace
from sandbox.notion.users import PERSON

INBOX = "System Inbox"


def paragraph(*parts: str | dict[str, Any]) -> dict[str, Any]:
    """A paragraph block of texts and rich text items."""
    items = [text_item(part) if isinstance(part, str) else part for part in parts]
    return {"type": "paragraph", "paragraph": {"rich_text": items}}


def bullets(*lines: str) -> list[dict[str, Any]]:
    """Bulleted list items."""
    return [{"type": "bulleted_list_item", "bulleted_list_item": {"rich_text": written(line)}} for line in lines]


def heading(text: str) -> dict[str, Any]:
    """A heading of the second size."""
    return {"type": "heading_2", "heading_2": {"rich_text": written(text)}}


def bold(text: str) -> dict[str, Any]:
    """Bold text."""
    return text_item(text, None, {"bold": True})


LONG_STORY = (
    "We have talked about the second warehouse for months without writing it down, so here is everything I know. "
    "The current site in Leiden is at 92 percent of its racks and we turn away pallets every week from September to "
    "December. The landlord next door offers 1,400 square metres at 78 euros per square metre a year, five years "
    "fixed, with an exit after three at a penalty of six months. Fitting it out costs about 120,000 euros, half of it "
    "racking that we could resell. Against it: two of our five largest customers have contracts that end in June and "
    "one of them is openly looking around. The alternative is a third-party logistics partner at 3.10 euros a pallet "
    "a week, which we can stop with a month's notice, but their damage rate was twice ours when we tried them."
)

ITEMS: list[dict[str, Any]] = [
    {
        "title": "Acquire Brightside Analytics for $400k?",
        "content": "Their founder called. Asking $400k, half up front. 14 customers, $210k yearly revenue, two"
        " engineers who might leave. We hold $900k in cash. He wants an answer within three weeks.",
        "source": "Manual", "urgent": True, "depth": "Deep",
        "body": [
            paragraph("What I heard on the call with ", bold("Dana Brightside"), ":"),
            *bullets(
                "Revenue $210k, churn about 9% a year",
                "Two engineers; one has an offer from elsewhere",
                "The largest customer is 38% of revenue and renews in March",
                "$200k at signing, $200k after twelve months if revenue holds",
            ),
            paragraph("Risk that worries me most: we have never integrated another team."),
        ],
    },
    {
        "title": "Hire a senior data engineer or extend the contractor?",
        "content": "Contractor costs 9,500 euros a month and ends on 31 January. A permanent hire is about 84,000 a"
        " year plus 25% on top, three months to find. The pipeline breaks weekly and only the contractor knows it.",
        "source": "Email", "depth": "Standard", "body": [],
    },
    {
        "title": "Open a second office in Lisbon",
        "content": "Four people would move, rent 3,200 a month, two-year lease. Talent is cheaper, but we would manage"
        " a remote team for the first time.",
        "source": "Slack",
        "body": [heading("For"), *bullets("Hiring pool", "Lower cost of living for juniors"),
                 heading("Against"), *bullets("Two-year lease", "Nobody of us lives there yet")],
    },
    {
        "title": "Raise prices by 15% for existing customers",
        "content": "Costs rose 11% since the last change. 340 customers at an average of 49 a month. Last time 4% of"
        " them left.",
        "source": "Manual", "urgent": True, "body": [],
    },
    {
        "title": "Renew the TLS certificate of shop.example.com before Friday",
        "content": "It expires on Friday at noon. Login for the registrar is in the vault.",
        "source": "Email", "urgent": True, "depth": "Quick", "body": [],
    },
    {
        "title": "Book train and hotel for the Berlin trip 9 to 11 December",
        "content": "Arrive before 14:00 on the 9th, hotel near the fair, at most 160 a night.",
        "source": "Manual", "body": [],
    },
    {
        "title": "Article: why small teams ship faster than large ones",
        "content": "",
        "source": "Web Clipper",
        "body": [
            paragraph("Worth keeping: ", text_item("the essay", "https://example.com/small-teams"),
                      " argues that ", bold("coordination cost"), " grows with the square of the team."),
            {"type": "quote", "quote": {"rich_text": written("Every handover loses half of what was known.")}},
        ],
    },
    {
        "title": "Contact: Mira Okonkwo, head of procurement at Northwind Logistics",
        "content": "Met at the supply chain meetup. mira@example.com. Interested in our forecasts for spring; their"
        " tender opens in February.",
        "source": "API", "body": [],
    },
    {"title": "Talk to Jonas", "content": "", "source": "Slack", "body": []},
    {"title": "the thing from yesterday", "content": "do it or not? maybe later", "source": "Manual", "body": []},
    {
        "title": "\N{ROCKET} \u05d4\u05e9\u05e7\u05ea \u05d4\u05de\u05d5\u05e6\u05e8 / \u0625\u0637\u0644\u0627\u0642"
        " \u0627\u0644\u0645\u0646\u062a\u062c: launch in two markets at once? \N{THINKING FACE}",
        "content": "\u05d4\u05d0\u05dd \u05dc\u05d4\u05e9\u05d9\u05e7 \u05d1\u05e9\u05e0\u05d9 \u05e9\u05d5\u05d5\u05e7"
        "\u05d9\u05dd \u05d1\u05d9\u05d7\u05d3? Budget 60k, the Gulf partner wants exclusivity for a year.",
        "source": "Webhook", "body": [],
    },
    {
        "title": "Second warehouse or a logistics partner",
        "content": "All numbers are on the page.",
        "source": "Manual", "depth": "Deep",
        "body": [
            paragraph(LONG_STORY),
            heading("What a decision needs"),
            *bullets("An answer to the landlord by the 15th", "A view on the two contracts that end in June",
                     "Whether we trust the partner a second time"),
            {"type": "table", "table": {"table_width": 3, "has_column_header": True, "children": [
                {"type": "table_row", "table_row": {"cells": [written(cell) for cell in row]}}
                for row in (("Option", "Cost a year", "Way out"), ("Warehouse", "109,200 euros", "after 3 years"),
                            ("Partner", "about 96,000 euros", "a month"))
            ]}},
            paragraph("If volume drops by a fifth, the warehouse loses money from the second year on."),
        ],
    },
    {
        "title": "Order new badges for the January starters",
        "content": "Three people, photos are in the shared folder.",
        "source": "Email", "body": [],
    },
]  # fmt: skip


def properties_for(source: Source, item: dict[str, Any]) -> dict[str, Any]:
    """An item's properties in request form, as far as the inbox has them."""
    wanted: dict[str, dict[str, Any]] = {
        "Content": {"rich_text": written(item["content"])},
        "Source": {"select": {"name": item["source"]}},
        "Urgent": {"checkbox": item.get("urgent", False)},
        "Depth": {"select": {"name": item["depth"]}} if "depth" in item else {"select": None},
        "Status": {"select": {"name": "Unprocessed"}},
    }
    known = {prop.name: prop.type for prop in source.properties.values()}
    properties = {name: value for name, value in wanted.items() if known.get(name) in value}
    title = next(name for name, kind in known.items() if kind == "title")
    return {title: {"title": written(item["title"])}, **properties}


def fill_inbox(ws: Workspace) -> int:
    """Writes the items into the database titled System Inbox; how many. 0 where it has pages already.

    Raises NotionError 404 where there is no such database yet.
    """
    rows = ws.rows("SELECT s.id FROM data_sources s JOIN databases d ON d.id = s.database_id WHERE d.in_trash = 0")
    sources = [load_source(ws, row["id"]) for row in rows]
    inbox = next((source for source in sources if source.title == INBOX), None)
    if inbox is None:
        raise NotionError(404, "object_not_found", f"There is no database titled {INBOX} yet: run the set-up first.")
    if ws.row("SELECT 1 FROM pages WHERE source_id = ?", inbox.id):
        return 0
    with ws.transaction():
        for item in ITEMS:
            parent = {"data_source_id": inbox.id}
            body = {"parent": parent, "properties": properties_for(inbox, item), "children": item["body"]}
            pages.create_page(ws, body, PERSON.id)
    return len(ITEMS)
