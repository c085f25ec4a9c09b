"""Somebody whose password lives in the portal: no agent has a part in it."""

from collections.abc import Callable

from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import Walker, mails

from keyback.portal.people.cloud import verify_password
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import WritebackRequest

NEW = "Winter-ist-kalt-7"


def choose(walker: Walker, new: str, again: str | None = None) -> str:
    page = walker.get("/recover/password/plain")
    typed = {"new_password": new, "new_password_again": new if again is None else again}
    return walker.post("/recover/password/plain", page.forms["/recover/password/plain"] | typed).text


def test_from_the_user_id_to_the_new_password(cleo: Person, walker: Walker) -> None:
    page = walker.prove("cleo@example.test")
    assert page.heading == "What should your new password be?"
    assert "Your password is changed" in choose(walker, NEW)
    assert verify_password(cleo, NEW)
    assert not verify_password(cleo, OLD_PASSWORD)
    assert not WritebackRequest.objects.exists()
    assert "was changed" in mails()[-1]["subject"]


def test_the_last_page_says_nothing_about_the_office(cleo: Person, walker: Walker) -> None:
    walker.prove("cleo@example.test")
    assert "Away from the office" not in choose(walker, NEW)


def test_a_broken_rule_is_named_and_another_password_can_be_chosen(cleo: Person, walker: Walker) -> None:
    walker.prove("cleo@example.test")
    assert "Use at least 8 characters." in choose(walker, "Kurz-1")
    assert "Leave out the parts of your name." in choose(walker, "Herr-Cloud-17")
    assert "This password is too easy to guess." in choose(walker, "Passw0rd!")
    assert verify_password(cleo, OLD_PASSWORD)
    assert "Your password is changed" in choose(walker, NEW)


def test_unequal_and_empty_passwords_are_told_and_change_nothing(cleo: Person, walker: Walker) -> None:
    walker.prove("cleo@example.test")
    assert "The two passwords are not the same." in choose(walker, NEW, NEW + "x")
    assert "Enter a new password." in choose(walker, "")
    assert "Use at most 256 characters." in choose(walker, "aB3-" * 65)
    assert verify_password(cleo, OLD_PASSWORD)


def test_the_sealed_door_is_not_for_them(cleo: Person, walker: Walker) -> None:
    page = walker.prove("cleo@example.test")
    token = page.forms["/recover/password/plain"]["csrfmiddlewaretoken"]
    answer = walker.client.post("/recover/password", {"new_password": NEW, "csrfmiddlewaretoken": token})
    assert answer.status_code == 409
    assert verify_password(cleo, OLD_PASSWORD)


def test_the_sixth_reset_in_an_hour_is_refused(cleo: Person) -> None:
    for number in range(5):
        walker = Walker()
        walker.prove("cleo@example.test")
        assert "Your password is changed" in choose(walker, f"{NEW}-{number}")
    walker = Walker()
    walker.prove("cleo@example.test")
    assert "There were too many tries" in choose(walker, f"{NEW}-6")
    assert verify_password(cleo, f"{NEW}-4")


def test_passwords_of_before_that_are_tried_again_count_too(cleo: Person, walker: Walker) -> None:
    """Whoever got this far could otherwise find out by asking what they were."""
    cleo.organization.cloud_history = 3
    cleo.organization.save()
    walker.prove("cleo@example.test")
    for _ in range(5):
        assert "There were too many tries" not in choose(walker, OLD_PASSWORD)
    assert "There were too many tries" in choose(walker, OLD_PASSWORD)


def test_the_rules_of_the_portals_profile_are_named_before_typing(
    cleo: Person, walker: Walker, configure: Callable[..., None]
) -> None:
    configure(profile="typical")
    page = walker.prove("cleo@example.test").text
    for rule in ("at least 8 characters", "at most 16 characters", "a capital letter", "a symbol, such as ! or #"):
        assert rule in page
    configure(profile="nist")
    page = walker.get("/recover/password/plain").text
    assert "at least 15 characters" in page
    assert "a capital letter" not in page
