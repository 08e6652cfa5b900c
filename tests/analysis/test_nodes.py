"""Nodes are found again under almost the same name, among all there are."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from analysis import nodes, prompts, routing
from analysis.answers import Concept
from notion_sync.models import Area, Node, OutboxEntry, Task
from tests.analysis.rows import an_item
from tests.factories import triage_answer


def fill(count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO notion_sync_node (title, "values", properties, digest, url, ours, in_trash) '
            "SELECT 'Filler ' || md5(n::text), '{}', '{}', '', '', false, false FROM generate_series(1, %s) n",
            [count],
        )


def concept(name: str, kind: str = "Entity_Company") -> Concept:
    return Concept(name=name, kind=kind, note="It is named.")  # type: ignore[arg-type]  # a name from a list of four


@pytest.mark.django_db
def test_among_twenty_thousand_nodes_each_name_is_found_in_two_queries(django_assert_num_queries: Any) -> None:
    fill(20_000)
    exact = Node.objects.create(title="Brightside Analytics GmbH")
    fuzzy = Node.objects.create(title="Vantor Holdings International, Ltd")
    assert exact.pk > Node.objects.order_by("pk")[19_999].pk  # beyond every first page
    with django_assert_num_queries(2):
        found = nodes.known(["BRIGHTSIDE analytics GmbH", "Vantor Holdings International Ltd.", "Nobody at all"])
    assert found == {"BRIGHTSIDE analytics GmbH": exact, "Vantor Holdings International Ltd.": fuzzy}


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("Vantor Ltd", "vantor  LTD", True),
        ("Vantor Ltd", "Vantor Ltd.", True),
        ("Caf\u00e9 Müller", "Cafe\u0301 MÜLLER", True),
        ("Straße 9", "STRASSE 9", True),
        ("Vantor Ltd", "Vector Ltd", False),
        ("Anna Schmidt", "Anne Schmidt", False),
        ("Agreement with Vantor Ltd, version 1", "Agreement with Vantor Ltd, version 2", False),
        ("Ltd", "Vantor Ltd", False),
    ],
)
def test_which_names_mean_the_same(name: str, other: str, expected: bool) -> None:
    assert (nodes.same(nodes.normal(name), [nodes.normal(other)]) is not None) == expected
    assert (nodes.same(nodes.normal(other), [nodes.normal(name)]) is not None) == expected


@given(st.text(min_size=1, max_size=30), st.lists(st.text(max_size=30), max_size=5))
def test_an_equal_name_is_found_wherever_it_stands(name: str, others: list[str]) -> None:
    wanted = nodes.normal(name)
    names = [*map(nodes.normal, others), wanted]
    assert nodes.same(wanted, names) == names.index(wanted)
    assert nodes.normal(wanted) == wanted


@pytest.mark.django_db
def test_of_two_nodes_of_one_name_the_oldest_is_taken_and_trash_is_not() -> None:
    Node.objects.create(title="Vantor Ltd", in_trash=True)
    oldest = Node.objects.create(title="Vantor Ltd")
    Node.objects.create(title="Vantor Ltd")
    assert nodes.known(["vantor ltd"]) == {"vantor ltd": oldest}


@pytest.mark.django_db
def test_one_thing_named_twice_becomes_one_node_with_the_text_in_it() -> None:
    item = an_item("Note: Vantor", "Vantor Ltd. moved to Lyon.")
    named = [concept("Vantor Ltd"), concept("VANTOR LTD."), concept("The Lyon press", "System_Component")]
    routing.keep_nodes(item, triage_answer(title=item.title, concepts=named))
    made = OutboxEntry.objects.filter(source_key="nodes").order_by("pk")
    assert [entry.values["Name"] for entry in made] == ["Vantor Ltd", "The Lyon press"]
    assert [entry.values["Node_Type"] for entry in made] == ["Entity_Company", "System_Component"]
    assert all("moved to Lyon." in str(entry.children) for entry in made)


@pytest.mark.django_db
def test_a_text_that_a_node_holds_already_is_linked_and_not_kept_twice() -> None:
    twin = Node.objects.create(title="Archive", page_id=uuid.uuid4(), values={"Content": "By year."})
    item = an_item("Archive", "By year.")
    routing.keep_nodes(item, triage_answer(title="Archive", concepts=[]))
    assert Node.objects.count() == 1
    assert OutboxEntry.objects.get(source_key="inbox").values["Routed_to_Node"] == [str(twin.page_id)]
    other = an_item("Archive", "By name.")
    routing.keep_nodes(other, triage_answer(title="Archive", concepts=[]))
    assert OutboxEntry.objects.get(source_key="nodes").values["Content"] == "By name."


@pytest.mark.django_db
def test_a_text_under_the_name_of_a_known_thing_is_kept_beside_it_once() -> None:
    thing = Node.objects.create(title="Halden & Sons", page_id=uuid.uuid4(), values={"Content": "A bakery."})
    for _ in range(2):
        item = an_item("Halden & Sons", "They moved to Leeds in May.")
        routing.keep_nodes(item, triage_answer(title="Halden & Sons", concepts=[concept("Halden & Sons")]))
    entry = OutboxEntry.objects.get(source_key="nodes")
    assert entry.values["Content"] == "They moved to Leeds in May."
    kept = {"ref": str(entry.emm_id)}
    for patch in OutboxEntry.objects.filter(source_key="inbox"):
        assert patch.values["Routed_to_Node"] == [str(thing.page_id), kept]


FORMATTED = (
    r"He asked for \$75 \<first\> or **nothing**: [his offer](https://plumber.example/offer)." "\n- the tap\n- the sink"
)


@pytest.mark.django_db
@pytest.mark.parametrize("concepts", [[], [concept("Plumber Poole")]])
def test_a_node_holds_what_the_person_wrote_and_not_its_markdown(concepts: list[Concept]) -> None:
    item = an_item("Plumber", FORMATTED)
    routing.keep_nodes(item, triage_answer(title="Plumber", concepts=concepts))
    entry = OutboxEntry.objects.get(source_key="nodes")
    if not concepts:
        assert entry.values["Content"] == (
            "He asked for $75 <first> or nothing: his offer (https://plumber.example/offer).\n\n- the tap\n- the sink"
        )
        return
    first, *entries = entry.children
    pieces = first["paragraph"]["rich_text"]
    assert [piece["text"]["content"] for piece in pieces] == [
        "He asked for $75 <first> or ",
        "nothing",
        ": ",
        "his offer",
        ".",
    ]
    assert pieces[1]["annotations"] == {"bold": True}
    assert pieces[3]["text"]["link"] == {"url": "https://plumber.example/offer"}
    assert [block["type"] for block in entries] == ["bulleted_list_item"] * 2


@pytest.mark.django_db
@pytest.mark.parametrize("area", ["", "  "])
def test_a_row_of_areas_without_a_name_is_nobodys_area(area: str) -> None:
    Area.objects.create(title="", page_id=uuid.uuid4())
    Area.objects.create(title="Operations", page_id=uuid.uuid4())
    item = an_item()
    assert '<areas>["Operations"]</areas>' in prompts.triage_user(item)
    routing.make_task(item, triage_answer(area=area))
    assert "Area" not in OutboxEntry.objects.get(source_key="tasks").values


@pytest.mark.django_db
def test_a_task_holds_the_original_text_priority_and_area() -> None:
    area = Area.objects.create(title="Operations", page_id=uuid.uuid4())
    item = an_item("tap!!", "It drips since Monday.")
    routing.make_task(item, triage_answer(title="Call the plumber", impact=8, area="operations"))
    entry = OutboxEntry.objects.get(source_key="tasks")
    assert (entry.values["Name"], entry.values["Priority"]) == ("Call the plumber", "P0")
    assert entry.values["Area"] == [str(area.page_id)]
    assert "tap!!" in str(entry.children)
    assert "It drips since Monday." in str(entry.children)
    assert Task.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("area", "said"),
    [("Space Travel", "The triage named the area Space Travel, which is none"), ("", ""), ("Old", "the area Old")],
)
def test_an_invented_or_archived_area_is_dropped_and_said(area: str, said: str) -> None:
    Area.objects.create(title="Old", values={"Status": "Archived"})
    item = an_item()
    routing.make_task(item, triage_answer(area=area))
    assert "Area" not in OutboxEntry.objects.get(source_key="tasks").values
    assert said in OutboxEntry.objects.get(source_key="log").values["Action_Taken"]
    assert Area.objects.count() == 1
