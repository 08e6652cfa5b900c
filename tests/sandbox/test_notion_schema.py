"""Databases, data sources and relations behave as Notion's do, quirks included."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from tests.sandbox.conftest import Refused, World, block, options, text, title


def properties_of(world: World, source: str) -> dict[str, Any]:
    schema: Any = world.notion.data_sources.retrieve(source)
    return dict(schema["properties"])


def test_a_new_database_names_its_data_sources_and_no_properties(world: World) -> None:
    made: Any = world.notion.databases.create(
        parent={"type": "page_id", "page_id": world.root},
        title=[text("Things")],
        initial_data_source={"properties": {"Title": {"title": {}}}},
    )
    assert made["data_sources"] == [{"id": made["data_sources"][0]["id"], "name": "Things"}]
    assert "properties" not in made


def test_a_taken_name_silently_becomes_name_1(world: World) -> None:
    world.database("Things")
    database, _ = world.database("Things")
    found: Any = world.notion.databases.retrieve(database)
    assert found["title"][0]["plain_text"] == "Things 1"


def test_the_parent_page_lists_its_databases(world: World) -> None:
    database, _ = world.database("Things")
    listing: Any = world.notion.blocks.children.list(world.root)
    assert [(b["id"], b["type"], b["child_database"]["title"]) for b in listing["results"]] == [
        (database, "child_database", "Things")
    ]
    world.notion.blocks.delete(database)
    after: Any = world.notion.blocks.children.list(world.root)
    assert after["results"] == []
    found: Any = world.notion.databases.retrieve(database)
    assert found["in_trash"] is True


def test_notion_names_the_other_side_while_a_database_is_created(world: World) -> None:
    inbox = world.source("Inbox")
    dual = {"data_source_id": inbox, "type": "dual_property", "dual_property": {"synced_property_name": "Routed"}}
    tasks = world.source("Tasks", Source={"relation": dual})
    other = properties_of(world, inbox)["Related to Tasks (Source)"]
    synced = properties_of(world, tasks)["Source"]["relation"]["dual_property"]
    assert synced == {"synced_property_name": "Related to Tasks (Source)", "synced_property_id": other["id"]}
    world.notion.data_sources.update(inbox, properties={other["id"]: {"name": "Routed"}})
    assert properties_of(world, inbox)["Routed"]["id"] == other["id"]
    assert properties_of(world, tasks)["Source"]["relation"]["dual_property"]["synced_property_name"] == "Routed"


def test_a_patched_data_source_honours_the_name_of_the_other_side(world: World) -> None:
    inbox, tasks = world.source("Inbox"), world.source("Tasks")
    dual = {"data_source_id": inbox, "type": "dual_property", "dual_property": {"synced_property_name": "Routed"}}
    world.notion.data_sources.update(tasks, properties={"Source": {"relation": dual}})
    assert properties_of(world, inbox)["Routed"]["relation"]["data_source_id"] == tasks


def two_way(world: World) -> tuple[str, str]:
    inbox, tasks = world.source("Inbox"), world.source("Tasks")
    dual = {"data_source_id": inbox, "type": "dual_property", "dual_property": {"synced_property_name": "Routed"}}
    world.notion.data_sources.update(tasks, properties={"Source": {"relation": dual}})
    return inbox, tasks


def test_two_way_values_are_kept_on_both_sides(world: World) -> None:
    inbox, tasks = two_way(world)
    item, other = world.page(inbox, "Item"), world.page(inbox, "Other")
    task = world.page(tasks, "Task", Source={"relation": [{"id": item["id"]}]})

    def routed(page: Any) -> list[str]:
        found: Any = world.notion.pages.retrieve(page["id"])
        return [link["id"] for link in found["properties"]["Routed"]["relation"]]

    assert (routed(item), routed(other)) == ([task["id"]], [])
    world.notion.pages.update(task["id"], properties={"Source": {"relation": [{"id": other["id"]}]}})
    assert (routed(item), routed(other)) == ([], [task["id"]])
    world.notion.pages.update(other["id"], properties={"Routed": {"relation": []}})
    found: Any = world.notion.pages.retrieve(task["id"])
    assert found["properties"]["Source"]["relation"] == []


def test_the_other_side_of_a_relation_counts_as_unedited(world: World) -> None:
    inbox, tasks = two_way(world)
    item: Any = world.person.pages.create(parent={"data_source_id": inbox}, properties={"Name": title("Item")})
    world.control("age", seconds=3600)
    before: Any = world.notion.pages.retrieve(item["id"])
    world.page(tasks, "Task", Source={"relation": [{"id": item["id"]}]})
    after: Any = world.notion.pages.retrieve(item["id"])
    assert len(after["properties"]["Routed"]["relation"]) == 1
    assert after["last_edited_time"] == before["last_edited_time"] < item["last_edited_time"]
    assert after["last_edited_by"] == before["last_edited_by"]


def test_a_page_shows_25_of_a_relation_and_the_property_shows_all(world: World) -> None:
    inbox, tasks = two_way(world)
    item = world.page(inbox, "Item")
    source = {"relation": [{"id": item["id"]}]}
    made = [world.page(tasks, f"Task {number}", Source=source)["id"] for number in range(30)]
    page: Any = world.notion.pages.retrieve(item["id"])
    routed = page["properties"]["Routed"]
    assert ([link["id"] for link in routed["relation"]], routed["has_more"]) == (made[:25], True)
    first: Any = world.notion.pages.properties.retrieve(item["id"], routed["id"], page_size=20)
    rest: Any = world.notion.pages.properties.retrieve(item["id"], routed["id"], start_cursor=first["next_cursor"])
    assert [link["relation"]["id"] for link in first["results"] + rest["results"]] == made
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert first["property_item"]["next_url"]


def test_more_than_100_links_in_a_request_are_refused(world: World, refused: Refused) -> None:
    inbox, tasks = two_way(world)
    ids = world.control("bulk", data_source_id=inbox, count=101)["ids"]
    task = world.page(tasks)
    body = {"properties": {"Source": {"relation": [{"id": page_id} for page_id in ids]}}}
    refused(400, "validation_error", "PATCH", f"/pages/{task['id']}", body)


def test_a_relation_takes_pages_of_its_own_data_source_only(world: World, refused: Refused) -> None:
    _, tasks = two_way(world)
    task = world.page(tasks)
    body = {"properties": {"Source": {"relation": [{"id": task["id"]}]}}}
    refused(400, "validation_error", "PATCH", f"/pages/{task['id']}", body)
    body = {"properties": {"Source": {"relation": [{"id": "7855b161-f63e-4683-b7c7-8ca6e97ee266"}]}}}
    refused(404, "object_not_found", "PATCH", f"/pages/{task['id']}", body)


def test_removing_a_property_removes_its_values_and_its_other_side(world: World) -> None:
    inbox, tasks = two_way(world)
    item = world.page(inbox)
    world.page(tasks, Source={"relation": [{"id": item["id"]}]})
    world.notion.data_sources.update(tasks, properties={"Source": None})
    assert "Source" not in properties_of(world, tasks)
    assert "Routed" not in properties_of(world, inbox)


def test_properties_are_renamed_by_id_or_name_and_keep_their_values(world: World) -> None:
    source = world.source(Count={"number": {}})
    page = world.page(source, Count={"number": 3})
    count = properties_of(world, source)["Count"]["id"]
    world.notion.data_sources.update(source, properties={"Count": {"name": "Amount"}})
    world.notion.data_sources.update(source, properties={unquote(count): {"name": "Total"}})
    after: Any = world.notion.pages.retrieve(page["id"])
    assert after["properties"]["Total"] == {"id": count, "type": "number", "number": 3}
    world.notion.pages.update(page["id"], properties={count: {"number": 4}})


def test_options_keep_their_ids_and_colours_when_the_list_is_replaced(world: World) -> None:
    source = world.source(Choice=options("A", "B"))
    before = properties_of(world, source)["Choice"]["select"]["options"]
    changed = {"Choice": {"select": {"options": [{"name": "C"}, {"name": "A", "color": "red"}]}}}
    world.notion.data_sources.update(source, properties=changed)
    after = properties_of(world, source)["Choice"]["select"]["options"]
    assert [option["name"] for option in after] == ["C", "A"]
    assert after[1] == before[0]


def test_a_status_begins_with_notions_states_in_their_groups(world: World) -> None:
    status = properties_of(world, world.source(State={"status": {}}))["State"]["status"]
    names = {option["id"]: option["name"] for option in status["options"]}
    groups = {group["name"]: [names[option] for option in group["option_ids"]] for group in status["groups"]}
    assert groups == {"To-do": ["Not started"], "In progress": ["In progress"], "Complete": ["Done"]}


def test_a_page_begins_in_the_first_state_unless_its_creation_names_another(world: World) -> None:
    source = world.source(State={"status": {}})
    named: Any = world.notion.pages.create(
        parent={"data_source_id": source},
        properties={"Name": title("one"), "State": {"status": {"name": "Done"}}},
    )
    plain: Any = world.notion.pages.create(parent={"data_source_id": source}, properties={"Name": title("two")})
    assert [page["properties"]["State"]["status"]["name"] for page in (named, plain)] == ["Done", "Not started"]


def test_unique_ids_count_per_source_and_start_with_pages_that_exist(world: World) -> None:
    source = world.source()
    first = world.page(source)
    world.notion.data_sources.update(source, properties={"ID": {"unique_id": {"prefix": "THING"}}})
    second = world.page(source)
    again: Any = world.notion.pages.retrieve(first["id"])
    assert again["properties"]["ID"]["unique_id"] == {"prefix": "THING", "number": 1}
    assert second["properties"]["ID"]["unique_id"]["number"] == 2


def test_a_prefix_is_taken_in_the_whole_workspace_even_from_the_trash(world: World, refused: Refused) -> None:
    database, _ = world.database("Old", ID={"unique_id": {"prefix": "INBOX"}})
    world.notion.databases.update(database, in_trash=True)
    body = {
        "parent": {"type": "page_id", "page_id": world.root},
        "title": [text("New")],
        "initial_data_source": {"properties": {"Name": {"title": {}}, "ID": {"unique_id": {"prefix": "inbox"}}}},
    }
    assert "already in use" in refused(400, "validation_error", "POST", "/databases", body)
    listing: Any = world.notion.blocks.children.list(world.root)
    assert listing["results"] == []


def test_the_title_cannot_be_removed_or_doubled(world: World, refused: Refused) -> None:
    path = f"/data_sources/{world.source()}"
    refused(400, "validation_error", "PATCH", path, {"properties": {"Name": None}})
    refused(400, "validation_error", "PATCH", path, {"properties": {"Second": {"title": {}}}})
    refused(400, "validation_error", "PATCH", path, {"properties": {"Ghost": None}})


def test_blocks_are_appended_where_the_request_says(world: World) -> None:
    page = world.page(world.source(), children=[block("paragraph", "one"), block("paragraph", "three")])

    def lines() -> list[str]:
        listing: Any = world.notion.blocks.children.list(page["id"])
        return [b["paragraph"]["rich_text"][0]["plain_text"] for b in listing["results"]]

    listing: Any = world.notion.blocks.children.list(page["id"])
    after = {"type": "after_block", "after_block": {"id": listing["results"][0]["id"]}}
    answer: Any = world.notion.blocks.children.append(page["id"], children=[block("paragraph", "two")], position=after)
    assert [b["paragraph"]["rich_text"][0]["plain_text"] for b in answer["results"]] == ["two", "three"]
    world.notion.blocks.children.append(page["id"], children=[block("paragraph", "four")])
    world.notion.blocks.children.append(page["id"], children=[block("paragraph", "zero")], position={"type": "start"})
    assert lines() == ["zero", "one", "two", "three", "four"]


def test_children_are_paged(world: World) -> None:
    page = world.page(world.source(), children=[block("paragraph", str(number)) for number in range(5)])
    first: Any = world.notion.blocks.children.list(page["id"], page_size=3)
    second: Any = world.notion.blocks.children.list(page["id"], page_size=3, start_cursor=first["next_cursor"])
    assert [len(first["results"]), len(second["results"])] == [3, 2]
    assert (first["has_more"], second["has_more"]) == (True, False)


def test_a_body_reads_as_markdown_and_is_replaced_by_it(world: World) -> None:
    page = world.page(world.source(), children=[block("heading_2", "Old")])
    line = "A **bold** word, *another*, `code` and [a link](https://example.com)"
    written = f"## New\n{line}\n- one\n- two\n- [x] done\n---"
    world.notion.pages.update_markdown(page["id"], type="replace_content", replace_content={"new_str": written})
    answer: Any = world.notion.pages.retrieve_markdown(page["id"])
    assert answer["markdown"] == written
    listing: Any = world.notion.blocks.children.list(page["id"])
    kinds = [b["type"] for b in listing["results"]]
    assert kinds == ["heading_2", "paragraph", "bulleted_list_item", "bulleted_list_item", "to_do", "divider"]


def test_replacing_a_body_spares_child_databases_unless_told(world: World, refused: Refused) -> None:
    database, _ = world.database("Things")
    content = {"new_str": "Nothing left"}
    body = {"type": "replace_content", "replace_content": content}
    refused(400, "validation_error", "PATCH", f"/pages/{world.root}/markdown", body)
    world.notion.pages.update_markdown(
        world.root, type="replace_content", replace_content={**content, "allow_deleting_content": True}
    )
    found: Any = world.notion.databases.retrieve(database)
    assert found["in_trash"] is True


def test_comments_leave_the_pages_time_alone(world: World) -> None:
    page = world.page(world.source())
    world.control("age", seconds=3600)
    before: Any = world.notion.pages.retrieve(page["id"])
    comment: Any = world.notion.comments.create(parent={"page_id": page["id"]}, rich_text=[text("First")])
    world.notion.comments.create(discussion_id=comment["discussion_id"], rich_text=[text("Second")])
    listing: Any = world.notion.comments.list(block_id=page["id"])
    assert [c["rich_text"][0]["plain_text"] for c in listing["results"]] == ["First", "Second"]
    after: Any = world.notion.pages.retrieve(page["id"])
    assert after["last_edited_time"] == before["last_edited_time"]


def test_search_finds_titles(world: World) -> None:
    source = world.source("Great things")
    page = world.page(source, "A great idea")
    everything: Any = world.notion.search(query="great")
    assert {found["id"] for found in everything["results"]} == {source, page["id"]}
    sources: Any = world.notion.search(query="great", filter={"property": "object", "value": "data_source"})
    assert [found["id"] for found in sources["results"]] == [source]


def test_a_property_that_changes_its_type_keeps_no_options_or_format_of_the_old_one(world: World) -> None:
    source = world.source("Things", Notes={"rich_text": {}}, Stage=options("Open"))
    world.notion.data_sources.update(source, properties={"Notes": {"number": {}}, "Stage": {"status": {}}})
    found = properties_of(world, source)
    assert found["Notes"]["number"] == {"format": "number"}
    assert [option["name"] for option in found["Stage"]["status"]["options"]] == ["Not started", "In progress", "Done"]
