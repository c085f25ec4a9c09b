"""Two who cannot sign in and have forgotten nothing: one is locked out, the other never knew a password."""

from collections.abc import Callable

from tests.browser.looking import look
from tests.browser.walk import CHOOSE, CODE, DONE, PROVE, Walk
from tests.support.whole import Whole, fresh_password

from lab import api
from lab.people import INITIAL_PASSWORD, Kind

Visit = Callable[..., Walk]


def test_a_locked_out_person_is_unlocked_and_keeps_the_password(whole: Whole, visit: Visit) -> None:
    person = whole.new_person(Kind.LOCKED)
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is not api.SignIn.OK
    version = api.password_version(whole.forest, person.account)
    walk = visit()
    walk.to_prove(person)
    walk.click("I know my password, but I cannot sign in")
    walk.at(PROVE)
    walk.choose_email()
    walk.at(CODE)
    walk.enter_code(walk.code_for(person))
    walk.at("Unlock your account?")
    look(walk.page, "85-unlock")
    walk.click("Unlock my account")
    walk.at("Your account is unlocked")
    look(walk.page, "86-unlocked")
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is api.SignIn.OK
    assert api.password_version(whole.forest, person.account) == version


def test_somebody_new_sets_a_first_password_with_a_pass_of_the_helpdesk(whole: Whole, visit: Visit) -> None:
    person, new = whole.new_person(Kind.UNKNOWN_PASSWORD, mail=""), fresh_password()
    api.set_attributes(whole.forest, person.account, {"pwdLastSet": 0})
    whole.stack.keyback(
        *("policy", "set", whole.stack.slug, "--name", "Everybody", "--method", "email", "--method", "access_pass")
    )
    try:
        walk = visit()
        walk.open("/recover/first")
        walk.identify(whole.user_id(person))
        walk.at(PROVE)
        walk.page.get_by_role("button", name="Type a temporary access pass").click()
        made = whole.stack.keyback("security-info", "pass", whole.user_id(person))
        walk.page.get_by_label("Temporary access pass").fill(made.strip())
        walk.click("Continue")
        walk.at(CHOOSE)
        walk.choose_password(new)
        walk.at(DONE)
    finally:
        whole.stack.keyback("policy", "set", whole.stack.slug, "--name", "Everybody", "--method", "email")
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
