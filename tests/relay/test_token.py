"""POST /agents/v1/token: RFC 6749 client credentials, proved by RFC 7523 assertions that are good once and briefly."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import OctKey

from keyback.portal.agents.registry import revoke
from keyback.relay.failures import REFUSED_CALLS
from tests.relay.caller import token_form
from tests.relay.conftest import Site

REFUSED = {"error": "invalid_client", "error_description": "assertion_refused"}


def test_a_signed_assertion_gets_a_short_lived_bearer(site: Site) -> None:
    response = site.caller.ask_token()
    assert response.status_code == 200
    token = response.json()
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 300)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["keyback-tracking-id"]


def test_an_assertion_is_good_once(site: Site) -> None:
    form = token_form(site.agent.assertion(timezone.now()))
    assert site.caller.http.post("/agents/v1/token", data=form).status_code == 200
    again = site.caller.http.post("/agents/v1/token", data=form)
    assert (again.status_code, again.json()) == (401, REFUSED)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://elsewhere.test/agents/v1/token"},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"iss": "somebody"},
        {"sub": "00000000-0000-0000-0000-000000000000"},
        {"jti": None},
        {"jti": "x" * 65},
        {"jti": "a\0b"},
        {"jti": 5},
        {"iat": "now"},
    ],
    ids=str,
)
def test_an_assertion_with_a_wrong_claim_is_refused(site: Site, changed: dict[str, object]) -> None:
    response = site.caller.ask_token(**changed)
    assert (response.status_code, response.json()) == (401, REFUSED)


def test_an_assertion_that_lives_longer_than_a_minute_is_refused(site: Site) -> None:
    response = site.caller.ask_token(exp=int(timezone.now().timestamp()) + 3600)
    assert (response.status_code, response.json()) == (401, REFUSED)


def test_an_assertion_signed_by_another_agent_is_refused(site: Site, make_site: Callable[[str], Site]) -> None:
    other = make_site("other")
    name = str(site.agent.row.id)
    forged = other.agent.assertion(timezone.now(), iss=name, sub=name)
    response = site.caller.http.post("/agents/v1/token", data=token_form(forged))
    assert (response.status_code, response.json()) == (401, REFUSED)


def test_an_assertion_made_with_the_public_key_as_a_secret_is_refused(site: Site) -> None:
    claims = {"iss": str(site.agent.row.id), "sub": str(site.agent.row.id), "jti": "1"}
    key = OctKey.import_key(bytes(site.agent.row.sign_public))
    forged = jwt.encode({"alg": "HS256"}, claims, key)
    response = site.caller.http.post("/agents/v1/token", data=token_form(forged))
    assert (response.status_code, response.json()) == (401, REFUSED)


def test_an_old_assertion_is_refused(site: Site) -> None:
    form = token_form(site.agent.assertion(timezone.now() - timedelta(hours=1)))
    assert site.caller.http.post("/agents/v1/token", data=form).json() == REFUSED


def test_a_revoked_agent_gets_no_token(site: Site) -> None:
    revoke(site.agent.row, "operator:test", timezone.now())
    assert site.caller.ask_token().json() == {"error": "invalid_client", "error_description": "agent_revoked"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "unsupported_grant_type"),
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        ("grant_type=client_credentials&client_assertion_type=x&client_assertion=y", "invalid_request"),
        ("&".join(f"f{i}=1" for i in range(50)), "invalid_request"),
        ("grant_type=%FF%FE", "invalid_request"),
        ("grant_type=client_credentials\xff", "invalid_request"),
    ],
)
def test_what_is_not_such_a_request_is_named(site: Site, body: str, error: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = site.caller.http.post("/agents/v1/token", content=body.encode("latin-1"), headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, error)


@pytest.mark.parametrize("assertion", ["", "a", "a.b.c", "e30.e30.", "..", "\0", "ü", "x" * 100_000, "." * 1000])
def test_what_is_no_assertion_is_refused_like_a_wrong_one(site: Site, assertion: str) -> None:
    response = site.caller.http.post("/agents/v1/token", data=token_form(assertion))
    assert (response.status_code, response.json()) == (401, REFUSED)


def test_a_flood_of_wrong_assertions_is_stopped_while_a_right_one_from_the_same_address_passes(site: Site) -> None:
    wrong = token_form("a.b.c")
    statuses = [
        site.caller.http.post("/agents/v1/token", data=wrong).status_code for _ in range(REFUSED_CALLS.limit + 1)
    ]
    assert set(statuses[: REFUSED_CALLS.limit]) == {401}
    stopped = site.caller.http.post("/agents/v1/token", data=wrong)
    assert (stopped.status_code, stopped.json()["error"]) == (429, "too_many_calls")
    assert 0 < int(stopped.headers["retry-after"]) <= 61
    assert site.caller.ask_token().status_code == 200
