"""The home page: who is signed in, what they can do, and the organization's applications."""

from collections.abc import Callable

import pytest

from keyback.portal.audit.models import AuditEntry
from keyback.portal.people.models import Person
from tests.portal.account.signing import sign_in
from tests.portal.commands import Here
from tests.portal.walk import FakeDirectory, Walker, boxes_for, newest_code


def test_it_leads_to_password_security_info_and_applications(cleo: Person, walker: Walker, here: Here) -> None:
    here("apps", "add", "example-ltd", "Wiki", "https://wiki.example.test/")
    page = sign_in(walker, "cleo@example.test")
    assert {"/account/password", "/security-info", "https://wiki.example.test/"} <= set(page.links)
    here("apps", "remove", "example-ltd", "Wiki")
    assert "https://wiki.example.test/" not in walker.get("/account").links
    activities = AuditEntry.objects.filter(activity__startswith="application.").values_list("activity", flat=True)
    assert list(activities) == ["application.added", "application.removed"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://wiki.example.test", "https://", "https://a b"])
def test_no_link_can_run_anything(cleo: Person, here: Here, url: str) -> None:
    assert "begins with https://" in here.refused("apps", "add", "example-ltd", "Wiki", url)


def test_somebody_without_a_first_password_sets_one(
    make_ada: Callable[..., Person], walker: Walker, directory: FakeDirectory
) -> None:
    """A new starter: the account must change its password, which nobody knows."""
    ada = make_ada()
    assert "/recover/first" in walker.get("/sign-in").links
    page = walker.get("/recover/first")
    assert "your first password" in page.text
    walker.type_code(walker.ask_for_code(walker.identify("ada@example.test")), newest_code())
    directory.inspect(ada, must_change=True)
    page = walker.get("/recover/wait")
    walker.send_boxes(page, boxes_for(page, "Correct-Horse-7"))
    directory.write()
    assert walker.get("/recover/wait").heading == "Your password is changed"
