"""Passwords of cloud people: which may not come back, and how old one may become."""

from datetime import datetime, timedelta

import pytest

from keyback.portal.people.cloud import findings, has_expired, set_password, used_before
from keyback.portal.people.models import FormerPassword, Person

OLD = "Sommer-war-warm-6"


def test_the_newest_passwords_do_not_come_back(ana: Person, now: datetime) -> None:
    ana.organization.cloud_history = 3
    for number in range(5):
        set_password(ana, f"{OLD}-{number}", now + timedelta(days=number))
    assert [used_before(ana, f"{OLD}-{number}") for number in range(6)] == [False, False, True, True, True, False]
    assert FormerPassword.objects.count() == 2
    ana.organization.cloud_history = 0
    assert not used_before(ana, f"{OLD}-4")
    set_password(ana, f"{OLD}-5", now + timedelta(days=5))
    assert not FormerPassword.objects.exists()


def test_passwords_expire_only_where_the_organization_says_so(ana: Person, now: datetime) -> None:
    set_password(ana, OLD, now)
    assert not has_expired(ana, now + timedelta(days=10_000))
    ana.organization.cloud_max_age_days = 90
    assert not has_expired(ana, now + timedelta(days=90))
    assert has_expired(ana, now + timedelta(days=91))


@pytest.mark.parametrize(
    ("password", "code"), [("Kurz-7a", "too_short"), ("aB3-" * 65, "too_long"), ("nurkleinbuchstaben", "classes")]
)
def test_lengths_and_classes(ana: Person, password: str, code: str) -> None:
    assert code in [finding.code.value for finding in findings(ana, password)]
