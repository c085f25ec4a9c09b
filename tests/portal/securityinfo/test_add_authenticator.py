"""Adding an authenticator app: `oathtool` reads the text, and types the code back."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.methods.conftest import Clock, allow
from tests.portal.methods.test_authenticator import shown
from tests.portal.signed_in import sign_in
from tests.portal.walk import Page, Walker

from keyback.portal.methods.authenticator.method import METHOD
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.registered import held

PATH = "/security-info/authenticator/"
DONE = "It is on file"


@pytest.fixture(autouse=True)
def policy(cleo: Person) -> None:
    allow("email", "authenticator")


def secret_of(page: Page) -> str:
    found = re.search(r"(?:[A-Z2-7]{4} ?){8}", page.text)
    assert found
    return found.group().replace(" ", "")


def type_code(walker: Walker, page: Page, code: str, label: str = "My phone") -> Page:
    return walker.post(PATH, page.forms[PATH] | {"code": code, "label": label})


def test_whoever_is_not_signed_in_signs_in_first(walker: Walker) -> None:
    assert walker.get(PATH, follow=False).response.headers["Location"].startswith("/sign-in")


def test_an_app_is_added_and_proves_at_once(cleo: Person, walker: Walker, clock: Clock) -> None:
    sign_in(walker, proved=["email"])
    page = walker.get(PATH)
    secret = secret_of(page)
    # Its size is the page's business: without a viewBox a smaller place would show a part of it.
    assert re.search(r'<svg[^>]* viewBox="0 0 (\d+) \1"', page.response.content.decode())
    assert secret_of(walker.get(PATH)) == secret  # loading it again does not make the scanned picture worthless
    assert secret not in str(walker.client.session.items())
    assert type_code(walker, page, shown(secret, clock.now())).heading == DONE
    row = RegisteredMethod.objects.get()
    assert (row.label, row.method) == ("My phone", "authenticator")
    assert len(held(cleo, METHOD.name, timezone.now())) == 1
    assert secret_of(walker.get(PATH)) != secret


def test_a_wrong_code_adds_nothing_and_keeps_the_name(walker: Walker, clock: Clock) -> None:
    sign_in(walker, proved=["email"])
    page = walker.get(PATH)
    right = shown(secret_of(page), clock.now())
    page = type_code(walker, page, f"{(int(right) + 1) % 10**6:06d}", "Tablet")
    assert (page.status, page.forms[PATH]["label"]) == (422, "Tablet")
    assert type_code(walker, page, "12").status == 422
    assert not RegisteredMethod.objects.exists()
    assert type_code(walker, page, right).heading == DONE


def test_who_has_something_on_file_proves_it_first(walker: Walker) -> None:
    sign_in(walker)
    led_to = walker.get(PATH, follow=False).response.headers["Location"]
    assert led_to == f"/account/prove?next={PATH.replace('/', '%2F')}"
    assert not RegisteredMethod.objects.exists()


def test_on_a_password_alone_it_waits_a_day(cleo: Person, walker: Walker, clock: Clock) -> None:
    ContactDatum.objects.all().delete()
    sign_in(walker)
    page = walker.get(PATH)
    page = type_code(walker, page, shown(secret_of(page), clock.now()))
    assert "it can be used only from tomorrow" in page.text
    assert held(cleo, METHOD.name, clock.now() + timedelta(hours=23)) == []
    assert len(held(cleo, METHOD.name, clock.now() + timedelta(hours=24))) == 1
    assert walker.get(PATH).status == 200  # what waits is nothing that could be proved first


def test_a_method_that_the_policy_has_not_is_not_offered(walker: Walker) -> None:
    allow("email")
    sign_in(walker, proved=["email"])
    assert "Your organization does not offer this way" in walker.get(PATH).text


def test_there_are_five_at_most(cleo: Person, walker: Walker, clock: Clock) -> None:
    sign_in(walker, proved=["email"])
    for _ in range(5):
        page = walker.get(PATH)
        type_code(walker, page, shown(secret_of(page), clock.now()))
    page = walker.get(PATH)
    page = type_code(walker, page, shown(secret_of(page), clock.now()))
    assert "as many of this kind on file as there may be" in page.text
    assert RegisteredMethod.objects.count() == 5
