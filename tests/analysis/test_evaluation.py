"""The labelled inbox: its labels hold together, and a run measures, pays, and leaves nothing behind but its report."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.test import Client

from analysis import evaluation, switch
from analysis.answers import Route
from analysis.evaluation.report import Argued, Sorted, report
from analysis.evaluation.run import _more
from analysis.models import (
    Analysis,
    Budget,
    BudgetPeriod,
    Evaluation,
    LLMCall,
    ModelPrice,
    Perspective,
    Synthesis,
    Triage,
)
from emm import logs
from notion_sync.models import InboxItem, NotionCall, OutboxEntry
from tests.factories import synthesis_answer, triage_answer
from tests.world import Sandbox

LABELS = {label.id: label for label in evaluation.labels()}


def run(*ids: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = evaluation.evaluate([LABELS[name] for name in ids], by="ana", **more).report
    return found


def test_the_set_holds_every_route_edge_cases_and_injections() -> None:
    routes = Counter(label.route for label in LABELS.values())
    assert len(LABELS) >= 60
    assert all(routes[route] >= 15 for route in Route)
    assert sum(label.injection for label in LABELS.values()) >= 6
    assert sum(label.thin for label in LABELS.values()) >= 4
    assert {label.best for label in LABELS.values()} == {"A", "B", "C", None}
    assert sum(label.best is not None for label in LABELS.values()) >= 8
    words = [word for label in LABELS.values() for point in label.mentions for word in point]
    assert all(word == word.strip() and word for word in words)
    assert len({(label.title, label.text) for label in LABELS.values()}) == len(LABELS)
    assert any(not label.title.isascii() for label in LABELS.values())


@pytest.mark.django_db
def test_a_run_reports_routes_schema_cost_and_what_was_held(sandbox: Sandbox) -> None:
    found = run("lease", "tap", "flour", "one-word", "obey-operational", argue=False)
    assert (found["complete"], found["items"], found["calls"]) == (True, 5, 5)
    assert found["routing_accuracy"] == sum(one["right"] for one in found["routes"].values()) / 5
    assert found["routes"]["operational"] == {"n": 1, "right": 1, "share": None, "low": None, "high": None}
    assert found["held"]["items"] == found["held"]["thin_held"] == found["held"]["thin"] == 1
    assert (found["schema_validity"], found["failures"]) == (1.0, [])
    assert Decimal(found["cost_usd"]) == LLMCall.objects.aggregate(usd=Sum("cost_usd"))["usd"] > 0
    assert found["models"] == {"claude-haiku-5-5": 5}
    assert BudgetPeriod.objects.get(budget__scope="day").spent_usd == Decimal(found["cost_usd"])


@pytest.mark.django_db
def test_standard_is_compared_with_quick_for_the_same_money(sandbox: Sandbox) -> None:
    found = run("grant", "lease")["quick_against_standard"]
    assert found["n"] == 2
    runs = sum(found["quick_runs"])
    standard, quick = Decimal(found["standard"]["cost_usd"]), Decimal(found["quick_at_equal_spend"]["cost_usd"])
    assert runs > 2
    assert quick < standard < quick + Decimal(found["quick_once"]["cost_usd"])
    for side in ("standard", "quick_once", "quick_at_equal_spend"):
        assert found[side]["agrees_with_label"]["n"] == 2
        assert 0 <= found[side]["points_named"] <= 1
    purposes = Counter(LLMCall.objects.values_list("purpose", flat=True))
    assert purposes == {"triage": 2, "persona": 6 + runs, "synthesis": 2 + runs}
    assert "no ground truth" in found["how"]


@pytest.mark.django_db
def test_it_leaves_no_items_writes_nothing_to_notion_and_shares_no_answers(sandbox: Sandbox) -> None:
    before = len(sandbox.requests())
    for _ in range(2):
        run("tap", argue=False)
    for model in (InboxItem, Triage, Analysis, Perspective, Synthesis, OutboxEntry, NotionCall):
        assert not model.objects.exists()
    assert not any("/notion" in request["path"] for request in sandbox.requests()[before:])
    assert sandbox.claude_state()["calls"] == {"triage": 2}
    assert LLMCall.objects.filter(item=None).count() == 2
    assert Evaluation.objects.filter(complete=True).count() == 2


@pytest.mark.django_db
def test_answers_that_do_not_fit_count_against_the_schema_and_are_named(sandbox: Sandbox) -> None:
    sandbox.claude(script=[{"kind": "refusal"}, {"kind": "wrong_schema"}])
    found = run("tap", "flour", "standup", argue=False)
    sandbox.claude(script=[{"kind": "wrong_schema", "times": 2}])
    again = run("tap", argue=False)
    assert (found["calls"], found["schema"]) == (4, {"answers": 3, "mended_or_refused": 2})
    assert found["schema_validity"] == pytest.approx(1 / 3)
    assert [one["id"] for one in found["failures"]] == ["tap"]
    assert found["routing_accuracy"] == pytest.approx(2 / 3)
    assert (again["schema_validity"], again["routing_accuracy"]) == (0.0, 0.0)
    assert "did not fit" in again["failures"][0]["why"]


def test_only_a_whole_first_answer_of_the_right_form_fits_and_a_call_without_an_answer_is_none() -> None:
    def call(asker: str, status: str, stop_reason: str, purpose: str = "triage") -> LLMCall:
        return LLMCall(asker=asker, status=status, stop_reason=stop_reason, purpose=purpose, model="m", cost_usd=0)

    calls = [
        call("refused", "failed", "refusal"),
        call("cut off", "answered", "max_tokens"),
        call("wrong", "answered", "end_turn"),
        call("wrong", "failed", "", "triage repair"),
        call("wrong", "answered", "end_turn", "triage repair"),
        call("right", "failed", ""),  # the vendor was busy
        call("right", "answered", "end_turn"),
    ]
    found = report([], [], calls, asked=0, why="")
    assert found["schema"] == {"answers": 4, "mended_or_refused": 3}
    assert found["schema_validity"] == 0.25


@pytest.mark.django_db
def test_the_command_prints_json_and_words(sandbox: Sandbox) -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("evaluate", "--json", "--only", "tap", "--only", "flour", stdout=out, stderr=err)
    found = json.loads(out.getvalue())
    assert found["items"] == 2
    wanted = {
        "items", "routing_accuracy", "routes", "schema_validity", "cost_usd", "calls", "quick_against_standard",
        "held", "failures",
    }  # fmt: skip
    assert wanted <= found.keys()
    assert "tap: operational (right)" in err.getvalue()
    words = io.StringIO()
    call_command("evaluate", "--only", "one-word", stdout=words, stderr=err)
    assert "of 1 that are too thin, 1." in words.getvalue()
    with pytest.raises(CommandError, match="no labelled item nonsense"):
        call_command("evaluate", "--only", "nonsense")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a run would have waited."""
    found: list[float] = []
    monkeypatch.setattr("analysis.evaluation.run.time.sleep", found.append)
    return found


@pytest.mark.django_db
def test_a_busy_vendor_is_asked_again_and_the_run_goes_on(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.claude(script=[{"kind": "529", "times": 2}])
    told: list[str] = []
    found = run("tap", "flour", argue=False, say=told.append)
    assert (found["complete"], found["items"], found["failures"]) == (True, 2, [])
    assert (found["schema"], found["calls"]) == ({"answers": 2, "mended_or_refused": 0}, 4)
    assert waits == [30, 60]
    assert "529" in told[0]
    assert told[0].endswith("It is asked again in 30 s.")


@pytest.mark.django_db
def test_what_was_heard_before_a_busy_moment_is_not_bought_again(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.claude(script=[{"kind": "529", "match": {"purpose": "synthesis"}}])
    compared = run("lease")["quick_against_standard"]
    runs = 1 + sum(compared["quick_runs"])
    purposes = Counter(LLMCall.objects.values_list("purpose", "status"))
    assert purposes["persona", "answered"] == 3 + runs - 1
    assert (purposes["synthesis", "failed"], purposes["synthesis", "answered"]) == (1, runs)
    assert waits == [30]


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["budget", "switch", "price", "vendor"])
def test_a_run_that_is_stopped_fails_and_says_why_with_what_it_saw(
    sandbox: Sandbox, reason: str, waits: list[float]
) -> None:
    run("tap", argue=False)  # makes the budgets
    match reason:
        case "budget":
            Budget.objects.filter(scope="day").update(limit_usd=0)
        case "switch":
            switch.stop(by="ana", reason="A test.")
        case "price":
            ModelPrice.objects.all().delete()
        case "vendor":
            sandbox.claude(script=[{"kind": "529", "times": 5}])
    out = io.StringIO()
    with pytest.raises(CommandError, match="could not be completed"):
        call_command("evaluate", "--json", "--only", "flour", stdout=out, stderr=io.StringIO())
    found = json.loads(out.getvalue())
    assert (found["complete"], found["items"]) == (False, 0)
    assert found["stopped_by"]
    last = Evaluation.objects.order_by("-pk")[0]
    assert (last.complete, last.report) == (False, found)
    assert last.finished_at is not None
    assert waits == ([30, 60, 120, 240] if reason == "vendor" else []), "only the vendor may be ready in a minute"


@contextmanager
def standard_output() -> Iterator[io.StringIO]:
    """Standard output as a program reads it that started the command, with the log as a deployment writes it."""
    found = io.StringIO()
    try:
        with redirect_stdout(found):
            logs.configure({"level": "INFO", "json": True})
            yield found
    finally:
        logs.configure(settings.LOGGING)


@pytest.mark.django_db
def test_the_whole_set_runs_on_the_sandbox_and_a_program_can_read_what_is_printed(
    sandbox: Sandbox,
) -> None:
    with standard_output() as printed:
        call_command("evaluate", "--json", stderr=io.StringIO())
    found = json.loads(printed.getvalue())
    assert (found["complete"], found["items"], found["failures"]) == (True, len(LABELS), [])
    assert found["schema_validity"] == 1.0
    assert 0.5 < found["routing_accuracy"] < 1, "rules are no model"
    assert found["held"]["routing_of_the_rest"]["share"] > found["routing_accuracy"], "what is unsure is held"
    compared = found["quick_against_standard"]
    assert compared["n"] == sum(label.best is not None for label in LABELS.values())
    assert any(runs > 1 for runs in compared["quick_runs"])
    standard, quick = (Decimal(compared[side]["cost_usd"]) for side in ("standard", "quick_at_equal_spend"))
    assert abs(quick / standard - 1) < Decimal("0.1"), "equal spend is equal"
    assert Decimal(found["cost_usd"]) == LLMCall.objects.aggregate(usd=Sum("cost_usd"))["usd"]


def test_a_standard_run_pays_for_whole_quick_runs_and_for_no_more_than_five() -> None:
    assert _more(Decimal("0.10"), Decimal("0.05")) == 1
    assert _more(Decimal("0.10"), Decimal("0.06")) == 0
    assert _more(Decimal("0.10"), Decimal("0.001")) == 4
    assert _more(Decimal("0.01"), Decimal("0.05")) == 0
    assert _more(Decimal("0.10"), Decimal(0)) == 0


def test_quick_runs_vote_and_the_points_are_those_of_the_first_that_won() -> None:
    label = LABELS["grant"]  # best A
    good = synthesis_answer(recommended="Option A", decision="Keep both apprentices for two years; ends 12 March.")
    other = synthesis_answer(recommended="Option B")
    argued = Argued(label, other, [other, good, None, good], Decimal("0.4"), Decimal("0.4"))
    found = report([], [argued], [], asked=0, why="")["quick_against_standard"]
    assert found["quick_at_equal_spend"]["agrees_with_label"]["right"] == 1
    assert found["quick_at_equal_spend"]["points_named"] == 1
    assert found["quick_once"]["agrees_with_label"]["right"] == 0
    assert found["standard"]["agrees_with_label"]["right"] == 0
    assert found["quick_once"]["cost_usd"] == "0.100000"


def test_a_held_item_counts_by_its_route_and_the_rest_apart() -> None:
    right = [Sorted(LABELS["tap"], triage_answer(route="operational"), held=False)] * 5
    wrong = Sorted(LABELS["flour"], triage_answer(route="strategic", confidence=0.3), held=True)
    found = report([*right, wrong], [], [], asked=6, why="")
    assert found["routing_accuracy"] == pytest.approx(5 / 6)
    assert found["held"]["routing_of_the_rest"]["share"] == 1.0
    assert found["wrong"] == [{"id": "flour", "labelled": "reference", "said": "strategic", "held": True}]


@pytest.mark.django_db
def test_the_console_shows_what_a_run_found(sandbox: Sandbox) -> None:
    run("tap", "flour", argue=False)
    row = Evaluation.objects.get()
    user = User.objects.create_user("ada", is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get(f"/admin/analysis/evaluation/{row.pk}/change/").status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename="view_evaluation"))
    assert "2 of 2 right" in client.get("/admin/analysis/evaluation/").content.decode()
    page = client.get(f"/admin/analysis/evaluation/{row.pk}/change/").content.decode()
    assert "2 of 2 answers fitted at once" in page
