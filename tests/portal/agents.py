"""Agents as tests make them: with keys of their own, onboarded through the front door."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from keyback.portal.agents.models import Agent
from keyback.portal.agents.onboarding import make_onboarding_code, onboard
from keyback.portal.agents.registry import audience, confirm
from keyback.portal.organizations.models import Forest, Organization
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import Onboarding, OnboardingForest, UnsealKey
from keyback.protocol.sealing import unseal_key_bytes
from keyback.protocol.signing import public_bytes, sign_onboarding, sign_unsealing_key


@dataclass
class Candidate:
    """The private halves, and what is sent to onboard."""

    sign: Ed25519PrivateKey
    unseal: ec.EllipticCurvePrivateKey
    message: Onboarding
    body: bytes
    signature: str


@dataclass
class AgentWithKeys:
    row: Agent
    forest: Forest
    sign: Ed25519PrivateKey
    unseal: ec.EllipticCurvePrivateKey

    def assertion(self, now: datetime, **changed: object) -> str:
        """A client assertion made now; `changed` replaces claims, None removes one."""
        moment = int(now.timestamp())
        name = str(self.row.id)
        claims: dict[str, object] = {
            "iss": name,
            "sub": name,
            "aud": audience(),
            "iat": moment,
            "exp": moment + 60,
            "jti": str(uuid.uuid4()),
        }
        claims = {k: v for k, v in (claims | changed).items() if v is not None}
        return jwt.encode({"alg": "Ed25519"}, claims, OKPKey.import_key(self.sign), algorithms=["Ed25519"])


def unseal_key(
    sign: Ed25519PrivateKey, key: ec.EllipticCurvePrivateKey, name: str = "key-1", life_s: int = 90_000
) -> UnsealKey:
    point = unseal_key_bytes(key.public_key())
    signature = b64encode(sign_unsealing_key(sign, name, point))
    return UnsealKey(key=name, public=b64encode(point), signature=signature, life_s=life_s)


def candidate(code: str, *forests: str, name: str = "dc-room") -> Candidate:
    sign = Ed25519PrivateKey.generate()
    unseal = ec.generate_private_key(ec.SECP256R1())
    message = Onboarding(
        code=code,
        name=name,
        version="0.1.0",
        sign_public=b64encode(public_bytes(sign)),
        unseal=unseal_key(sign, unseal),
        forests=[OnboardingForest(name=forest) for forest in forests or ("corp.example.test",)],
    )
    body = message.model_dump_json().encode()
    return Candidate(sign, unseal, message, body, sign_onboarding(sign, body))


def pending_agent(organization: Organization, *forests: str, now: datetime, name: str = "dc-room") -> AgentWithKeys:
    code = make_onboarding_code(organization, "operator:test", now)
    new = candidate(code, *forests, name=name)
    answer = onboard(new.message, signature=new.signature, body=new.body, now=now, client=f"test-{uuid.uuid4()}")
    row = Agent.objects.select_related("organization").get(pk=answer.agent_id)
    return AgentWithKeys(row, Forest.objects.get(pk=answer.forests[0].id), new.sign, new.unseal)


def confirmed_agent(organization: Organization, *forests: str, now: datetime, name: str = "dc-room") -> AgentWithKeys:
    agent = pending_agent(organization, *forests, now=now, name=name)
    confirm(agent.row, "operator:test", now)
    return agent
