"""The Debian package on a clean machine with a real systemd: installed, upgraded under load, purged, and back again.

KEYBACK_PACKAGE=FILE     this package of version 0.1.0 instead of one that is built now
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from lab import api
from lab.forest import Forest
from lab.machine import Machine, machine
from lab.people import Kind, Person, alternative_suffixes
from lab.stack import agent_toml, free_port
from lab.testing import forest, new_person
from tests.support.waiting import wait_until

__all__ = ["forest", "new_person"]

pytestmark = pytest.mark.scale

TREE = Path(__file__).parents[2]
OLDER, NEWER = "0.0.9", "0.1.0"
SERVICES = ("keyback-portal.service", "keyback-agent.service")
PATIENCE = 180.0  # seconds: everything here may stand beside other work on loaded cores
AGENT_STATE = ("identity.json", "keys/sign.pem", "keys/unseal.json")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By version. The older one is the same build under an older number: all its files go, and others come."""
    directory = tmp_path_factory.mktemp("packages")
    if os.environ.get("KEYBACK_PACKAGE"):
        newer = Path(os.environ["KEYBACK_PACKAGE"])
    else:
        made = subprocess.run(
            [TREE / "packaging/build-deb", NEWER], cwd=TREE, check=True, stdout=subprocess.PIPE, text=True
        )
        newer = TREE / made.stdout.split()[-1]
    unpacked, older = directory / "unpacked", directory / f"keyback_{OLDER}.deb"
    subprocess.run(["dpkg-deb", "-R", newer, unpacked], check=True)
    home, launcher = unpacked / "usr/lib/keyback", unpacked / "usr/bin/keyback"
    (home / NEWER).rename(home / OLDER)
    launcher.write_text(launcher.read_text().replace(f"/{NEWER}/", f"/{OLDER}/"))
    for metadata in (
        unpacked / "DEBIAN/control",
        *home.glob("*/lib/*/*/keyback-*.dist-info/METADATA"),
    ):
        metadata.write_text(re.sub(rf"(?m)^Version: {NEWER}$", f"Version: {OLDER}", metadata.read_text()))
    subprocess.run(["dpkg-deb", "-Zzstd", "--root-owner-group", "-b", unpacked, older], check=True, capture_output=True)
    shutil.rmtree(unpacked)
    return {OLDER: older, NEWER: newer}


@dataclass
class Site:
    """A machine, and what an administrator types on it."""

    machine: Machine
    forest: Forest
    url: str = field(default_factory=lambda: f"http://127.0.0.1:{free_port()}")

    def install(self, package: Path) -> None:
        target = self.machine.root / "root" / package.name
        shutil.copyfile(package, target)
        self.machine.run("apt-get", "update", "-qq")
        self.machine.run("apt-get", "install", "-qq", "-y", "--no-install-recommends", f"/root/{package.name}")

    def keyback(self, *arguments: str) -> str:
        return self.machine.run("keyback", *arguments)

    def set_up(self) -> None:
        """A portal with one organization, and an agent of it, both as services."""
        self.keyback("init", "--dir", "/var/lib/keyback", "--public-url", self.url)
        self.keyback("org", "create", "Example", "--slug", "example", "--admin-mail", "it@example.test")
        for domain in (self.forest.dns_domain, *alternative_suffixes(self.forest.dns_domain)):
            self.keyback("domain", "add", "example", domain)
            self.keyback("domain", "verify", "example", domain, "--by-operator")
        self.machine.run("systemctl", "start", "keyback-portal")
        wait_until(self.answers, timeout=PATIENCE, what="the portal")
        etc = self.machine.root / "etc/keyback"
        shutil.copyfile(self.forest.ca_file, etc / "ad-ca.pem")
        secret = etc / "secrets/service.password"
        secret.write_bytes(self.forest.service_password_file.read_bytes())
        secret.chmod(0o600)
        text = agent_toml(self.url, Path("/var/lib/keyback-agent"), [self.forest], sync_interval=5)
        text = text.replace(str(self.forest.ca_file), "/etc/keyback/ad-ca.pem")
        (etc / "agent.toml").write_text(
            text.replace(str(self.forest.service_password_file), "/etc/keyback/secrets/service.password")
        )
        self.onboard()

    def onboard(self) -> None:
        code = self.keyback("agent-code", "create", "example").split()[-1]
        said = self.keyback("agent", "onboard", "--code", code, "--name", "one")
        found = re.search(r"([0-9a-f]{4} ){7}[0-9a-f]{4}", said)
        assert found, said
        self.keyback("agents", "confirm", "example", "one", "--fingerprint", found.group())
        self.machine.run("systemctl", "start", "keyback-agent")
        wait_until(lambda: "ada@" in self.keyback("person", "list", "example"), timeout=PATIENCE, what="the people")

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/agents/v1/health", trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    def agent(self) -> dict[str, object]:
        rows = [json.loads(line) for line in self.keyback("agents", "list", "example", "--json").splitlines()]
        (row,) = [row for row in rows if row["state"] == "confirmed"]
        return dict(row)

    def kept(self) -> dict[str, str]:
        """What an upgrade must not touch, by its digest."""
        state, etc = self.machine.root / "var/lib/keyback-agent", self.machine.root / "etc/keyback"
        portal = self.machine.root / "var/lib/keyback"
        files = [*(state / name for name in AGENT_STATE), etc / "agent.toml", portal / "portal.toml"]
        files += sorted((portal / "keys").iterdir())
        return {str(path.relative_to(self.machine.root)): _digest(path) for path in files}

    def reset(self, person: Person) -> str:
        """The password that stands afterwards."""
        said = self.keyback("admin", "reset", person.user_id(self.forest.dns_domain), "--generate", "--keep")
        found = re.search(r"The new password is: (\S+)", said)
        assert found, said
        return found.group(1)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def site(packages: dict[str, Path], forest: Forest) -> Iterator[Site]:
    """The older package, set up and at work."""
    with machine() as booted:
        site = Site(booted, forest)
        site.install(packages[OLDER])
        site.set_up()
        yield site


def test_both_run_as_users_of_their_own_behind_their_walls(site: Site) -> None:
    for unit, user in zip(SERVICES, ("keyback", "keyback-agent"), strict=True):
        assert site.machine.active(unit), site.machine.run("journalctl", "-u", unit, "--no-pager")
        assert site.machine.run("systemctl", "is-enabled", unit).strip() == "enabled"
        assert site.machine.run("systemctl", "show", "-p", "User", "--value", unit).strip() == user
        # 0 is a perfect wall, 10 none at all.
        verdict = site.machine.run("systemd-analyze", "security", "--no-pager", unit)
        exposed = re.search(r"Overall exposure level for \S+: ([0-9.]+)", verdict)
        assert exposed and float(exposed.group(1)) < 2.5, verdict
    for place in ("etc/keyback/secrets", "var/lib/keyback", "var/lib/keyback-agent"):
        assert (site.machine.root / place).stat().st_mode & 0o077 == 0


def test_a_reset_works_through_the_services(site: Site, new_person) -> None:  # type: ignore[no-untyped-def]
    person = _known(site, new_person(Kind.ORDINARY))
    password = site.reset(person)
    assert api.kinit(site.forest, person.account, password) is api.SignIn.OK


def test_it_starts_again_after_kill_9_and_after_a_boot_without_directory_or_portal(site: Site) -> None:
    for unit in SERVICES:
        site.machine.run("systemctl", "kill", "--signal=KILL", unit)
    wait_until(lambda: all(map(site.machine.active, SERVICES)), timeout=PATIENCE, what="both to run again")
    site.machine.run("systemctl", "stop", "keyback-portal", "keyback-agent")
    site.machine.run("systemctl", "start", "keyback-agent")
    wait_until(
        lambda: "32002" in site.keyback("agent", "events", "--last", "20"), timeout=PATIENCE, what="its complaint"
    )
    assert site.machine.active("keyback-agent")
    site.machine.run("systemctl", "start", "keyback-portal")
    wait_until(site.answers, timeout=PATIENCE, what="the portal")


def test_after_a_reboot_both_come_up_by_themselves_and_reset_passwords(site: Site, new_person) -> None:  # type: ignore[no-untyped-def]
    person = _known(site, new_person(Kind.ORDINARY))
    before = site.kept()
    site.machine.reboot()
    wait_until(lambda: all(map(site.machine.active, SERVICES)), timeout=PATIENCE, what="both services")
    wait_until(site.answers, timeout=PATIENCE, what="the portal")
    assert site.kept() == before
    assert api.kinit(site.forest, person.account, site.reset(person)) is api.SignIn.OK
    latecomer = _known(site, new_person(Kind.ORDINARY))
    assert api.kinit(site.forest, latecomer.account, site.reset(latecomer)) is api.SignIn.OK


def test_a_stop_is_told_as_one_in_order(site: Site) -> None:
    site.machine.run("systemctl", "restart", "keyback-agent")

    def told() -> list[str]:
        ids = [json.loads(line)["id"] for line in site.keyback("agent", "events", "--json").splitlines()]
        return [one for one in ids if one in ("31015", "31016")]

    wait_until(lambda: told()[-2:] == ["31016", "31015"], timeout=PATIENCE, what="a stop, and the next start")


def test_an_upgrade_in_place_under_load_keeps_everything_and_loses_no_request(
    site: Site,
    packages: dict[str, Path],
    new_person,  # type: ignore[no-untyped-def]
) -> None:
    people = [_known(site, new_person(Kind.ORDINARY)) for _ in range(4)]
    before, told, config = site.kept(), site.agent(), _outside(site)
    assert told["version"] == OLDER
    outcomes: list[tuple[Person, str]] = []
    problems: list[BaseException] = []
    stop = threading.Event()

    def work(person: Person) -> None:
        try:
            while not stop.is_set():
                outcomes.append((person, _reset_from_outside(site, config, person)))
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(outcomes) >= 4 or problems, timeout=PATIENCE, what="the first resets")
        site.install(packages[NEWER])
        count = len(outcomes)
        wait_until(lambda: len(outcomes) >= count + 8 or problems, timeout=PATIENCE, what="resets after the upgrade")
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
    assert not problems, [str(problem) for problem in problems]
    for person in people:
        password = [password for who, password in outcomes if who is person][-1]
        assert api.kinit(site.forest, person.account, password) is api.SignIn.OK
    assert _done_while_unpacking(site) >= 1
    assert site.kept() == before
    wait_until(lambda: site.agent()["version"] == NEWER, timeout=PATIENCE, what="the newer agent's heartbeat")
    assert site.agent()["fingerprint"] == told["fingerprint"]
    assert "unreported" in site.keyback("agent", "status")
    assert "whole" in site.keyback("audit", "verify", "example")


def test_a_purge_leaves_nothing_and_it_can_be_installed_again(
    site: Site,
    packages: dict[str, Path],
    new_person,  # type: ignore[no-untyped-def]
) -> None:
    site.machine.run("apt-get", "remove", "-qq", "-y", "keyback")
    assert (site.machine.root / "var/lib/keyback-agent/identity.json").exists()
    site.machine.run("apt-get", "purge", "-qq", "-y", "keyback")
    for place in ("etc/keyback", "var/lib/keyback", "var/lib/keyback-agent", "usr/lib/keyback", "usr/bin/keyback"):
        assert not (site.machine.root / place).exists(), place
    assert "keyback" not in site.machine.run("cat", "/etc/passwd", "/etc/group")
    assert "keyback" not in site.machine.run("systemctl", "list-unit-files", "--no-pager")
    site.install(packages[NEWER])
    site.set_up()
    person = _known(site, new_person(Kind.ORDINARY))
    assert api.kinit(site.forest, person.account, site.reset(person)) is api.SignIn.OK


def _known(site: Site, person: Person) -> Person:
    user_id = person.user_id(site.forest.dns_domain)
    wait_until(lambda: user_id in site.keyback("person", "list", "example"), timeout=PATIENCE, what=user_id)
    return person


def _outside(site: Site) -> Path:
    """The machine's portal as this tree's own commands may use it: the package's are being replaced meanwhile."""
    config = site.machine.root / "root/outside.toml"
    text = (site.machine.root / "var/lib/keyback/portal.toml").read_text()
    for start in ('"/', '"sqlite:////'):
        text = text.replace(f"{start}var/lib/", f"{start[:-1]}{site.machine.mounted}/var/lib/")
    config.write_text(text)
    return site.machine.mounted / "root/outside.toml"


def _reset_from_outside(site: Site, config: Path, person: Person) -> str:
    """The password that was written. Whatever else the command says is a request that was lost."""
    user_id = person.user_id(site.forest.dns_domain)
    done = site.machine.beside(
        TREE / ".venv/bin/keyback", "admin", "reset", user_id, "--generate", "--keep", "--config", config
    )
    found = re.search(r"The new password is: (\S+)", done.stdout)
    assert found, done.stdout + done.stderr
    return found.group(1)


def _done_while_unpacking(site: Site) -> int:
    """Resets that the older agent finished after dpkg had begun to unpack the newer one beside it."""
    log = (site.machine.root / "var/log/dpkg.log").read_text().splitlines()
    begun = next(line for line in reversed(log) if "status half-installed keyback" in line and line.endswith(OLDER))
    since = datetime.strptime(begun[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) + timedelta(seconds=1)
    events = [json.loads(line) for line in site.keyback("agent", "events", "--json").splitlines()]
    stops = [event["time"] for event in events if event["id"] == "31016"]
    until = datetime.fromisoformat(stops[-1])
    return sum(event["id"] == "31010" and since < datetime.fromisoformat(event["time"]) < until for event in events)
