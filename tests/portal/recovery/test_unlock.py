"""I know my password, but I cannot sign in: unlocked, and the password stays."""

from datetime import timedelta

import pyotp
import pytest
from django.utils import timezone
from tests.portal.account.signing import sign_in
from tests.portal.walk import FakeDirectory, Page, Walker, mails, newest_code

from keyback.portal.audit.models import AuditEntry
from keyback.portal.methods.authenticator.enrol import add_app, new_secret
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.models import Person, Policy
from keyback.protocol.outcomes import OutcomeCode

UNLOCK = "/recover/unlock"
PURPOSE = "/recover/purpose"


def to_the_end(walker: Walker, user_id: str) -> Page:
    page = walker.identify(user_id)
    page = walker.post(PURPOSE, page.forms[PURPOSE])
    assert "you keep the password that you know" in page.text
    return walker.type_code(walker.ask_for_code(page), newest_code())


def test_a_locked_account_is_unlocked_and_the_password_stays(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, locked_out=True)
    page = walker.get("/recover/wait")
    assert page.heading == "Unlock your account?"
    page = walker.post(UNLOCK, page.forms[UNLOCK])
    assert page.heading == "Your account is being unlocked"
    assert directory.unlock().flags.unlock is False
    assert walker.get("/recover/wait").heading == "Your account is unlocked"
    assert "was unlocked" in mails()[-1]["subject"]
    assert AuditEntry.objects.filter(activity="account.unlocked", result="success").count() == 1
    assert not AuditEntry.objects.filter(activity="password.reset").exists()


def test_unlocking_ends_no_other_walk(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    other = Walker("10.0.0.9")
    other.prove("ada@example.test")
    directory.inspect(ada)
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, locked_out=True)
    walker.post(UNLOCK, walker.get("/recover/wait").forms[UNLOCK])
    directory.unlock()
    assert walker.recovery().state == "done"
    assert other.get("/recover/password").heading == "What should your new password be?"


def test_an_account_that_is_not_locked_is_offered_a_new_password(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    to_the_end(walker, "ada@example.test")
    looked = directory.inspect(ada)
    assert (looked.inspect_for, looked.flags.unlock) == ("reset", True)  # what may still be chosen
    page = walker.get("/recover/wait")
    assert page.heading == "Your account is not locked"
    assert UNLOCK not in page.forms
    page = walker.post(PURPOSE, page.forms[PURPOSE])
    assert page.heading == "What should your new password be?"


def test_an_expired_password_is_told_before_the_unlocking(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, locked_out=True, password_expired=True)
    assert "Unlocking alone will not let you in" in walker.get("/recover/wait").text


def test_the_minimum_age_of_a_password_hinders_no_unlocking(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    to_the_end(walker, "ada@example.test")
    later = timezone.now().replace(year=timezone.now().year + 1)
    directory.inspect(ada, locked_out=True, possible_from=later)
    assert walker.get("/recover/wait").heading == "Unlock your account?"


def test_a_refusal_of_the_directory_is_told(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, locked_out=True)
    page = walker.get("/recover/wait")
    walker.post(UNLOCK, page.forms[UNLOCK])
    directory.unlock(OutcomeCode.PERMISSION)
    page = walker.get("/recover/wait")
    assert "SSPR_0029" in page.text


@pytest.mark.parametrize(
    "why",
    [OutcomeCode.PERMISSION, OutcomeCode.CONTROL_MISSING, OutcomeCode.CANNOT_CHANGE, OutcomeCode.SMART_CARD],
)
def test_what_keeps_only_a_password_from_being_set_hinders_no_unlocking(
    ada: Person, walker: Walker, directory: FakeDirectory, why: OutcomeCode
) -> None:
    to_the_end(walker, "ada@example.test")
    assert directory.inspect(ada, why).inspect_for == "reset"
    assert walker.get("/recover/wait").heading == "We are looking at your account"
    looked = directory.inspect(ada, locked_out=True)
    assert (looked.inspect_for, looked.flags.unlock) == ("unlock", False)
    page = walker.get("/recover/wait")
    assert (page.heading, PURPOSE in page.forms) == ("Unlock your account?", False)
    assert "A new password cannot be chosen here" in page.text
    assert walker.post(PURPOSE, page.forms[UNLOCK] | {"purpose": "reset"}).status == 409
    walker.post(UNLOCK, page.forms[UNLOCK])
    directory.unlock()
    assert walker.get("/recover/wait").heading == "Your account is unlocked"


def test_what_hinders_the_unlocking_too_is_told(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, OutcomeCode.PERMISSION)
    walker.get("/recover/wait")
    directory.inspect(ada, OutcomeCode.PERMISSION)
    assert "SSPR_0029" in walker.get("/recover/wait").text


@pytest.mark.parametrize("why", [OutcomeCode.DISABLED, OutcomeCode.PROTECTED, OutcomeCode.UNREACHABLE])
def test_what_concerns_the_account_as_such_is_told_at_once(
    ada: Person, walker: Walker, directory: FakeDirectory, why: OutcomeCode
) -> None:
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, why)
    assert "SSPR_00" in walker.get("/recover/wait").text


def test_who_came_for_a_new_password_is_told_that_none_can_be_set(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    walker.prove("ada@example.test")
    directory.inspect(ada, OutcomeCode.PERMISSION)
    assert "SSPR_0029" in walker.get("/recover/wait").text


def test_what_is_found_between_two_gates_is_looked_at_again_after_the_second(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    Policy.objects.update(gates=2, methods=["email", "authenticator"])
    secret, now = new_secret(), timezone.now()
    assert add_app(ada, secret, pyotp.TOTP(secret).at(now), label="App", by="self", now=now)
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, OutcomeCode.PERMISSION)
    path = "/recover/authenticator/"
    page = walker.post(f"{path}start", walker.get("/recover/prove").forms[f"{path}start"])
    later = now + timedelta(seconds=30)  # the code of enrolment is used
    walker.post(path, page.forms[path] | {"code": pyotp.TOTP(secret).at(later)})
    assert directory.inspect(ada, locked_out=True).inspect_for == "unlock"
    assert walker.get("/recover/wait").heading == "Unlock your account?"


def test_whose_own_policy_has_no_unlocking_is_told_that_no_password_can_be_set(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    Policy.objects.create(organization=ada.organization, name="Others", position=5, methods=["email"])
    Policy.objects.filter(name="Everybody").update(unlock=False)
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, OutcomeCode.PERMISSION)
    assert "SSPR_0029" in walker.get("/recover/wait").text


def test_where_no_policy_has_it_nobody_is_offered_it(ada: Person, walker: Walker) -> None:
    page = walker.identify("ada@example.test")
    form = page.forms[PURPOSE]
    Policy.objects.update(unlock=False)
    assert PURPOSE not in walker.get("/recover/prove").forms
    assert walker.post(PURPOSE, form).status == 409


def test_whose_own_policy_has_it_not_chooses_a_new_password(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    Policy.objects.create(organization=ada.organization, name="Others", position=5, methods=["email"])
    Policy.objects.filter(name="Everybody").update(unlock=False)
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, locked_out=True)
    assert walker.get("/recover/wait").heading == "What should your new password be?"


def test_where_policies_have_nothing_else_people_unlock_and_choose_no_password(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    Policy.objects.update(reset=False)
    page = walker.identify("ada@example.test")
    assert "you keep the password that you know" in page.text
    assert PURPOSE not in page.forms
    walker.type_code(walker.ask_for_code(page), newest_code())
    directory.inspect(ada, locked_out=True)
    page = walker.get("/recover/wait")
    assert page.heading == "Unlock your account?"
    assert "A new password cannot be chosen here" in page.text
    fields = page.forms[UNLOCK]
    for path in ("/recover/password", "/recover/password/plain"):
        assert walker.get(path).heading == "Unlock your account?"
        assert walker.post(path, fields | {"new_password": "Winter-ist-kalt-7"}).status == 409
    assert walker.post(PURPOSE, fields | {"purpose": "reset"}).status == 409
    walker.post(UNLOCK, fields)
    directory.unlock()
    assert walker.get("/recover/wait").heading == "Your account is unlocked"


@pytest.mark.parametrize("locked", [True, False])
def test_whose_own_policy_has_nothing_else_is_led_to_unlocking(
    ada: Person, walker: Walker, directory: FakeDirectory, locked: bool
) -> None:
    Policy.objects.create(organization=ada.organization, name="Others", position=5, methods=["email"])
    Policy.objects.filter(name="Everybody").update(reset=False)
    page = walker.prove("ada@example.test")
    looked = directory.inspect(ada, locked_out=locked)
    assert (looked.inspect_for, looked.flags.unlock) == ("unlock", False)  # no right is asked for that will not be used
    page = walker.get("/recover/wait")
    assert (UNLOCK in page.forms, PURPOSE in page.forms) == (locked, False)
    assert "A new password cannot be chosen here" in page.text
    assert "/contact" in page.links


def test_an_expired_password_sends_nobody_to_a_choice_that_they_do_not_have(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    Policy.objects.update(reset=False)
    walker.prove("ada@example.test")
    directory.inspect(ada, locked_out=True, password_expired=True)
    page = walker.get("/recover/wait")
    assert "Unlocking alone will not let you in." in page.text
    assert "choose a new one" not in page.text


def test_who_unlocks_does_not_reach_the_pages_for_a_new_password(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    to_the_end(walker, "ada@example.test")
    directory.inspect(ada, locked_out=True)
    assert walker.get("/recover/password").heading == "Unlock your account?"
    assert walker.get("/recover/password/plain").heading == "Unlock your account?"


@pytest.mark.parametrize("reset", [True, False])
def test_known_and_unknown_people_are_offered_the_same(ada: Person, walker: Walker, reset: bool) -> None:
    Policy.objects.update(reset=reset)
    stranger = Walker("192.0.2.2")
    pages = []
    for one, user_id in ((walker, "ada@example.test"), (stranger, "nobody@example.test")):
        page = one.identify(user_id)
        page = one.post(PURPOSE, page.forms[PURPOSE]) if reset else page
        pages.append(page.text.replace(page.response["Keyback-Tracking-Id"], ""))
    assert pages[0] == pages[1]


@pytest.mark.parametrize("purpose", ["verify", "change", "", "RESET"])
def test_no_other_purpose_can_be_chosen(ada: Person, walker: Walker, purpose: str) -> None:
    page = walker.identify("ada@example.test")
    assert walker.post(PURPOSE, page.forms[PURPOSE] | {"purpose": purpose}).status == 400
    assert walker.recovery().purpose == "reset"


def test_it_is_not_chosen_anew_once_something_is_proved(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    form = walker.identify("ada@example.test").forms[PURPOSE]
    walker.type_code(walker.ask_for_code(walker.get("/recover/prove")), newest_code())
    directory.inspect(ada, locked_out=True)
    assert walker.post(PURPOSE, form).status == 409
    assert walker.post(UNLOCK, {"csrfmiddlewaretoken": form["csrfmiddlewaretoken"], "step": "x"}).status == 409


def test_a_cloud_person_may_sign_in_again_at_once(cleo: Person, walker: Walker) -> None:
    add_mail(cleo, "cleo@else.test", origin="operator", by="operator:test", now=timezone.now())
    for _ in range(10):
        sign_in(walker, "cleo@example.test", "wrong")
    assert sign_in(walker, "cleo@example.test").status == 429
    page = to_the_end(walker, "cleo@example.test")
    assert walker.post(UNLOCK, page.forms[UNLOCK]).heading == "Your account is unlocked"
    assert sign_in(walker, "cleo@example.test").heading == "Your account"
