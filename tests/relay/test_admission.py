"""Who is let in: the bearer names the agent, its signature fits path and body, and its state is read each time."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
from django.utils import timezone

from keyback.portal.agents.models import AgentToken
from keyback.portal.agents.registry import revoke
from keyback.portal.audit.models import AuditEntry
from keyback.protocol.messages import Poll
from keyback.protocol.signing import sign_agent_call
from keyback.relay.failures import AUDITED_A_DAY, REFUSED_CALLS, audit_refusal
from tests.relay.caller import BOOT, Caller
from tests.relay.conftest import Site
from tests.relay.test_calls import heartbeat

POLL = Poll(boot_id=BOOT, wait_s=0).model_dump_json().encode()


def refusal(response: httpx2.Response) -> tuple[int, str]:
    assert response.json()["tracking_id"] == response.headers["keyback-tracking-id"]
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer x", "Basic eDp5", "bearer " + "x" * 8000, "Bearer \xff"]
)
def test_without_a_known_bearer_nobody_is_let_in(site: Site, authorization: str | None) -> None:
    response = site.caller.post("poll", POLL, authorization=authorization)
    assert refusal(response) == (401, "token_refused")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_an_expired_bearer_is_refused(site: Site) -> None:
    assert site.caller.poll().status_code == 200
    AgentToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert refusal(site.caller.poll()) == (401, "token_refused")


@pytest.mark.parametrize("signature", [None, "", "x", "=", "A" * 86, "\xe4" * 86, "A" * 7000], ids=range(7))
def test_without_a_right_signature_nothing_is_done(site: Site, signature: str | None) -> None:
    assert refusal(site.caller.post("poll", POLL, keyback_signature=signature)) == (403, "signature_refused")


def test_a_signature_moved_to_another_path_is_refused(site: Site) -> None:
    response = site.caller.send("/agents/v1/heartbeat", heartbeat().model_dump_json().encode(), "/agents/v1/keys")
    assert refusal(response) == (403, "signature_refused")


def test_a_signature_moved_to_another_body_is_refused(site: Site) -> None:
    signature = sign_agent_call(site.agent.sign, site.agent.row.id, "/agents/v1/poll", POLL)
    altered = POLL.replace(b'"wait_s":0', b'"wait_s":1')
    assert altered != POLL
    assert refusal(site.caller.post("poll", altered, keyback_signature=signature)) == (403, "signature_refused")


def test_a_stolen_bearer_is_worth_nothing_without_the_key(site: Site, make_site: Callable[[str], Site]) -> None:
    thief = make_site("other").caller
    response = thief.post("poll", POLL, authorization=f"Bearer {site.caller.token}")
    assert refusal(response) == (403, "signature_refused")


@pytest.mark.parametrize("path", ["poll", "people", "keys", "heartbeat"])
def test_a_revoked_agent_is_refused_everywhere_with_its_next_call(site: Site, path: str) -> None:
    assert site.caller.poll().status_code == 200
    revoke(site.agent.row, "operator:test", timezone.now())
    status, code = refusal(site.caller.post(path, POLL))
    assert (status, code) in [(401, "token_refused"), (403, "agent_revoked")]


def test_a_pending_agent_is_refused_although_it_signs_rightly(pending: Caller, site: Site) -> None:
    response = pending.post("poll", POLL, authorization=f"Bearer {site.caller.token}")
    assert refusal(response) == (403, "signature_refused")
    # Even with a token that it cannot have got.
    token = AgentToken.objects.get(agent=site.agent.row)
    token.agent = pending.agent.row
    token.save()
    response = pending.post("poll", POLL, authorization=f"Bearer {site.caller.token}")
    assert refusal(response) == (403, "agent_pending")


def audited() -> list[tuple[str, str | None]]:
    found = AuditEntry.objects.filter(activity="agent.call_refused").order_by("id")
    return [(entry.details["code"], entry.details["agent"]) for entry in found]


def test_revoked_unconfirmed_and_forged_calls_are_audited(site: Site, pending: Caller) -> None:
    site.caller.post("poll", POLL, keyback_signature="x")
    site.caller.post("poll", POLL, authorization="Bearer of-yesterday")  # everyday life
    pending.ask_token()
    pending.ask_token(aud="https://elsewhere.test")
    revoke(site.agent.row, "operator:test", timezone.now())
    answer = site.caller.poll()
    agent, waiting = str(site.agent.row.id), str(pending.agent.row.id)
    assert audited() == [
        ("signature_refused", agent),
        ("agent_pending", waiting),
        ("assertion_refused", None),
        ("agent_revoked", agent),
    ]
    entry = AuditEntry.objects.filter(activity="agent.call_refused").latest("id")
    assert (entry.organization_id, entry.result, entry.details["client"]) == (
        site.organization.id,
        "refused",
        "127.0.0.1",
    )
    assert str(entry.tracking_id) == answer.headers["keyback-tracking-id"]


def test_a_flood_of_refused_calls_does_not_fill_the_audit(site: Site, pending: Caller) -> None:
    for _ in range(10):
        site.caller.post("poll", POLL, keyback_signature="x")
    pending.ask_token()
    assert [code for code, _agent in audited()] == ["signature_refused"] * 3 + ["agent_pending"]


def test_a_flood_of_refused_calls_from_everywhere_does_not_fill_the_audit_either(site: Site) -> None:
    now = timezone.now()
    for number in range(AUDITED_A_DAY.limit + 5):
        audit_refusal(f"203.0.113.{number}", "signature_refused", site.agent.row, uuid.uuid4(), now)
    assert len(audited()) == AUDITED_A_DAY.limit


def test_a_flood_of_refused_calls_does_not_lock_an_agent_of_the_same_address_out(site: Site) -> None:
    for _ in range(REFUSED_CALLS.limit + 3):
        assert site.caller.post("poll", POLL, authorization="Bearer wrong").status_code == 401
    assert site.caller.poll().status_code == 200


def test_what_is_refused_is_logged_with_its_tracking_id_until_the_budget_is_closed(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [site.caller.post("poll", POLL, keyback_signature="x") for _ in range(REFUSED_CALLS.limit + 5)]
    logged = [record for record in caplog.records if record.name == "keyback.relay.door"]
    assert len(logged) == REFUSED_CALLS.limit
    assert logged[0].getMessage() == "refused to 127.0.0.1: signature_refused"
    assert logged[0].__dict__["tracking_id"] == answers[0].headers["keyback-tracking-id"]
