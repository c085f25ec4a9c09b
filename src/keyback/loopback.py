"""Whether a name or address is this machine itself: what never leaves it may be plain."""

from __future__ import annotations

from ipaddress import ip_address

__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """``host``: as it stands in a URL, an IPv6 address in brackets or not. Judged as a whole, since others may call
    themselves ``localhost.example.com``."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
