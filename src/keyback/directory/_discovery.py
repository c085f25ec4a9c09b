"""Finding domain controllers by DNS, as Windows clients do (MS-ADTS 6.3.2.3, RFC 2782)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import dns.exception
import dns.resolver
from dns.rdatatype import SRV

from keyback.directory.errors import Unreachable

__all__ = ["Controllers", "find_controllers"]

_HOST = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Controllers:
    """Host names in the order of preference: those of the site, the others, and last the PDC emulator where it is none
    of them. ``near``: those of the site; all of them where no site was asked for, or it has none."""

    hosts: tuple[str, ...]
    near: frozenset[str]


def find_controllers(domain: str, site: str = "", name_servers: Sequence[str] = (), limit: float = 3.0) -> Controllers:
    """``name_servers``: ``address`` or ``address:port``, in place of this machine's. ``limit``: seconds for each
    question. Raises Unreachable when DNS names none.

    Records are ordered by priority and weight; the load is not spread by weight, since one agent is no load to spread.
    """
    resolver = _resolver(name_servers, limit)
    zone = f"dc._msdcs.{domain}"
    in_site = _hosts(resolver, f"_ldap._tcp.{site}._sites.{zone}") if site else []
    everywhere = _hosts(resolver, f"_ldap._tcp.{zone}")
    emulator = _hosts(resolver, f"_ldap._tcp.pdc._msdcs.{domain}")
    hosts = tuple(dict.fromkeys([*in_site, *everywhere, *emulator]))
    if not hosts:
        raise Unreachable(domain, f"DNS names no domain controller (_ldap._tcp.{zone})")
    return Controllers(hosts, frozenset(in_site or hosts))


def _resolver(name_servers: Sequence[str], limit: float) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=not name_servers)
    if name_servers:
        found = [dns.nameserver.Do53Nameserver(*_address(one)) for one in name_servers]
        resolver.nameservers = found
    resolver.lifetime = limit
    return resolver


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "53")
    return host.strip("[]"), int(port)


def _hosts(resolver: dns.resolver.Resolver, name: str) -> list[str]:
    try:
        answer = resolver.resolve(name, SRV, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise Unreachable(name, f"DNS: {type(error).__name__}") from error
    records = sorted(answer, key=lambda one: (one.priority, -one.weight, one.target))
    hosts = [one.target.to_text(omit_final_dot=True).lower() for one in records]
    # They become part of an address, in which other characters would mean something.
    return [host for host in hosts if _HOST.fullmatch(host)]
