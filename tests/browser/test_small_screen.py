"""The whole road on a telephone of 360 pixels, with a thumb."""

from collections.abc import Callable

from tests.browser.looking import fits
from tests.browser.walk import CHOOSE, CODE, DONE, IDENTIFY, PROVE, Walk
from tests.support.whole import Whole, fresh_password

from lab import api


def test_a_person_resets_their_password_on_a_small_screen(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    new = fresh_password()
    walk = visit(viewport={"width": 360, "height": 640}, device_scale_factor=2, has_touch=True, is_mobile=True)
    page = walk.page
    walk.open()
    walk.at(IDENTIFY)
    fits(page)
    page.get_by_label("User ID").fill(whole.user_id(person))
    page.get_by_role("button", name="Continue").tap()
    walk.at(PROVE)
    fits(page)
    page.get_by_role("button", name="Get a code by e-mail").tap()
    walk.at(CODE)
    fits(page)
    assert page.locator("#code").get_attribute("inputmode") == "numeric"
    page.get_by_label("Code", exact=True).fill(walk.code_for(person))
    page.get_by_role("button", name="Continue").tap()
    walk.at(CHOOSE)
    fits(page)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("The same password again").fill(new)
    page.get_by_role("button", name="Set my password").tap()
    walk.at(DONE)
    fits(page)
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
