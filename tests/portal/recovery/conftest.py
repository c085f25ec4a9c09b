"""Example Ltd as it is now (the pages read the clock), with somebody of each kind, and a clock that tests can turn."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from tests.portal.agents import AgentWithKeys, confirmed_agent
from tests.portal.people import directory_person
from tests.portal.walk import FakeDirectory, Walker

from keyback.portal.agents.models import Agent
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people.cloud import set_password
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.create import create_cloud_person
from keyback.portal.people.models import Person, Spelling

OLD_PASSWORD = "Sommer-war-warm-6"


class Clock:
    """What Django answers for the time. It runs, until it is stopped at a moment."""

    def __init__(self, real: Callable[[], datetime]) -> None:
        self._real = real
        self._ahead = timedelta(0)
        self._stopped: datetime | None = None

    def now(self) -> datetime:
        return (self._stopped or self._real()) + self._ahead

    def forward(self, **duration: float) -> None:
        self._ahead += timedelta(**duration)

    def stop(self, at: datetime) -> None:
        self._stopped, self._ahead = at, timedelta(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(timezone.now)
    monkeypatch.setattr(timezone, "now", clock.now)
    return clock


@pytest.fixture
def organization(db: None) -> Organization:
    now = timezone.now()
    organization = setup.create("Example Ltd", by="operator:test", now=now)
    domain = setup.add_domain(organization, "example.test", by="operator:test", now=now)
    setup.verify_domain(domain, by="operator:test", how="operator", now=now)
    return organization


@pytest.fixture
def agent(organization: Organization) -> AgentWithKeys:
    """Confirmed, and heard a moment ago."""
    agent = confirmed_agent(organization, "corp.example.test", now=timezone.now())
    heard(agent.row)
    return agent


def heard(agent: Agent, at: datetime | None = None) -> None:
    Agent.objects.filter(pk=agent.pk).update(last_seen_at=at or timezone.now())


@pytest.fixture
def directory(agent: AgentWithKeys) -> FakeDirectory:
    return FakeDirectory(agent)


@pytest.fixture
def make_ada(organization: Organization, agent: AgentWithKeys) -> Callable[..., Person]:
    def make(name: str = "ada", *, mail: bool = True) -> Person:
        person = directory_person(
            organization=organization,
            forest=agent.forest,
            object_guid=uuid.uuid4(),
            user_id=f"{name}@example.test",
            account_name=name,
            display_name=f"{name.title()} Lovelace",
        )
        for text in (f"{name}@example.test", name, f"corp\\{name}"):
            Spelling.objects.create(organization=organization, text=text, person=person)
        if mail:
            add_mail(person, f"{name}@private.test", origin="operator", by="operator:test", now=timezone.now())
        return person

    return make


@pytest.fixture
def ada(make_ada: Callable[..., Person]) -> Person:
    """Her password lives in the directory, and a private mailbox is on file."""
    return make_ada()


@pytest.fixture
def cleo(organization: Organization) -> Person:
    """Her password lives in the portal."""
    now = timezone.now()
    person = create_cloud_person(
        organization, "cleo@example.test", display_name="Cleo Cloud", by="operator:test", now=now
    )
    add_mail(person, "cleo@private.test", origin="operator", by="operator:test", now=now)
    set_password(person, OLD_PASSWORD, now)
    return person


@pytest.fixture
def walker(organization: Organization) -> Walker:
    return Walker()
