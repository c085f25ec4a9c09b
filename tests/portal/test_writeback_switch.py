"""Writeback is on where the portal and an agent both have it on; synchronisation goes on either way."""

from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from keyback.portal.agents.models import Agent, AgentForest, UnsealingKey
from keyback.portal.agents.registry import sealing_targets
from keyback.portal.agents.switch import ServesAlready, allow, declare, switch
from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Forest, Organization
from keyback.protocol.messages import ForestStates, Served, ServedForest
from tests.portal.agents import AgentWithKeys, confirmed_agent, unseal_key
from tests.portal.commands import Here

CORP, LABS = "corp.example.test", "labs.example.test"


@pytest.fixture
def serving(organization: Organization, now: datetime) -> AgentWithKeys:
    return confirmed_agent(organization, CORP, now=now)


def say(agent: AgentWithKeys, now: datetime, key: str | None = None, **forests: str) -> ForestStates:
    """``corp="off"``: what the agent declares of corp.example.test."""
    served = [
        ServedForest.model_validate({"name": f"{name}.example.test", "writeback": on}) for name, on in forests.items()
    ]
    unseal = None if key is None else unseal_key(agent.sign, ec.generate_private_key(ec.SECP256R1()), key)
    return declare(agent.row, Served(forests=served, unseal=unseal), now)


def targets(agent: AgentWithKeys, now: datetime, name: str = CORP) -> list[str]:
    forest = Forest.objects.get(organization=agent.row.organization, name=name)
    return [target.key_id for target in sealing_targets(agent.row.organization_id, forest.id, now)]


def activities() -> list[str]:
    return [e.activity for e in AuditEntry.objects.order_by("id") if e.activity.startswith(("writeback", "agent.for"))]


def test_for_an_agent_that_is_off_nobody_seals_and_its_keys_are_forgotten(
    serving: AgentWithKeys, now: datetime
) -> None:
    assert targets(serving, now) == ["key-1"]
    say(serving, now, corp="off")
    assert targets(serving, now) == []
    assert not UnsealingKey.objects.exists()
    say(serving, now, key="key-2", corp="on")
    assert targets(serving, now) == ["key-2"]
    assert activities() == ["writeback.off", "writeback.on"]


def test_saying_the_same_again_changes_nothing(serving: AgentWithKeys, now: datetime) -> None:
    for _ in range(2):
        [state] = say(serving, now, corp="on").forests
        assert (state.id, state.name, state.writeback) == (serving.forest.id, CORP, True)
    assert activities() == []


def test_a_new_key_with_the_switch_takes_the_place_of_all_others(serving: AgentWithKeys, now: datetime) -> None:
    say(serving, now, key="key-2", corp="on")
    assert list(UnsealingKey.objects.values_list("key", flat=True)) == ["key-2"]


def test_one_forest_can_be_off_while_the_other_goes_on(serving: AgentWithKeys, now: datetime) -> None:
    say(serving, now, corp="off", labs="on")
    assert targets(serving, now) == []
    assert targets(serving, now, LABS) == ["key-1"]


def test_a_forest_that_the_agent_dropped_from_its_file_counts_as_off(serving: AgentWithKeys, now: datetime) -> None:
    say(serving, now, labs="on")
    assert targets(serving, now) == []


def test_a_forest_that_nobody_served_is_joined_and_its_requests_come(serving: AgentWithKeys, now: datetime) -> None:
    answer = say(serving, now, corp="on", labs="added")
    assert sorted(state.name for state in answer.forests) == [CORP, LABS]
    assert targets(serving, now, LABS) == ["key-1"]
    assert activities() == ["agent.forest_added"]


def test_a_forest_that_others_serve_is_joined_only_when_an_administrator_allows_it(
    organization: Organization, serving: AgentWithKeys, now: datetime
) -> None:
    confirmed_agent(organization, LABS, now=now, name="other")
    labs = Forest.objects.get(name=LABS)
    assert [state.name for state in say(serving, now, corp="on", labs="on").forests] == [CORP]
    assert len(targets(serving, now, LABS)) == 1
    allow(serving.row, labs, "operator:test", now)
    assert sorted(state.name for state in say(serving, now, corp="on", labs="on").forests) == [CORP, LABS]
    assert len(targets(serving, now, LABS)) == 2
    with pytest.raises(ServesAlready):
        allow(serving.row, labs, "operator:test", now)


def test_another_organizations_forest_of_the_same_name_is_never_joined(
    organization: Organization, serving: AgentWithKeys, now: datetime
) -> None:
    other = Organization.objects.create(name="Other", slug="other", created_at=now)
    theirs = Forest.objects.create(organization=other, name=LABS)
    say(serving, now, corp="on", labs="on")
    assert not AgentForest.objects.filter(forest=theirs).exists()


def test_the_portals_switch_holds_for_every_agent_and_is_told_to_them(
    organization: Organization, serving: AgentWithKeys, now: datetime
) -> None:
    confirmed_agent(organization, CORP, now=now, name="other")
    assert switch(organization, [serving.forest], "operator:test", now, on=False) == [serving.forest]
    assert switch(organization, [serving.forest], "operator:test", now, on=False) == []
    assert targets(serving, now) == []
    assert [state.writeback for state in say(serving, now, corp="on").forests] == [False]
    switch(organization, [serving.forest], "operator:test", now, on=True)
    assert targets(serving, now) == [], "the keys are gone: each agent makes a new one"
    say(serving, now, key="key-2", corp="on")
    assert targets(serving, now) == ["key-2"]
    assert activities() == ["writeback.off", "writeback.on"]


def test_an_agent_cannot_overrule_the_portals_switch(
    organization: Organization, serving: AgentWithKeys, now: datetime
) -> None:
    switch(organization, [serving.forest], "operator:test", now, on=False)
    say(serving, now, key="key-2", corp="on")
    assert targets(serving, now) == []


# --- the commands


def test_the_command_switches_and_shows_both_switches(
    here: Here, organization: Organization, serving: AgentWithKeys, now: datetime
) -> None:
    slug = organization.slug
    assert here.ok("writeback", "off", slug) == f"{CORP}: writeback is off.\n"
    assert here.ok("writeback", "off", slug, "--forest", CORP.upper()) == f"{CORP}: writeback is off already.\n"
    [row] = here.lines("writeback", "status", slug)
    assert row == {"forest": CORP, "portal": "off", "agent": "dc-room: on, confirmed"}
    here.ok("writeback", "on", slug)
    assert [row["portal"] for row in here.lines("writeback", "status", slug)] == ["on"]
    assert "has no forest" in here.refused("writeback", "off", slug, "--forest", "nowhere.test")


def test_an_administrator_lets_an_agent_serve_one_more_forest(
    here: Here, organization: Organization, serving: AgentWithKeys, now: datetime
) -> None:
    confirmed_agent(organization, LABS, now=now, name="other")
    assert here.ok("agents", "allow", organization.slug, "dc-room", LABS) == f"dc-room may serve {LABS}.\n"
    assert "serves labs.example.test already" in here.refused("agents", "allow", organization.slug, "dc-room", LABS)
    assert "no forest" in here.refused("agents", "allow", organization.slug, "dc-room", "nowhere.test")
    Agent.objects.update(state="pending")
    assert "0 confirmed agents" in here.refused("agents", "allow", organization.slug, "dc-room", CORP)
