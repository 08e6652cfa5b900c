"""The workspace as a person sees and edits it, without a script."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import World, block, options, text, title


@pytest.fixture
def inbox(world: World) -> str:
    """An inbox with the properties that the add form knows."""
    return world.source(
        "System Inbox", Content={"rich_text": {}}, Source=options("Manual", "Email"), Urgent={"checkbox": {}},
        Depth=options("Quick", "Standard", "Deep"), Count={"number": {}}, Day={"date": {}}, Owner={"people": {}},
        Made={"created_time": {}}, Number={"unique_id": {"prefix": "IN"}},
    )  # fmt: skip


def form_of(html: str) -> dict[str, str]:
    """What a browser would submit if a person pressed Save at once."""
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input ([^>]*)>", html):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            fields[name[1]] = unescape(value[1]) if value else "on"
    for name, value in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', html, re.DOTALL):
        fields[name] = unescape(value).replace("\n", "\r\n")
    for name, inside in re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r"<option selected>([^<]*)<", inside)
        fields[name] = unescape(chosen[1]) if chosen else ""
    fields.pop("in_trash", None)
    return fields


def get(world: World, path: str, status: int = 200) -> str:
    answer = world.http.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def property_id(world: World, source: str, name: str) -> str:
    schema: Any = world.notion.data_sources.retrieve(source)
    return str(schema["properties"][name]["id"])


def test_the_front_page_lists_databases_with_counts_inbox_first(world: World, inbox: str) -> None:
    world.source("Zebra")
    world.source("Tasks")
    world.page(inbox)
    html = get(world, "/")
    assert "Sandbox workspace, not Notion" in html
    assert [html.index(name) for name in ("System Inbox", "Tasks", "Zebra")] == sorted(
        html.index(name) for name in ("System Inbox", "Tasks", "Zebra")
    )
    assert re.search(r'System Inbox</span><span class="count">1<', html)


def test_the_front_page_lists_pending_decisions(world: World) -> None:
    source = world.source("Action Pipes", Approval_Status=options("Pending", "Approved"))
    world.page(source, "Buy the competitor", Approval_Status={"select": {"name": "Pending"}})
    world.page(source, "Old news", Approval_Status={"select": {"name": "Approved"}})
    html = get(world, "/")
    assert "Buy the competitor" in html
    assert "Old news" not in html


def test_an_item_is_added_as_the_person(world: World, inbox: str) -> None:
    form = {"title": "Buy <b>milk</b>", "content": "two\r\nlitres", "urgent": "on", "depth": "Deep"}
    answer = world.http.post(f"/d/{inbox}/items", data=form)
    assert answer.status_code == 303
    found: Any = world.notion.data_sources.query(inbox)
    page, me = found["results"][0], world.person.users.me()
    values = page["properties"]
    assert page["created_by"]["id"] == me["id"]  # type: ignore[index]  # the SDK types answers as possibly awaitable
    assert values["Name"]["title"][0]["plain_text"] == "Buy <b>milk</b>"
    assert values["Content"]["rich_text"][0]["plain_text"] == "two\nlitres"
    assert (values["Urgent"]["checkbox"], values["Depth"]["select"]["name"]) == (True, "Deep")
    html = get(world, answer.headers["location"])
    assert "<b>milk</b>" not in html
    assert "&lt;b&gt;milk&lt;/b&gt;" in html


def test_an_item_without_a_title_is_refused(world: World, inbox: str) -> None:
    answer = world.http.post(f"/d/{inbox}/items", data={"title": "  "})
    assert answer.status_code == 400
    assert "title" in answer.text


def test_saving_an_untouched_page_writes_nothing(world: World, inbox: str) -> None:
    rich = [text("Bold ", bold=True), text("and <plain> & long\nwith a second line")]
    me: Any = world.person.users.me()
    page = world.page(
        inbox, Content={"rich_text": rich}, Urgent={"checkbox": True}, Count={"number": 2.5},
        Day={"date": {"start": "2026-03-01", "end": "2026-03-05"}}, Owner={"people": [{"id": me["id"]}]},
    )  # fmt: skip
    before: Any = world.notion.pages.retrieve(page["id"])
    answer = world.http.post(f"/p/{page['id']}", data=form_of(get(world, f"/p/{page['id']}")))
    assert answer.status_code == 303
    after: Any = world.notion.pages.retrieve(page["id"])
    assert after["properties"] == before["properties"]
    assert after["last_edited_by"] == before["last_edited_by"]


def test_a_page_is_edited_as_the_person(world: World, inbox: str) -> None:
    page = world.page(inbox, Count={"number": 1}, Urgent={"checkbox": True}, Source={"select": {"name": "Email"}})
    names = ("Content", "Source", "Count", "Day", "Urgent")
    fields = {name: f"p-{property_id(world, inbox, name)}" for name in names}
    form = form_of(get(world, f"/p/{page['id']}"))
    form |= {"p-title": "New name", fields["Content"]: "Now\r\nlonger", fields["Source"]: "Manual"}
    form |= {fields["Count"]: "7", fields["Day"]: "2026-03-01 to 2026-03-02"}
    form.pop(fields["Urgent"])
    assert world.http.post(f"/p/{page['id']}", data=form).status_code == 303
    after: Any = world.notion.pages.retrieve(page["id"])
    me: Any = world.person.users.me()
    values = after["properties"]
    assert after["last_edited_by"]["id"] == me["id"]
    assert values["Name"]["title"][0]["plain_text"] == "New name"
    assert values["Content"]["rich_text"][0]["plain_text"] == "Now\nlonger"
    assert (values["Source"]["select"]["name"], values["Count"]["number"]) == ("Manual", 7)
    assert values["Day"]["date"] == {"start": "2026-03-01", "end": "2026-03-02", "time_zone": None}
    assert values["Urgent"]["checkbox"] is False


def test_a_wrong_value_is_shown_and_nothing_is_saved(world: World, inbox: str) -> None:
    page = world.page(inbox)
    form = form_of(get(world, f"/p/{page['id']}"))
    form |= {"p-title": "Changed", f"p-{property_id(world, inbox, 'Day')}": "someday"}
    answer = world.http.post(f"/p/{page['id']}", data=form)
    assert answer.status_code == 400
    assert "Not saved" in answer.text
    after: Any = world.notion.pages.retrieve(page["id"])
    assert after["properties"]["Name"]["title"][0]["plain_text"] == "A page"


def test_a_form_from_another_site_is_refused(world: World, inbox: str) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = world.http.post(f"/d/{inbox}/items", data={"title": "x"}, headers=headers)
    assert answer.status_code == 403
    assert world.notion.data_sources.query(inbox)["results"] == []  # type: ignore[index]  # as above


def test_a_page_goes_to_the_trash_and_comes_back(world: World, inbox: str) -> None:
    page = world.page(inbox, "Lost and found")
    world.http.post(f"/p/{page['id']}/trash", data={"in_trash": "1"})
    assert "Lost and found" not in get(world, f"/d/{inbox}")
    assert "Lost and found" in get(world, f"/d/{inbox}?trash=1")
    assert "in the trash" in get(world, f"/p/{page['id']}")
    world.http.post(f"/p/{page['id']}/trash", data={"in_trash": "0"})
    assert "Lost and found" in get(world, f"/d/{inbox}")


def body_of(world: World, *children: dict[str, Any]) -> str:
    page: Any = world.notion.pages.create(
        parent={"page_id": world.root}, properties={"title": title("Body")}, children=list(children)
    )
    found = re.search(r"<article[^>]*>(.*)</article>", get(world, f"/p/{page['id']}"), re.DOTALL)
    assert found
    return found[1]


def test_a_body_is_rendered_with_its_formats(world: World) -> None:
    link = {"type": "text", "text": {"content": "site", "link": {"url": "https://example.com/?a=1&b=2"}}}
    mixed = [text("strong", bold=True), text("tilted", italic=True), link]
    html = body_of(
        world,
        block("heading_1", "Top"),
        {"type": "paragraph", "paragraph": {"rich_text": mixed}},
        block("bulleted_list_item", "one", children=[block("bulleted_list_item", "inner")]),
        block("bulleted_list_item", "two"),
        block("numbered_list_item", "first"),
        block("to_do", "done", checked=True),
        block("toggle", "more", children=[block("paragraph", "hidden")]),
        block("quote", "said"),
        block("callout", "note"),
        {"type": "divider", "divider": {}},
        block("code", "if a < b:\n    pass", language="python"),
    )  # fmt: skip
    assert "<h2>Top</h2>" in html
    assert "<strong>strong</strong><em>tilted</em>" in html
    assert '<a href="https://example.com/?a=1&amp;b=2" rel="noopener noreferrer">site</a>' in html
    assert "<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul><ol><li>first</li></ol>" in html
    assert "<summary>more</summary>" in html
    assert "<blockquote>said</blockquote>" in html
    assert "if a &lt; b:" in html
    assert "<hr>" in html


def test_tables_and_columns_are_rendered(world: World) -> None:
    rows = [{"type": "table_row", "table_row": {"cells": [[text(a)], [text(b)]]}} for a, b in (("H", "I"), ("1", "2"))]
    columns = [{"type": "column", "column": {"children": [block("paragraph", side)]}} for side in ("left", "right")]
    html = body_of(
        world,
        {"type": "table", "table": {"table_width": 2, "has_column_header": True, "children": rows}},
        {"type": "column_list", "column_list": {"children": columns}},
    )
    assert "<tr><th>H</th><th>I</th></tr><tr><td>1</td><td>2</td></tr>" in html
    assert '<div class="column"><p>left</p></div><div class="column"><p>right</p></div>' in html


@pytest.mark.parametrize("target", ["tel:+15551234", "notion://page", "/relative"])
def test_only_web_and_mail_addresses_become_links(world: World, target: str) -> None:
    link = {"type": "text", "text": {"content": "press", "link": {"url": target}}}
    html = body_of(world, {"type": "paragraph", "paragraph": {"rich_text": [link]}})
    assert "press" in html
    assert "<a " not in html


def test_markup_in_text_stays_text(world: World) -> None:
    html = body_of(world, block("paragraph", '<script>alert("x")</script>'), block("code", "</code><img src=x>"))
    assert "<script" not in html
    assert "<img" not in html


def test_pages_carry_a_policy_against_scripts(world: World) -> None:
    policy = world.http.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert world.http.get("/static/sandbox.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/p/nonsense", "/d/nonsense", "/p/7855b161-f63e-4683-b7c7-8ca6e97ee266"])
def test_what_is_not_there_is_said_plainly(world: World, path: str) -> None:
    assert "That did not work" in get(world, path, 404)


def test_a_long_database_is_paged(world: World, inbox: str) -> None:
    world.control("bulk", data_source_id=inbox, count=120)
    assert "Page 1 of 3" in get(world, f"/d/{inbox}")
    html = get(world, f"/d/{inbox}?page=3")
    assert "Item 1<" in html
    assert "Older" not in html


def test_the_address_of_a_page_leads_to_its_view(world: World, inbox: str) -> None:
    page = world.page(inbox, "With a name")
    path = httpx.URL(page["url"]).path
    assert path.startswith("/p/With-a-name-")
    assert "With a name" in get(world, path)
