"""What an agent does with its work, its people, its keys and its heartbeat."""

import uuid
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from keyback.portal.agents.models import Agent, UnsealingKey
from keyback.portal.agents.registry import sealing_targets
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import SealedBox, WritebackRequest
from keyback.protocol.messages import (
    Heartbeat,
    NewKey,
    Offboarding,
    Operation,
    Outcome,
    PersonRecord,
    Push,
    Served,
    WriteIntent,
)
from keyback.protocol.outcomes import OutcomeCode
from tests.portal.agents import AgentWithKeys, confirmed_agent, unseal_key
from tests.relay.caller import Caller
from tests.relay.conftest import Site

State = WritebackRequest.State


def outcome(request: WritebackRequest, fence: int, code: OutcomeCode = OutcomeCode.DONE) -> Outcome:
    return Outcome(request_id=request.id, fence=fence, code=code)


def record(name: str, **changed: object) -> PersonRecord:
    values = {
        "object_guid": uuid.uuid4(),
        "anchor": "a",
        "user_id": f"{name}@example.test",
        "account_name": name,
        "mail": [f"{name}@mail.test"],
    }
    return PersonRecord.model_validate(values | changed)


def heartbeat() -> Heartbeat:
    return Heartbeat(
        version="0.1.0",
        uptime_s=1,
        requests_done=2,
        requests_refused=0,
        requests_unresolved=0,
        last_sync_people=3,
        last_sync_age_s=None,
        forests_reachable=1,
        forests=1,
        paused=False,
    )


def test_a_request_goes_from_the_queue_over_the_grant_to_its_outcome(site: Site) -> None:
    request = site.queue()
    (work,) = site.caller.work().work
    intent = WriteIntent(fence=work.fence, before=site.before())
    granted = site.caller.post(f"requests/{request.id}/writing", intent)
    assert granted.status_code == 200
    assert granted.json()["granted"] is True and granted.json()["remaining_ms"] > 0
    first = site.caller.post(f"requests/{request.id}/outcome", outcome(request, work.fence))
    again = site.caller.post(f"requests/{request.id}/outcome", outcome(request, work.fence))
    assert [(r.status_code, r.json()["result"]) for r in (first, again)] == [(200, "recorded"), (200, "repeated")]
    request.refresh_from_db()
    assert (request.state, request.outcome_code) == (State.FINISHED, "done")
    assert not SealedBox.objects.exists()


def test_no_grant_without_the_current_fence(site: Site) -> None:
    request = site.queue()
    (work,) = site.caller.work().work
    stale = WriteIntent(fence=work.fence + 1, before=site.before())
    refused = site.caller.post(f"requests/{request.id}/writing", stale)
    assert (refused.status_code, refused.json()) == (200, {"granted": False, "remaining_ms": 0})
    request.refresh_from_db()
    assert request.state == State.CLAIMED


def test_an_agent_of_another_organization_knows_no_foreign_request(
    site: Site, make_site: Callable[[str], Site]
) -> None:
    other = make_site("other")
    request = site.queue()
    (work,) = site.caller.work().work
    intent = WriteIntent(fence=work.fence, before=site.before())
    assert other.caller.post(f"requests/{request.id}/writing", intent).json()["granted"] is False
    unknown = uuid.uuid4()
    answers = []
    for request_id in (request.id, unknown):
        body = Outcome(request_id=request_id, fence=work.fence, code=OutcomeCode.DONE)
        response = other.caller.post(f"requests/{request_id}/outcome", body)
        answers.append((response.status_code, response.json() | {"tracking_id": ""}))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404 and answers[0][1]["error"] == "no_such_request"
    request.refresh_from_db()
    assert request.state == State.CLAIMED


def test_an_outcome_belongs_to_the_path_it_is_posted_to(site: Site) -> None:
    request = site.queue(Operation.INSPECT)
    (work,) = site.caller.work().work
    response = site.caller.post(f"requests/{uuid.uuid4()}/outcome", outcome(request, work.fence))
    assert (response.status_code, response.json()["error"]) == (409, "mismatched")


def test_people_are_taken_once(site: Site) -> None:
    run = uuid.uuid4()
    push = Push(run_id=run, seq=5, forest_id=site.agent.forest.id, people=[record("bea"), record("cem")])
    taken = site.caller.post("people", push)
    assert (taken.status_code, taken.json()["added"], taken.json()["refused"]) == (200, 2, {})
    replayed = site.caller.post("people", push)
    assert (replayed.status_code, replayed.json()["error"]) == (409, "sequence_refused")
    assert Person.objects.filter(user_id__in=["bea@example.test", "cem@example.test"]).count() == 2


def test_people_of_a_domain_that_is_not_the_organization_s_are_refused_by_line(site: Site) -> None:
    foreign = record("eve", user_id="eve@other.test")
    push = Push(run_id=uuid.uuid4(), seq=1, forest_id=site.agent.forest.id, people=[foreign, record("bea")])
    receipt = site.caller.post("people", push).json()
    assert receipt["added"] == 1 and list(receipt["refused"]) == [str(foreign.object_guid)]


def test_people_of_a_forest_that_the_agent_does_not_serve_are_refused(
    site: Site, make_site: Callable[[str], Site]
) -> None:
    other = make_site("other")
    push = Push(run_id=uuid.uuid4(), seq=1, forest_id=other.agent.forest.id, people=[record("bea")])
    response = site.caller.post("people", push)
    assert (response.status_code, response.json()["error"]) == (403, "forest_refused")
    assert not Person.objects.filter(user_id="bea@example.test").exists()


def test_a_new_key_is_the_one_that_pages_seal_for(site: Site) -> None:
    new = unseal_key(site.agent.sign, ec.generate_private_key(ec.SECP256R1()), "key-2")
    response = site.caller.post("keys", NewKey(unseal=new))
    assert (response.status_code, response.content) == (204, b"")
    (target,) = sealing_targets(site.organization.id, site.agent.forest.id, timezone.now())
    assert target.key_id == "key-2"


def test_a_key_id_never_changes_its_key(site: Site) -> None:
    other = unseal_key(site.agent.sign, ec.generate_private_key(ec.SECP256R1()), "key-1")
    response = site.caller.post("keys", NewKey(unseal=other))
    assert (response.status_code, response.json()["error"]) == (409, "key_refused")
    assert UnsealingKey.objects.filter(agent=site.agent.row).count() == 1


@pytest.mark.parametrize("public", ["", "AA", "BA" + "A" * 85])
def test_what_is_no_point_of_the_curve_is_no_key(site: Site, public: str) -> None:
    key = unseal_key(site.agent.sign, ec.generate_private_key(ec.SECP256R1()), "key-2").model_copy(
        update={"public": public}
    )
    response = site.caller.post("keys", NewKey(unseal=key))
    assert (response.status_code, response.json()["error"]) == (409, "key_refused")


def test_a_heartbeat_is_kept_with_its_time(site: Site) -> None:
    assert site.caller.post("heartbeat", heartbeat()).status_code == 204
    agent = Agent.objects.get(pk=site.agent.row.pk)
    assert agent.heartbeat["last_sync_people"] == 3 and agent.heartbeat_at is not None


def test_two_agents_of_one_organization_have_sequences_of_their_own(
    site: Site, call_as: Callable[[AgentWithKeys], Caller]
) -> None:
    second = confirmed_agent(site.organization, "corp.example.test", now=timezone.now(), name="second")
    for agent_caller in (site.caller, call_as(second)):
        push = Push(run_id=uuid.uuid4(), seq=1, forest_id=site.agent.forest.id, people=[])
        assert agent_caller.post("people", push).status_code == 200


def served(site: Site, writeback: str) -> Served:
    return Served.model_validate({"forests": [{"name": site.agent.forest.name, "writeback": writeback}]})


def test_an_agent_switches_its_writeback_off_and_what_it_held_goes_back(site: Site) -> None:
    request = site.queue()
    site.caller.work()
    answer = site.caller.post("forests", served(site, "off"))
    assert answer.status_code == 200
    assert answer.json()["forests"][0]["writeback"] is True, "the portal's own switch"
    request.refresh_from_db()
    assert request.state == State.QUEUED
    assert not SealedBox.objects.exists()
    assert sealing_targets(site.organization.id, site.agent.forest.id, timezone.now()) == []


def test_switching_on_needs_a_key_that_the_agent_itself_vouches_for(site: Site) -> None:
    stranger = unseal_key(Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()), "key-2")
    refused = site.caller.post("forests", served(site, "on").model_copy(update={"unseal": stranger}))
    assert (refused.status_code, refused.json()["error"]) == (409, "key_refused")
    assert UnsealingKey.objects.get().key == "key-1"


def test_an_agent_that_leaves_is_shut_out_at_once(site: Site) -> None:
    assert site.caller.post("offboard", Offboarding()).status_code == 204
    assert Agent.objects.get(id=site.agent.row.id).state == "revoked"
    again = site.caller.post("offboard", Offboarding())
    assert again.status_code in (401, 403)
