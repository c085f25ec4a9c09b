"""The portal's configuration: one TOML file, read once at the start into frozen values.

The file's path comes from ``KEYBACK_CONFIG``. A wrong value stops the start with one clear line (ConfigurationError).
Secrets stand in files of their own (``keys_dir``, ``password_file``), never in the TOML and never in the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from keyback.errors import ConfigurationError
from keyback.loopback import is_loopback
from keyback.password_settings import PasswordSettings

__all__ = ["Config", "GatewayConfig", "MailConfig", "PasswordsConfig", "ServiceConfig", "Template", "load", "read"]


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
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError('security "none" is only for a mail server on this machine: use "starttls" or "tls"')
        return self


Template = JsonValue
"""Text with ``{placeholders}``, or lists and objects of such texts."""


class GatewayConfig(_Frozen):
    """An HTTP gateway that sends text messages or makes calls: one POST each, taken where it answers 2xx.

    ``fields``: what stands in the form, or in the JSON object; a body of ``text`` is the field ``text`` alone. Their
    texts, and those of ``headers``, may hold ``{to}`` (``+441632960001``), ``{digits}`` (the same without +),
    ``{text}``, ``{language}``, ``{id}`` (the same for every try of one message) and the names of ``secrets``, which
    stand in files. ``timeout_s`` in seconds.

    ``keys``: a file with what the gateway shows for itself (``Authorization: Bearer …``) when it reports at
    ``/gateway/keys`` which key was pressed in a call. With it, calls ask for # and speak no code.
    """

    url: str
    body: Literal["form", "json", "text"] = "form"
    fields: dict[str, Template]
    headers: dict[str, str] = {}
    secrets: dict[str, Path] = {}
    timeout_s: Annotated[float, Field(ge=1, le=10)] = 5
    keys: Path | None = None

    @field_validator("url")
    @classmethod
    def _encrypted_unless_local(cls, value: str) -> str:
        return _secure(value)

    @model_validator(mode="after")
    def _known_placeholders(self) -> GatewayConfig:
        known = {"to", "digits", "text", "language", "id", *self.secrets}
        used = {name for text in _texts([self.fields, dict(self.headers)]) for name in _placeholders(text)}
        if used - known:
            raise ValueError(f"unknown placeholder {{{min(used - known)}}}; there are: {', '.join(sorted(known))}")
        if not {"to", "digits"} & used or "text" not in used:
            raise ValueError("the fields must hold {text}, and {to} or {digits}")
        if self.keys is not None and "id" not in used:
            raise ValueError("a gateway that reports keys must be told {id}")
        if self.body == "text" and self.fields.keys() != {"text"}:
            raise ValueError('a body of "text" has the field "text" alone; the rest stands in headers')
        return self


class ServiceConfig(_Frozen):
    """One of the services that apprise can reach. ``service``: a file with its URL as apprise's manual describes it, in
    a file since it holds secrets; ``{to}`` or ``{digits}`` stand for the number in it."""

    service: Path


def _telephony(value: object) -> str:
    named = "service" in value if isinstance(value, dict) else isinstance(value, ServiceConfig)
    return "service" if named else "gateway"


Telephony = Annotated[
    Annotated[GatewayConfig, Tag("gateway")] | Annotated[ServiceConfig, Tag("service")], Discriminator(_telephony)
]


def _texts(template: Template) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list):
        for part in template.values() if isinstance(template, dict) else template:
            yield from _texts(part)


def _placeholders(text: str) -> Iterator[str]:
    for _literal, name, form, conversion in Formatter().parse(text):
        if name is not None and (form or conversion or not name.isidentifier()):
            raise ValueError("a placeholder is a name in braces; a brace itself is written twice")
        if name is not None:
            yield name


def _secure(value: str) -> str:
    url = urlsplit(value)
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or "")):
        return value
    raise ValueError("must begin with https:// (plain http is for loopback only)")


class PasswordsConfig(PasswordSettings, _Frozen):
    """What the passwords of people are held against whose password lives in the portal, beside the banned words."""

    @field_validator("breached_url")
    @classmethod
    def _range_url(cls, value: str | None) -> str | None:
        return None if value is None else _secure(value).rstrip("/")


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
    sms: Telephony | None = None
    voice: Telephony | None = None
    passwords: PasswordsConfig = PasswordsConfig()

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value

    @field_validator("public_url")
    @classmethod
    def _secure_url(cls, value: str) -> str:
        value = _secure(value).rstrip("/")
        url = urlsplit(value)
        try:
            url.port  # noqa: B018 — raises where it is none
        except ValueError:
            raise ValueError("has a port that is none") from None
        if not url.hostname or url.username is not None or url.path or url.query or url.fragment:
            raise ValueError("must be a scheme and a name, perhaps with a port, like https://reset.example.com")
        return value

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def host(self) -> str:
        return urlsplit(self.public_url).hostname or ""

    @property
    def origin(self) -> str:
        """``public_url`` as browsers say it: in small letters, and without the port that goes without saying."""
        url = urlsplit(self.public_url)
        usual = {"https": 443, "http": 80}[url.scheme]
        return f"{url.scheme}://{self.host_header}" + (f":{url.port}" if url.port not in (None, usual) else "")

    @property
    def host_header(self) -> str:
        """The same as browsers name it: an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host


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
