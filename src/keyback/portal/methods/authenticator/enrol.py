"""Putting apps and tokens on file."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pyotp
from django.conf import settings

from keyback.portal.methods.authenticator.method import METHOD, MOST
from keyback.portal.methods.authenticator.tokens import Token
from keyback.portal.methods.authenticator.totp import App, match
from keyback.portal.people.models import Person
from keyback.portal.securityinfo import registered
from keyback.portal.securityinfo.models import RegisteredMethod

__all__ = ["PERIOD", "add_app", "give_token", "new_secret", "uri"]

PERIOD = 30


def new_secret() -> str:
    """Base32 of 160 random bits, as RFC 4226 recommends."""
    return pyotp.random_base32()


def uri(person: Person, secret: str) -> str:
    """What the picture says to the app: whose account it is and where."""
    return pyotp.TOTP(secret, interval=PERIOD).provisioning_uri(
        name=person.user_id, issuer_name=person.organization.name
    )


def add_app(
    person: Person,
    secret: str,
    typed: str,
    *,
    label: str,
    by: str,
    now: datetime,
    opens_from: datetime | None = None,
    tracking_id: UUID | None = None,
) -> RegisteredMethod | None:
    """None where ``typed`` is not what the app shows now: then it does not have the secret, or its clock is far off.
    The code is used up by it. Raises TooMany."""
    right = match(App(secret, PERIOD, 0, 0), typed, now)
    if right is None:
        return None
    return registered.add(
        person,
        METHOD.name,
        label=label,
        secret={"secret": secret, "period": PERIOD},
        most=MOST,
        by=by,
        now=now,
        opens_from=opens_from,
        counter=right.step,
        drift=right.drift,
        tracking_id=tracking_id,
    )


def give_token(person: Person, token: Token, *, by: str, now: datetime) -> RegisteredMethod:
    """Raises TooMany, and Taken where it is with somebody already."""
    lookup: bytes = settings.KEYRING.blind_index("token", str(person.organization_id), token.maker, token.serial)
    return registered.add(
        person,
        METHOD.name,
        label=token.label,
        secret={"secret": token.secret, "period": token.period},
        most=MOST,
        by=by,
        now=now,
        lookup=lookup,
    )
