"""POST /agents/v1/onboard: one code, one agent, pending until an administrator has compared its fingerprint."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from django.utils import timezone

from keyback.portal.agents.models import Agent
from keyback.portal.agents.onboarding import make_onboarding_code
from keyback.portal.limits.budgets import ONBOARDING
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import Onboarded
from keyback.protocol.signing import fingerprint, public_bytes
from tests.portal.agents import Candidate, candidate
from tests.relay.conftest import Site


def post(site: Site, new: Candidate, signature: str | None = None) -> httpx2.Response:
    return site.caller.http.post(
        "/agents/v1/onboard",
        content=new.body,
        headers={
            "content-type": "application/json",
            "keyback-signature": new.signature if signature is None else signature,
        },
    )


def code(site: Site) -> str:
    return make_onboarding_code(site.organization, "operator:test", timezone.now())


def test_a_code_makes_a_pending_agent_and_tells_it_what_to_pin(site: Site) -> None:
    new = candidate(code(site))
    response = post(site, new)
    assert response.status_code == 201
    told = Onboarded.model_validate_json(response.content)
    agent = Agent.objects.get(pk=told.agent_id)
    assert agent.state == Agent.State.PENDING and agent.organization == site.organization
    assert told.fingerprint == fingerprint(
        public_bytes(new.sign), b64decode(told.portal_public)
    ) and told.audience.endswith("/agents/v1/token")


def test_a_code_is_good_once_also_in_parallel(site: Site) -> None:
    one = code(site)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(site, candidate(one)), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403]
    assert {answer.json()["error"] for answer in answers if answer.status_code == 403} == {"code_refused"}


@pytest.mark.parametrize("wrong", ["AAAA-BBBB-CCCC", "x" * 64, "\u202e" * 20, "'; DROP TABLE--"])
def test_a_code_that_nobody_made_is_refused(site: Site, wrong: str) -> None:
    response = post(site, candidate(wrong))
    assert (response.status_code, response.json()["error"]) == (403, "code_refused")
    assert wrong not in response.text


def test_whoever_onboards_must_hold_the_key_in_the_body(site: Site) -> None:
    one = code(site)
    response = post(site, candidate(one), candidate(one).signature)
    assert (response.status_code, response.json()["error"]) == (403, "signature_refused")
    # The code was not used up by it.
    assert post(site, candidate(one)).status_code == 201


def test_guessing_codes_has_a_budget_for_each_address(site: Site) -> None:
    answers = [post(site, candidate("WRONG-CODE-1234")).status_code for _ in range(ONBOARDING.limit + 1)]
    assert answers[-1] == 429 and set(answers[:-1]) <= {403, 429}
