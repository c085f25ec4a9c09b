"""Refusals about the whole organization come at once and to everybody; those about a person follow the gate."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.agents import AgentWithKeys, confirmed_agent
from tests.portal.recovery.conftest import heard
from tests.portal.walk import Walker, newest_code

from keyback.portal.agents.models import Agent
from keyback.portal.agents.registry import revoke
from keyback.portal.agents.switch import declare, switch
from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Policy
from keyback.portal.recovery.models import Recovery
from keyback.protocol.messages import Served, ServedForest

BOTH = pytest.mark.parametrize("user_id", ["ada@example.test", "nobody@example.test"])


@BOTH
def test_9_reset_is_off(user_id: str, ada: Person, walker: Walker) -> None:
    Organization.objects.update(reset_scope="none")
    page = walker.identify(user_id)
    assert page.heading == "Your account is not enabled for password reset"
    assert "SSPR_0009" in page.text


@BOTH
def test_10_no_agent_any_more(user_id: str, ada: Person, agent: AgentWithKeys, walker: Walker) -> None:
    revoke(agent.row, "operator:test", timezone.now())
    page = walker.identify(user_id)
    assert page.heading == "Please contact your administrator"
    assert "SSPR_0010" in page.text


@BOTH
def test_11_no_policy_at_all(user_id: str, ada: Person, walker: Walker) -> None:
    Policy.objects.all().delete()
    page = walker.identify(user_id)
    assert page.heading == "Your account is not enabled for password reset"
    assert "SSPR_0011" in page.text


@BOTH
def test_30_no_agent_heard_of(user_id: str, ada: Person, agent: AgentWithKeys, walker: Walker) -> None:
    heard(agent.row, timezone.now() - timedelta(minutes=5))
    page = walker.identify(user_id)
    assert page.heading == "This is not possible at the moment"
    assert "SSPR_0030" in page.text


@BOTH
def test_with_cloud_people_among_them_writeback_is_not_told_before_the_gate(
    user_id: str, ada: Person, cleo: Person, agent: AgentWithKeys, walker: Walker
) -> None:
    revoke(agent.row, "operator:test", timezone.now())
    assert walker.identify(user_id).heading == "How do you want to prove it is you?"


def test_after_the_gate_10_is_told(ada: Person, cleo: Person, agent: AgentWithKeys, walker: Walker) -> None:
    revoke(agent.row, "operator:test", timezone.now())
    page = walker.prove("ada@example.test")
    assert page.heading == "Please contact your administrator"
    assert "SSPR_0010" in page.text


def test_an_agent_that_is_only_pending_counts_for_nothing(ada: Person, agent: AgentWithKeys, walker: Walker) -> None:
    Agent.objects.update(state="pending")
    assert "SSPR_0010" in walker.identify("ada@example.test").text


def test_after_the_gate_14_is_told_where_two_gates_are_asked_and_one_method_is_on_file(
    ada: Person, walker: Walker
) -> None:
    Policy.objects.update(gates=2)
    page = walker.prove("ada@example.test")
    assert page.heading == "We couldn't verify your account"
    assert "SSPR_0014" in page.text


def test_after_the_gate_11_is_told_where_the_policy_went_away(ada: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    Policy.objects.update(reset=False, unlock=False)
    assert "SSPR_0011" in walker.type_code(page, newest_code()).text


def test_a_refusal_at_the_first_step_starts_no_recovery_and_is_in_the_audit(ada: Person, walker: Walker) -> None:
    Organization.objects.update(reset_scope="none")
    page = walker.identify("ada@example.test")
    assert Recovery.objects.count() == 0
    entry = AuditEntry.objects.get(activity="recovery.refused")
    assert entry.details == {"refusal": "SSPR_0009"}
    assert str(entry.tracking_id) == page.response["Keyback-Tracking-Id"]


def test_before_there_is_an_organization_one_sentence_says_so(db: None) -> None:
    page = Walker().get("/recover/")
    assert page.status == 503
    assert page.heading == "This site is not set up yet"


@BOTH
def test_10_writeback_is_switched_off_in_the_portal(
    user_id: str, ada: Person, agent: AgentWithKeys, walker: Walker
) -> None:
    switch(agent.row.organization, [agent.forest], "operator:test", timezone.now(), on=False)
    assert "SSPR_0010" in walker.identify(user_id).text


def test_10_the_agent_has_switched_its_writeback_off(ada: Person, agent: AgentWithKeys, walker: Walker) -> None:
    off = ServedForest(name=agent.forest.name, writeback="off")
    declare(agent.row, Served(forests=[off]), timezone.now())
    assert "SSPR_0010" in walker.identify("ada@example.test").text


def test_10_writeback_of_ones_own_forest_is_off_while_another_one_goes_on(
    ada: Person, agent: AgentWithKeys, walker: Walker
) -> None:
    confirmed_agent(agent.row.organization, "labs.example.test", now=timezone.now(), name="labs")
    heard(Agent.objects.get(name="labs"), timezone.now())
    switch(agent.row.organization, [agent.forest], "operator:test", timezone.now(), on=False)
    page = walker.prove("ada@example.test")
    assert "SSPR_0010" in page.text
