"""What the directory changes about reaching a person opens no gate for two days, and the old destination is told."""

import uuid
from collections.abc import Callable

import pytest
from django.utils import timezone
from tests.portal.agents import AgentWithKeys
from tests.portal.methods.conftest import Clock, allow
from tests.portal.methods.phones import arrived, ask, texted, type_code
from tests.portal.recovery.conftest import heard
from tests.portal.walk import Walker, mails, newest_code
from tests.support.gateway import Gateway

from keyback.portal.audit.models import AuditEntry
from keyback.portal.messages.models import Message
from keyback.portal.people.contact_changes import FOR_ONE_ORGANIZATION
from keyback.portal.people.models import ContactDatum
from keyback.portal.people.sync import apply_push
from keyback.protocol.messages import PersonRecord, Push

ADA = PersonRecord(
    object_guid=uuid.UUID(int=7),
    anchor="ada",
    user_id="ada@example.test",
    account_name="ada",
    mail=["ada@private.test"],
    mobile="+44 7700 900123",
)


@pytest.fixture
def push(agent: AgentWithKeys) -> Callable[..., None]:
    seq = 0

    def push(*people: PersonRecord, **changed: object) -> None:
        nonlocal seq
        seq += 1
        found = list(people) or [ADA.model_copy(update=changed)]
        apply_push(
            agent.row, Push(run_id=uuid.uuid4(), forest_id=agent.forest.pk, seq=seq, people=found), timezone.now()
        )
        heard(agent.row, timezone.now())

    push()
    return push


def told() -> list[tuple[str, str]]:
    return [(mail["to"], mail["subject"]) for mail in mails() if "was changed" in mail["subject"] + mail["text"]]


def gates(walker: Walker) -> list[str]:
    return list(walker.recovery().gates_opened)


def test_what_came_with_the_person_opens_a_gate_at_once(push: Callable[..., None], walker: Walker) -> None:
    walker.prove("ada@example.test")
    assert gates(walker) == ["email"]
    assert told() == []


def test_a_changed_address_opens_no_gate_for_two_days_and_the_old_one_is_told(
    push: Callable[..., None], clock: Clock, agent: AgentWithKeys
) -> None:
    push(mail=["eve@evil.test"])
    assert told() == [("ada@private.test", "How you are reached at Example Ltd was changed")]
    walker = Walker()
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    assert page.heading == "Which code did you get?"
    assert not Message.objects.filter(kind="code", discard=False).exists()
    clock.forward(hours=47, minutes=58)
    heard(agent.row, timezone.now())
    walker.ask_for_code(walker.identify("ada@example.test"))
    assert not Message.objects.filter(kind="code", discard=False).exists()
    clock.forward(minutes=3)
    heard(agent.row, timezone.now())
    walker.prove("ada@example.test")
    assert gates(walker) == ["email"]
    assert mails()[-1]["to"] == "eve@evil.test"
    [entry] = AuditEntry.objects.filter(activity="person.contact_changed")
    assert entry.details["kind"] == "mail"


def test_a_code_that_was_sent_before_the_change_opens_nothing_after_it(
    push: Callable[..., None], walker: Walker
) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    code = newest_code()
    push(mail=["eve@evil.test"])
    assert walker.type_code(page, code).status == 422
    assert gates(walker) == []


def test_a_changed_mobile_number_waits_and_the_old_telephone_is_told_by_text_message(
    push: Callable[..., None], clock: Clock, agent: AgentWithKeys, gateway: Gateway
) -> None:
    allow("sms")
    push(mobile="+44 7700 900999")
    walker = Walker()
    ask(walker, walker.identify("ada@example.test"), "sms", "+44 7700 900999")
    [notice] = arrived(gateway)
    assert notice["to"] == "+447700900123"
    assert "was changed" in notice["text"]
    clock.forward(hours=49)
    heard(agent.row, timezone.now())
    page = ask(walker, walker.identify("ada@example.test"), "sms", "+44 7700 900999")
    type_code(walker, page, "sms", texted(gateway))
    assert gates(walker) == ["mobile"]


def test_a_number_added_or_without_a_gateway_is_told_to_the_mailboxes_that_stay(push: Callable[..., None]) -> None:
    push(mobile="+44 7700 900999")  # no gateway for text messages here
    assert [to for to, _ in told()] == ["ada@private.test"]


def test_taking_away_and_giving_anew_waits_too(push: Callable[..., None]) -> None:
    push(mail=[])
    push(mail=["eve@evil.test"])
    assert [to for to, _ in told()] == ["ada@private.test"]
    assert ContactDatum.objects.get(kind="mail").opens_from is not None


def test_back_and_forth_is_told_once_to_each(push: Callable[..., None]) -> None:
    for address in ("eve@evil.test", "ada@private.test", "eve@evil.test", "ada@private.test"):
        push(mail=[address])
    assert sorted(to for to, _ in told()) == ["ada@private.test", "eve@evil.test"]


def test_what_only_moved_to_another_place_is_not_a_change(push: Callable[..., None], walker: Walker) -> None:
    push(mail=["first@private.test", "ada@private.test"])
    assert [to for to, _ in told()] == ["ada@private.test"]  # one was added
    push(mail=["ada@private.test"])
    walker.prove("ada@example.test")
    assert gates(walker) == ["email"]
    assert mails()[-1]["to"] == "ada@private.test"


def test_a_directory_that_is_rearranged_floods_nobody(push: Callable[..., None], agent: AgentWithKeys) -> None:
    agent.row.organization.limits = {FOR_ONE_ORGANIZATION.name: {"limit": 3, "window": 3600, "block": None}}
    agent.row.organization.save()
    people = [
        ADA.model_copy(
            update={"object_guid": uuid.UUID(int=100 + n), "user_id": f"p{n}@example.test", "anchor": f"p{n}"}
        )
        for n in range(6)
    ]
    push(*(one.model_copy(update={"mail": [f"{one.anchor}@a.test"]}) for one in people))
    push(*(one.model_copy(update={"mail": [f"{one.anchor}@b.test"]}) for one in people))
    assert len(told()) == 3
    assert ContactDatum.objects.filter(kind="mail", opens_from__isnull=False).count() == 6
    assert AuditEntry.objects.filter(activity="person.contact_changed").count() == 6
