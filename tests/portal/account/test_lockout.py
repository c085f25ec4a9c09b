"""Ten tries, then a wait that grows; never turned against the person; the same for people who do not exist."""

import re
from functools import partial
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keyback.portal.account import lockout
from keyback.portal.audit.models import AuditEntry
from keyback.portal.limits.clients import Client
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Spelling
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import name, sign_in, type_password
from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import Page, Walker


def fail(walker: Walker, times: int, user_id: str = "cleo@example.test") -> Page:
    for _ in range(times):
        page = sign_in(walker, user_id, "wrong")
    return page


def test_ten_wrong_tries_and_the_right_password_waits_a_minute(cleo: Person, walker: Walker, clock: Clock) -> None:
    assert fail(walker, 10).status == 422
    page = sign_in(walker, "cleo@example.test")
    assert (page.status, page.heading) == (429, "There were too many tries")
    assert 50 <= int(page.response["Retry-After"]) <= 60
    assert AuditEntry.objects.filter(activity="account.sign_in_blocked", result="refused").count() == 1
    clock.forward(seconds=61)
    assert sign_in(walker, "cleo@example.test").heading == "Your account"


def test_the_wait_doubles_with_every_further_wrong_try_and_ends_with_a_right_one(
    cleo: Person, walker: Walker, clock: Clock
) -> None:
    fail(walker, 10)
    for wait in (60, 120, 240):
        clock.forward(seconds=wait - 5)
        assert fail(walker, 1).status == 429
        clock.forward(seconds=6)
        assert fail(walker, 1).status == 422
    clock.forward(seconds=481)
    assert sign_in(walker, "cleo@example.test").heading == "Your account"
    assert fail(Walker(), 9).status == 422  # ten again, at once


def test_tries_during_the_wait_do_not_extend_it(cleo: Person, walker: Walker, clock: Clock) -> None:
    fail(walker, 10)
    clock.forward(seconds=55)
    assert fail(walker, 3).status == 429
    clock.forward(seconds=6)
    assert sign_in(walker, "cleo@example.test").heading == "Your account"


def test_another_spelling_gives_no_more_tries(cleo: Person, walker: Walker) -> None:
    Spelling.objects.create(organization=cleo.organization, text="cc@example.test", person=cleo)
    fail(walker, 10)
    page = sign_in(walker, "cc@example.test")
    assert page.status == 422  # like a wrong password: that both are one person is nobody's business
    assert walker.get("/account").heading == "Sign in"


def test_strangers_lock_out_strangers_and_not_the_browser_where_she_signed_in_before(cleo: Person) -> None:
    mine = Walker("192.0.2.1")
    sign_in(mine, "cleo@example.test")
    del mine.client.cookies["keyback"]  # she closed the browser
    for number in range(5):
        fail(Walker(f"198.51.100.{number}"), 10)
    assert sign_in(Walker("198.51.100.77"), "cleo@example.test").status == 429
    assert sign_in(mine, "cleo@example.test").heading == "Your account"


def test_one_address_cannot_try_one_password_on_everybody(cleo: Person) -> None:
    client = Client("block", "192.0.2.9")
    for number in range(200):
        lockout.take(cleo.organization, f"typed {number}", f"person {number}", client, timezone.now())
    assert sign_in(Walker("192.0.2.9"), "cleo@example.test").status == 429
    assert sign_in(Walker("192.0.2.10"), "cleo@example.test").heading == "Your account"


@pytest.mark.parametrize("unknown", ["cleX@example.test", "cleo@elsewhere.test", "cle", "CORP\\cleo"])
def test_an_onlooker_sees_no_difference(cleo: Person, clock: Clock, unknown: str) -> None:
    start = timezone.now()
    _walk("first@example.test", "192.0.2.3", clock, start)  # the hash that nobody has is there afterwards
    known = _walk("cleo@example.test", "192.0.2.1", clock, start)
    assert known == _walk(unknown, "192.0.2.2", clock, start)


def _walk(user_id: str, address: str, clock: Clock, start: Any) -> list[dict[str, Any]]:
    """What an onlooker at the browser or at the database could see of each step, until the tries are used up."""
    clock.stop(start)
    walker, seen = Walker(address), []
    page = _note(seen, partial(name, walker, user_id))
    for _ in range(11):
        page = _note(seen, partial(type_password, walker, page, OLD_PASSWORD + "x")) or page
        page = page if "/sign-in/password" in page.forms else walker.get("/sign-in/password")
    return [{**step, "text": step["text"].replace(user_id.lower(), "…")} for step in seen]


def _note(seen: list[dict[str, Any]], do: Any) -> Page:
    before = _rows()
    with CaptureQueriesContext(connection) as queries:
        page: Page = do()
    after = _rows()
    seen.append(
        {
            "status": page.status,
            "text": page.text.replace(page.response["Keyback-Tracking-Id"], "…"),
            "headers": sorted(page.response.headers),
            "cookies": sorted(page.response.cookies),
            "queries": [_shape(query["sql"]) for query in queries],
            "rows": {table: after[table] - before[table] for table in after},
        }
    )
    return page


def _shape(sql: str) -> str:
    """The statement without its values, whichever database wrote them down."""
    bare = re.sub(r"::\w+| ", "", sql)
    return re.sub(r"E?'[^']*'|x'[0-9A-F]*'|\b\d+\b|s\d+_x\d+|NULL", "?", bare)


def _rows() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in apps.get_models() if model.__name__ != "Session"}


def test_an_organization_may_count_for_the_whole_account(cleo: Person) -> None:
    Organization.objects.update(limit_profile="account")
    mine = Walker("192.0.2.1")
    sign_in(mine, "cleo@example.test")
    del mine.client.cookies["keyback"]  # she closed the browser
    fail(Walker("198.51.100.1"), 10)
    assert sign_in(mine, "cleo@example.test").status == 429
