"""A code by text message: the number must be typed and match, and nothing tells whether it did."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from tests.portal.methods.conftest import MOBILE, allow
from tests.portal.methods.phones import arrived, ask, texted, type_code
from tests.portal.recovery.conftest import Clock
from tests.portal.walk import Page, Walker
from tests.support.gateway import Gateway

from keyback.portal.messages.models import Message
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import add_phone
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.recovery.models import Challenge

CHOOSE = "What should your new password be?"
SENT = "If this number is on file, a text message is on its way to it."


@pytest.fixture(autouse=True)
def only_sms(organization: Organization) -> None:
    allow("sms")


@pytest.fixture
def with_mobile(cleo: Person) -> Person:
    add_phone(cleo, MOBILE, ContactDatum.Kind.MOBILE, origin="operator", by="operator:test", now=timezone.now())
    return cleo


def ask_sms(walker: Walker, number: str = MOBILE, user_id: str = "cleo@example.test") -> Page:
    return ask(walker, walker.identify(user_id), "sms", number)


def test_the_code_arrives_and_opens_the_gate(with_mobile: Person, walker: Walker, gateway: Gateway) -> None:
    page = ask_sms(walker)
    assert SENT in page.text
    code = texted(gateway)
    assert arrived(gateway)[-1]["to"] == "+447700900123"
    assert type_code(walker, page, "sms", code).heading == CHOOSE
    assert walker.recovery().gates_opened == ["mobile"]


@pytest.mark.parametrize("written", ["+447700900123", "0044 7700 900123", "+44 (0) 7700-900123"])
def test_the_number_may_be_written_in_many_ways(
    written: str, with_mobile: Person, walker: Walker, gateway: Gateway, organization: Organization
) -> None:
    Organization.objects.update(phone_region="GB")
    ask_sms(walker, written)
    assert len(arrived(gateway)) == 1


@pytest.mark.parametrize(
    "written", ["", "12", "07700 900123", "ask my mother", "+44 7700900123456789", "+49 900 1234567"]
)
def test_what_cannot_be_a_number_counts_for_nothing(
    written: str, with_mobile: Person, walker: Walker, gateway: Gateway
) -> None:
    page = ask_sms(walker, written)
    assert page.status == 422
    assert "beginning with + and the country code" in page.text
    assert page.forms["/recover/sms/number"]["number"] == written
    assert not Challenge.objects.exists()


def test_an_extension_is_left_out_and_the_person_is_told(with_mobile: Person, walker: Walker, gateway: Gateway) -> None:
    page = ask(walker, walker.identify("cleo@example.test"), "sms", "+44 7700 900123 ext. 17")
    assert "so we left it out" in page.text
    assert page.forms["/recover/sms/number"]["number"] == MOBILE
    page = walker.post("/recover/sms/number", page.forms["/recover/sms/number"])
    assert SENT in page.text
    assert len(arrived(gateway)) == 1


def test_another_number_looks_the_same_and_nothing_is_sent(
    with_mobile: Person, walker: Walker, gateway: Gateway
) -> None:
    page = ask_sms(walker, "+44 7700900999")
    assert SENT in page.text
    assert arrived(gateway) == []
    assert Challenge.objects.get().datum_id is None


def test_a_code_for_another_number_opens_nothing_even_if_guessed(
    with_mobile: Person, walker: Walker, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda _: 123456)
    page = ask_sms(walker, "+44 7700900999")
    assert type_code(walker, page, "sms", "123456").status == 422
    assert walker.recovery().gates_opened == []


def test_unknown_people_get_the_same_pages_rows_and_queries(with_mobile: Person, gateway: Gateway) -> None:
    told, rows, queries = [], [], []
    for user_id, number in (
        ("cleo@example.test", MOBILE),
        ("cleo@example.test", "+44 7700900999"),
        ("nobody@example.test", MOBILE),
    ):
        walker = Walker()
        page = walker.identify(user_id)
        page = walker.post("/recover/sms/start", page.forms["/recover/sms/start"])
        fields = page.forms["/recover/sms/number"] | {"number": number}
        with CaptureQueriesContext(connection) as captured:
            answer = walker.post("/recover/sms/number", fields, follow=False)
        assert answer.status == 302
        queries.append([re.sub(r'"s\d+_x\d+"', "", query["sql"])[:40] for query in captured])
        told.append(walker.get("/recover/sms/").text.replace(str(walker.recovery().id), ""))
        wrong = type_code(walker, walker.get("/recover/sms/"), "sms", "000000")
        told[-1] += wrong.text.replace(str(walker.recovery().id), "")
        rows.append((Challenge.objects.count(), Message.objects.filter(channel="sms").count()))
    assert told[0] == told[1] == told[2]
    assert queries[0] == queries[1] == queries[2]
    assert rows == [(1, 1), (2, 2), (3, 3)]
    sizes = [len(bytes(row.sealed or b"")) for row in Message.objects.filter(channel="sms")]
    assert max(sizes) - min(sizes) <= 48


def test_a_number_may_be_tried_five_times_an_hour(with_mobile: Person, walker: Walker, gateway: Gateway) -> None:
    page = walker.identify("cleo@example.test")
    for last in range(5):
        page = ask(walker, page, "sms", f"+44 770090099{last}")
        assert page.status == 200
    assert ask(walker, page, "sms", MOBILE).status == 429
    assert arrived(gateway) == []


def test_strangers_tries_do_not_close_it_for_another_address(with_mobile: Person, gateway: Gateway) -> None:
    stranger = Walker("198.51.100.7")
    page = stranger.identify("cleo@example.test")
    for last in range(5):
        page = ask(stranger, page, "sms", f"+44 770090099{last}")
    own = Walker("192.0.2.1")
    assert type_code(own, ask_sms(own), "sms", texted(gateway)).heading == CHOOSE


def test_a_code_lives_five_minutes(with_mobile: Person, walker: Walker, gateway: Gateway, clock: Clock) -> None:
    page = ask_sms(walker)
    code = texted(gateway)
    clock.forward(minutes=5, seconds=1)
    assert "This code does not work any more." in type_code(walker, page, "sms", code).text


def test_after_five_tries_the_right_code_is_worth_nothing(
    with_mobile: Person, walker: Walker, gateway: Gateway
) -> None:
    page = ask_sms(walker)
    code = texted(gateway)
    for _ in range(5):
        type_code(walker, page, "sms", "000000" if code != "000 000" else "000001")
    type_code(walker, page, "sms", code)
    assert walker.recovery().gates_opened == []


def test_only_the_newest_code_counts(with_mobile: Person, walker: Walker, gateway: Gateway) -> None:
    page = ask_sms(walker)
    first = texted(gateway)
    page = ask(walker, page, "sms", MOBILE)
    second = texted(gateway)
    assert first != second
    assert type_code(walker, page, "sms", first).status == 422
    assert type_code(walker, page, "sms", second).heading == CHOOSE


def test_without_a_gateway_it_is_not_offered(with_mobile: Person, walker: Walker) -> None:
    assert "/recover/sms/start" not in walker.identify("cleo@example.test").forms
    assert walker.get("/recover/sms/number").heading == "How do you want to prove it is you?"


def test_a_number_bent_to_another_person_gets_nothing(
    with_mobile: Person, walker: Walker, gateway: Gateway, organization: Organization
) -> None:
    """Whoever writes the database cannot have a code sent to a number that they put there."""
    from keyback.portal.people.create import create_cloud_person

    eve = create_cloud_person(
        organization, "eve@example.test", display_name="Eve", by="operator:test", now=timezone.now()
    )
    hers = add_phone(eve, "+44 7700900666", ContactDatum.Kind.MOBILE, origin="operator", by="x", now=timezone.now())
    ContactDatum.objects.filter(person=with_mobile).update(value=hers.value, value_index=hers.value_index)
    assert ask_sms(walker, "+44 7700900666").status == 200
    assert arrived(gateway) == []
