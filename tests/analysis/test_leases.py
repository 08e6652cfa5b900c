"""A lease covers one call: whoever makes several renews it before each, and who has lost it makes none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from django.db.models.functions import Now

from analysis import dialectic, ledger
from analysis.llm import connection
from analysis.models import LLMCall, Perspective, Policy, Synthesis
from emm import schedule
from emm.jobs import Job
from tests.analysis.rows import an_item
from tests.world import Sandbox, run, run_stage

pytestmark = pytest.mark.django_db
J = TypeVar("J", bound=Job)


def argued(depth: str, stages: list[str]) -> None:
    """A strategic item for which these stages are done."""
    item = an_item("Buy Vantor Ltd for $400k?", "It cannot be undone. We may earn $900,000 a year.")
    item.values = {**item.values, "Depth": depth}
    item.save(update_fields=["values"])
    run(stages)


def take(job: J) -> J:
    """The row as the next worker holds it."""
    type(job).objects.filter(pk=job.pk).update(leased_until=Now() - timedelta(seconds=1))
    type(job).reap()
    type(job).objects.filter(pk=job.pk).update(due_at=Now())
    taken = type(job).claim(job.pk)
    assert taken is not None
    return taken


@pytest.fixture
def while_asking(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have something happen whenever Claude has answered and the answer is not stored yet."""
    hear = connection.listen

    def during(happens: Callable[[], None]) -> None:
        def listen(*asked: Any) -> None:
            hear(*asked)
            happens()

        monkeypatch.setattr(connection, "listen", listen)

    return during


def test_each_call_has_a_whole_lease_before_it(
    sandbox: Sandbox, while_asking: Callable[[Callable[[], None]], None]
) -> None:
    argued("Deep", ["triage", "argue"])
    sandbox.claude(script=[{"kind": "wrong_schema"}])
    whole, found = schedule.STAGES["synthesise"].lease - timedelta(minutes=1), list[bool]()

    def nearly_run_out() -> None:
        found.append(Synthesis.objects.filter(leased_until__gt=Now() + whole).exists())
        Synthesis.objects.update(leased_until=Now() + timedelta(seconds=1))

    while_asking(nearly_run_out)
    run_stage("synthesise")
    assert Synthesis.objects.get().status == "done"
    assert found == [True] * 3, "two verdicts, and the first was asked for again"


def test_a_lease_that_is_lost_between_two_calls_is_lost_before_the_second(
    sandbox: Sandbox, while_asking: Callable[[Callable[[], None]], None]
) -> None:
    argued("Deep", ["triage", "argue"])
    slow, quick = Synthesis.claim(Synthesis.objects.get().pk), list[Synthesis]()
    assert slow is not None
    while_asking(lambda: None if quick else quick.append(take(slow)))
    slow.attempt(dialectic.synthesise)
    bought = LLMCall.objects.filter(purpose="synthesis")
    assert bought.count() == 1
    quick[0].attempt(dialectic.synthesise)
    assert Synthesis.objects.get().status == "done"
    assert bought.count() == 2


@pytest.mark.parametrize("patient", [False, True])
def test_who_has_lost_the_lease_buys_and_orders_nothing(sandbox: Sandbox, patient: bool) -> None:
    Policy.objects.update_or_create(pk=1, defaults={"patient_lane": patient})
    argued("Standard", ["triage"])
    slow = Perspective.claim(Perspective.objects.order_by("due_at", "pk")[0].pk)
    assert slow is not None
    quick = take(slow)
    slow.attempt(dialectic.argue)
    assert not LLMCall.objects.filter(purpose="persona").exists()
    quick.attempt(dialectic.argue)
    assert LLMCall.objects.filter(purpose="persona").count() == 1


def test_a_lease_outlasts_the_longest_call_and_the_silence_at_its_end() -> None:
    longest = timedelta(seconds=connection.LONGEST_CALL_SECONDS + connection.TIMEOUT_SECONDS)
    leases = {name: stage.lease for name, stage in schedule.STAGES.items() if stage.queue == "llm"}
    assert all(longest < lease < ledger.LOST_AFTER for lease in leases.values()), leases
