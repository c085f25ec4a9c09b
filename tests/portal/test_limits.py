"""Budgets: exact under parallel load, and never a weapon against the person they protect."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse

from keyback.portal.limits.budgets import PROOF_FAILED, Blocked, Budget, check, clear, purge, spend
from keyback.portal.limits.clients import address_block, address_of, client_of, remember_device
from keyback.portal.limits.models import Counter
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization

HOUR = timedelta(hours=1)
FIVE = Budget("five", 5, HOUR, timedelta(hours=24))
RATE = Budget("rate", 3, HOUR)
ONCE = Budget("once", 1, HOUR, timedelta(hours=2))


def passes(organization: Organization, budget: Budget, *key: str, now: datetime) -> bool:
    try:
        spend(organization.id, budget, *key, now=now)
    except Blocked:
        return False
    return True


def test_five_tries_pass_and_the_sixth_is_refused(organization: Organization, now: datetime) -> None:
    assert [spend(organization.id, FIVE, "ana", now=now) for _ in range(5)] == [4, 3, 2, 1, 0]
    with pytest.raises(Blocked) as refusal:
        spend(organization.id, FIVE, "ana", now=now)
    assert refusal.value.until == now + timedelta(hours=24)
    assert refusal.value.code == "blocked"


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_parallel_tries_exactly_five_pass(now: datetime) -> None:
    organization = setup.create("Example Ltd", by="operator:test", now=now)
    start = threading.Barrier(20)

    def five_tries(_: int) -> int:
        start.wait()
        try:
            return sum(passes(organization, FIVE, "ana", now=now) for _ in range(5))
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(five_tries, range(20))) == 5


def test_a_block_runs_from_closing_and_tries_during_it_do_not_extend_it(
    organization: Organization, now: datetime
) -> None:
    for minute in range(5):
        spend(organization.id, FIVE, "ana", now=now + timedelta(minutes=minute))
    closed = now + timedelta(minutes=4)
    end = closed + timedelta(hours=24)
    for hour in range(1, 24):
        assert not passes(organization, FIVE, "ana", now=closed + timedelta(hours=hour))
    assert not passes(organization, FIVE, "ana", now=end - timedelta(minutes=1))
    assert [passes(organization, FIVE, "ana", now=end + timedelta(minutes=1)) for _ in range(6)] == [True] * 5 + [False]


def test_tries_of_an_earlier_window_are_forgotten(organization: Organization, now: datetime) -> None:
    for _ in range(4):
        spend(organization.id, FIVE, "ana", now=now)
    assert spend(organization.id, FIVE, "ana", now=now + HOUR) == 4


def test_a_budget_without_a_block_opens_again_with_the_next_window(organization: Organization, now: datetime) -> None:
    assert [passes(organization, RATE, "ana", now=now + timedelta(minutes=m)) for m in range(4)] == [
        *(True, True, True),
        False,
    ]
    assert not passes(organization, RATE, "ana", now=now + timedelta(minutes=59))
    assert passes(organization, RATE, "ana", now=now + HOUR)


def test_a_budget_of_one_closes_with_its_first_try(organization: Organization, now: datetime) -> None:
    assert spend(organization.id, ONCE, "ana", now=now) == 0
    assert not passes(organization, ONCE, "ana", now=now + timedelta(minutes=90))
    assert passes(organization, ONCE, "ana", now=now + timedelta(hours=2))


def test_looking_counts_nothing(organization: Organization, now: datetime) -> None:
    for _ in range(20):
        check(organization.id, FIVE, "ana", now=now)
    for _ in range(5):
        spend(organization.id, FIVE, "ana", now=now)
    with pytest.raises(Blocked):
        check(organization.id, FIVE, "ana", now=now)
    check(organization.id, FIVE, "ana", now=now + timedelta(hours=25))


def test_a_success_clears_that_persons_counter_only(organization: Organization, now: datetime) -> None:
    for person in ("ana", "ben"):
        for _ in range(5):
            spend(organization.id, PROOF_FAILED, person, "email", "192.0.2.1", now=now)
    clear(organization.id, PROOF_FAILED, "ana", "email", "192.0.2.1")
    check(organization.id, PROOF_FAILED, "ana", "email", "192.0.2.1", now=now)
    with pytest.raises(Blocked):
        check(organization.id, PROOF_FAILED, "ben", "email", "192.0.2.1", now=now)


def test_a_stranger_closes_a_method_for_themselves_and_not_for_the_person(
    organization: Organization, now: datetime
) -> None:
    for _ in range(6):
        passes(organization, PROOF_FAILED, "ana", "email", "203.0.113.9", now=now)
    assert passes(organization, PROOF_FAILED, "ana", "email", "198.51.100.7", now=now)
    assert passes(organization, PROOF_FAILED, "ana", "sms", "203.0.113.9", now=now)


def test_organizations_do_not_share_a_budget(
    organization: Organization, make_organization: Callable[..., Organization], now: datetime
) -> None:
    other = make_organization("Other Ltd")
    for _ in range(6):
        passes(organization, FIVE, "ana", now=now)
    assert passes(other, FIVE, "ana", now=now)


def test_what_is_counted_does_not_stand_in_the_database(organization: Organization, now: datetime) -> None:
    spend(organization.id, FIVE, "ana@example.test", now=now)
    counter = Counter.objects.get(budget="five")
    assert b"ana" not in bytes(counter.key_hmac)
    assert len(bytes(counter.key_hmac)) == 32


def test_purging_keeps_what_still_counts(organization: Organization, now: datetime) -> None:
    spend(organization.id, FIVE, "open", now=now)
    for _ in range(5):
        spend(organization.id, FIVE, "blocked", now=now)
    assert purge(now + timedelta(minutes=30)) == 0
    assert purge(now + timedelta(hours=2)) == 1
    assert purge(now + timedelta(hours=25)) == 1


# --- clients


def request_from(address: str, forwarded_for: str = "", cookies: dict[str, str] | None = None) -> HttpRequest:
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = address
    if forwarded_for:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded_for
    request.COOKIES.update(cookies or {})
    return request


@pytest.mark.parametrize(
    ("forwarded_for", "proxies", "expected"),
    [
        ("203.0.113.66", 0, "192.0.2.1"),
        ("203.0.113.66", 1, "203.0.113.66"),
        ("1.1.1.1, 203.0.113.66", 1, "203.0.113.66"),
        ("1.1.1.1, 203.0.113.66, 10.0.0.2", 2, "203.0.113.66"),
        ("203.0.113.66", 2, "192.0.2.1"),
        ("", 1, "192.0.2.1"),
        ("not an address", 1, "192.0.2.1"),
    ],
)
def test_only_what_trusted_proxies_appended_names_the_client(forwarded_for: str, proxies: int, expected: str) -> None:
    assert address_of("192.0.2.1", forwarded_for, proxies) == expected


def test_an_ipv6_subscriber_is_one_client_however_many_addresses_they_use() -> None:
    assert address_block("2001:db8:1:2::1") == address_block("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert address_block("::ffff:192.0.2.1") == address_block("192.0.2.1") == "192.0.2.1"


def test_a_forged_header_changes_nothing_without_a_trusted_proxy() -> None:
    assert client_of(request_from("192.0.2.1", "203.0.113.5")).key == "192.0.2.1"


def test_a_browser_that_succeeded_is_a_client_of_its_own_for_that_person_only(now: datetime) -> None:
    ana, ben = uuid4(), uuid4()
    response = HttpResponse()
    remember_device(request_from("192.0.2.1"), response, ana, now)
    cookies = {name: morsel.value for name, morsel in response.cookies.items()}
    again = request_from("203.0.113.200", cookies=cookies)
    assert client_of(again, ana).kind == "device"
    assert client_of(again, ben).kind == "block"
    assert client_of(again).kind == "block"


def test_a_device_keeps_its_name_when_a_second_person_succeeds_on_it(now: datetime) -> None:
    ana, ben = uuid4(), uuid4()
    first = HttpResponse()
    remember_device(request_from("192.0.2.1"), first, ana, now)
    cookies = {name: morsel.value for name, morsel in first.cookies.items()}
    second = HttpResponse()
    remember_device(request_from("192.0.2.1", cookies=cookies), second, ben, now)
    cookies = {name: morsel.value for name, morsel in second.cookies.items()}
    again = request_from("192.0.2.1", cookies=cookies)
    assert client_of(again, ana) == client_of(again, ben)
    assert client_of(again, ana).kind == "device"


def test_a_forged_device_cookie_is_a_strangers(now: datetime) -> None:
    ana = uuid4()
    response = HttpResponse()
    remember_device(request_from("192.0.2.1"), response, ana, now)
    name, value = next((name, morsel.value) for name, morsel in response.cookies.items())
    for forged in ("", "x", value[:-2], value[:-1] + ("A" if value[-1] != "A" else "B")):
        assert client_of(request_from("192.0.2.1", cookies={name: forged}), ana).kind == "block"


def test_the_device_cookie_names_nobody(now: datetime) -> None:
    ana = uuid4()
    response = HttpResponse()
    remember_device(request_from("192.0.2.1"), response, ana, now)
    cookie = next(iter(response.cookies.values()))
    assert str(ana) not in cookie.value and ana.hex not in cookie.value
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
