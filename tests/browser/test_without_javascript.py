"""The whole road in Chromium with JavaScript switched off."""

from collections.abc import Callable

from tests.browser.walk import CODE, DONE, IDENTIFY, PROVE, Walk, read_characters
from tests.support.waiting import wait_until
from tests.support.whole import Whole, fresh_password

from lab import api
from lab.people import INITIAL_PASSWORD


def test_a_person_resets_their_password_without_javascript(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    new = fresh_password()
    walk = visit(java_script_enabled=False)
    walk.open()
    walk.identify(whole.user_id(person))
    walk.at(IDENTIFY)
    assert walk.page.get_by_label("User ID").input_value() == whole.user_id(person)
    picture = walk.page.locator("img.characters")
    wait_until(lambda: picture.evaluate("e => e.naturalWidth") == 260, what="the picture of the characters")
    token = walk.page.locator("input[name=token]").input_value()
    characters = read_characters(whole.stack.portal_directory / "keys", token)
    walk.page.get_by_label("Characters", exact=True).fill(characters.lower())
    walk.click("Continue")
    walk.at(PROVE)
    walk.choose_email()
    walk.at(CODE)
    walk.enter_code(walk.code_for(person))
    # The waiting page looks again by itself.
    walk.page.get_by_role("link", name="Choose a password without JavaScript").click()
    walk.choose_password(new)
    walk.at(DONE)

    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is api.SignIn.WRONG_PASSWORD


def test_the_characters_can_be_heard(whole: Whole, visit: Callable[..., Walk]) -> None:
    walk = visit(java_script_enabled=False)
    walk.open("/recover/characters")
    sound = walk.page.get_by_role("link", name="Open the sound by itself").get_attribute("href")
    assert sound is not None
    answer = walk.page.request.get(sound)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.body().startswith(b"RIFF")
