"""What holds for every page: headers, tracking id, own style, the error pages, and that the request's host means
nothing."""

import json
import re
import uuid

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.utils import timezone

from keyback.portal.accent import DEFAULT, contrast, shades
from keyback.portal.organizations import lookup
from keyback.portal.organizations.models import Organization
from tests.portal.walk import Walker, read

PAGES = ["/recover/", "/recover/characters", "/contact", "/nowhere"]


@pytest.mark.parametrize("path", PAGES)
def test_the_headers_of_a_page(path: str, organization: Organization) -> None:
    response = Walker().get(path).response
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(path: str, organization: Organization) -> None:
    html = Walker().get(path).response.content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert not re.search(r'<script(?![^>]*(src=|type="application/json"))', html)
    assert not re.search(r'(src|href)="(https?:)?//', html)


@pytest.mark.parametrize(
    "path", [*PAGES, "/", "/static/keyback/keyback.css", "/recover/state", "/organization/example-ltd.css"]
)
def test_every_answer_has_its_own_tracking_id(path: str, organization: Organization) -> None:
    first, second = Client().get(path), Client().get(path)
    assert uuid.UUID(first["Keyback-Tracking-Id"]) != uuid.UUID(second["Keyback-Tracking-Id"])


@pytest.mark.parametrize("path", PAGES)
def test_the_support_code_at_the_foot_is_the_tracking_id(path: str, organization: Organization) -> None:
    page = Walker().get(path)
    assert f"Support code {page.response['Keyback-Tracking-Id']}" in page.text


def test_a_client_cannot_choose_the_tracking_id(organization: Organization) -> None:
    wished = str(uuid.uuid4())
    response = Client().get("/recover/", headers={"Keyback-Tracking-Id": wished})
    assert response["Keyback-Tracking-Id"] != wished


def test_a_foreign_host_is_refused(organization: Organization) -> None:
    response = Client().get("/recover/", headers={"Host": "evil.test"})
    assert response.status_code == 400
    assert b"evil.test" not in response.content


def test_forwarded_headers_change_nothing(organization: Organization) -> None:
    plain = read(Client().get("/recover/"))
    bent = read(
        Client().get(
            "/recover/",
            headers={"X-Forwarded-Host": "evil.test", "Forwarded": "host=evil.test", "X-Forwarded-Proto": "gopher"},
        )
    )
    assert b"evil.test" not in bent.response.content
    assert bent.links == plain.links


def test_a_broken_page_tells_nothing_but_its_code(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Organization:
        secret = "canary-in-a-variable"
        raise RuntimeError(secret)

    monkeypatch.setattr("keyback.portal.recovery.views.identify.default_front", broken)
    page = read(Client(raise_request_exception=False).get("/recover/"))
    assert page.status == 500
    assert page.heading == "Something went wrong on our side"
    assert page.response["Keyback-Tracking-Id"] in page.text
    assert "canary" not in page.response.content.decode()
    assert "canary" not in capfd.readouterr().err


def test_without_the_database_the_page_says_try_again(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> Organization:
        raise OperationalError("connection refused")

    monkeypatch.setattr("keyback.portal.recovery.views.identify.default_front", down)
    client = Client(raise_request_exception=False)
    client.cookies["keyback"] = "a" * 32
    page = read(client.get("/recover/"))
    assert page.status == 503
    assert page.response["Retry-After"] == "30"
    assert "Try again in a few minutes" in page.text


@pytest.mark.parametrize(
    "accent", ["", DEFAULT, "#ffff00", "#000000", "#ffffff", "#e00000", "#777777", "red", "#12345"]
)
def test_the_accent_can_be_read_whatever_the_organization_chose(accent: str) -> None:
    found = shades(accent)
    assert contrast(found.light, "#ffffff") >= 4.5
    assert contrast(found.dark, "#1b2027") >= 4.5
    assert contrast(found.light, found.on_light) >= 4.5
    assert contrast(found.dark, found.on_dark) >= 4.5


def test_the_organizations_colour_is_a_style_sheet_that_may_be_kept(organization: Organization) -> None:
    Organization.objects.update(accent="#7a1fa2")
    response = Client().get(f"/organization/{organization.slug}.css")
    assert response["Content-Type"].startswith("text/css")
    assert "--accent:#7a1fa2" in response.content.decode()
    assert "max-age" in response["Cache-Control"]


def test_an_accent_cannot_smuggle_style(organization: Organization) -> None:
    Organization.objects.update(accent="red}a{")
    assert "red" not in Client().get(f"/organization/{organization.slug}.css").content.decode()


def test_the_contact_page_leads_to_the_organizations_own_helpdesk(organization: Organization) -> None:
    Organization.objects.update(contact_url="https://help.example.test/")
    assert "https://help.example.test/" in Walker().get("/contact").links


def test_the_name_of_the_organization_is_escaped(organization: Organization) -> None:
    Organization.objects.update(name="<b>Example & Sons</b>")
    html = Walker().get("/recover/").response.content.decode()
    assert "&lt;b&gt;Example &amp; Sons&lt;/b&gt;" in html


def test_the_organization_on_the_page_is_that_of_the_user_ids_domain(organization: Organization) -> None:
    from keyback.portal.organizations import setup

    now = timezone.now()
    other = setup.create("Other House", by="operator:test", now=now)
    domain = setup.add_domain(other, "other.test", by="operator:test", now=now)
    setup.verify_domain(domain, by="operator:test", how="operator", now=now)
    assert lookup.resolve("nobody@other.test")[0] == other
    page = Walker().identify("nobody@other.test")
    assert "Other House" in page.text


@override_settings(LANGUAGE_CODE="en")
def test_the_state_without_a_recovery_leads_to_the_first_page(organization: Organization) -> None:
    assert json.loads(Client().get("/recover/state").content) == {"waiting": False, "next": "/recover/"}
