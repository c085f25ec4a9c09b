"""`keyback policy set` and `keyback person phone`: telephones as an operator sets them up."""

from tests.portal.commands import Here
from tests.portal.methods.conftest import MOBILE
from tests.support.gateway import Gateway

from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import phones_of
from keyback.portal.people.models import ContactDatum, Person, Policy


def test_a_policy_takes_the_methods_of_telephones(here: Here, organization: Organization, gateway: Gateway) -> None:
    here.ok("policy", "set", organization.slug, "--method", "email", "--method", "sms", "--gates", "2")
    assert (Policy.objects.get().methods, Policy.objects.get().gates) == (["email", "sms"], 2)


def test_a_method_without_its_gateway_is_refused(here: Here, organization: Organization) -> None:
    assert "[sms]" in here.refused("policy", "set", organization.slug, "--method", "sms")
    assert Policy.objects.get().methods == ["email"]


def test_two_gates_that_one_telephone_would_have_to_open_are_warned_of(
    here: Here, organization: Organization, gateway: Gateway
) -> None:
    done = here("policy", "set", organization.slug, "--method", "sms", "--method", "call_mobile", "--gates", "2")
    assert done.returncode == 0
    assert "they all prove mobile" in done.stderr


def test_a_number_is_put_on_file(here: Here, cleo: Person) -> None:
    here.ok("person", "phone", "cleo@example.test", "+44 7700-900123")
    assert [number for _, number in phones_of(cleo, ContactDatum.Kind.MOBILE)] == [MOBILE]
    assert MOBILE in here.ok("person", "show", "cleo@example.test")
    assert "is not a telephone number" in here.refused(
        "person", "phone", "cleo@example.test", "07700 900123", "--office"
    )
    here.ok("org", "set", cleo.organization.slug, "--phone-region", "GB")
    here.ok("person", "phone", "cleo@example.test", "020 7946 0018", "--office")
    assert [number for _, number in phones_of(cleo, ContactDatum.Kind.OFFICE_PHONE)] == ["+44 2079460018"]
    assert "two capital letters" in here.refused("org", "set", cleo.organization.slug, "--phone-region", "XX")
