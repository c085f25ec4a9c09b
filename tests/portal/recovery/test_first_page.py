"""The first page is rendered once for all and filled in for each visitor: nobody can tell that from a page of their
own."""

import re

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone, translation
from tests.portal.recovery.conftest import organization

from keyback.portal.humancheck import work
from keyback.portal.organizations.models import Organization
from keyback.portal.recovery.first_page import TEMPLATE

__all__ = ["organization"]

OWN = {
    "token": r'name="csrfmiddlewaretoken" value="(\w{64})"',
    "support code": r'id="support-code">([0-9a-f-]{36})<',
    "work": r'<script id="work-challenge" type="application/json">(\{.+?\})</script>',
}


def own_values(page: str) -> dict[str, str]:
    found = {name: re.findall(pattern, page) for name, pattern in OWN.items()}
    assert all(len(values) == 1 for values in found.values()), found
    return {name: values[0] for name, values in found.items()}


def without_own(page: str) -> str:
    for value in own_values(page).values():
        page = page.replace(value, "…")
    return page


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
@pytest.mark.parametrize("screen", ["own", "kiosk"])
def test_it_is_the_page_that_would_be_rendered_for_one_visitor(
    organization: Organization, language: str, screen: str
) -> None:
    for path, first in (("/recover/", False), ("/recover/first", True)):
        for _ in range(2):  # rendered, and kept
            answer = Client().get(path, {"lang": language, "screen": screen})
            with translation.override(language):
                given = {"organization": organization, "user_id": "", "error": None, "first": first}
                given["work"] = work.element(timezone.now())
                whole = render_to_string(TEMPLATE, given, answer.wsgi_request)
            assert without_own(answer.content.decode()) == without_own(whole)


def test_each_visitor_gets_values_of_their_own(organization: Organization) -> None:
    answers: list[HttpResponse] = [Client().get("/recover/") for _ in range(2)]
    one, other = (own_values(answer.content.decode()) for answer in answers)
    assert all(one[name] != other[name] for name in OWN)
    for answer, own in zip(answers, (one, other), strict=True):
        assert answer["Keyback-Tracking-Id"] == own["support code"]
        assert answer["Cache-Control"] == "no-store"
        assert answer.cookies[settings.CSRF_COOKIE_NAME].value


def test_a_new_name_stands_on_the_next_page_and_is_never_markup(organization: Organization) -> None:
    assert "R&amp;D" not in Client().get("/recover/").content.decode()
    Organization.objects.update(name="R&D <b>Ltd</b> {{ product }}")
    page = Client().get("/recover/").content.decode()
    assert '<span class="organization">R&amp;D &lt;b&gt;Ltd&lt;/b&gt; {{ product }}</span>' in page
