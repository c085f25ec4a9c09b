"""A mailbox that opens with the forgotten password proves nothing: whoever forgot it cannot read there."""

import re
import uuid

import pyotp
import pytest
from django.utils import timezone
from tests.portal.account.signing import sign_in
from tests.portal.agents import AgentWithKeys
from tests.portal.commands import Here
from tests.portal.methods.conftest import allow
from tests.portal.walk import FakeDirectory, Walker, mails

from keyback.portal.account.registration import missing
from keyback.portal.methods.authenticator.enrol import add_app, new_secret
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.sync import apply_push
from keyback.protocol.messages import PersonRecord, Push

ADDED = "keyback org set --own-mail"


def synchronised(agent: AgentWithKeys, *addresses: str) -> Person:
    record = PersonRecord(
        object_guid=uuid.UUID(int=7),
        anchor="ada",
        user_id="ada@example.test",
        account_name="ada",
        display_name="Ada Lovelace",
        mail=list(addresses),
    )
    push = Push(run_id=uuid.uuid4(), forest_id=agent.forest.pk, seq=1, last=True, people=[record])
    apply_push(agent.row, push, timezone.now())
    return Person.objects.get(object_guid=record.object_guid)


def test_nothing_is_sent_there_and_the_page_is_that_of_anybody(agent: AgentWithKeys, walker: Walker) -> None:
    synchronised(agent, "ada@example.test")
    pages = []
    for one, user_id in ((walker, "ada@example.test"), (Walker("192.0.2.2"), "nobody@example.test")):
        page = one.ask_for_code(one.identify(user_id))
        pages.append(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", page.text))
    assert pages[0] == pages[1]
    assert not mails(channel="mail", discard=False)


def test_the_code_goes_to_the_mailbox_that_opens_without_it(
    agent: AgentWithKeys, walker: Walker, directory: FakeDirectory
) -> None:
    ada = synchronised(agent, "Ada@EXAMPLE.test", "ada@private.test")
    walker.prove("ada@example.test")
    assert [mail["to"] for mail in mails(discard=False)] == ["ada@private.test"]
    directory.inspect(ada)
    assert walker.get("/recover/wait").heading == "What should your new password be?"


def test_it_does_not_count_as_a_gate(cleo: Person, walker: Walker) -> None:
    allow("email", "authenticator", gates=2)
    cleo.contact_data.all().delete()
    add_mail(cleo, "cleo@example.test", origin="operator", by="operator:test", now=timezone.now())
    secret, now = new_secret(), timezone.now()
    assert add_app(cleo, secret, pyotp.TOTP(secret).at(now), label="App", by="self", now=now)
    assert missing(cleo, Policy.objects.get()) == 1


def test_people_see_why_on_the_page_of_their_security_info(cleo: Person, walker: Walker) -> None:
    cleo.contact_data.all().delete()
    add_mail(cleo, "cleo@example.test", origin="operator", by="operator:test", now=timezone.now())
    sign_in(walker, "cleo@example.test")
    assert "This mailbox opens with your password" in walker.get("/security-info").text
    Organization.objects.update(own_mail_domains=[])
    assert "This mailbox opens with your password" not in walker.get("/security-info").text


def test_an_operator_is_told_why(cleo: Person, here: Here) -> None:
    cleo.contact_data.all().delete()
    assert ADDED in here.ok("person", "mail", "cleo@example.test", "Cleo@Example.test")
    assert ADDED not in here.ok("person", "mail", "cleo@example.test", "cleo@private.test")
    new = (
        "person",
        "add",
        "example-ltd",
        "dora@example.test",
        "--mail",
        "dora@example.test",
        "--mail",
        "d@private.test",
    )
    assert here.ok(*new).count(ADDED) == 1
    said = here.ok("policy", "explain", "cleo@example.test")
    assert "1 more in own domains, which proves nothing" in said


@pytest.mark.parametrize(
    ("setting", "counts"),
    [("verified", False), ("none", True), ("else.test", True), ("else.test,EXAMPLE.test", False)],
)
def test_which_domains_those_are_is_a_setting(cleo: Person, here: Here, setting: str, counts: bool) -> None:
    cleo.contact_data.all().delete()
    add_mail(cleo, "cleo@example.test", origin="operator", by="operator:test", now=timezone.now())
    here.ok("org", "set", "example-ltd", "--own-mail", setting)
    [row] = here.lines("policy", "explain", "cleo@example.test")
    assert row["could_prove"] == (["email"] if counts else [])


def test_a_domain_that_is_none_is_refused(organization: Organization, here: Here) -> None:
    assert "not a domain name" in here.refused("org", "set", "example-ltd", "--own-mail", "example.test,nonsense")
