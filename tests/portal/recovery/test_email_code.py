"""A code by e-mail: five minutes, five tries, one use, the newest only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone
from tests.portal.recovery.conftest import Clock
from tests.portal.walk import Walker, mails, newest_code

from keyback.portal.limits.clients import Client as LimitsClient
from keyback.portal.methods.email import codes
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Challenge, Recovery

WRONG = "00000001"


def wrong_for(code: str) -> str:
    return WRONG if code.replace(" ", "") != WRONG else "00000002"


def test_the_code_goes_to_what_is_on_file_only(ada: Person, walker: Walker) -> None:
    page = walker.identify("ada@example.test")
    form = page.forms["/recover/email/send"]
    refused = walker.post("/recover/email/send", form | {"to": "eve@evil.test"})
    assert refused.status == 400
    walker.ask_for_code(page)
    assert [mail["to"] for mail in mails()] == ["ada@private.test"]


@pytest.mark.parametrize("written", ["{0}{1}", "{0} {1}", " {0}-{1} ", "{0}–{1}"])
def test_the_code_may_be_typed_with_gaps(written: str, cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    code = newest_code()
    page = walker.type_code(page, written.format(code[:4], code[-4:]))
    assert page.heading == "What should your new password be?"


@pytest.mark.parametrize("typed", ["", "1234567", "123456789", "abcdefgh", "１２３４５６７８", "12345678; --"])
def test_what_cannot_be_a_code_costs_no_try(typed: str, cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    answer = walker.type_code(page, typed)
    assert answer.status == 422
    assert "The code has 8 digits." in answer.text
    assert Challenge.objects.get().tries_left == 5


def test_a_wrong_code_says_how_many_tries_are_left(cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    wrong = wrong_for(newest_code())
    assert "you have 4 more tries" in walker.type_code(page, wrong).text
    walker.type_code(page, wrong)
    walker.type_code(page, wrong)
    assert "you have 1 more try" in walker.type_code(page, wrong).text


def test_after_five_tries_the_right_code_is_worth_nothing(cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    right = newest_code()
    for _ in range(5):
        walker.type_code(page, wrong_for(right))
    assert walker.type_code(page, right).heading != "What should your new password be?"
    assert walker.recovery().state == "prove"


def test_a_code_lives_five_minutes(cleo: Person, walker: Walker, clock: Clock) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    clock.forward(minutes=5, seconds=1)
    answer = walker.type_code(page, newest_code())
    assert "This code does not work any more." in answer.text


def test_only_the_newest_code_counts(cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    first = newest_code()
    page = walker.ask_for_code(page)
    second = newest_code()
    assert first != second
    assert walker.type_code(page, first).status == 422
    assert walker.type_code(page, second).heading == "What should your new password be?"


def test_a_code_opens_one_gate_once(cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    code = newest_code()
    walker.type_code(page, code)
    again = walker.type_code(page, code)
    assert again.status == 409
    assert again.heading == "This step is over"


def test_a_code_is_bound_to_its_recovery(cleo: Person, ada: Person) -> None:
    own, other = Walker(), Walker()
    own.ask_for_code(own.identify("cleo@example.test"))
    code = newest_code()
    page = other.ask_for_code(other.identify("cleo@example.test"))
    assert other.type_code(page, code).status == 422


def test_the_code_is_kept_as_a_keyed_hash(cleo: Person, walker: Walker) -> None:
    walker.ask_for_code(walker.identify("cleo@example.test"))
    code = newest_code().replace(" ", "")
    row = Challenge.objects.values().get()
    assert code not in str(row)
    assert len(bytes(row["code_hmac"])) == 32


def test_the_session_gets_a_new_id_when_the_gate_opens(cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    before = walker.client.cookies["keyback"].value
    walker.type_code(page, newest_code())
    assert walker.client.cookies["keyback"].value != before


@pytest.mark.django_db(transaction=True)
def test_of_parallel_right_codes_exactly_one_opens_the_gate(cleo: Person) -> None:
    walker = Walker()
    walker.ask_for_code(walker.identify("cleo@example.test"))
    code = newest_code().replace(" ", "")
    recovery = walker.recovery()
    assert _in_parallel(recovery, [code] * 12).count(True) == 1


@pytest.mark.django_db(transaction=True)
def test_of_parallel_wrong_codes_five_are_judged(cleo: Person) -> None:
    walker = Walker()
    walker.ask_for_code(walker.identify("cleo@example.test"))
    recovery = walker.recovery()
    _in_parallel(recovery, [wrong_for(newest_code())] * 20)
    assert Challenge.objects.get().tries_left == 0


def _in_parallel(recovery: Recovery, typed: list[str]) -> list[bool]:
    challenge = Challenge.objects.get()

    def attempt(pair: tuple[int, str]) -> bool:
        number, code = pair
        try:
            codes.try_code(recovery, challenge, code, LimitsClient("office", f"192.0.2.{number // 4}"), timezone.now())
        except Exception:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(attempt, enumerate(typed)))


def test_the_page_offers_another_sending_another_way_and_help(cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    assert "/recover/email/send" in page.forms
    assert "/recover/prove" in page.links
    assert "/contact" in page.links
    assert "spam" in page.text


def test_two_mailboxes_get_one_code_at_the_first(cleo: Person, walker: Walker, make_ada: Callable[..., Person]) -> None:
    add_mail(cleo, "second@private.test", origin="operator", by="operator:test", now=timezone.now())
    walker.ask_for_code(walker.identify("cleo@example.test"))
    assert [mail["to"] for mail in mails()] == ["cleo@private.test"]
