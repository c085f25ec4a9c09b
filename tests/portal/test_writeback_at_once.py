"""What several agents, and several processes of the portal, do at the same moment: each request has one taker."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import connection

from keyback.portal.people.models import Person
from keyback.portal.writeback.claims import answer_poll
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.preparation import prepare, seal_here, submit
from keyback.portal.writeback.requests import grant_writing, sweep
from keyback.protocol.limits import CLAIM_LEASE
from keyback.protocol.messages import Operation, Work, WriteIntent
from keyback.protocol.sealing import Sealed
from tests.portal.people import directory_person
from tests.portal.test_writeback_requests import BOOT, NOW, SECOND_BOOT, Place, after, place, poll

__all__ = ["place"]

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")


def _queued(place: Place, count: int) -> list[WritebackRequest]:
    queued = []
    for number in range(count):
        person: Person = directory_person(
            organization=place.organization,
            forest=place.forest,
            object_guid=uuid.uuid4(),
            user_id=f"ada{number}@example.test",
        )
        made = prepare(
            person, Operation.RESET, tracking_id=uuid.uuid4(), deadline=after(900), now=NOW, password_version=3
        )
        queued.append(submit(made, seal_here(made, Sealed(new="Correct-Horse-7")), person, NOW))
    return queued


def _at_once(*jobs: Callable[[], T]) -> list[T]:
    def run(job: Callable[[], T]) -> T:
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_of_polls_that_come_at_once_one_gets_each_request(place: Place) -> None:
    queued = _queued(place, 24)

    def polled(number: int) -> Callable[[], list[Work]]:
        agent, boot = (place.first, BOOT) if number % 2 else (place.second, SECOND_BOOT)
        return lambda: answer_poll(agent, poll(boot), NOW)

    given = _at_once(*map(polled, range(6)))
    given.append(answer_poll(place.first, poll(BOOT), NOW))  # what others had locked is left to the next poll
    given.append(answer_poll(place.second, poll(SECOND_BOOT), NOW))
    assert Counter(work.request_id for works in given for work in works) == {request.id: 1 for request in queued}
    assert {work.fence for works in given for work in works} == {1}


def test_leave_to_write_and_the_end_of_a_lease_exclude_each_other(place: Place) -> None:
    """Its agent asks for leave while the lease is found to be over, and another agent takes over."""
    late = after(CLAIM_LEASE + 1)
    queued = _queued(place, 8)
    claimed = answer_poll(place.first, poll(BOOT), NOW)
    assert len(claimed) == len(queued)
    guids = {request.id: request.person.object_guid for request in queued}

    def asked() -> set[uuid.UUID]:
        granted = set()
        for work in claimed:
            before = place.before().model_copy(update={"object_guid": guids[work.request_id]})
            intent = WriteIntent(fence=work.fence, before=before)
            if grant_writing(place.first, work.request_id, intent, late).granted:
                granted.add(work.request_id)
        return granted

    def taken_over() -> set[uuid.UUID]:
        sweep(late)
        return {work.request_id for work in answer_poll(place.second, poll(SECOND_BOOT), late)}

    granted, taken = _at_once(asked, taken_over)
    assert granted.isdisjoint(taken)
    assert granted == set(WritebackRequest.objects.filter(state="writing").values_list("id", flat=True))
