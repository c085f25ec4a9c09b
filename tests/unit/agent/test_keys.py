"""The agent's keys: private, on disk before they are used, rolled with overlap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyback.agent.keys import LONGEST_REQUEST, KeyDamaged, KeyStore
from keyback.errors import ConfigurationError
from keyback.protocol.encoding import b64decode
from keyback.protocol.sealing import unseal_key_bytes

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore.create(tmp_path, DAY, NOON)


def test_keys_are_the_same_after_a_restart(keys: KeyStore, tmp_path: Path) -> None:
    again = KeyStore.load(tmp_path, DAY)
    assert again.newest() == keys.newest()
    assert again.sign.public_key() == keys.sign.public_key()


def test_files_are_for_their_owner_alone(keys: KeyStore, tmp_path: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_private_half_opens_what_its_public_half_is_told_for(keys: KeyStore) -> None:
    newest = keys.newest()
    private = keys.private(newest.key)
    assert private is not None
    assert unseal_key_bytes(private.public_key()) == b64decode(newest.public)


def test_a_key_is_rolled_when_its_life_is_over_and_not_before(keys: KeyStore) -> None:
    assert not keys.roll(NOON + DAY - SECOND)
    assert keys.roll(NOON + DAY)
    assert keys.unannounced()


def test_the_old_key_opens_boxes_until_the_longest_request_is_over(keys: KeyStore, tmp_path: Path) -> None:
    old = keys.newest().key
    keys.roll(NOON + DAY)
    keys.announced(keys.newest().key, NOON + DAY)
    keys.roll(NOON + DAY + LONGEST_REQUEST - SECOND)
    assert keys.private(old) is not None
    keys.roll(NOON + DAY + LONGEST_REQUEST)
    assert keys.private(old) is None
    assert old not in (tmp_path / "unseal.json").read_text()


def test_an_old_key_does_not_die_while_the_portal_cannot_be_told_of_the_new_one(keys: KeyStore) -> None:
    old = keys.newest().key
    keys.roll(NOON + DAY)
    assert not keys.roll(NOON + 30 * DAY)  # nor is a third one made
    assert keys.private(old) is not None


def test_a_key_that_the_portal_was_not_told_of_is_told_after_a_restart(keys: KeyStore, tmp_path: Path) -> None:
    keys.roll(NOON + DAY)
    assert KeyStore.load(tmp_path, DAY).unannounced()


DAMAGED = [b"", b"-----BEGIN PRIVATE KEY-----\n", b'[{"pem": "secret"}]', b"\xff"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_key_of_its_own_is_named_with_its_event_number_and_not_quoted(
    keys: KeyStore, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "sign.pem").write_bytes(content)
    with pytest.raises(KeyDamaged, match="32010") as damaged:
        KeyStore.load(tmp_path, DAY)
    assert damaged.value.__cause__ is None


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_keys_for_passwords_are_a_problem_that_a_new_key_mends(
    keys: KeyStore, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "unseal.json").write_bytes(content)
    loaded = KeyStore.load(tmp_path, DAY)
    assert "damaged" in loaded.problem() and "secret" not in loaded.problem()
    assert not loaded.unannounced() and loaded.ages() == []
    loaded.renew(NOON)
    assert loaded.problem() == ""
    assert KeyStore.load(tmp_path, DAY).private(loaded.newest().key) is not None


def test_what_another_process_does_to_the_keys_is_seen_at_once(keys: KeyStore, tmp_path: Path) -> None:
    other = KeyStore.load(tmp_path, DAY)
    made = other.renew(NOON)
    assert keys.newest() == made and keys.unannounced()
    other.destroy()
    assert keys.private(made.key) is None
    assert not keys.roll(NOON + 2 * DAY), "while writeback is off no key is made"


def test_keys_for_passwords_that_others_can_read_are_not_used(keys: KeyStore, tmp_path: Path) -> None:
    (tmp_path / "unseal.json").chmod(0o640)
    assert "chmod 600" in keys.problem()
    (tmp_path / "unseal.json").chmod(0o600)
    assert keys.problem() == ""


def test_a_key_of_its_own_that_others_can_read_is_refused(keys: KeyStore, tmp_path: Path) -> None:
    (tmp_path / "sign.pem").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        KeyStore.load(tmp_path, DAY)
