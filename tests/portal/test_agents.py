"""Agents come with a one-time code, wait for an administrator, and show at every call who they are."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.test.utils import CaptureQueriesContext
from joserfc import jwt
from joserfc.jwk import OctKey

from keyback.portal.agents.models import Agent, AgentToken, OnboardingCode
from keyback.portal.agents.onboarding import OnboardingRefused, make_onboarding_code, onboard
from keyback.portal.agents.registry import (
    KeyRefused,
    WrongState,
    add_key,
    audience,
    confirm,
    revoke,
    sealing_targets,
)
from keyback.portal.agents.tokens import (
    NotAdmitted,
    TokenRefused,
    Unauthenticated,
    authenticate,
    issue_token,
    purge,
)
from keyback.portal.audit.models import AuditEntry
from keyback.portal.limits.budgets import Blocked
from keyback.portal.messages.models import Message
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Forest, Organization
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import Onboarded, UnsealKey
from keyback.protocol.sealing import unseal_key_bytes
from keyback.protocol.signing import fingerprint, public_bytes, sign_onboarding
from tests.portal.agents import Candidate, candidate, confirmed_agent, pending_agent, unseal_key


def send(new: Candidate, now: datetime, client: str = "192.0.2.1") -> Onboarded:
    return onboard(new.message, signature=new.signature, body=new.body, now=now, client=client)


# --- onboarding


def test_an_onboarded_agent_is_pending_and_learns_the_portals_key(organization: Organization, now: datetime) -> None:
    new = candidate(make_onboarding_code(organization, "operator:test", now), "CORP.example.test.", "sub.example.test")
    answer = send(new, now)
    agent = Agent.objects.get(pk=answer.agent_id)
    assert agent.state == "pending"
    assert (
        agent.fingerprint == answer.fingerprint == fingerprint(public_bytes(new.sign), b64decode(answer.portal_public))
    )
    assert [forest.name for forest in answer.forests] == ["corp.example.test", "sub.example.test"]
    assert answer.audience == audience() == "http://127.0.0.1:8080/agents/v1/token"
    assert sealing_targets(agent.organization_id, answer.forests[0].id, now) == []


def test_every_administrator_is_told_of_a_new_agent(organization: Organization, now: datetime) -> None:
    for name in ("olga", "otto"):
        setup.add_administrator(organization, name, f"{name}@example.test")
    pending_agent(organization, now=now)
    assert Message.objects.filter(kind="agent_onboarded").count() == 2
    assert AuditEntry.objects.filter(activity="agent.onboarded").count() == 1


def test_a_code_is_worth_one_use(organization: Organization, now: datetime) -> None:
    code = make_onboarding_code(organization, "operator:test", now)
    send(candidate(code), now)
    with pytest.raises(OnboardingRefused) as refusal:
        send(candidate(code), now)
    assert refusal.value.code == "code_refused"
    assert Agent.objects.count() == 1
    assert AuditEntry.objects.get(activity="agent.onboarding_refused").details["code"] == "code_refused"


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_uses_of_a_code_exactly_one_wins(now: datetime) -> None:
    organization = setup.create("Example Ltd", by="operator:test", now=now)
    code = make_onboarding_code(organization, "operator:test", now)
    start = threading.Barrier(6)

    def use(number: int) -> str:
        new = candidate(code)
        start.wait()
        try:
            send(new, now, client=f"192.0.2.{number}")
        except OnboardingRefused as refusal:
            return refusal.code
        finally:
            connection.close()
        return "onboarded"

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(use, range(6))) == ["code_refused"] * 5 + ["onboarded"]
    assert Agent.objects.count() == 1


def test_a_code_is_over_after_an_hour(organization: Organization, now: datetime) -> None:
    code = make_onboarding_code(organization, "operator:test", now)
    with pytest.raises(OnboardingRefused, match="over"):
        send(candidate(code), now + timedelta(hours=1))
    send(candidate(code), now + timedelta(minutes=59))


def test_a_code_may_be_typed_in_lower_case_and_without_hyphens(organization: Organization, now: datetime) -> None:
    code = make_onboarding_code(organization, "operator:test", now)
    assert send(candidate(code.lower().replace("-", " ")), now).organization == "Example Ltd"


def test_a_code_does_not_stand_in_the_database(organization: Organization, now: datetime) -> None:
    code = make_onboarding_code(organization, "operator:test", now)
    row = OnboardingCode.objects.get()
    assert code.replace("-", "").encode() not in bytes(row.code_hmac)
    assert len(bytes(row.code_hmac)) == 32


def test_whoever_does_not_hold_the_private_key_is_refused_and_the_code_still_works(
    organization: Organization, now: datetime
) -> None:
    new = candidate(make_onboarding_code(organization, "operator:test", now))
    for signature in (sign_onboarding(Ed25519PrivateKey.generate(), new.body), "", "%%%"):
        with pytest.raises(OnboardingRefused) as refusal:
            onboard(new.message, signature=signature, body=new.body, now=now, client="192.0.2.1")
        assert refusal.value.code == "signature_refused"
    send(new, now)


def test_a_key_that_is_no_point_is_refused(organization: Organization, now: datetime) -> None:
    new = candidate(make_onboarding_code(organization, "operator:test", now))
    message = new.message.model_copy(
        update={"unseal": UnsealKey(key="key-1", public="AAAA", signature="AAAA", life_s=3600)}
    )
    body = message.model_dump_json().encode()
    with pytest.raises(OnboardingRefused) as refusal:
        onboard(message, signature=sign_onboarding(new.sign, body), body=body, now=now, client="192.0.2.1")
    assert refusal.value.code == "key_refused"


def test_codes_cannot_be_guessed_from_one_address_for_long(organization: Organization, now: datetime) -> None:
    for _ in range(20):
        with pytest.raises(OnboardingRefused):
            send(candidate("AAAAA-AAAAA-AAAAA-AAAAA"), now)
    with pytest.raises(Blocked):
        send(candidate("AAAAA-AAAAA-AAAAA-AAAAA"), now)
    with pytest.raises(OnboardingRefused):
        send(candidate("AAAAA-AAAAA-AAAAA-AAAAA"), now, client="198.51.100.1")


@pytest.mark.django_db
def test_an_instance_without_an_organization_refuses_like_any_other(now: datetime) -> None:
    with pytest.raises(OnboardingRefused) as refusal:
        send(candidate("AAAAA-AAAAA-AAAAA-AAAAA"), now)
    assert refusal.value.code == "code_refused"


# --- confirmed and revoked


def test_pages_seal_for_confirmed_agents_and_their_newest_key(organization: Organization, now: datetime) -> None:
    one = confirmed_agent(organization, "corp.example.test", now=now, name="one")
    two = confirmed_agent(organization, "corp.example.test", now=now, name="two")
    confirmed_agent(organization, "elsewhere.test", now=now, name="three")
    pending_agent(organization, "corp.example.test", now=now, name="four")
    next_key = ec.generate_private_key(ec.SECP256R1())
    later = now + timedelta(hours=1)
    add_key(one.row, unseal_key(one.sign, next_key, "key-2"), later)
    targets = {target.agent_id: target for target in sealing_targets(organization.id, one.forest.id, later)}
    assert set(targets) == {one.row.id, two.row.id}
    assert targets[one.row.id].key_id == "key-2"
    assert targets[one.row.id].public == unseal_key_bytes(next_key.public_key())


def test_nobody_seals_for_a_key_that_is_over(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    assert sealing_targets(organization.id, agent.forest.id, now + timedelta(seconds=90_000)) == []


def test_the_same_key_may_be_sent_again_but_not_another_under_its_name(
    organization: Organization, now: datetime
) -> None:
    agent = confirmed_agent(organization, now=now)
    add_key(agent.row, unseal_key(agent.sign, agent.unseal), now)
    with pytest.raises(KeyRefused):
        add_key(agent.row, unseal_key(agent.sign, ec.generate_private_key(ec.SECP256R1())), now)


def test_only_a_pending_agent_can_be_confirmed(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    with pytest.raises(WrongState):
        confirm(agent.row, "operator:test", now)
    revoke(agent.row, "operator:test", now)
    for again in (confirm, revoke):
        with pytest.raises(WrongState):
            again(agent.row, "operator:test", now)


def test_forests_of_two_organizations_may_have_one_name_and_are_two(
    organization: Organization, make_organization: Callable[..., Organization], now: datetime
) -> None:
    other = make_organization("Other Ltd")
    one = confirmed_agent(organization, "corp.test", now=now)
    two = confirmed_agent(other, "corp.test", now=now)
    assert Forest.objects.filter(name="corp.test").count() == 2
    assert [target.agent_id for target in sealing_targets(organization.id, one.forest.id, now)] == [one.row.id]
    assert [target.agent_id for target in sealing_targets(other.id, two.forest.id, now)] == [two.row.id]


# --- tokens


def test_a_token_names_its_agent_by_one_query(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    token = issue_token(agent.assertion(now), now)
    assert authenticate(token.access_token, now) == agent.row
    with CaptureQueriesContext(connection) as queries:
        assert authenticate(token.access_token, now).organization_id == organization.id
    assert len(queries) == 1
    assert token.access_token.encode() not in bytes(AgentToken.objects.get().token_sha256)


def test_a_token_is_over_after_its_life(organization: Organization, now: datetime) -> None:
    token = issue_token(confirmed_agent(organization, now=now).assertion(now), now)
    with pytest.raises(Unauthenticated):
        authenticate(token.access_token, now + timedelta(seconds=token.expires_in))
    with pytest.raises(Unauthenticated):
        authenticate("", now)
    with pytest.raises(Unauthenticated):
        authenticate("\ud800", now)


def test_an_assertion_works_once(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    assertion = agent.assertion(now)
    issue_token(assertion, now)
    with pytest.raises(TokenRefused) as refusal:
        issue_token(assertion, now)
    assert refusal.value.description == "assertion_refused"
    assert AgentToken.objects.count() == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "http://127.0.0.1:8080/agents/v1/token/"},
        {"aud": ["http://127.0.0.1:8080/agents/v1/token"]},
        {"aud": None},
        {"iss": str(uuid4())},
        {"sub": str(uuid4())},
        {"sub": 5},
        {"exp": 1_795_348_861},
        {"exp": 9_999_999_999},
        {"exp": 1_795_348_861.5},
        {"exp": True},
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"jti": "x"},
        {"jti": "x" * 65},
        {"jti": ["x" * 10]},
    ],
)
def test_an_assertion_must_be_exact(organization: Organization, now: datetime, changed: dict[str, object]) -> None:
    agent = confirmed_agent(organization, now=now)
    with pytest.raises(TokenRefused) as refusal:
        issue_token(agent.assertion(now, **changed), now)
    assert refusal.value.description == "assertion_refused"


def test_an_old_assertion_is_refused_and_so_is_one_of_the_future(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    for made in (now - timedelta(minutes=2), now + timedelta(minutes=2)):
        with pytest.raises(TokenRefused):
            issue_token(agent.assertion(made), now)
    issue_token(agent.assertion(now + timedelta(seconds=20)), now)


def test_another_agents_key_and_no_key_are_refused(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    real = agent.assertion(now)
    agent.sign = Ed25519PrivateKey.generate()
    header, payload, _ = real.split(".")
    unsigned = "eyJhbGciOiJub25lIn0." + payload + "."
    shared = jwt.encode(
        {"alg": "HS256"},
        {"iss": str(agent.row.id), "sub": str(agent.row.id)},
        OctKey.import_key(bytes(agent.row.sign_public)),
    )
    for assertion in (agent.assertion(now), unsigned, shared, f"{header}.{payload}.AAAA", "", "a.b.c", "....", "é.é.é"):
        with pytest.raises(TokenRefused) as refusal:
            issue_token(assertion, now)
        assert refusal.value.description == "assertion_refused"


def test_a_pending_agent_gets_no_token(organization: Organization, now: datetime) -> None:
    agent = pending_agent(organization, now=now)
    with pytest.raises(TokenRefused) as refusal:
        issue_token(agent.assertion(now), now)
    assert refusal.value.description == "agent_pending"
    assert AgentToken.objects.count() == 0


def test_revocation_counts_from_the_next_call(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    token = issue_token(agent.assertion(now), now)
    revoke(agent.row, "operator:test", now)
    with pytest.raises(NotAdmitted) as refusal:
        authenticate(token.access_token, now)
    assert refusal.value.code == "agent_revoked"
    with pytest.raises(TokenRefused) as token_refusal:
        issue_token(agent.assertion(now), now)
    assert token_refusal.value.description == "agent_revoked"
    assert sealing_targets(agent.row.organization_id, agent.forest.id, now) == []


def test_what_is_over_is_purged(organization: Organization, now: datetime) -> None:
    agent = confirmed_agent(organization, now=now)
    token = issue_token(agent.assertion(now), now)
    assert purge(now) == 0
    authenticate(token.access_token, now)
    assert purge(now + timedelta(days=8)) == 3  # token, assertion id, code
