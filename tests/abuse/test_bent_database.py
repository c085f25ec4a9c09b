"""Whoever can write the database, and has no key, gets nobody else's password reset by it."""

import uuid
from collections.abc import Callable

import pytest
from django.utils import timezone

from keyback.portal.agents.models import Agent, AgentForest
from keyback.portal.agents.registry import sealing_targets
from keyback.portal.limits.models import Counter
from keyback.portal.messages.models import Message
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Administrator, Forest, Organization
from keyback.portal.people.contacts import add_phone, mails_of, phones_of
from keyback.portal.people.models import ContactDatum, Person, Spelling
from keyback.portal.people.sync import apply_push
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.writeback.models import WritebackRequest
from keyback.protocol.messages import PersonRecord, Push
from tests.portal.agents import AgentWithKeys, confirmed_agent
from tests.portal.walk import FakeDirectory, Walker, boxes_for, mails, newest_code

INSPECTED = {
    "password_version": 5,
    "locked_out": False,
    "must_change": False,
    "password_expired": False,
    "possible_from": None,
}


@pytest.fixture
def victim(make_ada: Callable[..., Person]) -> Person:
    return make_ada("victim")


@pytest.fixture
def eve(make_ada: Callable[..., Person]) -> Person:
    """She has an account and a mailbox of her own here, and write access to the database."""
    return make_ada("eve")


def _nothing_is_asked_for(victim: Person) -> None:
    assert not WritebackRequest.objects.filter(person=victim).exists()
    assert not WritebackRequest.objects.exclude(operation="inspect").exists()


@pytest.mark.parametrize("state", ["inspect", "choose", "write", "done", "refused"])
def test_a_recovery_moved_past_its_gate_is_no_recovery(victim: Person, walker: Walker, state: str) -> None:
    walker.identify("victim@example.test")
    walker_recovery = walker.recovery()
    Recovery.objects.filter(pk=walker_recovery.pk).update(state=state, gates_opened=["email"], inspection=INSPECTED)
    for path in ("/recover/prove", "/recover/wait", "/recover/password", "/recover/password/plain", "/recover/outcome"):
        assert walker.get(path, follow=False).response.headers["Location"] == "/recover/"
    assert walker.client.get("/recover/state").json() == {"waiting": False, "next": "/recover/"}
    assert "keyback-device" not in walker.client.cookies
    _nothing_is_asked_for(victim)


def test_a_gate_opened_for_me_is_not_open_for_somebody_else(
    victim: Person, eve: Person, walker: Walker, directory: FakeDirectory
) -> None:
    walker.prove("eve@example.test")
    directory.inspect(eve)
    Recovery.objects.update(person=victim)
    assert walker.get("/recover/password", follow=False).response.headers["Location"] == "/recover/"
    _nothing_is_asked_for(victim)


@pytest.mark.parametrize("when", ["before the code", "before it is typed", "after the gate"])
def test_somebody_else_s_object_behind_my_name_is_not_reset(
    victim: Person, eve: Person, walker: Walker, directory: FakeDirectory, when: str
) -> None:
    def bend() -> None:
        guid = victim.object_guid
        Person.objects.filter(pk=victim.pk).update(object_guid=uuid.uuid4())
        Person.objects.filter(pk=eve.pk).update(object_guid=guid)

    page = walker.identify("eve@example.test")
    if when == "before the code":
        bend()
        assert walker.ask_for_code(page).status == 200
        assert Message.objects.get().discard
        return
    page = walker.ask_for_code(page)
    if when == "before it is typed":
        bend()
        assert walker.type_code(page, newest_code()).status == 422
        assert not WritebackRequest.objects.exists()
        return
    walker.type_code(page, newest_code())
    bend()
    assert walker.get("/recover/wait", follow=False).response.headers["Location"] == "/recover/"


def test_my_code_moved_to_somebody_else_s_recovery_opens_nothing(victim: Person, eve: Person, walker: Walker) -> None:
    walker.ask_for_code(walker.identify("eve@example.test"))
    code = newest_code()
    mine = Challenge.objects.get()
    other = Walker()
    page = other.ask_for_code(other.identify("victim@example.test"))
    Challenge.objects.exclude(pk=mine.pk).delete()
    Challenge.objects.filter(pk=mine.pk).update(recovery=other.recovery())
    Counter.objects.all().delete()
    assert other.type_code(page, code).status == 422
    assert other.recovery().state == "prove"


def test_my_mailbox_moved_to_somebody_else_gets_no_code(victim: Person, eve: Person, walker: Walker) -> None:
    ContactDatum.objects.filter(person=victim).delete()
    ContactDatum.objects.filter(person=eve).update(person=victim)
    page = walker.ask_for_code(walker.identify("victim@example.test"))
    other = Walker()
    assert page.heading == other.ask_for_code(other.identify("nobody@example.test")).heading
    assert [message.discard for message in Message.objects.all()] == [True, True]


@pytest.mark.parametrize("kind", list(ContactDatum.Kind))
def test_an_agent_s_outcome_is_recorded_although_a_contact_row_was_bent(
    victim: Person, walker: Walker, directory: FakeDirectory, kind: ContactDatum.Kind
) -> None:
    """Whoever bends a row keeps a mail from being sent, and nothing else."""
    walker.prove("victim@example.test")
    directory.inspect(victim)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, "Winter-ist-kalt-7"))
    ContactDatum.objects.filter(person=victim).update(kind=kind, value="bent")
    directory.write()
    assert walker.get("/recover/outcome").heading == "Your password is changed"
    assert WritebackRequest.objects.get(operation="reset").outcome_code == "done"
    assert not any("was changed" in mail["subject"] for mail in mails())


def test_an_agent_pushes_people_whose_contact_rows_were_bent(
    victim: Person, agent: AgentWithKeys, organization: Organization
) -> None:
    add_phone(victim, "+44 7700 900111", ContactDatum.Kind.MOBILE, origin="agent", by="x", now=timezone.now())
    ContactDatum.objects.filter(person=victim).update(value="bent", value_index=b"bent")
    assert victim.object_guid is not None
    record = PersonRecord(
        object_guid=victim.object_guid,
        anchor="anchor-victim",
        user_id="victim@example.test",
        account_name="victim",
        mail=["victim@work.test"],
        mobile="+44 7700 900111",
    )
    push = Push(run_id=uuid.uuid4(), seq=1, forest_id=agent.forest.id, people=[record], last=True)
    assert apply_push(agent.row, push, timezone.now()).refused == {}
    assert [address for _datum, address in mails_of(victim)] == ["victim@work.test"]
    assert [number for _datum, number in phones_of(victim, ContactDatum.Kind.MOBILE)] == ["+44 7700900111"]


def test_an_agent_joins_although_an_administrator_s_address_was_bent(organization: Organization) -> None:
    setup.add_administrator(organization, "Ivo", "it@example.test")
    Administrator.objects.update(mail="bent")
    confirmed_agent(organization, "corp.example.test", now=timezone.now())
    assert mails() == []


def test_somebody_else_s_name_on_my_account_resets_mine_at_most(victim: Person, eve: Person, walker: Walker) -> None:
    Spelling.objects.filter(person=victim).update(person=eve)
    walker.prove("victim@example.test")
    asked = WritebackRequest.objects.get()
    assert asked.person == eve


def test_a_second_gate_is_not_opened_by_a_first_that_the_database_made_up(
    victim: Person, eve: Person, walker: Walker
) -> None:
    page = walker.identify("eve@example.test")
    Recovery.objects.update(gates_opened=["phone"])
    assert walker.post("/recover/email/send", page.forms["/recover/email/send"]).status == 409
    assert not Challenge.objects.exists()


def test_a_recovery_that_was_bent_says_so_nowhere_it_simply_is_not_there(victim: Person, walker: Walker) -> None:
    walker.identify("victim@example.test")
    Recovery.objects.update(state="choose", gates_opened=["email"], ends_at=timezone.now())
    page = walker.get("/recover/password")
    assert page.response.status_code == 200
    assert page.heading == Walker().get("/recover/").heading


def test_a_row_that_was_bent_after_the_code_was_sent_is_not_asked_about(eve: Person, walker: Walker) -> None:
    walker.ask_for_code(walker.identify("eve@example.test"))
    Person.objects.filter(pk=eve.pk).update(user_id="victim@example.test")
    page = walker.type_code(walker.get("/recover/email/"), newest_code())
    assert page.status == 200
    assert "SSPR_0029" in page.text
    assert not WritebackRequest.objects.exists()


def test_an_agent_of_another_organization_lent_to_this_forest_gets_no_box(
    organization: Organization, agent: AgentWithKeys
) -> None:
    """Eve runs an organization of her own on this instance, with an agent that was confirmed in all order."""
    now = timezone.now()
    other = setup.create("Eve Ltd", by="operator:test", now=now)
    eves = confirmed_agent(other, "eve.example", now=now)
    AgentForest.objects.create(organization=organization, agent=eves.row, forest=agent.forest)
    Forest.objects.filter(pk=agent.forest.pk).update(organization=other)
    targets = sealing_targets(organization.id, agent.forest.id, now)
    assert [target.agent_id for target in targets] == [agent.row.id]
    Agent.objects.filter(pk=eves.row.pk).update(organization=organization)
    assert [target.agent_id for target in sealing_targets(organization.id, agent.forest.id, now)] == [agent.row.id]
