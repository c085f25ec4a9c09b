"""`keyback keys`: a new key at rest without a restart, and nothing lost on the way."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken

from keyback.portal.keyring import Keyring
from keyback.portal.messages.models import Message
from keyback.portal.messages.worker import send_due
from keyback.portal.methods.sending import open_nobodys
from keyback.portal.organizations.models import Organization
from keyback.portal.organizations.setup import add_administrator, administrators
from keyback.portal.people.contacts import add_mail, mails_of
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.securityinfo.registered import held
from keyback.portal.vault import open_value, seal_value
from tests.portal.agents import pending_agent
from tests.portal.commands import Here


@pytest.fixture
def keys(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Keys of this test's own, since it rotates them."""
    directory = tmp_path / "keys"
    shutil.copytree(settings.CONFIG.keys_dir, directory)
    settings.KEYRING = Keyring(directory)
    yield directory


def test_everything_is_encrypted_again_and_the_old_key_may_go(
    keys: Path, here: Here, organization: Organization, ana: Person, now: datetime
) -> None:
    add_mail(ana, "ana@mail.test", origin="operator", by="operator:test", now=now)
    add_administrator(organization, "olga", "olga@example.test")
    pending_agent(organization, now=now)
    old = Fernet((keys / "rest-001.key").read_bytes())
    assert "rest-002.key is in use" in here.ok("keys", "rotate-rest")
    assert "Removed rest-001.key" in here.ok("keys", "drop-rest")
    assert sorted(path.name for path in keys.glob("*rest-*")) == ["rest-002.key"]
    assert (keys / "rest-002.key").stat().st_mode & 0o077 == 0
    for datum in ContactDatum.objects.all():
        with pytest.raises(InvalidToken):
            old.decrypt(datum.value.encode())
    assert [address for _, address in mails_of(ana)] == ["ana@mail.test"]
    assert [address for _, address in administrators(organization)] == ["olga@example.test"]
    assert Message.objects.get().sealed is not None
    assert send_due(now) == 1
    assert "could not be opened" not in Message.objects.get().problem


def test_a_running_process_takes_the_new_key_at_once(keys: Path, here: Here, organization: Organization) -> None:
    running = Keyring(keys)
    before = seal_value(organization.pk, 1, "mail", "ana@mail.test")
    running.rest.decrypt(before.encode())
    here.ok("keys", "rotate-rest")
    after = seal_value(organization.pk, 1, "mail", "ana@mail.test")
    assert running.rest.decrypt(after.encode())
    here.ok("keys", "drop-rest")
    Fernet((keys / "rest-002.key").read_bytes()).decrypt(running.rest.encrypt(b"new"))


def test_what_was_encrypted_meanwhile_survives_the_removal(keys: Path, here: Here, ana: Person, now: datetime) -> None:
    datum = add_mail(ana, "ana@mail.test", origin="operator", by="operator:test", now=now)
    here.ok("keys", "rotate-rest")
    slow = Fernet((keys / "rest-001.key").read_bytes())
    plain = Keyring(keys).rest.decrypt(ContactDatum.objects.get().value.encode())
    ContactDatum.objects.filter(pk=datum.pk).update(value=slow.encrypt(plain).decode())
    here.ok("keys", "drop-rest")
    assert [address for _, address in mails_of(ana)] == ["ana@mail.test"]


def test_a_value_that_no_key_opens_keeps_the_old_keys(keys: Path, here: Here, ana: Person, now: datetime) -> None:
    add_mail(ana, "ana@mail.test", origin="operator", by="operator:test", now=now)
    here.ok("keys", "rotate-rest")
    ContactDatum.objects.update(value=Fernet(Fernet.generate_key()).encrypt(b"x").decode())
    assert "cannot be opened with any key" in here.refused("keys", "drop-rest")
    assert (keys / "rest-001.key").exists()


def test_with_one_key_nothing_is_removed(keys: Path, here: Here, organization: Organization) -> None:
    assert "nothing was removed" in here.ok("keys", "drop-rest")
    token = seal_value(organization.pk, 1, "mail", "ana@mail.test")
    assert open_value(organization.pk, 1, "mail", token) == "ana@mail.test"


def test_a_running_process_opens_what_is_nobody_s_after_the_removal_too(
    keys: Path, here: Here, organization: Organization, ana: Person, now: datetime
) -> None:
    """It is made once in each process. Without it unknown people alone would get an error page, which tells who they
    are."""
    for command in ("rotate-rest", "drop-rest"):
        assert open_nobodys(organization.pk, "mail", "nobody@invalid") == "nobody@invalid"
        assert held(ana, "totp", now) == []
        here.ok("keys", command)
    assert open_nobodys(organization.pk, "mail", "nobody@invalid") == "nobody@invalid"
    assert held(ana, "totp", now) == []
