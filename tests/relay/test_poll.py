"""POST /agents/v1/poll: work as soon as there is some, to exactly one agent, and none to whom it is not for."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from keyback.portal.agents.registry import confirm, revoke
from keyback.portal.writeback.models import WritebackRequest
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import Envelope, Operation, parse
from keyback.protocol.sealing import box_info, open_box
from keyback.relay.room import LOOK_EVERY, MAX_SEATS
from tests.portal.agents import AgentWithKeys, confirmed_agent
from tests.relay.caller import Caller
from tests.relay.conftest import Site
from tests.relay.door import OpenDoor, waiting_polls
from tests.support.waiting import wait_until


def in_background(poll: Callable[[], httpx2.Response]) -> "tuple[threading.Thread, list[httpx2.Response]]":
    answers: list[httpx2.Response] = []
    thread = threading.Thread(target=lambda: answers.append(poll()))
    thread.start()
    return thread, answers


def test_an_agent_gets_what_was_queued_for_it_and_can_open_its_box(site: Site) -> None:
    request = site.queue()
    (work,) = site.caller.work().work
    envelope = parse(Envelope, b64decode(work.envelope))
    assert (work.kind, work.fence, envelope.request_id) == ("execute", 1, request.id)
    info = box_info(envelope, site.agent.row.id, envelope.boxes[site.agent.row.id].key)
    assert open_box(b64decode(work.box or ""), site.agent.unseal, info).new == "Correct-Horse-7"
    assert 0 < work.remaining_ms <= 60_000


def test_a_poll_without_work_ends_empty_after_its_wait(site: Site) -> None:
    assert site.caller.work(wait_s=0).work == []
    assert site.caller.work(wait_s=1).work == []


def test_a_waiting_poll_gets_what_is_queued_meanwhile(site: Site, door: OpenDoor) -> None:
    site.caller.work()  # the token and the boot id are known from here on
    thread, answers = in_background(lambda: site.caller.poll(wait_s=50))
    wait_until(lambda: waiting_polls(door) == 1, what="the poll's wait")
    request = site.queue()
    thread.join(20)
    assert answers[0].json()["work"][0]["fence"] == 1
    request.refresh_from_db()
    assert request.claimed_by_id == site.agent.row.id


def test_a_row_is_found_where_the_wake_up_was_lost(site: Site, door: OpenDoor) -> None:
    request = site.queue(Operation.INSPECT)
    WritebackRequest.objects.filter(id=request.id).update(expires_at=timezone.now())
    thread, answers = in_background(lambda: site.caller.poll(wait_s=50))
    wait_until(lambda: waiting_polls(door) == 1, what="the poll's wait")
    WritebackRequest.objects.filter(id=request.id).update(expires_at=request.expires_at)
    thread.join(20)
    assert len(answers[0].json()["work"]) == 1


def test_parallel_polls_give_each_request_to_exactly_one_agent(
    site: Site, call_as: Callable[[AgentWithKeys], Caller]
) -> None:
    agents = [
        confirmed_agent(site.organization, "corp.example.test", now=timezone.now(), name=f"agent-{i}") for i in range(3)
    ]
    requests = [site.queue(person=site.another_person(f"p{i}@example.test")) for i in range(12)]
    callers = [call_as(agent) for agent in agents]
    taken: list[uuid.UUID] = []

    def take(one: Caller) -> None:
        while work := one.work(capacity=2).work:
            taken.extend(parse(Envelope, b64decode(item.envelope)).request_id for item in work)

    with ThreadPoolExecutor(len(callers)) as pool:
        list(pool.map(take, callers))
    assert Counter(taken) == Counter(request.id for request in requests)


def test_an_agent_of_another_organization_gets_nothing(site: Site, make_site: Callable[[str], Site]) -> None:
    other = make_site("other")
    request = site.queue(Operation.INSPECT)
    assert other.caller.work().work == []
    request.refresh_from_db()
    assert request.state == WritebackRequest.State.QUEUED


def test_revocation_ends_an_open_poll_at_the_next_look(site: Site, door: OpenDoor) -> None:
    site.caller.work()
    thread, answers = in_background(lambda: site.caller.poll(wait_s=50))
    wait_until(lambda: waiting_polls(door) == 1, what="the poll's wait")
    assert LOOK_EVERY < 5  # the promise is five seconds
    revoke(site.agent.row, "operator:test", timezone.now())
    wait_until(lambda: answers, timeout=20, what="the poll's end, long before the 50 s that it asked for")
    thread.join()
    assert answers[0].status_code == 403
    assert answers[0].json()["error"] == "agent_revoked"
    # The token died with it.
    assert site.caller.poll().status_code in (401, 403)


def test_a_pending_agent_gets_no_token_and_no_work_until_it_is_confirmed(site: Site, pending: Caller) -> None:
    refused = pending.ask_token()
    assert (refused.status_code, refused.json()) == (
        401,
        {"error": "invalid_client", "error_description": "agent_pending"},
    )
    confirm(pending.agent.row, "operator:test", timezone.now())
    assert pending.poll().status_code == 200


def test_an_agent_may_have_only_so_many_polls_open(site: Site, door: OpenDoor) -> None:
    site.caller.work()
    polls = [in_background(lambda: site.caller.poll(wait_s=50)) for _ in range(MAX_SEATS)]
    wait_until(lambda: waiting_polls(door) == MAX_SEATS, what="every poll's wait")
    refused = site.caller.poll(wait_s=50)
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_polls")
    assert refused.headers["retry-after"]
    revoke(site.agent.row, "operator:test", timezone.now())
    for thread, answers in polls:
        thread.join(20)
        assert answers[0].status_code == 403


def test_a_client_that_left_is_given_no_work(site: Site, door: OpenDoor) -> None:
    site.caller.work()

    def leave() -> None:
        try:
            site.caller.http.timeout = httpx2.Timeout(0.3)
            site.caller.poll(wait_s=50)
        except httpx2.TimeoutException:
            site.caller.http.timeout = httpx2.Timeout(70)

    thread = threading.Thread(target=leave)
    thread.start()
    wait_until(lambda: waiting_polls(door) == 1, what="the poll's wait")
    thread.join(20)
    wait_until(lambda: waiting_polls(door) == 0, what="the poll's end")
    site.queue()
    assert len(site.caller.work().work) == 1


def test_what_an_agent_held_before_its_restart_comes_back_at_once(site: Site) -> None:
    site.queue()
    (first,) = site.caller.work().work
    again = site.caller.poll(boot_id=uuid.uuid4()).json()["work"]
    assert [(item["kind"], item["fence"]) for item in again] == [("execute", first.fence + 1)]


def test_idle_polls_cost_a_few_queries_together_however_many_wait(
    site: Site, door: OpenDoor, call_as: Callable[[AgentWithKeys], Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = [site.caller]
    for i in range(9):
        agent = confirmed_agent(site.organization, "corp.example.test", now=timezone.now(), name=f"agent-{i}")
        callers.append(call_as(agent))
    for one in callers:
        one.work()
    polls = [in_background(lambda one=one: one.poll(wait_s=50)) for one in callers for _ in range(MAX_SEATS)]  # type: ignore[misc]
    wait_until(lambda: waiting_polls(door) == len(polls), what="every poll's wait", timeout=30)
    # Each has looked once more after taking its seat; from then on nothing happens.
    database = door.app.state.door.database
    wait_until(lambda: database._jobs == 0, what="the end of the polls' first looks")
    queries: list[str] = []
    execute = CursorWrapper.execute

    def counted(self: CursorWrapper, sql: str, params: object = None) -> object:
        queries.append(sql)
        return execute(self, sql, params)  # type: ignore[arg-type]

    monkeypatch.setattr(CursorWrapper, "execute", counted)
    wait_until(lambda: len(queries) >= 4, what="two looks of the waiting room")
    assert len(queries) < 10
    monkeypatch.undo()
    for one in callers:
        revoke(one.agent.row, "operator:test", timezone.now())
    for thread, _ in polls:
        thread.join(20)
