"""The forest as Debian's own clients see it: ldapsearch, kinit, openssl's rules for certificates."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import ldap
import pytest

import lab
from lab import api
from lab._directory import open_ldap
from lab.errors import BadNameError, MachineError, NotRunningError
from lab.forest import Forest
from lab.people import INITIAL_PASSWORD

ROOT = Path(__file__).parents[2]


def ldapsearch(forest: Forest, url: str, ca_file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *("ldapsearch", "-LLL", "-x", "-H", url, "-D", forest.service_upn),
            *("-y", str(forest.service_password_file), "-b", forest.people_dn, "(sAMAccountName=ada)", "mail"),
        ],
        env=os.environ | {"LDAPTLS_CACERT": str(ca_file), "LDAPTLS_REQCERT": "demand"},
        capture_output=True,
        text=True,
        check=False,
    )


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_ldapsearch_reads_a_person_over_verified_ldaps(forest: Forest) -> None:
    found = ldapsearch(forest, forest.ldaps_url, forest.ca_file)
    assert found.returncode == 0, found.stderr
    assert "mail: ada@example.test" in found.stdout


def test_the_certificate_is_refused_under_another_authority(forest: Forest, other_forest: Forest) -> None:
    refused = ldapsearch(forest, forest.ldaps_url, other_forest.ca_file)
    assert refused.returncode != 0
    assert "Can't contact LDAP server" in refused.stderr


def test_the_certificate_names_host_and_address(forest: Forest) -> None:
    names = subprocess.run(
        ["openssl", "x509", "-in", str(forest.directory / "dc1/etc/server.pem"), "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"DNS:{forest.host}" in names
    assert f"IP Address:{forest.ip}" in names


def test_a_bind_without_encryption_is_refused(forest: Forest) -> None:
    connection = ldap.initialize(f"ldap://{forest.ip}")
    with pytest.raises(ldap.STRONG_AUTH_REQUIRED):
        connection.simple_bind_s(forest.service_upn, forest.service_password_file.read_text())


def test_kinit_takes_the_right_password_only(forest: Forest) -> None:
    assert api.kinit(forest, "grace", INITIAL_PASSWORD) is api.SignIn.OK
    assert api.kinit(forest, "grace", "Not-that-0ne!") is api.SignIn.WRONG_PASSWORD
    assert api.kinit(forest, "nobody-here", INITIAL_PASSWORD) is api.SignIn.UNKNOWN


def test_two_forests_stand_side_by_side(forest: Forest, other_forest: Forest) -> None:
    assert forest.realm != other_forest.realm
    assert forest.ip != other_forest.ip
    api.set_password(other_forest, "donald", "Elsewhere-0nly!")
    assert api.kinit(other_forest, "donald", "Elsewhere-0nly!") is api.SignIn.OK
    assert api.kinit(forest, "donald", INITIAL_PASSWORD) is api.SignIn.OK


def test_status_tells_programs_where_everything_is(forest: Forest) -> None:
    done = command("status", forest.name, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == lab.describe(forest.name).as_json()
    assert told["ldaps_url"] == f"ldaps://{forest.ip}"
    for key in ("ca_file", "service_password_file", "administrator_password_file", "krb5_conf", "audit_file"):
        assert Path(told[key]).is_file(), key


def test_passwords_are_for_root_only(forest: Forest) -> None:
    for secret in (forest.service_password_file, forest.administrator_password_file, forest.directory / "ca.key"):
        assert secret.stat().st_mode & 0o777 == 0o600


def test_no_password_stands_in_a_command_line(forest: Forest) -> None:
    secrets = [forest.service_password_file.read_bytes(), forest.administrator_password_file.read_bytes()]
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        assert not any(secret in line for secret in secrets)


def test_a_killed_controller_keeps_its_data(forest_to_break: Forest) -> None:
    forest = forest_to_break
    api.set_password(forest, "edsger", "Before-the-kill-1")
    lab.kill(forest.name)
    with pytest.raises(lab.LabError):
        forest.administrator()
    lab.restart(forest.name)
    assert api.kinit(forest, "edsger", "Before-the-kill-1") is api.SignIn.OK


def test_a_frozen_controller_does_not_answer_until_it_is_thawed(forest_to_break: Forest) -> None:
    forest = forest_to_break
    connection = open_ldap(forest.ldaps_url, forest.ca_file, timeout=1)
    connection.simple_bind_s(forest.service_upn, forest.service_password_file.read_text())
    lab.freeze(forest.name)
    with pytest.raises(ldap.TIMEOUT):
        connection.whoami_s()
    lab.thaw(forest.name)
    assert api.bind(forest, "grace", INITIAL_PASSWORD) == ""


def test_down_leaves_no_process_no_mount_and_no_file() -> None:
    forest = lab.up("passing", ip="127.0.0.199", domain="test")
    first = forest.controller().first
    assert first is not None
    assert first.alive()
    lab.down("passing")
    assert not first.alive()
    assert not forest.directory.exists()
    assert str(forest.directory) not in Path("/proc/mounts").read_text()
    with pytest.raises(NotRunningError, match="lab up passing"):
        lab.describe("passing")
    listening = Path("/proc/net/tcp").read_text()
    assert not re.search(r": C700007F:[0-9A-F]{4} 00000000:0000 0A", listening)  # 127.0.0.199, as the kernel writes it


def test_an_address_in_use_is_refused_in_one_line(forest: Forest) -> None:
    try:
        with pytest.raises(MachineError, match=rf"{re.escape(forest.ip)} port 389 is not free"):
            lab.up("passing", ip=forest.ip)
    finally:
        lab.down("passing")


@pytest.mark.parametrize("address", ["10.0.0.1", "192.0.2.1", "127.0.0.1.example.test", "::1"])
def test_the_lab_stays_on_loopback(address: str) -> None:
    with pytest.raises((BadNameError, MachineError)):
        lab.up("passing", ip=address)


@pytest.mark.parametrize("name", ["", "../x", "Corp", "a b", "averyveryverylongname"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadNameError):
        lab.up(name)
    done = command("up", name)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
