"""The audit: one writer, personal values beside the chain, seals that show every change."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from keyback.portal.audit import heads
from keyback.portal.audit.models import AuditEntry, AuditPersonal, AuditSeal
from keyback.portal.audit.sealer import seal_batch, verify
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization


@pytest.fixture(autouse=True)
def _own_heads_file() -> Iterator[None]:
    heads.path().unlink(missing_ok=True)
    yield
    heads.path().unlink(missing_ok=True)


def note(organization: Organization, now: datetime, **personal: str) -> AuditEntry:
    number = write(
        organization.id,
        Activity.RECOVERY_STARTED,
        result=Result.SUCCESS,
        actor="self",
        now=now,
        tracking_id=uuid4(),
        details={"method": "email", "tries": 1, "known": None},
        personal=personal,
    )
    return AuditEntry.objects.get(id=number)


def test_an_entry_says_what_happened_and_keeps_personal_values_apart(organization: Organization, now: datetime) -> None:
    entry = note(organization, now, user_id="ana@example.test")
    entry.refresh_from_db()
    assert (entry.activity, entry.result, entry.actor) == ("recovery.started", "success", "self")
    assert "ana" not in str(entry.details) + str(entry.personal_hashes)
    personal = AuditPersonal.objects.get(entry=entry)
    assert "ana" not in personal.value


def test_an_entry_of_a_transaction_that_failed_is_not_there(organization: Organization, now: datetime) -> None:
    before = AuditEntry.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        note(organization, now)
        raise ZeroDivisionError
    assert AuditEntry.objects.count() == before


def test_sealed_batches_verify(organization: Organization, now: datetime) -> None:
    sealed = 0
    for minute in range(3):
        note(organization, now, user_id="ana@example.test")
        note(organization, now)
        sealed += seal_batch(now + timedelta(minutes=minute))
    note(organization, now)
    report = verify(organization)
    assert report.ok, report.problems
    assert (report.seals, report.entries, report.unsealed) == (3, sealed, 1)
    assert seal_batch(now) == 1
    assert seal_batch(now) == 0


def test_each_organization_has_a_chain_of_its_own(
    organization: Organization, make_organization: Callable[..., Organization], now: datetime
) -> None:
    other = make_organization("Other Ltd")
    note(organization, now)
    note(other, now)
    seal_batch(now)
    assert verify(organization).ok and verify(other).ok
    assert AuditSeal.objects.filter(number=1).count() == 2


def test_a_changed_entry_is_found(organization: Organization, now: datetime) -> None:
    entry = note(organization, now)
    seal_batch(now)
    AuditEntry.objects.filter(pk=entry.pk).update(result="refused")
    assert verify(organization).problems == ["seal 1: its entries are not those that were sealed"]


def test_a_removed_entry_is_found(organization: Organization, now: datetime) -> None:
    entry = note(organization, now)
    seal_batch(now)
    entry.delete()
    assert not verify(organization).ok


def test_an_added_entry_is_found(organization: Organization, now: datetime) -> None:
    note(organization, now)
    seal_batch(now)
    late = note(organization, now)
    AuditEntry.objects.filter(pk=late.pk).update(seal=AuditSeal.objects.get(), position=99)
    assert not verify(organization).ok


def test_a_chain_made_anew_without_the_key_is_found(organization: Organization, now: datetime) -> None:
    note(organization, now)
    seal_batch(now)
    AuditSeal.objects.update(signature=bytes(64))
    assert verify(organization).problems == ["seal 1: its signature is not the portal's"]


def test_a_chain_that_was_cut_short_is_found_by_its_exported_heads(organization: Organization, now: datetime) -> None:
    note(organization, now)
    seal_batch(now)
    note(organization, now)
    seal_batch(now)
    last = AuditSeal.objects.get(number=2)
    AuditEntry.objects.filter(seal=last).delete()
    last.delete()
    assert verify(organization).problems == ["1 seals that were exported are no longer in the database"]


def test_an_erased_personal_value_leaves_the_chain_whole(organization: Organization, now: datetime) -> None:
    note(organization, now, user_id="ana@example.test")
    seal_batch(now)
    AuditPersonal.objects.all().delete()
    assert verify(organization).ok


def test_a_changed_personal_value_is_found(organization: Organization, now: datetime) -> None:
    ana = note(organization, now, user_id="ana@example.test")
    ben = note(organization, now, user_id="ben@example.test")
    seal_batch(now)
    moved = AuditPersonal.objects.get(entry=ben)
    AuditPersonal.objects.filter(entry=ana).update(value=moved.value, salt=moved.salt)
    assert verify(organization).problems == [f"entry {ana.pk}: its user_id is not the one that was written"]


def test_a_seal_that_a_crash_kept_from_the_file_is_exported_later(organization: Organization, now: datetime) -> None:
    note(organization, now)
    seal_batch(now)
    with heads.path().open("a") as file:
        file.write('{"organization": "half a li')
    AuditSeal.objects.update(exported_at=None)
    assert heads.export(now) == 1
    assert list(heads.read()[str(organization.pk)]) == [1]
    assert heads.export(now) == 0


@pytest.mark.django_db(transaction=True)
def test_two_sealers_and_many_writers_make_one_chain(now: datetime) -> None:
    organization = setup.create("Example Ltd", by="operator:test", now=now)
    start = threading.Barrier(6)

    def writer(_: int) -> None:
        start.wait()
        try:
            for _ in range(10):
                note(organization, now)
        finally:
            connection.close()

    def sealer(_: int) -> None:
        start.wait()
        try:
            for _ in range(10):
                seal_batch(now)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda job: job[0](job[1]), [(writer, n) for n in range(4)] + [(sealer, n) for n in range(2)]))
    seal_batch(now)
    report = verify(organization)
    assert report.ok, report.problems
    assert report.entries == AuditEntry.objects.count() >= 41
    assert report.unsealed == 0
