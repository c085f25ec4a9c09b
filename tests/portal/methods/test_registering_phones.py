"""A telephone is put on file once the code that was sent to it, or spoken there, came back."""

import pytest
from tests.portal.account.test_security_info import proved, type_address
from tests.portal.account.test_security_info import type_code as type_mailed
from tests.portal.methods.conftest import allow
from tests.portal.methods.phones import spoken, texted
from tests.portal.walk import Page, Walker, newest_code
from tests.support.gateway import Gateway

from keyback.portal.audit.models import AuditEntry
from keyback.portal.people.contacts import phones_of
from keyback.portal.people.models import ContactDatum, Person

KINDS = {
    "sms": ContactDatum.Kind.MOBILE,
    "call_mobile": ContactDatum.Kind.MOBILE,
    "call_office": ContactDatum.Kind.OFFICE_PHONE,
}


@pytest.fixture(autouse=True)
def every_way(cleo: Person) -> None:
    allow("email", "sms", "call_mobile", "call_office")


def type_number(walker: Walker, method: str, number: str) -> Page:
    path = f"/security-info/{method}/"
    return walker.post(path, walker.get(path).forms[path] | {"number": number})


def type_code(walker: Walker, page: Page, method: str, code: str) -> Page:
    path = f"/security-info/{method}/code"
    return walker.post(path, page.forms[path] | {"code": code})


@pytest.mark.parametrize("method", KINDS)
def test_it_is_on_file_once_its_code_came_back(cleo: Person, walker: Walker, gateway: Gateway, method: str) -> None:
    proved(walker)
    page = type_number(walker, method, "+44 7700900456")
    assert page.heading == "Which code did you get?"
    code = texted(gateway) if method == "sms" else spoken(gateway)
    assert phones_of(cleo, KINDS[method]) == []
    assert type_code(walker, page, method, "000 001" if code != "000 001" else "000 002").status == 422
    assert type_code(walker, page, method, code).heading == "It is on file"
    assert [number for _row, number in phones_of(cleo, KINDS[method])] == ["+44 7700900456"]


def test_an_address_and_a_telephone_are_two_entries_of_the_audit(
    cleo: Person, walker: Walker, gateway: Gateway
) -> None:
    proved(walker)
    type_mailed(walker, type_address(walker, "new@else.test"), newest_code())
    type_code(walker, type_number(walker, "sms", "+44 7700900456"), "sms", texted(gateway))
    entries = AuditEntry.objects.filter(activity="person.contact_added", actor="self").order_by("id")
    assert [entry.details["kind"] for entry in entries] == ["mail", "mobile"]


@pytest.mark.parametrize("typed", ["", "12", "07700 900123", "ask my mother"])
def test_what_is_no_number_is_told(walker: Walker, gateway: Gateway, typed: str) -> None:
    proved(walker)
    assert type_number(walker, "sms", typed).status == 422
    assert gateway.posts == []
