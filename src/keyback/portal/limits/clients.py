"""Who is asking, for the limits: a device that succeeded before, an office network, or an address block.

A browser that once helped this person back in carries a signed cookie. It is a client of its own, so that
strangers' failures never close anything for it. It says nothing readable about the person, and proves nothing
but "was here before".
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from keyback.portal.organizations.models import Organization
from keyback.portal.screen import is_kiosk

__all__ = ["Client", "address_block", "address_of", "client_of", "counting", "remember_device"]

_SALT = "keyback.device"
_LIFE = 180 * 86_400
_PEOPLE_PER_DEVICE = 10


@dataclass(frozen=True, slots=True)
class Client:
    """``block``: a stranger, counted in the strangers' pool too. ``device`` and ``office`` are not strangers.
    ``account``: everybody together, see :func:`counting`."""

    kind: Literal["device", "office", "block", "account"]
    key: str


def counting(client: Client, profile: str) -> Client:
    """Who this client is where tries are counted for a person: in the profile ``account``, as everybody else."""
    return Client("account", "") if profile == Organization.LimitProfile.ACCOUNT else client


def client_of(request: HttpRequest, subject: str | UUID | None = None) -> Client:
    """``subject``: the person's id. For an unknown person pass anything else (or None): the same work is done
    in vain."""
    device, marks = _read_cookie(request)
    if _mark(device, str(subject)) in marks:
        return Client("device", device)
    address = address_of(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        settings.CONFIG.trusted_proxies,
    )
    block = address_block(address)
    return Client("office" if _in_office(address) else "block", block)


def remember_device(request: HttpRequest, response: HttpResponse, person_id: UUID, now: datetime) -> None:
    """After a success: from now on this browser is a client of its own for this person; not where anybody may sit."""
    if is_kiosk(request):
        return
    device, marks = _read_cookie(request)
    device = device if marks else secrets.token_urlsafe(16)
    mark = _mark(device, str(person_id))
    others = [m for m in marks if m != mark]
    people = [*others[1 - _PEOPLE_PER_DEVICE :], mark]
    value = signing.dumps({"d": device, "p": people, "t": int(now.timestamp())}, salt=_SALT)
    response.set_cookie(
        _cookie_name(),
        value,
        max_age=_LIFE,
        secure=settings.CONFIG.secure,
        httponly=True,
        samesite="Lax",
    )


def address_of(remote: str, forwarded_for: str, trusted_proxies: int) -> str:
    """The client's address. Each trusted proxy appended one address to X-Forwarded-For, so the one that the
    outermost of them saw is the n-th from the right; whatever stands further left was written by the client
    and is never looked at."""
    if trusted_proxies:
        hops = [hop.strip() for hop in forwarded_for.split(",")]
        if len(hops) >= trusted_proxies and _parsed(hops[-trusted_proxies]) is not None:
            return hops[-trusted_proxies]
    return remote


def address_block(address: str) -> str:
    """One IPv4 address, or the /64 that one IPv6 subscriber has. What is no address (a socket's name) stands
    for itself."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed) if parsed else address[:64]


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped
    return parsed


def _in_office(address: str) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(
        parsed in ip_network(network, strict=False) for network in settings.CONFIG.office_networks
    )


def _cookie_name() -> str:
    return "__Host-keyback-device" if settings.CONFIG.secure else "keyback-device"


def _mark(device: str, subject: str) -> str:
    digest: bytes = settings.KEYRING.code_hmac("device", device, subject)
    return base64.urlsafe_b64encode(digest[:12]).decode("ascii")


def _read_cookie(request: HttpRequest) -> tuple[str, list[str]]:
    """The device's name and the marks of its people; an empty name and none for a missing, foreign or old
    cookie."""
    try:
        content = signing.loads(request.COOKIES.get(_cookie_name(), ""), salt=_SALT, max_age=_LIFE)
        return str(content["d"]), [str(mark) for mark in content["p"]]
    except (signing.BadSignature, KeyError, TypeError):
        return "", []
