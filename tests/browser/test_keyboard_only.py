"""The whole road with the keyboard alone: no mouse, no touch."""

from collections.abc import Callable

from tests.browser.walk import CHOOSE, CODE, DONE, IDENTIFY, PROVE, Walk
from tests.support.whole import Whole, fresh_password

from lab import api

_FOCUSED = """() => {
  const e = document.activeElement;
  return [e.id, (e.getAttribute("aria-label") ?? e.innerText ?? "").trim(), e.matches(":focus-visible"),
    getComputedStyle(e).outlineStyle];
}"""


def tab_to(walk: Walk, wanted: str) -> None:
    """Presses Tab until what has this id or text is focused; whatever is focused on the way can be seen to be."""
    for _ in range(15):
        id_, text, visible, outline = walk.page.evaluate(_FOCUSED)
        if wanted in (id_, text):
            assert visible and outline != "none", f"{wanted}: the focus cannot be seen"
            return
        walk.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted!r}")


def write(walk: Walk, field: str, text: str) -> None:
    tab_to(walk, field)
    walk.page.keyboard.type(text)


def test_a_person_resets_their_password_with_the_keyboard_alone(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    new = fresh_password()
    walk = visit()
    walk.open()
    walk.at(IDENTIFY)
    write(walk, "user_id", whole.user_id(person))
    walk.page.keyboard.press("Enter")
    walk.at(PROVE)
    tab_to(walk, "method-email")
    walk.page.keyboard.press("Enter")
    walk.at(CODE)

    # A wrong code: the summary has the focus, and its link leads to the field.
    write(walk, "code", "00000000")
    walk.page.keyboard.press("Enter")
    walk.page.locator("#error-summary").wait_for()
    assert walk.page.evaluate("() => document.activeElement.id") == "error-summary"
    walk.page.keyboard.press("Tab")
    walk.page.keyboard.press("Enter")
    assert walk.page.evaluate("() => document.activeElement.id") == "code"
    walk.page.keyboard.type(walk.code_for(person))
    walk.page.keyboard.press("Enter")

    walk.at(CHOOSE)
    write(walk, "new-password", new)
    tab_to(walk, "Show")
    walk.page.keyboard.press("Space")
    assert walk.page.locator("#new-password").get_attribute("type") == "text"
    write(walk, "new-password-again", new)
    tab_to(walk, "Set my password")
    walk.page.keyboard.press("Enter")
    walk.at(DONE)
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
