"""With several forests: an unknown user ID is shown what a person of one of them is shown, whatever is out of order."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from keyback.portal.agents.models import Agent, AgentForest
from keyback.portal.agents.switch import declare
from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.people.models import Person, Spelling
from keyback.portal.writeback.requests import sweep
from keyback.protocol.messages import Served, ServedForest
from keyback.protocol.outcomes import OutcomeCode
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import name
from tests.portal.account.test_pass_through import type_password
from tests.portal.agents import AgentWithKeys, confirmed_agent
from tests.portal.people import directory_person
from tests.portal.walk import FakeDirectory, Page, Walker

UNREACHABLE = "This is not possible at the moment"


@pytest.fixture
def other(organization: Organization, ada: Person, agent: AgentWithKeys) -> AgentWithKeys:
    """A second forest with people and an agent of its own; both have told which domains live there."""
    other = confirmed_agent(organization, "other.test", now=timezone.now(), name="other-room")
    Agent.objects.filter(pk=other.row.pk).update(last_seen_at=timezone.now())
    bob = directory_person(
        organization=organization,
        forest=other.forest,
        object_guid=uuid.uuid4(),
        user_id="bob@other.test",
        account_name="bob",
        display_name="Bob Other",
    )
    Spelling.objects.create(organization=organization, text="bob@other.test", person=bob)
    for one, domain in ((agent, "Example.test"), (other, "other.test")):
        said = ServedForest(name=one.forest.name, domains=[domain], writeback="on")
        declare(one.row, Served(forests=[said]), timezone.now())
    return other


def agents_shown(user_id: str) -> set[str]:
    page = name(Walker(), user_id)
    return {target["agent"] for target in page.data["sealing"]["targets"]}


def test_the_agents_on_the_page_are_those_of_the_user_id_s_domain(
    organization: Organization, agent: AgentWithKeys, other: AgentWithKeys
) -> None:
    organization.domains.create(name="other.test", verified_at=timezone.now())
    assert agents_shown("bob@other.test") == {str(other.row.id)}
    for number in range(6):
        assert agents_shown(f"nobody{number}@other.test") == {str(other.row.id)}
        assert agents_shown(f"nobody{number}@example.test") == {str(agent.row.id)}


def test_where_people_of_one_domain_live_in_two_forests_the_unknown_of_it_do_as_well(
    organization: Organization, agent: AgentWithKeys, other: AgentWithKeys
) -> None:
    said = ServedForest(name=other.forest.name, domains=["other.test", "example.test"], writeback="on")
    declare(other.row, Served(forests=[said]), timezone.now())
    shown = {one for number in range(12) for one in agents_shown(f"nobody{number}@example.test")}
    assert shown == {str(agent.row.id), str(other.row.id)}


def test_where_no_domain_tells_an_unknown_user_id_always_looks_to_be_of_the_same_forest(
    agent: AgentWithKeys, other: AgentWithKeys
) -> None:
    shown = [agents_shown(f"nobody{number}") for number in range(12)]
    assert shown == [agents_shown(f"nobody{number}") for number in range(12)]
    assert {one for each in shown for one in each} == {str(agent.row.id), str(other.row.id)}


def test_a_forest_without_people_is_nobody_s(organization: Organization, agent: AgentWithKeys, ada: Person) -> None:
    empty = confirmed_agent(organization, "empty.test", now=timezone.now(), name="empty-room")
    assert all(agents_shown(f"nobody{number}") == {str(agent.row.id)} for number in range(8))
    AgentForest.objects.filter(agent=empty.row).delete()
    Forest.objects.filter(name="empty.test").delete()


@pytest.fixture
def asked(other: AgentWithKeys, organization: Organization, clock: Clock) -> Callable[[str], list[str]]:
    """What somebody of this user ID sees from the page for the password on, within a minute and a bit."""
    organization.domains.create(name="other.test", verified_at=timezone.now())
    clock.stop(timezone.now())

    def ask(user_id: str, answer: Callable[[], object] = lambda: None) -> list[str]:
        heard_of = Agent.objects.filter(last_seen_at__gt=timezone.now() - timedelta(minutes=10))
        heard_of.update(last_seen_at=timezone.now())
        walker = Walker()
        page = name(walker, user_id)
        if page.heading == UNREACHABLE:
            return [page.heading]
        seen = [page.heading, type_password(walker, user_id).heading]
        clock.forward(seconds=1)
        answer()
        clock.forward(seconds=1)
        seen.append(_after(walker).heading)
        clock.forward(seconds=60)
        sweep(timezone.now())
        seen.append(_after(walker).heading)
        return seen

    return ask


def _after(walker: Walker) -> Page:
    return walker.get("/sign-in/wait")


def test_a_forest_whose_writeback_is_off_is_told_to_the_known_and_the_unknown_of_its_domain(
    asked: Callable[[str], list[str]], other: AgentWithKeys
) -> None:
    Forest.objects.filter(pk=other.forest.pk).update(writeback=False)
    assert asked("bob@other.test") == asked("eve@other.test") == [UNREACHABLE]
    assert len(asked("eve@example.test")) > 1


def test_a_forest_whose_agents_are_gone_leaves_both_waiting_as_long(
    asked: Callable[[str], list[str]], agent: AgentWithKeys, other: AgentWithKeys
) -> None:
    Agent.objects.filter(pk=other.row.pk).update(last_seen_at=timezone.now() - timedelta(hours=1))
    bob, eve = asked("bob@other.test"), asked("eve@other.test")
    assert bob == eve
    assert bob[-1] == UNREACHABLE and bob[2] == "We are asking your directory"
    assert asked("eve@example.test")[2] != bob[2]


def test_a_forest_whose_controllers_are_gone_is_told_as_such_to_both(
    asked: Callable[..., list[str]], other: AgentWithKeys
) -> None:
    controller = FakeDirectory(other)
    bob = asked("bob@other.test", lambda: controller.verify(OutcomeCode.UNREACHABLE))
    assert bob[2] == UNREACHABLE
    assert asked("eve@other.test") == bob
    wrong = asked("bob@other.test", lambda: controller.verify(OutcomeCode.CURRENT_WRONG))
    assert wrong[2] == "What is your password?"
    assert asked("eve@other.test") == wrong
