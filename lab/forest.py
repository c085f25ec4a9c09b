"""What is known about a running forest: where it listens, whom it trusts, which files describe it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lab._directory import Directory
from lab._namespace import Started
from lab._root import root_dir
from lab._settings import DEFAULT_NAME, Flavour, realm_of, run_dir
from lab.errors import NotRunningError
from lab.people import PEOPLE_OU, SERVICE_ACCOUNT, SERVICES_OU

STATE_FILE = "forest.json"


@dataclass(frozen=True, slots=True)
class Controller:
    """One domain controller. ``keeper`` and ``first`` are None while it is killed.

    ``replication_id`` is the objectGUID of its NTDS Settings, by which its partners find it; empty while it has none.
    ``read_only``: it holds a copy without passwords, the service account's excepted.
    """

    name: str
    ip: str
    keeper: Started | None = None
    first: Started | None = None
    replication_id: str = ""
    read_only: bool = False

    @property
    def running(self) -> bool:
        return self.first is not None and self.first.alive()


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest as its clients see it. All paths are absolute; password files have mode 0600 and no line end.

    ``domain`` is what its realm is made of: ``corp`` for ``CORP.EXAMPLE.TEST``. Forests of different names may have the
    same domain; they are separate copies then.
    """

    name: str
    domain: str
    flavour: Flavour
    directory: Path = field(repr=False)
    controllers: tuple[Controller, ...] = ()

    @property
    def realm(self) -> str:
        return realm_of(self.domain)

    @property
    def dns_domain(self) -> str:
        return self.realm.lower()

    @property
    def netbios(self) -> str:
        return self.domain.upper()

    @property
    def base_dn(self) -> str:
        return ",".join(f"DC={label}" for label in self.dns_domain.split("."))

    @property
    def people_dn(self) -> str:
        return f"{PEOPLE_OU},{self.base_dn}"

    @property
    def ip(self) -> str:
        """The address of the first controller."""
        return self.controllers[0].ip

    @property
    def host(self) -> str:
        return f"{self.controllers[0].name}.{self.dns_domain}"

    @property
    def ldaps_url(self) -> str:
        """By address, which the certificate carries, so that no name needs to resolve."""
        return f"ldaps://{self.ip}"

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def service_dn(self) -> str:
        return f"CN={SERVICE_ACCOUNT},{SERVICES_OU},{self.base_dn}"

    @property
    def service_upn(self) -> str:
        return f"{SERVICE_ACCOUNT}@{self.dns_domain}"

    @property
    def service_password_file(self) -> Path:
        return self.directory / f"{SERVICE_ACCOUNT}.password"

    @property
    def administrator_upn(self) -> str:
        return f"Administrator@{self.dns_domain}"

    @property
    def administrator_password_file(self) -> Path:
        return self.directory / "administrator.password"

    @property
    def krb5_conf(self) -> Path:
        """For the host's Kerberos clients: ``KRB5_CONFIG=… kinit ada``."""
        return self.directory / "krb5.conf"

    def krb5_conf_of(self, controller: str) -> Path:
        """The same with one controller as the only key distribution centre."""
        return self.directory / f"krb5-{controller}.conf"

    @property
    def audit_file(self) -> Path:
        """The first controller's JSON log of password changes and resets."""
        return self.data_of(self.controllers[0]) / "log/passwords.json"

    @property
    def root(self) -> Path:
        return root_dir(self.flavour)

    def controller(self, name: str | None = None) -> Controller:
        """The controller of that name, the first one without a name."""
        for controller in self.controllers:
            if name in (None, controller.name):
                return controller
        raise NotRunningError(f"forest {self.name} has no controller {name}")

    def having(self, controller: Controller) -> Forest:
        """With ``controller`` in the place of the one of its name, or added."""
        known = {each.name: each for each in self.controllers} | {controller.name: controller}
        return replace(self, controllers=tuple(known.values()))

    def data_of(self, controller: Controller) -> Path:
        return self.directory / controller.name

    def administrator(self, controller: str | None = None) -> Directory:
        """A connection to the first (or the named) controller as the Administrator."""
        return Directory(
            f"ldaps://{self.controller(controller).ip}",
            self.ca_file,
            self.base_dn,
            self.administrator_upn,
            self.administrator_password_file.read_text(),
        )

    def service(self, controller: str | None = None) -> Directory:
        """The same as the service account."""
        url = f"ldaps://{self.controller(controller).ip}"
        password = self.service_password_file.read_text()
        return Directory(url, self.ca_file, self.base_dn, self.service_upn, password)

    def as_json(self) -> dict[str, Any]:
        """Everything above, as ``lab status --json`` prints it."""
        return {
            "name": self.name,
            "flavour": self.flavour,
            "realm": self.realm,
            "dns_domain": self.dns_domain,
            "netbios": self.netbios,
            "ip": self.ip,
            "host": self.host,
            "ldaps_url": self.ldaps_url,
            "ca_file": str(self.ca_file),
            "base_dn": self.base_dn,
            "people_dn": self.people_dn,
            "service_dn": self.service_dn,
            "service_upn": self.service_upn,
            "service_password_file": str(self.service_password_file),
            "administrator_upn": self.administrator_upn,
            "administrator_password_file": str(self.administrator_password_file),
            "audit_file": str(self.audit_file),
            "krb5_conf": str(self.krb5_conf),
            "controllers": [
                {
                    "name": controller.name,
                    "ip": controller.ip,
                    "ldaps_url": f"ldaps://{controller.ip}",
                    "pid": controller.first.pid if controller.first else None,
                    "running": controller.running,
                }
                for controller in self.controllers
            ],
        }

    def save(self) -> None:
        state = {
            "domain": self.domain,
            "flavour": self.flavour,
            "controllers": [asdict(controller) for controller in self.controllers],
        }
        fresh = self.directory / f".{STATE_FILE}"
        fresh.write_text(json.dumps(state, indent=1))
        fresh.rename(self.directory / STATE_FILE)


def describe(name: str = DEFAULT_NAME) -> Forest:
    """The forest called ``name``; :class:`NotRunningError` when ``lab up`` was not called."""
    realm_of(name)  # refuses what is no name, before it becomes a path
    return load(name, run_dir() / name)


def load(name: str, directory: Path) -> Forest:
    """The forest whose data is in ``directory``."""
    try:
        state = json.loads((directory / STATE_FILE).read_text())
    except FileNotFoundError:
        raise NotRunningError(f"no forest {name} is up: lab up {name}") from None
    controllers = tuple(
        Controller(
            row["name"],
            row["ip"],
            Started(**row["keeper"]) if row["keeper"] else None,
            Started(**row["first"]) if row["first"] else None,
            row.get("replication_id", ""),
            row.get("read_only", False),
        )
        for row in state["controllers"]
    )
    return Forest(name, state.get("domain", name), state["flavour"], directory, controllers)


def describe_all() -> list[Forest]:
    """Every forest that is up, by name."""
    return [describe(path.parent.name) for path in sorted(run_dir().glob(f"*/{STATE_FILE}"))]
