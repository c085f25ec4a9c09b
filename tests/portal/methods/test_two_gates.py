"""Two proofs of different kinds: what counts is what a person holds."""

import pytest
from django.utils import timezone
from tests.portal.methods.conftest import MOBILE, OFFICE, allow
from tests.portal.methods.phones import ask, spoken, texted, type_code
from tests.portal.walk import Walker, newest_code
from tests.support.gateway import Gateway

from keyback.portal.people.contacts import add_phone
from keyback.portal.people.models import ContactDatum, Person

CHOOSE = "What should your new password be?"
SECOND = "One proof is done. Your organization asks for another one, of a different kind."
REFUSED = "We couldn't verify your account"


@pytest.fixture
def cleo_with_phones(cleo: Person) -> Person:
    for kind, number in ((ContactDatum.Kind.MOBILE, MOBILE), (ContactDatum.Kind.OFFICE_PHONE, OFFICE)):
        add_phone(cleo, number, kind, origin="operator", by="operator:test", now=timezone.now())
    return cleo


def test_mail_and_then_a_text_message(cleo_with_phones: Person, walker: Walker, gateway: Gateway) -> None:
    allow("email", "sms", gates=2)
    page = walker.prove("cleo@example.test")
    assert SECOND in page.text
    assert "+44 ••••••23" in page.text
    assert "/recover/email/send" not in page.forms
    page = ask(walker, page, "sms", MOBILE)
    assert type_code(walker, page, "sms", texted(gateway)).heading == CHOOSE
    assert walker.recovery().gates_opened == ["email", "mobile"]


def test_a_text_message_and_a_call_to_one_telephone_are_one_gate(
    cleo_with_phones: Person, walker: Walker, gateway: Gateway
) -> None:
    allow("email", "sms", "call_mobile", gates=2)
    first = walker.identify("cleo@example.test")
    call = ask(walker, first, "call_mobile", MOBILE)
    called = spoken(gateway)
    page = ask(walker, first, "sms", MOBILE)
    page = type_code(walker, page, "sms", texted(gateway))
    assert SECOND in page.text
    assert "/recover/call_mobile/start" not in page.forms
    # A code that was called before is no second proof either, not even typed into the form of the new step.
    fields = call.forms["/recover/call_mobile/"] | {"step": page.forms["/recover/email/send"]["step"], "code": called}
    assert walker.post("/recover/call_mobile/", fields).heading != CHOOSE
    assert walker.recovery().gates_opened == ["mobile"]
    page = walker.get("/recover/prove")
    page = walker.type_code(walker.ask_for_code(page), newest_code())
    assert page.heading == CHOOSE


def test_the_office_telephone_is_another_gate(cleo_with_phones: Person, walker: Walker, gateway: Gateway) -> None:
    allow("call_mobile", "call_office", gates=2)
    page = ask(walker, walker.identify("cleo@example.test"), "call_mobile", MOBILE)
    page = type_code(walker, page, "call_mobile", spoken(gateway))
    page = ask(walker, page, "call_office", OFFICE)
    page = type_code(walker, page, "call_office", spoken(gateway))
    assert page.heading == CHOOSE
    assert walker.recovery().gates_opened == ["mobile", "office_phone"]


def test_one_telephone_written_down_twice_is_one_gate(cleo: Person, walker: Walker, gateway: Gateway) -> None:
    for kind in (ContactDatum.Kind.MOBILE, ContactDatum.Kind.OFFICE_PHONE):
        add_phone(cleo, MOBILE, kind, origin="operator", by="operator:test", now=timezone.now())
    allow("call_mobile", "call_office", gates=2)
    page = ask(walker, walker.identify("cleo@example.test"), "call_mobile", MOBILE)
    page = type_code(walker, page, "call_mobile", spoken(gateway))
    assert page.heading == REFUSED


def test_who_holds_one_of_two_is_told_once_it_is_proved(cleo: Person, walker: Walker, gateway: Gateway) -> None:
    allow("email", "sms", "call_mobile", gates=2)
    assert walker.prove("cleo@example.test").heading == REFUSED


def test_a_call_speaks_the_language_of_the_page(cleo_with_phones: Person, gateway: Gateway) -> None:
    from tests.portal.methods.phones import arrived

    from keyback.portal.messages.models import Channel

    allow("call_mobile")
    walker = Walker(language="de")
    page = ask(walker, walker.identify("cleo@example.test"), "call_mobile", MOBILE)
    assert "rufen wir sie jetzt an" in page.text
    [call] = arrived(gateway, Channel.VOICE)
    assert call["language"] == "de"
    assert "Ihr Code lautet" in call["text"]
    assert type_code(walker, page, "call_mobile", spoken(gateway)).status == 200
    assert walker.recovery().gates_opened == ["mobile"]
