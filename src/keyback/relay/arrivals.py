"""How an agent arrives: it onboards with a one-time code, and gets its bearer tokens with a signed assertion."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keyback.portal.agents import onboarding, tokens
from keyback.protocol import versions
from keyback.protocol.errors import Malformed
from keyback.protocol.messages import Onboarded, Onboarding, Token
from keyback.relay import bodies
from keyback.relay.admission import FORM, JSON, SIGNATURE_HEADER, take_body, version_of
from keyback.relay.answers import answer
from keyback.relay.door import door_of
from keyback.relay.failures import client_block
from keyback.relay.problems import TOO_MANY_CALLS, Refusal

__all__ = ["ASSERTION_TYPE", "onboard", "token"]

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def onboard(request: Request) -> Response:
    """One use of the code, within the address's budget (which the registry keeps)."""
    body = await take_body(request, JSON)
    signature = request.headers.get(SIGNATURE_HEADER, "")
    client = client_block(request)

    header = request.headers.get(versions.HEADER)

    def job(now: datetime) -> Onboarded:
        version_of(header)  # before the code is used up
        message = bodies.message(Onboarding, body)
        return onboarding.onboard(message, signature=signature, body=body, now=now, client=client)

    onboarded = await door_of(request).run(request, job)
    return answer(onboarded, 201, version=version_of(header))


async def token(request: Request) -> Response:
    """RFC 6749 section 4.4 with RFC 7523: client credentials, proved by an assertion that the agent signed."""
    try:
        fields = bodies.form(await take_body(request, FORM))
        spoken = versions.spoken(request.headers.get(versions.HEADER))
    except Malformed as error:
        return _oauth_error(400, "invalid_request", str(error))
    if fields.get("grant_type") != "client_credentials":
        return _oauth_error(400, "unsupported_grant_type", "grant_type must be client_credentials")
    if fields.get("client_assertion_type") != ASSERTION_TYPE:
        return _oauth_error(400, "invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
    assertion = fields.get("client_assertion", "")
    door = door_of(request)

    def job(now: datetime) -> Token | str:
        try:
            return tokens.issue_token(assertion, now, spoken)
        except tokens.TokenRefused as error:
            if until := door.count_refusal(request, error.description, now, error.agent):
                seconds = int((until - now).total_seconds()) + 1
                raise Refusal(TOO_MANY_CALLS, retry_after=seconds) from None
            return error.description

    issued = await door.run(request, job)
    if isinstance(issued, str):
        return _oauth_error(401, "invalid_client", issued)
    return answer(issued)


def _oauth_error(status: int, error: str, description: str) -> Response:
    """RFC 6749 section 5.2."""
    return JSONResponse({"error": error, "error_description": description}, status)
