"""Who is told of a reset: as the policy says; administrators always of each other's."""

import pytest
from django.utils import timezone
from tests.portal.walk import Walker, mails

from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import add_phone
from keyback.portal.people.models import ContactDatum, Person, Policy

NEW = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}


@pytest.fixture
def desk(organization: Organization) -> None:
    setup.add_administrator(organization, "Ivo", "ivo@example.test")
    setup.add_administrator(organization, "Hilde", "hilde@example.test", role="helpdesk")


def reset(walker: Walker) -> list[tuple[str, str]]:
    page = walker.prove("cleo@example.test")
    page = walker.post("/recover/password/plain", page.forms["/recover/password/plain"] | NEW)
    assert page.heading == "Your password is changed"
    return [(mail["to"], mail["subject"]) for mail in mails() if "code" not in mail["subject"]]


TO_CLEO = ("cleo@private.test", "Your password at Example Ltd was changed")


def test_the_person_is_told_and_nobody_else(cleo: Person, walker: Walker, desk: None) -> None:
    assert reset(walker) == [TO_CLEO]


def test_administrators_are_told_where_the_policy_says_so(cleo: Person, walker: Walker, desk: None) -> None:
    Policy.objects.update(notify_administrators=True)
    assert reset(walker) == [TO_CLEO, ("ivo@example.test", "Somebody got back into their account at Example Ltd")]
    assert "Cleo Cloud (cleo@example.test)" in mails()[-1]["text"]


def test_nobody_is_told_where_the_policy_says_so(cleo: Person, walker: Walker, desk: None) -> None:
    Policy.objects.update(notify_person=False)
    assert reset(walker) == []


def test_of_an_administrators_reset_all_administrators_and_they_are_told_whatever_the_policy_says(
    cleo: Person, walker: Walker, desk: None, organization: Organization, settings: object
) -> None:
    from tests.portal.methods.conftest import MOBILE
    from tests.portal.methods.phones import ask, texted, type_code
    from tests.support import gateway as gateway_support

    from keyback.portal.config import GatewayConfig

    setup.add_administrator(organization, "Cleo", "cleo@example.test", role="auditor")
    add_phone(cleo, MOBILE, ContactDatum.Kind.MOBILE, origin="operator", by="operator:test", now=timezone.now())
    Policy.objects.update(notify_person=False, methods=["email", "sms"], gates=1)
    with gateway_support.running() as gateway:
        sms = GatewayConfig.model_validate({"url": gateway.url, "fields": {"to": "{to}", "text": "{text}"}})
        settings.CONFIG = settings.CONFIG.model_copy(update={"sms": sms})  # type: ignore[attr-defined]
        page = walker.prove("cleo@example.test")
        assert "One proof is done." in page.text
        page = ask(walker, page, "sms", MOBILE)
        page = type_code(walker, page, "sms", texted(gateway))
    walker.post("/recover/password/plain", page.forms["/recover/password/plain"] | NEW)
    told = [(mail["to"], mail["subject"]) for mail in mails()][-2:]
    assert told == [TO_CLEO, ("ivo@example.test", "An administrator got back into their account at Example Ltd")]
