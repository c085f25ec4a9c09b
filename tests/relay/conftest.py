"""Two organizations with agents of their own, and an open door."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.preparation import prepare, submit, submit_unsealed
from keyback.protocol.messages import Before, Operation
from keyback.protocol.sealing import Sealed, load_unseal_key, seal
from tests.portal.agents import AgentWithKeys, confirmed_agent, pending_agent
from tests.portal.people import directory_person
from tests.relay.caller import Caller, caller
from tests.relay.door import OpenDoor, open_door, waiting_polls
from tests.support.waiting import wait_until


@dataclass
class Site:
    """An organization with one agent that has called already, and one person of its forest."""

    organization: Organization
    agent: AgentWithKeys
    caller: Caller
    person: Person

    def queue(self, operation: Operation = Operation.RESET, person: Person | None = None) -> WritebackRequest:
        now = timezone.now()
        person = person or self.person
        preparation = prepare(
            person, operation, tracking_id=uuid.uuid4(), deadline=now + timedelta(minutes=15), now=now
        )
        if operation is not Operation.RESET:
            return submit_unsealed(preparation, person, now)
        boxes = {
            target.agent_id: seal(
                Sealed(new="Correct-Horse-7"), load_unseal_key(target.public), preparation.info(target)
            )
            for target in preparation.targets
        }
        return submit(preparation, boxes, person, now)

    def another_person(self, name: str) -> Person:
        return directory_person(
            organization=self.organization,
            forest=self.agent.forest,
            object_guid=uuid.uuid4(),
            user_id=name,
        )

    def before(self) -> Before:
        assert self.person.object_guid is not None
        return Before(
            server="ldaps://127.0.0.2",
            invocation_id=uuid.UUID(int=9),
            object_guid=self.person.object_guid,
            password_version=3,
            pwd_last_set_version=3,
        )


@pytest.fixture(scope="session")
def one_door(django_db_setup: None) -> Iterator[OpenDoor]:
    with open_door() as opened:
        yield opened


@pytest.fixture
def door(one_door: OpenDoor, transactional_db: None) -> OpenDoor:
    """The door of this test run, with nobody inside and nothing remembered."""
    wait_until(lambda: waiting_polls(one_door) == 0, what="the end of the last test's polls")
    one_door.app.state.door.failures._closed_until.clear()
    return one_door


@pytest.fixture
def call_as(door: OpenDoor) -> Iterator[Callable[[AgentWithKeys], Caller]]:
    """call_as(agent): its end of the line."""
    with ExitStack() as stack:
        yield lambda agent: stack.enter_context(caller(door.url, agent))


@pytest.fixture
def make_site(call_as: Callable[[AgentWithKeys], Caller]) -> Callable[[str], Site]:
    """make_site("example"): with the verified domain example.test and the forest corp.example.test."""

    def make(slug: str) -> Site:
        now = timezone.now()
        organization = setup.create(slug.title(), slug=slug, by="operator:test", now=now)
        domain = setup.add_domain(organization, f"{slug}.test", by="operator:test", now=now)
        setup.verify_domain(domain, by="operator:test", how="operator", now=now)
        agent = confirmed_agent(organization, f"corp.{slug}.test", now=now)
        site = Site(organization, agent, call_as(agent), Person())
        site.person = site.another_person(f"ada@{slug}.test")
        return site

    return make


@pytest.fixture
def site(make_site: Callable[[str], Site]) -> Site:
    return make_site("example")


@pytest.fixture
def pending(site: Site, call_as: Callable[[AgentWithKeys], Caller]) -> Caller:
    """An agent of the same organization that nobody has confirmed."""
    return call_as(pending_agent(site.organization, "corp.example.test", now=timezone.now(), name="second"))
