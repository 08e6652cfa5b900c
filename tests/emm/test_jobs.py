"""Work that survives a crash: claims, leases, failures and the ways in which a verb may end."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from emm.jobs import MAX_FAILURES, Job, Later, LostLease, Misconfigured, Never
from notion_sync.models import BodyRead, InboxItem

pytestmark = pytest.mark.django_db


def make_job() -> BodyRead:
    return BodyRead.objects.create(item=InboxItem.objects.create(title="A question"))


def claimed() -> BodyRead:
    job = BodyRead.claim(make_job().pk)
    assert job is not None
    return job


def let_lease_expire(job: Job) -> None:
    type(job).objects.filter(pk=job.pk).update(leased_until=Now() - timedelta(seconds=1))


def raising(error: BaseException) -> Any:
    def verb(job: Job) -> None:
        raise error

    return verb


def test_a_claim_leases_the_row_and_counts() -> None:
    job = claimed()
    assert (job.status, job.claims) == ("running", 1)
    assert job.leased_until is not None


def test_a_claimed_row_is_not_claimed_again() -> None:
    job = claimed()
    assert BodyRead.claim(job.pk) is None


def test_a_row_that_is_not_due_is_not_claimed() -> None:
    job = make_job()
    BodyRead.objects.filter(pk=job.pk).update(due_at=Now() + timedelta(seconds=60))
    assert BodyRead.claim(job.pk) is None
    assert not BodyRead.objects.due().exists()


def test_a_verb_that_returns_leaves_the_row_done() -> None:
    job = claimed()
    job.attempt(lambda job: None)
    job.refresh_from_db()
    assert (job.status, job.leased_until, job.failures) == ("done", None, 0)


def test_later_postpones_without_a_failure() -> None:
    job = claimed()
    job.attempt(raising(Later(timedelta(minutes=3), "Notion asks us to wait.")))
    job.refresh_from_db()
    assert (job.status, job.failures, job.last_error) == ("waiting", 0, "Notion asks us to wait.")
    assert not BodyRead.objects.due().exists()


def test_misconfigured_waits_for_a_person_and_names_the_fix() -> None:
    job = claimed()
    job.attempt(raising(Misconfigured("The token was refused.", "Enter a new one in the console.")))
    job.refresh_from_db()
    assert (job.status, job.failures) == ("waiting", 0)
    assert job.last_error == "The token was refused. Enter a new one in the console."


def test_never_ends_the_row_with_its_reason() -> None:
    job = claimed()
    job.attempt(raising(Never("The page is too long.")))
    job.refresh_from_db()
    assert (job.status, job.last_error) == ("never", "The page is too long.")


def test_an_unexpected_error_counts_and_the_fifth_is_the_last(caplog: pytest.LogCaptureFixture) -> None:
    job = make_job()
    for attempt in range(1, MAX_FAILURES + 1):
        BodyRead.objects.filter(pk=job.pk).update(due_at=Now())
        taken = BodyRead.claim(job.pk)
        assert taken is not None
        taken.attempt(raising(KeyError("a surprise")))
        job.refresh_from_db()
        assert job.failures == attempt
    assert job.status == "dead"
    assert "a surprise" in job.last_error


def test_an_expired_lease_is_one_failure_and_the_row_comes_back() -> None:
    job = claimed()
    let_lease_expire(job)
    assert BodyRead.reap() == 1
    job.refresh_from_db()
    assert (job.status, job.failures) == ("waiting", 1)


def test_a_worker_that_lost_its_lease_changes_nothing() -> None:
    slow = claimed()
    let_lease_expire(slow)
    BodyRead.reap()
    BodyRead.objects.filter(pk=slow.pk).update(due_at=Now())
    quick = BodyRead.claim(slow.pk)
    assert quick is not None
    slow.attempt(lambda job: None)
    quick.refresh_from_db()
    assert (quick.status, quick.claims) == ("running", 2)
    with pytest.raises(LostLease), transaction.atomic():
        slow.finish()


def test_a_poison_row_that_kills_its_worker_each_time_ends_dead() -> None:
    job = make_job()
    for _ in range(MAX_FAILURES):
        BodyRead.objects.filter(pk=job.pk).update(due_at=Now())
        taken = BodyRead.claim(job.pk)
        assert taken is not None
        let_lease_expire(taken)
        BodyRead.reap()
    job.refresh_from_db()
    assert job.status == "dead"


def test_a_renewed_lease_is_not_reaped() -> None:
    job = claimed()
    let_lease_expire(job)
    job.keep()
    assert BodyRead.reap() == 0


def test_a_person_can_queue_a_dead_row_again_with_a_clean_count() -> None:
    job = claimed()
    job.attempt(raising(Never("The page is too long.")))
    job.refresh_from_db()
    job.queue_again()
    assert (job.status, job.failures) == ("waiting", 0)
    assert BodyRead.claim(job.pk) is not None


def test_only_a_stuck_row_can_be_queued_again() -> None:
    with pytest.raises(LostLease):
        make_job().queue_again()


def test_an_item_whose_body_cannot_be_read_is_held_with_the_reason() -> None:
    job = claimed()
    job.attempt(raising(Never("The page is too long.")))
    item = InboxItem.objects.get()
    assert item.state == "held"
    assert "The page is too long." in item.state_reason


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_exactly_one_claims_the_row() -> None:
    pk = make_job().pk
    won: list[bool] = []
    start = threading.Barrier(8)

    def compete() -> None:
        start.wait()
        won.append(BodyRead.claim(pk) is not None)
        connection.close()

    workers = [threading.Thread(target=compete) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(won) == [False] * 7 + [True]
