"""What is put on file, read and taken off: bound to its person, counted, audited, and mailed."""

import shutil
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from tests.portal.walk import mails

from keyback.portal.audit.models import AuditEntry
from keyback.portal.keyring import Keyring
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.rotation import rotate
from keyback.portal.securityinfo import entries, registered, rules
from keyback.portal.securityinfo.models import RegisteredMethod


def _add(person: Person, **values: Any) -> RegisteredMethod:
    told = {"label": "A thing", "secret": {"words": "open sesame"}, "most": 2, "by": "self", "now": timezone.now()}
    return registered.add(person, "email", **told | values)


def test_a_secret_is_read_back_and_stands_nowhere_in_clear(cleo: Person) -> None:
    _add(cleo)
    [found] = registered.on_file(cleo, "email")
    assert found.secret == {"words": "open sesame"}
    assert "sesame" not in repr(found)
    assert "sesame" not in RegisteredMethod.objects.get().sealed


def test_a_row_moved_to_somebody_else_counts_for_nobody(make_ada: Callable[..., Person]) -> None:
    ada, eve = make_ada("ada"), make_ada("eve")
    _add(eve)
    RegisteredMethod.objects.update(person=ada)
    assert registered.on_file(ada, "email") == []
    assert [entry.method for entry in entries.entries(ada)] == ["email"]  # her own mailbox


def test_an_account_made_again_inherits_nothing(make_ada: Callable[..., Person]) -> None:
    ada = make_ada("ada")
    _add(ada)
    ada.object_guid = uuid.uuid4()
    assert registered.on_file(ada, "email") == []


def test_there_are_no_more_than_may_be(cleo: Person) -> None:
    _add(cleo)
    _add(cleo)
    with pytest.raises(registered.TooMany):
        _add(cleo)


def test_what_is_added_and_removed_is_audited_and_mailed(cleo: Person) -> None:
    row = _add(cleo)
    entries.remove(cleo, row.id, by="self", now=timezone.now())
    assert not RegisteredMethod.objects.exists()
    words = [entry.activity for entry in AuditEntry.objects.filter(activity__startswith="security_info")]
    assert sorted(words) == ["security_info.added", "security_info.removed"]
    assert [mail["to"] for mail in mails()] == ["cleo@private.test"] * 2
    assert "was added" in mails()[0]["text"]
    assert "was removed" in mails()[1]["text"]


def test_who_has_no_mailbox_that_counts_is_told_at_the_user_id(make_ada: Callable[..., Person]) -> None:
    person, now = make_ada("new", mail=False), timezone.now()
    add_mail(person, "thief@evil.test", origin="registered", by="self", now=now, opens_from=now + timedelta(hours=24))
    _add(person, now=now, opens_from=now + timedelta(hours=24))
    assert {mail["to"] for mail in mails()} == {"thief@evil.test", "new@example.test"}


def test_before_its_time_an_entry_is_on_file_and_opens_nothing(cleo: Person) -> None:
    now = timezone.now()
    _add(cleo, now=now, opens_from=now + timedelta(hours=24))
    assert registered.held(cleo, "email", now + timedelta(hours=23)) == []
    assert len(registered.held(cleo, "email", now + timedelta(hours=24))) == 1
    assert len(registered.on_file(cleo, "email")) == 1
    assert "It can be used from" in mails()[-1]["text"]


def test_a_first_entry_on_a_password_alone_waits_a_day(make_ada: Callable[..., Person]) -> None:
    now = timezone.now()
    assert rules.opening(make_ada("new", mail=False), [], now) == now + timedelta(hours=24)


def test_who_has_something_on_file_must_prove_it_first(cleo: Person) -> None:
    now = timezone.now()
    with pytest.raises(rules.MethodNeeded):
        rules.opening(cleo, [], now)
    assert rules.opening(cleo, ["email"], now) == now


def test_an_address_that_waits_proves_nothing_yet(make_ada: Callable[..., Person]) -> None:
    person, now = make_ada("new", mail=False), timezone.now()
    add_mail(person, "n@private.test", origin="registered", by="self", now=now, opens_from=now + timedelta(hours=1))
    assert rules.methods_on_file(person) == []


def test_the_list_shows_what_the_organization_keeps_and_what_the_person_registered(cleo: Person) -> None:
    now = timezone.now()
    add_mail(cleo, "other@home.test", origin="registered", by="self", now=now)
    _add(cleo)
    found = [(entry.method, entry.label, entry.removable) for entry in entries.entries(cleo)]
    assert found == [
        ("email", "c••••@p••••.test", False),
        ("email", "o••••@h••••.test", True),
        ("email", "A thing", True),
    ]


def test_a_registered_address_is_removed_and_hears_of_it(cleo: Person) -> None:
    now = timezone.now()
    datum = add_mail(cleo, "other@home.test", origin="registered", by="self", now=now)
    entries.remove(cleo, datum.id, by="self", now=now)
    assert not ContactDatum.objects.filter(pk=datum.pk).exists()
    assert {mail["to"] for mail in mails()} == {"cleo@private.test", "other@home.test"}


def test_what_the_organization_keeps_or_somebody_else_has_is_not_removed(
    cleo: Person, make_ada: Callable[..., Person]
) -> None:
    row = _add(make_ada("ada"))
    for entry in (ContactDatum.objects.get(person=cleo).id, row.id, uuid.uuid4()):
        with pytest.raises(entries.NotTheirs):
            entries.remove(cleo, entry, by="self", now=timezone.now())


def test_the_default_and_the_confirmation_are_kept(cleo: Person) -> None:
    now = timezone.now()
    assert (entries.default_method(cleo), entries.confirmed_at(cleo)) == ("", None)
    entries.set_default(cleo, "email")
    entries.confirm(cleo, now)
    assert (entries.default_method(cleo), entries.confirmed_at(cleo)) == ("email", now)


def test_a_new_key_at_rest_takes_them_along(cleo: Person, tmp_path: Path, settings: Any) -> None:
    shutil.copytree(settings.CONFIG.keys_dir, tmp_path / "keys")
    settings.KEYRING = Keyring(tmp_path / "keys")
    old = _add(cleo).sealed
    rotate()
    assert RegisteredMethod.objects.get().sealed != old
    assert registered.on_file(cleo, "email")[0].secret == {"words": "open sesame"}
