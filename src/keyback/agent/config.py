"""The agent's own file, agent.toml: read once at the start into frozen values.

What the agent may do is written here, on its own machine, and nowhere else: no message from the portal widens it.
A wrong value stops the start with one clear line (ConfigurationError).
"""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from keyback.agent.files import read_private
from keyback.agent.proxies import ProxyConfig
from keyback.credentials import secret_file
from keyback.directory import (
    GROUPS,
    PEOPLE,
    Anchor,
    Contacts,
    Controllers,
    DirectoryServer,
    Shape,
    find_controllers,
    is_name,
)
from keyback.errors import ConfigurationError
from keyback.loopback import is_loopback
from keyback.password_settings import PasswordSettings
from keyback.protocol.limits import MAX_WORK_PER_POLL
from keyback.protocol.messages import Operation

__all__ = [
    "AgentConfig",
    "ForestConfig",
    "Limits",
    "Passwords",
    "Protected",
    "ServicePasswordTooLong",
    "checked_service_password",
    "load",
    "parse_config",
    "secure_url",
]

LONGEST_SERVICE_PASSWORD = 256
"""Characters of the service account's password (event 800700CE)."""


PATIENCE = 5.0
IMPATIENCE = 2.0
"""Seconds for TCP, and for TLS, to one controller of several: another one has to have answered within five."""


class ServicePasswordTooLong(ConfigurationError):
    """Event 800700CE."""

    code = "service_password_too_long"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Limits(_Frozen):
    """What this agent may do, and how often. Each operation is counted by itself; past a cap it stops until
    ``keyback agent resume``. Only what is written to the directory counts, except that every inspection does."""

    operations: frozenset[Operation] = frozenset(
        {Operation.INSPECT, Operation.VERIFY, Operation.RESET, Operation.CHANGE, Operation.UNLOCK}
    )
    per_hour: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000
    per_day: Annotated[int, Field(ge=1, le=10_000_000)] = 5_000


class Protected(_Frozen):
    """Accounts that are never written, beside those that Active Directory itself protects.

    ``sids``: of accounts or of groups. ``dns``: of accounts, or of what is above them. ``states``: what of an account
    keeps its person from a reset (an administrator may).
    """

    sids: frozenset[str] = frozenset()
    dns: frozenset[str] = frozenset()
    states: frozenset[Literal["cannot_change", "smart_card_required", "never_expires"]] = frozenset(
        {"cannot_change", "smart_card_required"}
    )


class Passwords(PasswordSettings, _Frozen):
    """What new passwords are held against beyond the directory's policy. ``mode``: off, audit (told in an event, but
    accepted) or enforce; where mode, strict or extended is left out, the organization's list says it, else enforce.

    The directory's own policy counts besides, and so do the rules of a profile, whatever the mode.
    ``banned_file``: further terms, one a line.
    """

    mode: Literal["off", "audit", "enforce"] | None = None
    strict: bool | None = None
    extended: bool | None = None
    banned_file: Path | None = None

    @field_validator("breached_url")
    @classmethod
    def _range_url(cls, value: str | None) -> str | None:
        return None if value is None else secure_url(value)


Attribute = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,127}$")]


class ContactTable(_Frozen):
    """Which attributes tell how to reach a person. All mail addresses count; of the telephones of a kind the first."""

    mail: tuple[Attribute, ...] = Contacts().mail
    mobile: tuple[Attribute, ...] = Contacts().mobile
    office_phone: tuple[Attribute, ...] = Contacts().office_phone


class ForestConfig(_Frozen):
    """One forest. A further domain of it has controllers and accounts of its own, so it is one more of these, under its
    own name.

    ``servers``: ``ldaps://host`` or ``ldap://host`` (then StartTLS), in the order of preference; without any they are
    found by DNS, those of ``site`` first, by way of ``scheme``. ``name_servers``: ``address[:port]``, in place of this
    machine's.

    The service account signs in by ``bind_dn`` and ``password_file``, or with Kerberos by ``keytab``, which on
    ``ldap://`` also encrypts and then needs no ``ca_file``.

    ``base_dns``: where people are looked for, and the only places where accounts may be written.
    ``domains``: what user IDs end in here. ``group_base_dns``: where groups are looked for; the whole domain if empty.

    In seconds: ``changes_interval_s`` how often the directory is asked what has changed, ``sweep_interval_s`` how often
    the portal is told who there is, ``sync_interval_s`` how often everybody is read.
    """

    name: Annotated[str, Field(min_length=1, max_length=255)]
    domains: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    servers: Annotated[tuple[str, ...], Field(max_length=50)] = ()
    site: Annotated[str, Field(max_length=63, pattern=r"^[^.\s]*$")] = ""
    scheme: Literal["ldaps", "ldap"] = "ldaps"
    name_servers: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    ca_file: Path | None = None
    bind_dn: str = ""
    password_file: Path | None = None
    keytab: Path | None = None
    base_dns: Annotated[tuple[str, ...], Field(min_length=1)]
    filter: str = PEOPLE
    anchor: Anchor = "objectGUID"
    contacts: ContactTable = ContactTable()
    group_base_dns: tuple[str, ...] = ()
    group_filter: str = GROUPS
    changes_interval_s: Annotated[int, Field(ge=1, le=3_600)] = 3
    sweep_interval_s: Annotated[int, Field(ge=5, le=86_400)] = 1_800
    sync_interval_s: Annotated[int, Field(ge=5, le=7 * 86_400)] = 86_400

    @property
    def shape(self) -> Shape:
        """What is read of people here."""
        table = self.contacts
        return Shape(self.anchor, Contacts(table.mail, table.mobile, table.office_phone))

    @field_validator("base_dns", "group_base_dns")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not is_name(name):
                raise ValueError(f"{name!r} is not a distinguished name (RFC 4514)")
        return value

    @field_validator("name", "domains")
    @classmethod
    def _lower(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return value.lower() if isinstance(value, str) else tuple(name.lower() for name in value)

    @model_validator(mode="after")
    def _one_account(self) -> ForestConfig:
        if (self.keytab is None) == (self.password_file is None):
            raise ValueError("give password_file, or keytab, and not both")
        if self.password_file and not self.bind_dn:
            raise ValueError("password_file needs bind_dn, the service account's name")
        sealed = self.keytab is not None and all(url.startswith("ldap:") for url in self.servers or [f"{self.scheme}:"])
        if self.ca_file is None and not sealed:
            raise ValueError("ca_file is needed: the authorities that vouch for the controllers")
        return self

    @property
    def account(self) -> str:
        """What the service account is called, for people."""
        return self.bind_dn or f"the principal of {self.keytab}"

    def servers_with_password(self) -> tuple[DirectoryServer, ...]:
        """The listed servers with the service account's credentials. Raises ConfigurationError."""
        return self._with_password(self.servers)

    def discover(self) -> list[tuple[DirectoryServer, bool]]:
        """The servers that DNS names, with the credentials, and whether each is of this site. Raises
        ConfigurationError, and Unreachable when DNS names none."""
        found = self._found()
        servers = self._with_password([f"{self.scheme}://{host}" for host in found.hosts])
        return [(server, host in found.near) for server, host in zip(servers, found.hosts, strict=True)]

    def controllers(self) -> tuple[str, ...]:
        """The host names that DNS knows. Raises Unreachable."""
        return self._found().hosts

    def _found(self) -> Controllers:
        return find_controllers(self.name, self.site, self.name_servers)

    def service_password(self) -> str:
        """ "" with a keytab. Raises ConfigurationError."""
        if self.password_file is None:
            return ""
        try:
            password = read_private(self.password_file).decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError:
            raise ConfigurationError(f"{self.password_file}: the password is not UTF-8") from None
        return checked_service_password(password, str(self.password_file))

    def _with_password(self, urls: Sequence[str]) -> tuple[DirectoryServer, ...]:
        password = self.service_password()
        keytab = self.keytab and secret_file(self.keytab)
        for file, what in ((self.ca_file, "certificate authorities"), (keytab, "Kerberos keys")):
            if file is not None and not file.is_file():
                raise ConfigurationError(f"{file}: there is no such file of {what}")
        if self.keytab is not None:
            read_private(self.keytab)
        try:
            return tuple(self.server(url, password, alone=len(urls) == 1) for url in urls)
        except ValueError as error:
            raise ConfigurationError(f"forest {self.name}: {error}") from None

    def server(self, url: str, password: str, *, alone: bool = True) -> DirectoryServer:
        """``alone``: where there is another one it is not waited for long. Raises ValueError."""
        return DirectoryServer(
            url=url,
            ca_file=self.ca_file,
            bind_dn=self.bind_dn,
            password=password,
            keytab=self.keytab and secret_file(self.keytab),
            network_timeout=PATIENCE if alone else IMPATIENCE,
        )


class AgentConfig(_Frozen):
    """``portal``: where the agents' door is; without it the address given when onboarding. ``ca_file``: the authorities
    that vouch for the portal, in place of the system's. ``key_life_s``: how old an unsealing key gets."""

    portal: str | None = None
    name: Annotated[str, Field(min_length=1, max_length=100)] = Field(default_factory=socket.gethostname)
    state_dir: Path
    ca_file: Path | None = None
    capacity: Annotated[int, Field(ge=1, le=MAX_WORK_PER_POLL)] = 8
    key_life_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = 86_400
    forest: Annotated[tuple[ForestConfig, ...], Field(min_length=1, max_length=50)]
    limits: Limits = Limits()
    protected: Protected = Protected()
    passwords: Passwords = Passwords()
    proxy: ProxyConfig = ProxyConfig()

    @field_validator("portal")
    @classmethod
    def _portal_url(cls, value: str | None) -> str | None:
        return None if value is None else secure_url(value)

    @model_validator(mode="after")
    def _forests_differ(self) -> AgentConfig:
        names = [forest.name for forest in self.forest]
        if len(set(names)) < len(names):
            raise ValueError("two forests have the same name")
        return self


def checked_service_password(password: str, source: str) -> str:
    """The same. Raises ServicePasswordTooLong; ``source``: where it is from, for the message."""
    if len(password) > LONGEST_SERVICE_PASSWORD:
        raise ServicePasswordTooLong(
            f"{source}: 800700CE: the service account's password is longer than "
            f"{LONGEST_SERVICE_PASSWORD} characters; set a shorter one"
        )
    return password


def secure_url(value: str) -> str:
    """The portal's address without a slash at the end. Raises ValueError for plain http beyond loopback."""
    url = urlsplit(value)
    host = url.hostname or ""
    if not host or url.username or url.query or url.fragment:
        raise ValueError("must be an address such as https://portal.example.com")
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(host)):
        return value.rstrip("/")
    raise ValueError("must begin with https:// (plain http is for loopback only)")


def load(path: Path) -> AgentConfig:
    """The configuration in this file. Raises ConfigurationError with one line that names the field."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> AgentConfig:
    """The same for a text that is, or is to be, in this file."""
    try:
        return AgentConfig.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"{path}: {place}: {first['msg']}") from None
