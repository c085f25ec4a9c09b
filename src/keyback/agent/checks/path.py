"""The way to the portal, step by step: name, TCP, proxy, TLS, the door itself, clocks, silence, credentials.

What fails stops the rest, since everything behind it would only say the same again.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from keyback.agent.checks import channel
from keyback.agent.checks.certificates import judge_certificate
from keyback.agent.checks.findings import Finding, Section, Status
from keyback.agent.checks.plan import host_port
from keyback.agent.exchange import LinkError, NotConfirmed, Revoked, tls_context
from keyback.agent.link import Link
from keyback.agent.proxies import Proxy, ProxyConfig, proxy_for

__all__ = ["check_path"]

_HEALTH = "/agents/v1/health"
_SKEW_S = 60
"""Beyond this an assertion's minute of life would not do, if the agent did not follow the portal's date."""


def check_path(
    portal: str,
    ca_file: Path | None,
    proxy: ProxyConfig,
    *,
    now: Callable[[], datetime],
    idle: float,
    link: Link | None,
) -> Section:
    """``idle``: seconds of silence to hold a connection for, 0 to leave it out. ``link``: None before onboarding.

    Raises ConfigurationError for an unusable ``ca_file``.
    """
    return Section(f"The way to {portal}", tuple(_steps(portal, ca_file, proxy, now=now, idle=idle, link=link)))


def _steps(
    portal: str,
    ca_file: Path | None,
    settings: ProxyConfig,
    *,
    now: Callable[[], datetime],
    idle: float,
    link: Link | None,
) -> Iterator[Finding]:
    proxy = proxy_for(portal, settings)
    yield _about_proxy(proxy, settings)
    with ExitStack() as held:
        open_channel: socket.socket | None = None
        for finding, opened in _open(portal, proxy, ca_file, now):
            yield finding
            if finding.status is Status.FAILED:
                return
            open_channel = opened or open_channel
        if open_channel is None:
            return
        held.callback(open_channel.close)
        door = list(_door(open_channel, portal, now))
        yield from door
        if door[0].status is Status.FAILED:
            return
        yield _silence(open_channel, portal, idle)
    yield _credentials(link)


def _about_proxy(proxy: Proxy | None, settings: ProxyConfig) -> Finding:
    if proxy is None:
        why = "by the agent's file" if settings.mode == "none" else "in the environment for this address"
        return Finding("portal.proxy", Status.OK, f"Proxy: none {why}")
    with_name = ", with a user name" if proxy.authorization else ""
    return Finding("portal.proxy", Status.OK, f"Proxy: {proxy.address}, named by {proxy.named_by}{with_name}")


def _open(
    portal: str, proxy: Proxy | None, ca_file: Path | None, now: Callable[[], datetime]
) -> Iterator[tuple[Finding, socket.socket | None]]:
    target = urlsplit(portal)
    host, port = host_port(portal).rsplit(":", 1)
    host = host.strip("[]")
    first = (proxy.host, proxy.port) if proxy else (host, int(port))
    try:
        addresses = sorted({str(found[4][0]) for found in socket.getaddrinfo(*first, type=socket.SOCK_STREAM)})
    except OSError as error:
        repair = (f"Make {first[0]} known to this machine's name service, or correct its spelling.",)
        yield Finding("portal.name", Status.FAILED, f"Name: {first[0]} is not known: {_text(error)}", repair), None
        return
    yield Finding("portal.name", Status.OK, f"Name: {first[0]} is {', '.join(addresses)}"), None
    began = time.monotonic()
    try:
        plain = channel.reach(first)
    except OSError as error:
        text = f"TCP: no connection to {first[0]}:{first[1]}: {_text(error)}"
        yield Finding("portal.tcp", Status.FAILED, text, (f"Allow outbound TCP to {first[0]}:{first[1]}.",)), None
        return
    yield Finding("portal.tcp", Status.OK, f"TCP: {first[0]}:{first[1]} answers", took_ms=_since(began)), plain
    if proxy and target.scheme == "https":
        try:
            channel.through_proxy(plain, proxy, (host, int(port)))
        except OSError as error:
            plain.close()
            repair = (
                f"Allow {host}:{port} on the proxy; where it asks for a name: user and password_file in [proxy].",
            )
            yield Finding("portal.tunnel", Status.FAILED, f"Proxy: no way through: {_text(error)}", repair), None
            return
        yield Finding("portal.tunnel", Status.OK, f"Proxy: lets through to {host}:{port}"), plain
    if target.scheme != "https":
        yield Finding("portal.tls", Status.SKIPPED, "TLS: none, plain http on this machine itself"), plain
        return
    yield _tls(plain, host, ca_file, now())


def _tls(plain: socket.socket, host: str, ca_file: Path | None, now: datetime) -> tuple[Finding, socket.socket | None]:
    began = time.monotonic()
    peer = plain.getpeername()
    try:
        secured = channel.agree_on_tls(plain, host, tls_context(ca_file))
    except ssl.SSLCertVerificationError as error:
        plain.close()
        issuer = _issuer_at(peer, host)
        text = f"TLS: the certificate was refused: {error.verify_message}{f'; issued by {issuer}' if issuer else ''}"
        repair = (
            "If a proxy of yours breaks TLS open, exempt the portal; else give its authority as ca_file, or renew it.",
        )
        return Finding("portal.tls", Status.FAILED, text, repair), None
    except OSError as error:
        plain.close()
        return Finding("portal.tls", Status.FAILED, f"TLS: none could be agreed on: {_text(error)}"), None
    der = secured.getpeercert(binary_form=True) or b""
    return judge_certificate("portal.tls", der, now, _since(began)), secured


def _issuer_at(peer: tuple[str, int], host: str) -> str:
    """Who issued what is refused; "" where that cannot be found out. Nothing is sent there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with channel.reach(peer[:2]) as plain, channel.agree_on_tls(plain, host, context) as secured:
            der = secured.getpeercert(binary_form=True) or b""
        return x509.load_der_x509_certificate(der).issuer.rfc4514_string()
    except (OSError, ValueError):
        return ""


def _door(open_channel: socket.socket, portal: str, now: Callable[[], datetime]) -> Iterator[Finding]:
    began = time.monotonic()
    try:
        status, date, body = channel.ask(open_channel, portal + _HEALTH)
    except (OSError, http.client.HTTPException) as error:
        yield Finding("portal.door", Status.FAILED, f"Portal: no answer to {_HEALTH}: {_text(error)}")
        return
    took = _since(began)
    if status != http.client.OK or b'"ok"' not in body:
        repair = ("Is this the address of the agents' door? A page of a proxy would look like this too.",)
        yield Finding("portal.door", Status.FAILED, f"Portal: {_HEALTH} answered {status}, not ok", repair)
        return
    yield Finding("portal.door", Status.OK, "Portal: the agents' door is open", took_ms=took)
    yield _clocks(date, now())


def _clocks(date: str, ours: datetime) -> Finding:
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return Finding("portal.clock", Status.SKIPPED, "Clock: the portal did not tell its time")
    skew = round((ours - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds())
    if abs(skew) <= _SKEW_S:
        return Finding("portal.clock", Status.OK, f"Clock: {abs(skew)} s from the portal's")
    way = "ahead of" if skew > 0 else "behind"
    text = f"Clock: {abs(skew)} s {way} the portal's. No deadline depends on it, but times in events will mislead"
    return Finding("portal.clock", Status.WARNING, text, ("Let this machine's clock follow a time server.",))


def _silence(open_channel: socket.socket, portal: str, idle: float) -> Finding:
    code = "portal.idle"
    if not idle:
        return Finding(code, Status.SKIPPED, "Silence: not tried; --idle 55 holds a silent connection for 55 s")
    repair = (f"Let proxies and firewalls keep a silent connection for {idle:.0f} s: a waiting agent says nothing.",)
    hung_up = channel.watch_silence(open_channel, idle)
    if hung_up is not None:
        text = f"Silence: a silent connection was cut after {hung_up:.0f} s"
        return Finding(code, Status.WARNING, text, repair)
    try:
        status, _, _ = channel.ask(open_channel, portal + _HEALTH)
    except (OSError, http.client.HTTPException) as error:
        text = f"Silence: after {idle:.0f} s nothing came through any more, without a word: {_text(error)}"
        return Finding(code, Status.WARNING, text, repair)
    return Finding(code, Status.OK, f"Silence: a connection lives through {idle:.0f} s of it (answered {status})")


def _credentials(link: Link | None) -> Finding:
    code = "portal.credentials"
    if link is None:
        repair = ("keyback agent onboard",)
        return Finding(code, Status.WARNING, "Credentials: this agent is not onboarded yet", repair)
    began = time.monotonic()
    try:
        link.sign_in()
    except NotConfirmed:
        repair = ("On the portal: keyback agents confirm ORGANIZATION NAME --fingerprint …",)
        return Finding(code, Status.WARNING, "Credentials: no administrator has confirmed this agent", repair)
    except Revoked:
        repair = ("keyback agent onboard, with a fresh code",)
        return Finding(code, Status.FAILED, "Credentials: an administrator has revoked this agent", repair)
    except LinkError as error:
        return Finding(code, Status.FAILED, f"Credentials: refused: {error}")
    return Finding(code, Status.OK, "Credentials: the portal accepts this agent", took_ms=_since(began))


def _since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
