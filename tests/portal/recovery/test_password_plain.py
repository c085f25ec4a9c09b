"""The page without JavaScript: a URL of its own, sealed on receipt, and forbidden where the organization says so."""

import pytest
from django.db import connection
from tests.portal.walk import FakeDirectory, Page, Walker

from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import WritebackRequest

NEW = "Winter-ist-kalt-7"
PATH = "/recover/password/plain"


@pytest.fixture
def page(ada: Person, directory: FakeDirectory, walker: Walker) -> Page:
    walker.prove("ada@example.test")
    directory.inspect(ada)
    return walker.get(PATH)


def typed(page: Page, new: str, again: str | None = None) -> dict[str, str]:
    return page.forms[PATH] | {"new_password": new, "new_password_again": new if again is None else again}


def test_the_password_is_sealed_on_receipt_and_written(page: Page, walker: Walker, directory: FakeDirectory) -> None:
    assert walker.post(PATH, typed(page, NEW)).heading == "Your new password is being set"
    directory.write()
    assert directory.written == [NEW]


def test_nothing_of_it_is_in_the_database(page: Page, walker: Walker) -> None:
    walker.post(PATH, typed(page, NEW))
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - names of our own tables
            assert NEW not in str(cursor.fetchall())


def test_rules_that_can_be_judged_here_are_told_at_once(page: Page, walker: Walker) -> None:
    answer = walker.post(PATH, typed(page, "kurz"))
    assert answer.status == 422
    assert "Use at least 8 characters." in answer.text
    assert "Mix at least 3 of these" in answer.text
    assert not WritebackRequest.objects.filter(operation="reset").exists()


def test_the_typed_password_is_never_sent_back(page: Page, walker: Walker) -> None:
    answer = walker.post(PATH, typed(page, NEW, NEW + "?"))
    assert answer.status == 422
    assert "The two passwords are not the same." in answer.text
    assert NEW not in answer.response.content.decode()


def test_an_organization_may_forbid_it(page: Page, walker: Walker) -> None:
    Organization.objects.update(allow_plain_page=False)
    assert walker.post(PATH, typed(page, NEW)).status == 400
    forbidden = walker.get(PATH)
    assert forbidden.status == 403
    assert forbidden.heading == "Please switch on JavaScript"
    assert not WritebackRequest.objects.filter(operation="reset").exists()
    assert "/recover/password/plain" not in walker.get("/recover/password").links


def test_spaces_in_a_password_are_kept(page: Page, walker: Walker, directory: FakeDirectory) -> None:
    walker.post(PATH, typed(page, "  Winter ist kalt 7 "))
    directory.write()
    assert directory.written == ["  Winter ist kalt 7 "]
