"""The service account signs in with a keytab: GSSAPI signs and seals on port 389, and within TLS is bound to it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.lab.directory.conftest import server_of

from keyback.directory import DirectoryServer, connect, errors, find_account, read_back, reset_password
from lab import Forest
from lab.people import Person

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def kerberos(forest: Forest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectoryServer]:
    """By keytab. The controller answers to the name by which it is called here, its address."""
    keytab = tmp_path_factory.mktemp("kerberos") / "svc.keytab"
    lines = [
        f"addent -password -p {forest.service_upn} -k 1 -e aes256-cts-hmac-sha1-96",
        forest.service_password_file.read_text(),
        f"wkt {keytab}",
        "q",
    ]
    account, realm = forest.service_upn.split("@")
    lines[0] = lines[0].replace(forest.service_upn, f"{account}@{realm.upper()}")
    subprocess.run(["ktutil"], input="\n".join(lines) + "\n", text=True, check=True, capture_output=True)
    keytab.chmod(0o600)
    with forest.administrator() as directory, pytest.MonkeyPatch.context() as patch:
        computer = directory.find(f"{forest.controllers[0].name}$")
        names = directory.read(computer, "servicePrincipalName")["servicePrincipalName"]
        directory.replace(computer, {"servicePrincipalName": [*(name.decode() for name in names), f"ldap/{forest.ip}"]})
        patch.setenv("KRB5_CONFIG", str(forest.krb5_conf))
        yield replace(server_of(forest), keytab=keytab, password="", bind_dn="")


def test_it_writes_a_password_over_a_sealed_connection_without_tls(
    forest: Forest, kerberos: DirectoryServer, new_person: Callable[..., Person]
) -> None:
    person = new_person()
    sealed = replace(kerberos, url=f"ldap://{forest.ip}", ca_file=None)
    with connect(sealed) as connection, forest.administrator() as directory:
        assert connection.root.own_sid == directory.sid(forest.service_dn)
        guid = find_account(connection, person.account)
        before = read_back(connection, guid).versions.unicode_pwd
        reset_password(connection, guid, "Brand-New-Pa55", clear_lockout=True, must_change=False, timeout=10)
        assert read_back(connection, guid).versions.unicode_pwd == before + 1


def test_over_tls_it_is_bound_to_the_channel(forest: Forest, kerberos: DirectoryServer) -> None:
    # The controller refuses GSSAPI within TLS that is not bound to it (ldap server require strong auth = yes).
    with connect(kerberos) as connection, forest.administrator() as directory:
        assert connection.root.own_sid == directory.sid(forest.service_dn)


def test_a_keytab_with_another_key_is_refused_by_name(
    forest: Forest, kerberos: DirectoryServer, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.keytab"
    account, realm = forest.service_upn.split("@")
    lines = [f"addent -password -p {account}@{realm.upper()} -k 1 -e aes256-cts-hmac-sha1-96", "not it", f"wkt {wrong}"]
    subprocess.run(["ktutil"], input="\n".join([*lines, "q", ""]), text=True, check=True, capture_output=True)
    with pytest.raises(errors.BindRefused, match=r"wrong\.keytab"):
        connect(replace(kerberos, keytab=wrong))


def test_without_a_key_distribution_centre_it_is_unreachable(
    kerberos: DirectoryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "krb5.conf"
    nowhere.write_text("[libdefaults]\ndefault_realm = NOWHERE.TEST\ndns_lookup_kdc = false\n")
    monkeypatch.setenv("KRB5_CONFIG", str(nowhere))
    copy = tmp_path / "copy.keytab"  # a keytab of its own has a cache of its own, without tickets
    assert kerberos.keytab is not None
    copy.write_bytes(kerberos.keytab.read_bytes())
    with pytest.raises(errors.Unreachable, match="key distribution"):
        connect(replace(kerberos, keytab=copy))
