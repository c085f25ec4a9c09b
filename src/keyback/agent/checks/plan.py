"""What an administrator asks first: which accounts this agent uses, and which hosts and ports it must reach."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from keyback.agent.checks.findings import Finding, Section, Status
from keyback.agent.config import AgentConfig
from keyback.agent.proxies import proxy_for
from keyback.protocol.messages import Operation

__all__ = ["accounts", "host_port", "hosts", "plan"]

_PORTS = {"https": 443, "http": 80, "ldaps": 636, "ldap": 389}


def accounts(config: AgentConfig) -> list[tuple[str, str]]:
    """Each forest's name, and the account that is used there."""
    return [(forest.name, forest.account) for forest in config.forest]


def hosts(config: AgentConfig, portal: str | None) -> list[str]:
    """``host:port`` of everything that this machine connects to, once each; of a proxy in the portal's place."""
    found = []
    if portal:
        proxy = proxy_for(portal, config.proxy)
        found.append(proxy.address if proxy else host_port(portal))
    found += [host_port(server) for forest in config.forest for server in forest.servers]
    return list(dict.fromkeys(found))


def host_port(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS.get(parts.scheme, 443)}"


def plan(config: AgentConfig, portal: str | None) -> Section:
    """The first lines of the report."""
    used = [Finding("plan.account", Status.NOTE, f"Account in {name}: {account}") for name, account in accounts(config)]
    allow = [Finding("plan.host", Status.NOTE, f"Allow outbound TCP to {address}") for address in hosts(config, portal)]
    return Section("What this agent uses", (*used, *allow, *_also(config)))


def _also(config: AgentConfig) -> Iterator[Finding]:
    for forest in config.forest:
        if not forest.servers:
            port = _PORTS[forest.scheme]
            text = f"Allow DNS, and outbound TCP {port} to every controller of {forest.name} that it names"
            yield Finding("plan.discovery", Status.NOTE, text)
        if forest.keytab:
            text = f"Allow outbound TCP and UDP 88 to the controllers of {forest.name}"
            yield Finding("plan.kerberos", Status.NOTE, text)
        elif Operation.VERIFY in config.limits.operations:
            text = f"Allow outbound TCP 88 to the controllers of {forest.name}, for sign-ins that are passed through"
            yield Finding("plan.kerberos", Status.NOTE, text)
