"""The way out: straight, through the proxy that the environment names, or through a configured one, with Basic.

A proxy's own credentials never leave this module in a text.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from keyback.agent.files import read_private
from keyback.errors import ConfigurationError

__all__ = ["Proxy", "ProxyConfig", "proxy_for", "transport"]


class ProxyConfig(BaseModel):
    """[proxy] of the agent's file. ``mode``: *environment* (HTTPS_PROXY, NO_PROXY), *none*, or *configured*: ``url``,
    with ``user`` and ``password_file`` where the proxy asks for them (Basic)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    mode: Literal["environment", "none", "configured"] = "environment"
    url: str | None = None
    user: Annotated[str, Field(pattern=r"^[^:\x00-\x1f]*$")] = ""
    password_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be an address such as http://proxy.example.com:3128")
        if parts.username is not None:
            raise ValueError("give the user name as user and the password in password_file")
        return value

    @model_validator(mode="after")
    def _whole(self) -> ProxyConfig:
        if (self.mode == "configured") != (self.url is not None):
            raise ValueError("url belongs to mode configured")
        if bool(self.user) != (self.password_file is not None) or (self.user and self.url is None):
            raise ValueError("user and password_file belong together, and to a url")
        return self

    def credentials(self) -> tuple[str, str] | None:
        """Raises ConfigurationError."""
        if self.password_file is None:
            return None
        try:
            return self.user, read_private(self.password_file).decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError:
            raise ConfigurationError(f"{self.password_file}: the password is not UTF-8") from None


@dataclass(frozen=True, slots=True)
class Proxy:
    """``authorization``: the header's value for Basic, "" without credentials. ``named_by``: who named it."""

    host: str
    port: int
    named_by: str
    authorization: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def transport(config: ProxyConfig) -> tuple[httpx2.Proxy | None, bool]:
    """For an HTTP client: the proxy, and whether it may look into the environment. Raises ConfigurationError."""
    if config.url is None:
        return None, config.mode == "environment"
    return httpx2.Proxy(config.url, auth=config.credentials()), False


def proxy_for(url: str, config: ProxyConfig) -> Proxy | None:
    """The proxy on the way to ``url``, or None. The HTTP client asks the same question. Raises ConfigurationError."""
    if config.mode == "none":
        return None
    if config.url is not None:
        return _proxy(config.url, config.credentials(), "the agent's file")
    target = urlsplit(url)
    named = getproxies()
    proxy = named.get(target.scheme) or named.get("all")
    if not proxy or proxy_bypass(target.hostname or ""):
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    pair = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return _proxy(proxy, pair, "the environment")


def _proxy(url: str, pair: tuple[str, str] | None, named_by: str) -> Proxy:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    basic = "" if pair is None else f"Basic {base64.b64encode(':'.join(pair).encode()).decode()}"
    return Proxy(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), named_by, basic)
