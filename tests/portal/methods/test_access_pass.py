"""Temporary access passes: made at the helpdesk, typed once or many times, and in nobody's power to close."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from tests.portal.commands import Here
from tests.portal.methods.conftest import Clock, allow
from tests.portal.recovery.test_cloud_person import NEW, choose
from tests.portal.walk import FakeDirectory, Page, Walker, mails, newest_code

from keyback.portal.audit.models import AuditEntry
from keyback.portal.methods.access_pass.passes import purge
from keyback.portal.people.contacts import ContactDatum
from keyback.portal.people.models import CloudPassword, Person
from keyback.portal.securityinfo.models import RegisteredMethod

PATH = "/recover/access_pass/"
CHOOSE = "What should your new password be?"
WRONG = "That pass does not work"


def make(here: Here, *options: str) -> str:
    return here.ok("security-info", "pass", "cleo@example.test", *options).strip()


def to_pass(walker: Walker, user_id: str = "cleo@example.test") -> Page:
    page = walker.identify(user_id)
    return walker.post(f"{PATH}start", page.forms[f"{PATH}start"])


def type_pass(walker: Walker, text: str) -> Page:
    page = to_pass(walker)
    return walker.post(PATH, page.forms[PATH] | {"pass": text})


@pytest.fixture(autouse=True)
def policy(cleo: Person) -> None:
    allow("access_pass")


@pytest.mark.parametrize("written", ["{0}", " {0} ", "{1}"])
def test_a_pass_opens_the_gate_however_it_was_written_down(here: Here, walker: Walker, written: str) -> None:
    text = make(here)
    assert len(text.replace(" ", "")) == 8
    assert type_pass(walker, written.format(text, text.replace(" ", "-").upper())).heading == CHOOSE
    assert walker.recovery().gates_opened == ["access_pass"]


def test_it_works_once(here: Here, walker: Walker) -> None:
    text = make(here)
    type_pass(walker, text)
    assert WRONG in type_pass(Walker("192.0.2.7"), text).text


def test_or_until_its_time_is_over(here: Here, clock: Clock) -> None:
    text = make(here, "--many", "--minutes", "10")
    for _ in range(3):
        assert type_pass(Walker(), text).heading == CHOOSE
    clock.forward(minutes=10)
    assert WRONG in type_pass(Walker(), text).text


def test_an_hour_is_the_default(here: Here, walker: Walker, clock: Clock) -> None:
    text = make(here)
    clock.forward(minutes=59)
    assert type_pass(walker, text).heading == CHOOSE


def test_with_two_gates_it_is_one_of_them_also_once_it_is_used_up(here: Here, walker: Walker) -> None:
    allow("access_pass", "email", gates=2)
    page = type_pass(walker, make(here))
    assert page.heading == "How do you want to prove it is you?"
    page = walker.ask_for_code(page)
    assert walker.type_code(page, newest_code()).heading == CHOOSE


def test_somebody_who_never_had_a_password_sets_the_first(here: Here, cleo: Person, walker: Walker) -> None:
    CloudPassword.objects.all().delete()
    ContactDatum.objects.all().delete()
    assert type_pass(walker, make(here)).heading == CHOOSE
    assert "Your password is changed" in choose(walker, NEW)


def test_for_a_person_of_the_directory_the_agent_looks_next(
    here: Here, walker: Walker, make_ada: Callable[..., Person], directory: FakeDirectory
) -> None:
    ada = make_ada()
    text = here.ok("security-info", "pass", "ada@example.test").strip()
    page = to_pass(walker, "corp\\ada")
    walker.post(PATH, page.forms[PATH] | {"pass": text})
    assert walker.recovery().state == "inspect"
    directory.inspect(ada)
    assert walker.get("/recover/password").heading == CHOOSE


def test_a_new_one_ends_the_old_one(here: Here, walker: Walker) -> None:
    old, new = make(here), make(here)
    assert RegisteredMethod.objects.count() == 1
    assert WRONG in type_pass(walker, old).text
    assert type_pass(walker, new).heading == CHOOSE


def test_it_is_kept_nowhere_in_clear_and_told_of(here: Here, cleo: Person) -> None:
    text = make(here)
    row = RegisteredMethod.objects.get()
    assert text.replace(" ", "") not in row.sealed + row.label
    assert "temporary access pass" in mails()[-1]["text"]
    assert text not in mails()[-1]["text"]
    entry = AuditEntry.objects.get(activity="security_info.added")
    assert entry.actor.startswith("operator:")


def test_strangers_from_many_addresses_do_not_close_it(here: Here, walker: Walker) -> None:
    text = make(here)
    for number in range(1, 13):
        stranger = Walker(f"192.0.2.{number}")
        page = to_pass(stranger)
        for _ in range(5):
            stranger.post(PATH, page.forms[PATH] | {"pass": "aaaa bbbb"})
    assert type_pass(walker, text).heading == CHOOSE


def test_five_wrong_tries_close_it_for_whoever_made_them(here: Here, walker: Walker) -> None:
    text, page = make(here), to_pass(walker)
    for _ in range(5):
        assert WRONG in walker.post(PATH, page.forms[PATH] | {"pass": "aaaa bbbb"}).text
    assert type_pass(walker, text).status == 429


@pytest.mark.parametrize("typed", ["", "abc", "x" * 49])
def test_what_can_be_no_pass_is_told_and_costs_nothing(here: Here, walker: Walker, typed: str) -> None:
    text = make(here)
    for _ in range(6):
        assert "at least 8 characters" in type_pass(walker, typed).text
    assert type_pass(walker, text).heading == CHOOSE


@pytest.mark.parametrize("options", [["--minutes", "9"], ["--minutes", "43201"], ["--length", "7"], ["--length", "49"]])
def test_what_is_out_of_bounds_is_refused(here: Here, options: list[str]) -> None:
    here.refused("security-info", "pass", "cleo@example.test", *options)
    assert not RegisteredMethod.objects.exists()


def test_the_bounds_themselves_are_not(here: Here) -> None:
    assert len(make(here, "--minutes", "43200", "--length", "48").replace(" ", "")) == 48
    make(here, "--minutes", "10")


def test_who_is_disabled_gets_none(here: Here, cleo: Person) -> None:
    Person.objects.update(enabled=False)
    assert "disabled" in here.refused("security-info", "pass", "cleo@example.test")


def test_a_policy_without_passes_is_warned_of(here: Here) -> None:
    allow("email")
    assert "does not list access_pass" in here("security-info", "pass", "cleo@example.test").stderr


def test_what_is_over_is_forgotten(here: Here, clock: Clock) -> None:
    make(here)
    assert purge(timezone.now()) == 0
    clock.forward(days=31)
    assert purge(timezone.now()) == 1
