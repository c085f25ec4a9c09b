"""Signing in with a password that only the directory knows."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from keyback.portal.agents.models import Agent
from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Spelling
from keyback.portal.writeback.models import WritebackRequest
from keyback.protocol.outcomes import OutcomeCode
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import name
from tests.portal.account.test_change_password import CHANGE
from tests.portal.account.test_two_steps import prove, two_steps
from tests.portal.walk import FakeDirectory, Page, Walker, boxes_for, newest_code, read

PASSWORD = "Old-Battery-6"
SEALED = "/sign-in/password"


def send(walker: Walker, page: Page, password: str = PASSWORD, **bent: Any) -> Any:
    """What the page's script does."""
    sealing = page.data["sealing"]
    boxes = boxes_for(page, None, current=password)
    body = {"step": sealing["step"], "request_id": sealing["request_id"], "boxes": boxes} | bent
    token = page.forms[SEALED]["csrfmiddlewaretoken"]
    return walker.client.post(
        sealing["submit"], json.dumps(body), content_type="application/json", headers={"X-CSRFToken": token}
    )


def type_password(walker: Walker, user_id: str = "ada@example.test", path: str = "/sign-in") -> Page:
    answer = send(walker, name(walker, user_id, path))
    assert answer.status_code == 200
    return walker.get(json.loads(answer.content)["next"])


def signed_in(walker: Walker, directory: FakeDirectory) -> Page:
    type_password(walker)
    directory.verify()
    return walker.get("/sign-in/wait")


def test_the_directory_says_that_the_password_is_right(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    page = name(walker, "ada@example.test")
    assert page.heading == "What is your password?"
    assert 'name="password"' not in page.response.content.decode()
    page = type_password(walker)
    assert page.heading == "We are asking your directory"
    assert json.loads(walker.client.get("/sign-in/state").content) == {"waiting": True}
    assert directory.verify() == PASSWORD
    assert walker.get("/sign-in/wait").heading == "Your account"
    entry = AuditEntry.objects.get(activity="account.signed_in")
    assert entry.details == {"kind": "pass_through"}
    assert entry.tracking_id == WritebackRequest.objects.get().tracking_id


def test_a_wrong_password_signs_nobody_in(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    type_password(walker)
    directory.verify(OutcomeCode.CURRENT_WRONG)
    page = walker.get("/sign-in/wait")
    assert page.status == 422
    assert "the password is not right" in page.text
    assert walker.get("/account").heading == "Sign in"
    assert AuditEntry.objects.get(activity="account.sign_in_failed").details == {"outcome": "current_wrong"}
    assert send(walker, page).status_code == 200  # once more, from the page that says so


@pytest.mark.parametrize(
    "code", [OutcomeCode.LOCKED_OUT, OutcomeCode.DISABLED, OutcomeCode.TRIES_SPENT, OutcomeCode.NOT_ALLOWED]
)
def test_whatever_else_the_directory_says_looks_like_a_wrong_password(
    ada: Person, walker: Walker, directory: FakeDirectory, code: OutcomeCode
) -> None:
    type_password(walker)
    directory.verify(code)
    assert "the password is not right" in walker.get("/sign-in/wait").text


@pytest.mark.parametrize("code", [OutcomeCode.MUST_CHANGE, OutcomeCode.PASSWORD_EXPIRED])
def test_whoever_must_change_the_password_does_that_first_and_is_then_signed_in(
    ada: Person, walker: Walker, directory: FakeDirectory, code: OutcomeCode
) -> None:
    type_password(walker)
    directory.verify(code)
    page = walker.get("/sign-in/wait")
    assert page.heading == "Your password has to be changed"
    for path in ("/account", "/security-info", "/account/prove"):
        assert walker.get(path).heading == "Your password has to be changed"
    page = walker.post(CHANGE, page.forms[CHANGE])
    looked = directory.inspect(ada, must_change=True)
    assert (looked.inspect_for, looked.flags.unlock) == ("change", False)
    page = walker.get("/recover/wait")
    answer = walker.post_json(
        page,
        {
            "step": page.data["sealing"]["step"],
            "request_id": page.data["sealing"]["request_id"],
            "boxes": boxes_for(page, "Correct-Horse-7", current=PASSWORD),
        },
    )
    assert json.loads(answer.content) == {"next": "/recover/wait"}
    envelope = directory.write(operation="change")
    assert (directory.opened.current, directory.opened.new) == (PASSWORD, "Correct-Horse-7")
    assert not envelope.flags.unlock and not envelope.flags.must_change
    assert walker.get("/recover/wait").heading == "Your password is changed"
    assert walker.get("/account").heading == "Your account"


def test_a_locked_account_is_told_before_a_password_is_typed(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    signed_in(walker, directory)
    walker.post(CHANGE, walker.get(CHANGE).forms[CHANGE])
    directory.inspect(ada, OutcomeCode.LOCKED_OUT)
    page = walker.get("/recover/wait")
    assert page.heading == "Your account is locked"
    assert "sealing" not in page.data


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (OutcomeCode.CURRENT_WRONG, "This is not your current password."),
        (OutcomeCode.TRIES_SPENT, "Wait a while before you try again, so that your account is not locked."),
    ],
)
def test_a_wrong_current_password_leads_back_to_the_page(
    ada: Person, walker: Walker, directory: FakeDirectory, code: OutcomeCode, told: str
) -> None:
    signed_in(walker, directory)
    walker.post(CHANGE, walker.get(CHANGE).forms[CHANGE])
    directory.inspect(ada)
    page = walker.get("/recover/wait")
    walker.send_boxes(page, boxes_for(page, "Correct-Horse-7", current="wrong"))
    directory.write(code, operation="change")
    page = walker.get("/recover/wait")
    assert told in page.text
    assert "#current-password" in page.links


def test_a_change_that_meets_a_locked_account_says_so(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    signed_in(walker, directory)
    walker.post(CHANGE, walker.get(CHANGE).forms[CHANGE])
    directory.inspect(ada)
    page = walker.get("/recover/wait")
    walker.send_boxes(page, boxes_for(page, "Correct-Horse-7", current=PASSWORD))
    directory.write(OutcomeCode.LOCKED_OUT, operation="change")
    page = walker.get("/recover/wait")
    assert page.heading == "Your account is locked"
    assert "SSPR_0029" in page.text


def test_a_change_without_javascript_seals_both_passwords_on_receipt(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    signed_in(walker, directory)
    walker.post(CHANGE, walker.get(CHANGE).forms[CHANGE])
    directory.inspect(ada)
    plain = "/recover/password/plain"
    page = walker.get(plain)
    new = "Correct-Horse-7"
    typed = {"current_password": PASSWORD, "new_password": new, "new_password_again": new}
    walker.post(plain, page.forms[plain] | typed)
    directory.write(operation="change")
    assert (directory.opened.current, directory.opened.new) == (PASSWORD, new)


def test_a_reset_ends_the_sessions_that_the_old_password_opened(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    signed_in(walker, directory)
    other = Walker("192.0.2.2")
    other.type_code(other.ask_for_code(other.identify("ada@example.test")), newest_code())
    directory.inspect(ada)
    page = other.get("/recover/wait")
    other.send_boxes(page, boxes_for(page, "Correct-Horse-7"))
    directory.write()
    assert walker.get("/account").heading == "Sign in"


def test_the_second_step_follows_the_directory_s_word(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    two_steps()
    page = signed_in(walker, directory)
    assert page.heading == "How do you want to prove it is you?"
    assert prove(walker, page).heading == "Your account"


def test_the_second_step_comes_before_a_forced_change_and_does_not_skip_it(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    two_steps()
    type_password(walker)
    directory.verify(OutcomeCode.MUST_CHANGE)
    assert prove(walker, walker.get("/sign-in/wait")).heading == "Your password has to be changed"
    assert walker.get("/security-info").heading == "Your password has to be changed"


def test_without_javascript_the_password_is_sealed_on_receipt_where_that_is_allowed(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    page = name(walker, "ada@example.test")
    assert "/sign-in/password/plain" in page.links
    plain = "/sign-in/password/plain"
    form = walker.get(plain).forms[plain]
    Organization.objects.update(allow_plain_page=False)
    assert walker.post(plain, form | {"password": PASSWORD}).status == 400
    Organization.objects.update(allow_plain_page=True)
    assert walker.post(plain, form | {"password": PASSWORD}).heading == "We are asking your directory"
    assert directory.verify() == PASSWORD
    assert walker.get("/sign-in/wait").heading == "Your account"


def test_a_password_in_clear_is_not_taken_by_the_sealed_page(ada: Person, walker: Walker) -> None:
    page = name(walker, "ada@example.test")
    assert walker.post(SEALED, page.forms[SEALED] | {"password": PASSWORD}).status == 400
    assert not WritebackRequest.objects.exists()


def test_boxes_are_taken_once_and_only_those_of_the_page(ada: Person, walker: Walker) -> None:
    page = name(walker, "ada@example.test")
    assert send(walker, page, boxes={}).status_code == 400
    assert send(walker, page, request_id=str(uuid.uuid4())).status_code == 409
    assert send(walker, page).status_code == 200
    assert send(walker, page).status_code in (403, 409)  # the session, and with it the token, is another one by now
    assert WritebackRequest.objects.count() == 1


def test_who_planted_the_session_before_the_password_gets_no_answer(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    page = name(walker, "ada@example.test")
    planted = walker.client.cookies["keyback"].value
    send(walker, page)
    directory.verify()
    thief = Walker("192.0.2.2")
    thief.client.cookies["keyback"] = planted
    thief.get("/sign-in/result")
    assert thief.get("/account").heading == "Sign in"
    assert walker.get("/sign-in/result").heading == "Your account"


def test_another_s_right_password_signs_nobody_else_in(
    ada: Person, make_ada: Callable[..., Person], walker: Walker, directory: FakeDirectory
) -> None:
    """The user ID is typed anew, in another tab, while the directory is asked."""
    make_ada("grace")
    type_password(walker, "ada@example.test")
    directory.verify()
    name(walker, "grace@example.test")
    assert walker.get("/sign-in/result").heading == "What is your password?"
    assert walker.get("/account").heading == "Sign in"


def test_ten_wrong_tries_and_then_a_wait(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    for _ in range(10):
        type_password(walker)
        directory.verify(OutcomeCode.CURRENT_WRONG)
        walker.get("/sign-in/result")
    answer = send(walker, name(walker, "ada@example.test"))
    assert answer.status_code == 429


def test_without_any_agent_it_is_said_to_everybody(ada: Person, walker: Walker) -> None:
    Agent.objects.update(state="revoked")
    for user_id in ("ada@example.test", "nobody@example.test"):
        assert name(walker, user_id).heading == "This is not possible at the moment"


def test_nobody_answers_in_time(ada: Person, walker: Walker, clock: Clock) -> None:
    from keyback.portal.writeback.requests import sweep

    type_password(walker)
    clock.forward(seconds=61)
    sweep(timezone.now())
    assert walker.get("/sign-in/wait").heading == "This is not possible at the moment"


@pytest.mark.parametrize("unknown", ["eve@example.test", "ada@elsewhere.test", "adx", "CORP\\eve"])
def test_known_and_unknown_people_see_the_same(
    ada: Person, directory: FakeDirectory, clock: Clock, unknown: str
) -> None:
    clock.stop(timezone.now())
    seen = []
    for user_id, address in (("ada@example.test", "192.0.2.1"), (unknown, "192.0.2.2")):
        walker = Walker(address)
        page = name(walker, user_id)
        texts = [_bare(page, user_id), sorted(page.forms), [t["agent"] for t in page.data["sealing"]["targets"]]]
        info = len(page.data["sealing"]["targets"][0]["info"])
        page = read(walker.client.get(json.loads(send(walker, page).content)["next"]))
        texts += [info, _bare(page, user_id)]
        clock.forward(seconds=1)
        if user_id.startswith("ada@example"):
            directory.verify(OutcomeCode.CURRENT_WRONG)
        clock.forward(seconds=1)
        page = walker.get("/sign-in/wait")
        texts += [page.status, _bare(page, user_id), sorted(page.response.cookies)]
        seen.append(texts)
    assert seen[0] == seen[1]
    assert AuditEntry.objects.filter(activity="account.sign_in_failed").count() == 2


def _bare(page: Page, user_id: str) -> str:
    return page.text.replace(page.response["Keyback-Tracking-Id"], "").replace(user_id.lower(), "…")


def test_in_a_mixed_house_an_unknown_user_id_always_looks_the_same(ada: Person, cleo: Person) -> None:
    looks = {}
    for number in range(12):
        user_id = f"nobody{number}@example.test"
        once, again = ("sealing" in name(Walker(), user_id).data for _ in range(2))
        assert once == again
        looks[user_id] = once
    assert set(looks.values()) == {True, False}


def test_a_user_id_that_names_somebody_else_by_now_signs_nobody_in(
    ada: Person, make_ada: Callable[..., Person], walker: Walker, directory: FakeDirectory
) -> None:
    type_password(walker)
    directory.verify()
    Spelling.objects.filter(text="ada@example.test").update(person=make_ada("grace"))
    assert walker.get("/sign-in/wait").status == 422
    assert walker.get("/account").heading == "Sign in"
