"""?screen=kiosk: the page on the sign-in screen of a computer, where a stranger sits next."""

from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from tests.portal.recovery.conftest import agent, cleo, organization, walker
from tests.portal.recovery.test_cloud_person import NEW, choose
from tests.portal.walk import Walker

__all__ = ["agent", "cleo", "organization", "walker"]


def test_the_choice_lasts_until_it_is_taken_back(organization: Organization, walker: Walker) -> None:
    assert "/screen/over" not in walker.get("/recover/").links
    assert "/screen/over" in walker.get("/recover/?screen=kiosk").links
    page = walker.get("/contact")
    assert "/screen/over" in page.links
    assert 'data-over="/screen/over"' in page.response.content.decode()
    walker.get("/recover/?screen=own")
    assert "/screen/over" not in walker.get("/recover/").links


def test_no_page_leads_out(organization: Organization, walker: Walker) -> None:
    Organization.objects.update(contact_url="https://help.example.test/")
    walker.get("/recover/?screen=kiosk")
    for path in ("/recover/", "/contact", "/sign-in", "/recover/first"):
        assert all(link.startswith(("/", "#")) for link in walker.get(path).links), path


def test_nothing_is_remembered(cleo: Person, walker: Walker) -> None:
    walker.get("/recover/?screen=kiosk")
    walker.prove("cleo@example.test")
    assert "This page goes away by itself." in choose(walker, NEW)
    assert "keyback-device" not in walker.client.cookies
    used = walker.client.cookies["keyback"].value
    assert walker.get("/screen/over").heading == "Who are you?"
    walker.client.cookies["keyback"] = used
    assert walker.get("/recover/outcome").heading == "Who are you?"


def test_elsewhere_a_link_signs_nobody_out(cleo: Person, walker: Walker) -> None:
    walker.prove("cleo@example.test")
    walker.get("/screen/over")
    assert walker.get("/recover/password/plain").heading == "What should your new password be?"
