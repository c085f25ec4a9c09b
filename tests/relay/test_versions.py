"""A portal serves agents of its own version of the protocol and of the one before; older ones are out of date."""

import httpx2
import pytest
from django.utils import timezone

from keyback.portal.agents.onboarding import make_onboarding_code
from keyback.portal.audit.models import AuditEntry
from keyback.protocol import versions
from tests.portal.agents import candidate
from tests.portal.commands import Here
from tests.relay.conftest import Site
from tests.relay.test_onboard import post


@pytest.fixture(autouse=True)
def third_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The portal is two versions ahead of the first."""
    monkeypatch.setattr(versions, "CURRENT", 3)


def speaking(site: Site, version: str | None) -> httpx2.Response:
    """A whole exchange: a token, and a poll with it."""
    headers = {} if version is None else {versions.HEADER: version}
    site.caller.http.headers.update(headers)
    token = site.caller.ask_token()
    return site.caller.poll() if token.status_code == 200 else token


@pytest.mark.parametrize("version", ["2", "3", "4", "77"])
def test_an_agent_one_version_apart_or_newer_is_served(site: Site, version: str) -> None:
    answer = speaking(site, version)
    assert (answer.status_code, answer.headers[versions.HEADER]) == (200, "3")


@pytest.mark.parametrize("version", [None, "1", "0"])
def test_an_older_agent_gets_no_token_and_is_shown_as_out_of_date(site: Site, version: str | None) -> None:
    answer = speaking(site, version)
    assert (answer.status_code, answer.json()["error_description"]) == (401, "agent_out_of_date")
    assert f"{version or 1}: out of date" in Here().ok("agents", "list", site.organization.slug)
    assert AuditEntry.objects.get(activity="agent.call_refused").details["code"] == "agent_out_of_date"


def test_an_older_agent_with_a_token_from_before_the_upgrade_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "CURRENT", 1)
    assert site.caller.poll().status_code == 200
    monkeypatch.setattr(versions, "CURRENT", 3)
    answer = site.caller.poll()
    assert (answer.status_code, answer.json()["error"]) == (403, "agent_out_of_date")


def test_an_older_agent_is_not_onboarded_and_its_code_still_works(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    new = candidate(make_onboarding_code(site.organization, "operator:test", timezone.now()))
    assert (post(site, new).status_code, post(site, new).json()["error"]) == (403, "agent_out_of_date")
    monkeypatch.setattr(versions, "CURRENT", 2)
    assert post(site, new).status_code == 201


@pytest.mark.parametrize("version", ["", "x", "-1", "1e3"])
def test_a_version_that_is_no_number_is_refused(site: Site, version: str) -> None:
    answer = speaking(site, version)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
