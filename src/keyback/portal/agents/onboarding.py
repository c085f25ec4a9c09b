"""How an agent comes to an organization: a one-time code, the agent's own keys, and an administrator who compares."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.agents.models import Agent, AgentForest, OnboardingCode, UnsealingKey
from keyback.portal.agents.registry import KeyRefused, audience, read_point
from keyback.portal.agents.switch import domains_of, forest_name
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import ONBOARDING, spend
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.lookup import NoOrganization, default_organization
from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.organizations.setup import administrators
from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.errors import ProtocolError
from keyback.protocol.messages import ForestName, Onboarded, Onboarding, OnboardingForest
from keyback.protocol.signing import fingerprint, load_public_key, public_bytes, verify_onboarding

__all__ = ["CODE_LIFE", "OnboardingRefused", "make_onboarding_code", "onboard"]

CODE_LIFE = timedelta(hours=1)

# Without 0, 1, I, L, O and U: read aloud and typed without mistakes (Crockford). 20 of them are 97 bits.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


class OnboardingRefused(KeybackError):
    """``code``: code_refused (unknown, used or expired: one answer), signature_refused, or key_refused."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def make_onboarding_code(organization: Organization, made_by: str, now: datetime) -> str:
    """Worth one use within an hour. It is shown once and kept only as a keyed hash."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    with transaction.atomic():
        OnboardingCode.objects.create(
            organization=organization,
            code_hmac=_code_hmac(letters),
            made_by=made_by[:100],
            expires_at=now + CODE_LIFE,
        )
        write(organization.id, Activity.AGENT_CODE_MADE, result=Result.SUCCESS, actor=made_by, now=now)
    return "-".join(letters[i : i + 5] for i in range(0, 20, 5))


def onboard(message: Onboarding, *, signature: str, body: bytes, now: datetime, client: str) -> Onboarded:
    """The agent is pending afterwards, and every administrator gets mail. ``client``: the caller's address block.

    Raises OnboardingRefused, and Blocked after too many tries from one address.
    """
    try:
        default = default_organization()
    except NoOrganization:
        raise _unknown_code() from None  # nobody can have made one
    spend(default.id, ONBOARDING, client, now=now)
    try:
        return _onboard(message, signature, body, now)
    except OnboardingRefused as refusal:
        # Nobody knows yet whose agent it would have been: the instance's own organization keeps the note.
        details = {"code": refusal.code, "client": client}
        write(
            default.id,
            Activity.AGENT_ONBOARDING_REFUSED,
            result=Result.REFUSED,
            actor="system",
            now=now,
            details=details,
        )
        raise


def _onboard(message: Onboarding, signature: str, body: bytes, now: datetime) -> Onboarded:
    sign_public = _checked_key(message, signature, body)
    try:
        unseal_public = read_point(message.unseal, sign_public)
    except KeyRefused as error:
        raise OnboardingRefused("key_refused", str(error)) from None
    with transaction.atomic():
        code = _use_code(message.code, now)
        organization = code.organization
        agent = Agent.objects.create(
            organization=organization,
            name=_printable(message.name),
            sign_public=sign_public,
            fingerprint=fingerprint(sign_public, public_bytes(settings.KEYRING.requests_public)),
            version=message.version,
            created_at=now,
        )
        UnsealingKey.objects.create(
            organization=organization,
            agent=agent,
            key=message.unseal.key,
            public=unseal_public,
            signature=b64decode(message.unseal.signature),
            created_at=now,
            expires_at=now + timedelta(seconds=message.unseal.life_s),
        )
        forests = {_forest(organization, forest): domains_of(forest) for forest in message.forests}
        AgentForest.objects.bulk_create(
            AgentForest(organization=organization, agent=agent, forest=forest, domains=domains)
            for forest, domains in forests.items()
        )
        _tell(agent, code.made_by, [forest.name for forest in forests], now)
    return Onboarded(
        agent_id=agent.id,
        organization_id=organization.id,
        organization=organization.name,
        portal_public=b64encode(public_bytes(settings.KEYRING.requests_public)),
        audience=audience(),
        fingerprint=agent.fingerprint,
        forests=[ForestName(id=forest.id, name=forest.name) for forest in forests],
    )


def _checked_key(message: Onboarding, signature: str, body: bytes) -> bytes:
    try:
        raw = b64decode(message.sign_public)
        verify_onboarding(load_public_key(raw), body, signature)
    except ProtocolError as error:
        raise OnboardingRefused("signature_refused", str(error)) from None
    return raw


def _use_code(typed: str, now: datetime) -> OnboardingCode:
    """One conditional update decides, so that of two simultaneous uses exactly one wins."""
    letters = "".join(c for c in typed.upper() if c.isalnum())
    usable = OnboardingCode.objects.filter(code_hmac=_code_hmac(letters), used_at__isnull=True, expires_at__gt=now)
    code = usable.select_related("organization").first()
    if code is None or not usable.update(used_at=now):
        raise _unknown_code()
    return code


def _unknown_code() -> OnboardingRefused:
    return OnboardingRefused("code_refused", "this code is unknown, was used before or is over; make a new one")


def _forest(organization: Organization, forest: OnboardingForest) -> Forest:
    row, _ = Forest.objects.get_or_create(organization=organization, name=forest_name(forest.name))
    return row


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text).strip() or "?"


def _tell(agent: Agent, made_by: str, forests: list[str], now: datetime) -> None:
    write(
        agent.organization_id,
        Activity.AGENT_ONBOARDED,
        result=Result.SUCCESS,
        actor=f"agent:{agent.id}",
        now=now,
        details={
            "agent": str(agent.id),
            "name": agent.name,
            "fingerprint": agent.fingerprint,
            "code_made_by": made_by,
            "forests": ", ".join(forests)[:500],
        },
    )
    for administrator, address in administrators(agent.organization):
        enqueue(
            agent.organization,
            kind=MessageKind.AGENT_ONBOARDED,
            to=address,
            language=administrator.language,
            context={"agent": agent.name, "fingerprint": agent.fingerprint, "by": made_by},
            now=now,
        )


def _code_hmac(letters: str) -> bytes:
    digest: bytes = settings.KEYRING.code_hmac("onboarding", letters)
    return digest
