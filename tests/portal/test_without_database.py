"""One page for the unforeseen, which needs no database: every address answers while there is none."""

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from keyback.portal.organizations.models import Organization
from tests.portal.walk import Walker, read


@pytest.mark.parametrize(
    "path",
    ["/recover/", "/recover/prove", "/recover/state", "/contact", "/sign-in", "/sign-in/state", "/account"],
)
def test_every_page_says_that_it_is_not_the_person_s_fault(
    path: str, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    walker = Walker()
    page = walker.get("/sign-in")
    walker.post("/sign-in", page.forms["/sign-in"] | {"user_id": "ana@example.test"})  # a session to be looked up
    client = Client(raise_request_exception=False)
    client.cookies = walker.client.cookies

    def down(self: BaseDatabaseWrapper) -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "cursor", down)
        page = read(client.get(path))
    assert page.status == 503
    assert page.heading == "Something went wrong on our side"
    assert page.response["Retry-After"] == "30"
    assert f"Support code {page.response['Keyback-Tracking-Id']}" in page.text
