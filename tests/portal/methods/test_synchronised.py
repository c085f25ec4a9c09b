"""A telephone number that synchronisation brought is enough to get back in; nobody has to register it."""

import uuid

import pytest
from django.utils import timezone
from tests.portal.agents import AgentWithKeys
from tests.portal.methods.conftest import allow
from tests.portal.methods.phones import ask, spoken, texted, type_code
from tests.portal.walk import FakeDirectory, Page, Walker, boxes_for, newest_code
from tests.support.gateway import Gateway

from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.people.sync import apply_push
from keyback.protocol.messages import PersonRecord, Push

ADA = PersonRecord(
    object_guid=uuid.UUID(int=7),
    anchor="ada",
    user_id="ada@example.test",
    account_name="ada",
    display_name="Ada Lovelace",
    mail=["ada@private.test"],
    mobile="+44 (0) 7700 900123",
    office_phone="+44 20 7946 0018 ext. 12",
)


@pytest.fixture
def ada(agent: AgentWithKeys) -> Person:
    push = Push(run_id=uuid.uuid4(), forest_id=agent.forest.pk, seq=1, last=True, people=[ADA])
    apply_push(agent.row, push, timezone.now())
    return Person.objects.get(object_guid=ADA.object_guid)


def choose(walker: Walker, directory: FakeDirectory, person: Person) -> Page:
    directory.inspect(person)
    page = walker.get("/recover/wait")
    answer = walker.send_boxes(page, boxes_for(page, "Winter-ist-kalt-7"))
    assert answer.status_code == 200
    directory.write()
    return walker.get("/recover/outcome")


def test_mail_then_text_message_then_the_directory_is_written(
    ada: Person, directory: FakeDirectory, walker: Walker, gateway: Gateway
) -> None:
    allow("email", "sms", "call_office", gates=2)
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    page = walker.type_code(page, newest_code())
    page = ask(walker, page, "sms", "+44 7700 900123")
    type_code(walker, page, "sms", texted(gateway))
    assert choose(walker, directory, ada).heading == "Your password is changed"
    assert directory.written == ["Winter-ist-kalt-7"]


def test_a_call_to_the_office_without_the_extension(
    ada: Person, directory: FakeDirectory, walker: Walker, gateway: Gateway
) -> None:
    allow("call_office")
    page = ask(walker, walker.identify("ada@example.test"), "call_office", "+44 20 7946 0018")
    type_code(walker, page, "call_office", spoken(gateway))
    assert choose(walker, directory, ada).heading == "Your password is changed"


def test_a_number_that_left_the_directory_opens_nothing_any_more(
    ada: Person, agent: AgentWithKeys, walker: Walker, gateway: Gateway
) -> None:
    allow("sms")
    page = ask(walker, walker.identify("ada@example.test"), "sms", "+44 7700 900123")
    code = texted(gateway)
    without = ADA.model_copy(update={"mobile": ""})
    push = Push(run_id=uuid.uuid4(), forest_id=agent.forest.pk, seq=2, last=True, people=[without])
    apply_push(agent.row, push, timezone.now())
    assert not ContactDatum.objects.filter(kind="mobile").exists()
    assert type_code(walker, page, "sms", code).status == 422
    assert walker.recovery().gates_opened == []
