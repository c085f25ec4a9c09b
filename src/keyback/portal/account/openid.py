"""Signing in through the organization's OpenID Connect provider: authorization code with PKCE (RFC 7636), state, nonce,
and the issuer checked (RFC 9207). Which people go there is said by the domain of the user ID, so that known and unknown
people are sent alike.

The provider says a name; whose name that is, is looked up here, and only among people of the domains that it was given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from keyback.errors import KeybackError
from keyback.loopback import is_loopback
from keyback.portal.account.attempts import Attempt, note, noted
from keyback.portal.account.models import FederatedSubject, Provider
from keyback.portal.organizations.lookup import domain_of, normalise_user_id, resolve
from keyback.portal.people.models import Person
from keyback.portal.vault import VaultMismatch, open_value, seal_value

__all__ = ["ProviderUnusable", "SignInRefused", "begin", "complete", "discover", "provider_of", "seal_secret"]

_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
_TIMEOUT = 5
_IN_ALL = 15.0
"""Seconds for a whole answer: `_TIMEOUT` is for each piece of it, so that a byte now and then would hold a thread for
hours."""
_LONGEST = 200_000
_SKEW = 120
_KEPT = 300
"""Seconds for which a provider's description holds."""
_AT_ONCE = 2
"""Half of the people's door's threads: however slowly a provider answers, and whoever has it asked, all other pages go
on."""
_asking = threading.BoundedSemaphore(_AT_ONCE)
_descriptions: dict[str, tuple[float, dict[str, Any]]] = {}


class ProviderUnusable(KeybackError):
    """The provider does not answer as it must; the text is for operators."""

    code = "provider_unusable"


class SignInRefused(KeybackError):
    """The provider's answer signs nobody in: denied, forged, for another browser, or about somebody unknown here."""

    code = "sign_in_refused"


def provider_of(attempt: Attempt) -> Provider | None:
    """Who signs in people of this user ID. A user ID without a domain is one of the provider's where it has all of the
    organization's."""
    found = Provider.objects.filter(organization=attempt.organization).first()
    if found is None:
        return None
    domain = domain_of(attempt.user_id)
    if not domain:
        others = attempt.organization.domains.filter(verified_at__isnull=False).exclude(name__in=found.domains)
        return None if others.exists() else found
    return found if domain in found.domains else None


def seal_secret(provider: Provider, secret: str) -> str:
    """With everything else of the provider: whoever writes the database could otherwise name a provider of their own,
    which signs in whom they like."""
    return seal_value(provider.organization_id, "provider", "secret", json.dumps([_named(provider), secret]))


def _named(provider: Provider) -> list[Any]:
    return [provider.issuer, provider.client_id, provider.claim, provider.domains]


def _secret(provider: Provider) -> str:
    try:
        named, secret = json.loads(open_value(provider.organization_id, "provider", "secret", provider.secret))
    except VaultMismatch:
        named, secret = None, ""
    if named != _named(provider):
        raise ProviderUnusable("it is not what was set with 'keyback openid set'; set it anew")
    return str(secret)


def discover(issuer: str) -> dict[str, Any]:
    """The provider's own description (OpenID Connect Discovery 1.0). Raises ProviderUnusable."""
    _secure(issuer)
    found = _json(httpx2.Request("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    if found.get("issuer") != issuer:
        raise ProviderUnusable(f"it calls itself {found.get('issuer')!r}, not {issuer!r}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        _secure(str(found.get(name, "")))
    return found


def _description(issuer: str) -> dict[str, Any]:
    """As :func:`discover`, but asked once for all who sign in."""
    until, found = _descriptions.get(issuer, (0.0, {}))
    if time.monotonic() >= until:
        found = discover(issuer)
        _descriptions[issuer] = (time.monotonic() + _KEPT, found)
    return found


def begin(request: HttpRequest, attempt: Attempt, provider: Provider) -> str:
    """The address to go to. Raises ProviderUnusable."""
    _secret(provider)
    described = _description(provider.issuer)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    kept = json.dumps({"state": state, "nonce": nonce, "verifier": verifier})
    note(request, openid=seal_value(attempt.organization.id, "session", "openid", kept))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": _return_to(),
        "scope": "openid profile email",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "login_hint": attempt.user_id,
    }
    endpoint = described["authorization_endpoint"]
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"


def complete(
    request: HttpRequest, attempt: Attempt, provider: Provider, given: Mapping[str, str], now: datetime
) -> Person:
    """Who the provider says it is. What :func:`begin` kept is worth one answer. Raises SignInRefused or
    ProviderUnusable."""
    kept = _kept(request, attempt)
    if not hmac.compare_digest(kept["state"].encode(), given.get("state", "").encode()):
        raise SignInRefused("an answer to a question that this browser did not ask")
    if given.get("iss", provider.issuer) != provider.issuer:
        raise SignInRefused("an answer of another provider")
    if "code" not in given:
        raise SignInRefused("the provider signed nobody in")
    described = _description(provider.issuer)
    answer = _json(_token_request(provider, described, given["code"], kept["verifier"]))
    claims = _claims(str(answer.get("id_token", "")), provider, described, kept["nonce"], now)
    return _person(attempt, provider, claims)


def _kept(request: HttpRequest, attempt: Attempt) -> dict[str, str]:
    token = noted(request).get("openid")
    note(request, openid=None)
    try:
        kept: dict[str, str] = json.loads(open_value(attempt.organization.id, "session", "openid", token or ""))
    except VaultMismatch:
        raise SignInRefused("nothing was asked") from None
    return kept


def _token_request(provider: Provider, described: Mapping[str, Any], code: str, verifier: str) -> httpx2.Request:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _return_to(),
        "code_verifier": verifier,
        "client_id": provider.client_id,
        "client_secret": _secret(provider),
    }
    return httpx2.Request("POST", described["token_endpoint"], data=form)


def _claims(
    id_token: str, provider: Provider, described: Mapping[str, Any], nonce: str, now: datetime
) -> dict[str, Any]:
    keys: Any = _json(httpx2.Request("GET", described["jwks_uri"]))
    rules = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=_SKEW,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        claims = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS).claims
        rules.validate(claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise SignInRefused(f"the ID token is not valid: {type(error).__name__}") from None
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != provider.client_id:
        raise SignInRefused("the ID token is for somebody else")
    return dict(claims)


def _person(attempt: Attempt, provider: Provider, claims: Mapping[str, Any]) -> Person:
    name, subject = claims.get(provider.claim), claims["sub"]
    if not isinstance(name, str) or not 0 < len(subject) <= 255:
        raise SignInRefused(f"the ID token has no {provider.claim}")
    if provider.claim == "email" and claims.get("email_verified") is not True:
        raise SignInRefused("the address was not verified by the provider")
    try:
        organization, person = resolve(name)
        domain = domain_of(normalise_user_id(name))
    except ValueError:
        raise SignInRefused("the name is none") from None
    if person is None or organization != attempt.organization or domain not in provider.domains:
        raise SignInRefused("nobody of this name here")
    try:
        with transaction.atomic():
            bound, _made = FederatedSubject.objects.get_or_create(
                person=person,
                defaults={"organization": organization, "issuer": provider.issuer, "subject": subject},
            )
    except IntegrityError:
        raise SignInRefused("this subject was somebody else before") from None
    if (bound.issuer, bound.subject) != (provider.issuer, subject):
        raise SignInRefused("this name was somebody else's before")
    return person


def _return_to() -> str:
    return f"{settings.CONFIG.public_url}{reverse('sign_in_openid_return')}"


def _secure(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ProviderUnusable("its addresses must begin with https:// (plain http is for loopback only)")


def _json(request: httpx2.Request) -> dict[str, Any]:
    """Without redirects: a secret goes to no other place than the one that was named."""
    if not _asking.acquire(blocking=False):
        raise ProviderUnusable(f"{request.url.host} is too slow: {_AT_ONCE} wait for it already")
    try:
        with _cut_off(request), httpx2.Client(timeout=_TIMEOUT, follow_redirects=False) as client:
            answer = client.send(request, stream=True)
            if answer.status_code != 200:
                raise ProviderUnusable(f"{request.url.host} answered {answer.status_code}")
            found = json.loads(_body(answer))
    except (httpx2.HTTPError, ValueError) as error:
        raise ProviderUnusable(f"{request.url.host} does not answer: {type(error).__name__}") from None
    finally:
        _asking.release()
    if not isinstance(found, dict):
        raise ProviderUnusable(f"{request.url.host} answered something else")
    return found


def _body(answer: httpx2.Response) -> bytes:
    body = b""
    for piece in answer.iter_raw():  # compressed, what is short could be long
        body += piece
        if len(body) > _LONGEST:
            raise ProviderUnusable(f"{answer.request.url.host} answered more than {_LONGEST} bytes")
    return body


@contextmanager
def _cut_off(request: httpx2.Request) -> Iterator[None]:
    """Ends the connections that this request opens after `_IN_ALL` seconds, whatever still comes."""
    opened: list[socket.socket] = []

    def note_socket(event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            opened.append(info["return_value"].get_extra_info("socket"))

    def cut() -> None:
        for each in opened:
            with suppress(OSError):  # closed, or behind TLS by now
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    request.extensions["trace"] = note_socket
    timer = threading.Timer(_IN_ALL, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
