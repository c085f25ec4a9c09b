"""The portal's configuration: one TOML file, read once at the start into frozen values.

The file's path comes from ``KEYBACK_CONFIG``. A wrong value stops the start with one clear line (ConfigurationError).
Secrets stand in files of their own (``keys_dir``, ``password_file``), never in the TOML and never in the environment.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from keyback.errors import ConfigurationError

__all__ = ["Config", "MailConfig", "load", "read"]

LOOPBACK = ("127.", "localhost", "[::1]", "::1")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MailConfig(_Frozen):
    """An SMTP server. ``security``: ``none`` is accepted on loopback only."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    security: Literal["none", "starttls", "tls"] = "none"
    user: str = ""
    password_file: Path | None = None
    sender: str = "keyback@localhost.localdomain"

    @model_validator(mode="after")
    def _encrypted_unless_local(self) -> MailConfig:
        if self.security == "none" and not self.host.startswith(LOOPBACK):
            raise ValueError('security "none" is only for a mail server on this machine: use "starttls" or "tls"')
        return self


class Config(_Frozen):
    """``public_url``: where people reach the portal; links in mail are built from it, never from a request.

    ``database``: ``sqlite:///absolute/path`` or a ``postgresql://`` URL. ``trusted_proxies``: how many reverse proxies
    of yours stand before the portal, each adding one address to X-Forwarded-For; 0 means that the header is ignored.
    """

    public_url: str
    listen: str = "127.0.0.1:8080"
    state_dir: Path
    keys_dir: Path
    database: str
    trusted_proxies: Annotated[int, Field(ge=0, le=5)] = 0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    product: str = "Keyback"
    office_networks: tuple[str, ...] = ()
    work_cost: Annotated[int, Field(ge=1, le=10_000_000)] = 5_000
    mail: MailConfig = MailConfig()

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value

    @field_validator("public_url")
    @classmethod
    def _secure_url(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme == "https" or (url.scheme == "http" and (url.hostname or "").startswith(LOOPBACK)):
            return value.rstrip("/")
        raise ValueError("must begin with https:// (plain http is for loopback only)")

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def host(self) -> str:
        return urlsplit(self.public_url).hostname or ""


def load(path: Path) -> Config:
    """The configuration in this file. Raises ConfigurationError with one line that names the field."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file; make one with 'keyback init'") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"{path}: {place}: {first['msg']}") from None


@cache
def read() -> Config:
    """The configuration of this process, from ``KEYBACK_CONFIG``."""
    path = os.environ.get("KEYBACK_CONFIG")
    if not path:
        raise ConfigurationError(
            "KEYBACK_CONFIG is not set: give the path of the portal's TOML file ('keyback init' makes one)"
        )
    return load(Path(path))
