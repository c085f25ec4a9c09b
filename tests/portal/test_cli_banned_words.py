"""`keyback banned-words`, and what an organization's list does to people whose password lives in the portal."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from threading import Thread

import pytest
from django.db import connection
from django.utils import timezone

from keyback.passwords import BannedWords
from keyback.portal.audit.models import AuditEntry
from keyback.portal.limits.budgets import RESETS, spend
from keyback.portal.organizations import banned
from keyback.portal.organizations.models import BannedList, Organization
from keyback.portal.people import cloud
from keyback.portal.people.models import Person
from keyback.protocol.errors import Forged
from keyback.protocol.messages import BannedTerms
from tests.portal.commands import Here
from tests.support.waiting import wait_until

FINE = "Zyxopolis-2-k"


@pytest.fixture
def person(here: Here) -> Person:
    here.ok("org", "create", "Example Ltd", "--slug", "example")
    organization = Organization.objects.get()
    return Person.objects.create(
        organization=organization,
        source=Person.Source.CLOUD,
        user_id="countess@example.test",
        display_name="Ada Lovelace",
        surname="King-Noel",
    )


def codes(person: Person, password: str) -> list[str]:
    return [finding.code.value for finding in cloud.findings(person, password)]


def test_without_a_list_the_builtin_one_is_enforced(person: Person) -> None:
    assert codes(person, "Passw0rd!") == ["banned"]
    assert codes(person, FINE) == []


@pytest.mark.parametrize("password", ["xK7-Lovelace", "xK7-c0untess-x", "Ex@mple-xK7-w", "xK7-n0el-zzw"])
def test_names_are_the_persons_and_the_organizations(person: Person, password: str) -> None:
    assert "name" in codes(person, password)


def test_a_list_is_set_shown_audited_and_counts_at_once(here: Here, person: Person, tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("# ours\nzyxopolis\nvexillum\n")
    assert "2 terms, enforce" in here.ok("banned-words", "set", "example", "--terms", str(tmp_path / "terms"))
    assert here.ok("banned-words", "show", "example") == "zyxopolis\nvexillum\n"
    assert codes(person, FINE) == []  # 1 + "-2-k" is five points
    assert codes(person, "Zyxopolis-2") == ["banned"]
    assert codes(person, "Passw0rd!") == ["banned"]
    entry = AuditEntry.objects.get(activity="banned_words.changed")
    assert "zyxopolis" not in json.dumps(entry.details, default=str)


@pytest.mark.django_db(transaction=True)
def test_while_a_long_list_is_compiled_the_organization_s_people_go_on(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever they do is written down with the organization's name, which PostgreSQL looks up."""
    real, done, waited = banned.mapped, [], []

    def somebody_else() -> None:
        try:
            spend(person.organization_id, RESETS, "somebody", now=timezone.now())
            done.append("counted")
        finally:
            connection.close()

    def compiles(terms: BannedTerms) -> BannedWords:
        other.start()
        if connection.vendor == "postgresql":  # on SQLite one writes at a time
            wait_until(lambda: done or waits_for_a_lock(), timeout=30, what="somebody else")
            waited.append(not done)
        return real(terms)

    other = Thread(target=somebody_else)
    monkeypatch.setattr(banned, "mapped", compiles)
    banned.change(person.organization, now=timezone.now(), by="operator:test", terms=["zyxopolis"])
    other.join(30)
    assert (done, any(waited)) == (["counted"], False)


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_an_audit_accepts_and_logs_codes_only(here: Here, person: Person) -> None:
    here.ok("banned-words", "set", "example", "--mode", "audit")
    log, kept = logging.getLogger("keyback.portal.people.cloud"), io.StringIO()
    handler = logging.StreamHandler(kept)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        assert codes(person, "Passw0rd!") == []
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    assert "only audited: banned" in kept.getvalue()
    assert "assw0rd" not in kept.getvalue()
    here.ok("banned-words", "set", "example", "--mode", "off")
    assert codes(person, "Passw0rd!") == []


def test_the_rest_stays_when_one_thing_is_set(here: Here, person: Person, tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("zyxopolis\n")
    here.ok("banned-words", "set", "example", "--terms", str(tmp_path / "terms"), "--strict")
    here.ok("banned-words", "set", "example", "--mode", "audit")
    assert here.ok("banned-words", "show", "example") == "zyxopolis\n"
    assert "strict" in here("banned-words", "show", "example").stderr


def test_a_line_that_is_no_term_is_named(here: Here, person: Person, tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("zyxopolis\nabc\n")
    assert "line 2" in here.refused("banned-words", "set", "example", "--terms", str(tmp_path / "terms"))
    assert not BannedList.objects.exists()


def test_what_somebody_wrote_into_the_database_is_not_believed(here: Here, person: Person) -> None:
    here.ok("banned-words", "set", "example", "--mode", "audit")
    row = BannedList.objects.get()
    content = bytes(row.content).replace(b'"audit"', b'"off"')
    version = row.version + 1
    BannedList.objects.update(content=content, version=version, changed_at=timezone.now())
    with pytest.raises(Forged):
        codes(person, "Passw0rd!")
