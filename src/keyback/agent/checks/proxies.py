"""Which proxy the environment names for the portal. The agent's HTTP client asks the same question of the same
variables; a proxy's own credentials never leave this module in a text."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["Proxy", "proxy_for"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """``authorization``: the header's value for Basic, "" without credentials."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy on the way to ``url``, or None."""
    target = urlsplit(url)
    named = getproxies()
    proxy = named.get(target.scheme) or named.get("all")
    if not proxy or proxy_bypass(target.hostname or ""):
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), authorization)
