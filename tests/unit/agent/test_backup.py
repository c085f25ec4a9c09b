"""`keyback agent backup` and `restore`: the same agent afterwards, with its keys, journal, marks and settings."""

from __future__ import annotations

import io
import shutil
import sqlite3
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyback.agent.backup import RestoreRefused, backup, restore
from keyback.agent.build import alone, journal
from keyback.agent.clock import SystemClock
from keyback.agent.config import load
from keyback.agent.identity import load_identity, store_identity
from keyback.agent.keys import KeyStore
from keyback.errors import ConfigurationError
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import Onboarded
from keyback.protocol.signing import public_bytes

CLOCK = SystemClock()
LIFE = timedelta(days=1)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Of an agent that was onboarded."""
    home = tmp_path / "home"
    (home / "state/keys").mkdir(parents=True)
    (home / "service.password").write_text("Secret-1")
    (home / "service.password").chmod(0o600)
    (home / "ca.pem").write_text("authority")
    path = home / "agent.toml"
    path.write_text(
        f"""\
portal = "https://reset.example.test"
state_dir = "{home / "state"}"
[[forest]]
name = "corp.example.test"
domains = ["corp.example.test"]
servers = ["ldaps://dc1.corp.example.test"]
ca_file = "{home / "ca.pem"}"
bind_dn = "CN=svc"
password_file = "{home / "service.password"}"
base_dns = ["OU=People"]
"""
    )
    onboarded = Onboarded(
        agent_id=uuid4(),
        organization_id=uuid4(),
        organization="Example",
        portal_public=b64encode(public_bytes(Ed25519PrivateKey.generate())),
        audience="https://reset.example.test/agents/v1/token",
        fingerprint="aaaa",
        forests=[],
    )
    store_identity(home / "state", name="one", portal="https://reset.example.test", onboarded=onboarded)
    KeyStore.create(home / "state/keys", LIFE, datetime.now(UTC))
    book = journal(load(path))
    book.next_push(datetime.now(UTC))
    book.close()
    return path


@pytest.fixture
def archive(config_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "backup.tgz"
    path.write_bytes(backup(config_file, CLOCK))
    return path


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_purged_agent_is_the_same_one_after_a_restore(config_file: Path, archive: Path) -> None:
    home = config_file.parent
    before, identity = files(home), load_identity(home / "state")
    number = journal(load(config_file)).next_push(datetime.now(UTC))
    shutil.rmtree(home)
    restore(archive, config_file, CLOCK, replace=False)
    after = files(home)
    for name in ("agent.toml", "service.password", "ca.pem", "state/identity.json", "state/keys/sign.pem"):
        assert after[name] == before[name], name
        assert (home / name).stat().st_mode & 0o077 == (0o044 if name == "ca.pem" else 0)
    assert load_identity(home / "state").agent_id == identity.agent_id
    assert journal(load(config_file)).next_push(datetime.now(UTC)) >= number


def test_a_restored_agent_makes_a_new_unsealing_key_and_keeps_the_old_ones(config_file: Path, archive: Path) -> None:
    keys = config_file.parent / "state/keys"
    old = KeyStore.load(keys, LIFE).newest().key
    shutil.rmtree(config_file.parent)
    restore(archive, config_file, CLOCK, replace=False)
    restored = KeyStore.load(keys, LIFE)
    assert restored.unannounced() and restored.newest().key != old
    assert restored.private(old) is not None


def test_a_backup_in_the_middle_of_a_transaction_holds_the_state_before_it(config_file: Path) -> None:
    path = config_file.parent / "state/journal.sqlite"
    with sqlite3.connect(path, isolation_level=None) as busy:
        busy.execute("BEGIN IMMEDIATE")
        busy.execute("DELETE FROM number")
        content = backup(config_file, CLOCK)
        busy.execute("ROLLBACK")
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        member = opened.extractfile("state/journal.sqlite")
        assert member is not None
        copy = config_file.parent / "copy.sqlite"
        copy.write_bytes(member.read())
    assert sqlite3.connect(copy).execute("SELECT count(*) FROM number").fetchone() == (1,)
    assert sqlite3.connect(copy).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_nothing_is_written_over_unless_it_is_asked_for(config_file: Path, archive: Path) -> None:
    config_file.write_text(config_file.read_text() + "# mine\n")
    before = files(config_file.parent)
    with pytest.raises(RestoreRefused, match=r"agent.toml is there already"):
        restore(archive, config_file, CLOCK, replace=False)
    assert files(config_file.parent) == before
    restore(archive, config_file, CLOCK, replace=True)
    assert "# mine" not in config_file.read_text()


def test_a_running_agent_is_not_written_over(config_file: Path, archive: Path) -> None:
    with alone(config_file.parent / "state"), pytest.raises(ConfigurationError, match="running"):
        restore(archive, config_file, CLOCK, replace=True)


def test_an_agent_that_was_never_onboarded_has_nothing_to_keep(config_file: Path) -> None:
    (config_file.parent / "state/identity.json").unlink()
    with pytest.raises(ConfigurationError):
        backup(config_file, CLOCK)


@pytest.mark.parametrize("name", ["/etc/passwd", "state/../../passwd", "../passwd"])
def test_an_archive_that_reaches_elsewhere_is_refused(config_file: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.tgz"
    with tarfile.open(path, "w:gz") as opened:
        opened.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(RestoreRefused, match="no backup"):
        restore(path, config_file, CLOCK, replace=True)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_archive_is_refused(config_file: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tgz"
    path.write_bytes(content)
    with pytest.raises(RestoreRefused):
        restore(path, config_file, CLOCK, replace=True)
