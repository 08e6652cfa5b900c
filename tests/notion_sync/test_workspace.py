from typing import Any

import pytest

from notion_sync import properties, workspace
from notion_sync.workspace import DATABASES, Writer

INBOX = DATABASES["inbox"]
IDS = {declared.name: f"id{number}" for number, declared in enumerate(INBOX.properties)}


def page(**values: Any) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        kind = INBOX.property(name).type
        found[name] = {"id": IDS[name], "type": kind, **properties.write(kind, value)}
    return found


def digest(found: dict[str, Any], in_trash: bool = False) -> str:
    return workspace.digest(found, IDS, INBOX, in_trash=in_trash)


def test_the_ten_databases_stand_in_the_order_of_set_up() -> None:
    order = ["areas", "agents", "inbox", "nodes", "intents", "actions", "training", "projects", "tasks", "log"]
    assert list(DATABASES) == order
    for number, database in enumerate(DATABASES.values()):
        for declared in database.properties:
            if declared.to and not declared.other_side_of:
                assert order.index(declared.to) < number


def test_every_database_has_one_title_our_key_and_no_name_twice() -> None:
    for database in DATABASES.values():
        names = [declared.name for declared in database.properties]
        assert len(names) == len(set(names))
        assert [declared.type for declared in database.properties].count("title") == 1
        assert database.property("EMM_ID").writer is Writer.US
        assert database.we_create


def test_both_sides_of_a_two_way_relation_name_each_other() -> None:
    children = set()
    others = set()
    for key, database in DATABASES.items():
        for declared in database.properties:
            if declared.other_side:
                assert declared.to
                children.add((declared.to, declared.other_side, key, declared.name))
            if declared.other_side_of:
                assert declared.to == declared.other_side_of[0]
                others.add((key, declared.name, *declared.other_side_of))
    assert children == others
    assert len(children) == 9


def test_the_inbox_and_the_actions_are_read_each_cycle() -> None:
    assert [key for key, database in DATABASES.items() if database.each_cycle] == ["inbox", "actions"]


def test_every_database_has_its_own_variable() -> None:
    assert {database.variable for database in DATABASES.values()} == {
        f"NOTION_DB_{database.title.upper().replace(' ', '_')}" for database in DATABASES.values()
    }


def test_an_unknown_property_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="System Inbox has no property 'Inputs'"):
        INBOX.property("Inputs")


def test_the_schema_leaves_other_sides_to_notion() -> None:
    schema = workspace.creation_schema(INBOX, {})
    assert not [name for name in schema if name.startswith("Routed_to")]
    assert schema["Inbox_ID"]["unique_id"] == {"prefix": "INBOX"}
    assert {"name": "Web Clipper"} in schema["Source"]["select"]["options"]


def test_the_schema_asks_for_the_other_side_by_name() -> None:
    schema = workspace.creation_schema(DATABASES["actions"], {"intents": "I", "agents": "A"})
    assert schema["Intent"]["relation"] == {
        "data_source_id": "I",
        "type": "dual_property",
        "dual_property": {"synced_property_name": "Related_Actions"},
    }
    assert schema["Agent"]["relation"] == {"data_source_id": "A", "type": "single_property", "single_property": {}}
    assert schema["Acceptance_Rate"]["number"] == {"format": "percent"}


def test_the_schema_needs_the_databases_that_come_before() -> None:
    with pytest.raises(KeyError, match="intents"):
        workspace.creation_schema(DATABASES["actions"], {"agents": "A"})


def test_what_people_decide_is_watched_and_what_is_ours_is_not() -> None:
    watched = workspace.watched(DATABASES["actions"])
    assert {"Approval_Status", "Scenario_Options", "Rejection_Reason", "User_Notes", "Owner"} <= watched
    assert not {"EMM_ID", "Diff_Logged", "Acceptance_Rate", "Intent"} & watched
    assert not {"Routed_to_Node", "Routed_to_Task", "Inbox_ID", "Received_Date"} & workspace.watched(INBOX)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("Input_Title", "a", "b"),
        ("Status", None, "Skipped"),
        ("Urgent", False, True),
        ("Owner", [], ["0b9f"]),
        ("Depth", "Quick", "Deep"),
    ],
)
def test_a_persons_change_changes_the_digest(name: str, before: Any, after: Any) -> None:
    assert digest(page(**{name: before})) != digest(page(**{name: after}))


def test_being_in_the_bin_changes_the_digest() -> None:
    assert digest(page(Input_Title="a")) != digest(page(Input_Title="a"), in_trash=True)


def test_our_own_properties_and_other_sides_do_not_change_the_digest() -> None:
    assert digest(page(Input_Title="a", EMM_ID="1")) == digest(page(Input_Title="a", EMM_ID="2"))
    assert digest(page(Routed_to_Node=[])) == digest(page(Routed_to_Node=["aa"])) == digest({})


def test_a_renamed_property_keeps_the_digest() -> None:
    found = page(Input_Title="a", Urgent=True)
    assert digest({"Titel": found["Input_Title"], "Eilig": found["Urgent"]}) == digest(found)


def test_formatting_by_a_person_changes_the_digest() -> None:
    bold = page(Content="a")
    bold["Content"]["rich_text"][0]["annotations"] = {"bold": True}
    assert digest(bold) != digest(page(Content="a"))
