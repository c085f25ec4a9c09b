"""Steps cannot be reordered, replayed or skipped, nor carried to another person, tab or browser."""

import pytest
from tests.portal.recovery.conftest import OLD_PASSWORD, Clock
from tests.portal.walk import FakeDirectory, Walker, boxes_for, newest_code

from keyback.portal.people.cloud import verify_password
from keyback.portal.people.models import Person

LATER_PAGES = [
    "/recover/prove",
    "/recover/email/",
    "/recover/wait",
    "/recover/password",
    "/recover/password/plain",
    "/recover/outcome",
]


@pytest.mark.parametrize("path", LATER_PAGES)
def test_without_a_recovery_every_page_leads_to_the_first(path: str, walker: Walker) -> None:
    assert walker.get(path).heading == "Who are you?"


@pytest.mark.parametrize("path", LATER_PAGES[2:])
def test_before_the_gate_every_later_page_leads_back(path: str, ada: Person, walker: Walker) -> None:
    walker.identify("ada@example.test")
    assert walker.get(path).heading == "How do you want to prove it is you?"


def test_a_password_posted_before_the_gate_changes_nothing(cleo: Person, walker: Walker) -> None:
    page = walker.identify("cleo@example.test")
    form = page.forms["/recover/email/send"]
    answer = walker.post(
        "/recover/password/plain", form | {"new_password": "Winter-7-kalt", "new_password_again": "Winter-7-kalt"}
    )
    assert answer.status == 409
    assert (
        walker.client.post(
            "/recover/password",
            "{}",
            content_type="application/json",
            headers={"X-CSRFToken": form["csrfmiddlewaretoken"]},
        ).status_code
        == 409
    )
    assert verify_password(cleo, OLD_PASSWORD)


def test_after_the_gate_the_method_is_over(cleo: Person, walker: Walker) -> None:
    walker.prove("cleo@example.test")
    for path in ("/recover/prove", "/recover/email/"):
        assert walker.get(path).heading == "What should your new password be?"


def test_the_end_cannot_be_replayed(ada: Person, directory: FakeDirectory, walker: Walker) -> None:
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    boxes = boxes_for(page, "Winter-ist-kalt-7")
    assert walker.send_boxes(page, boxes).status_code == 200
    assert walker.send_boxes(page, boxes).status_code == 409
    directory.write()
    assert walker.send_boxes(page, boxes).status_code == 409
    assert directory.written == ["Winter-ist-kalt-7"]


def test_a_form_of_another_person_in_a_second_tab_does_nothing(cleo: Person, ada: Person, walker: Walker) -> None:
    first_tab = walker.ask_for_code(walker.identify("cleo@example.test"))
    cleos_code = newest_code()
    walker.ask_for_code(walker.identify("ada@example.test"))
    answer = walker.type_code(first_tab, cleos_code)
    assert answer.status == 409
    assert walker.recovery().person == ada
    assert walker.recovery().state == "prove"


def test_a_page_of_one_browser_is_worth_nothing_in_another(cleo: Person) -> None:
    own, other = Walker(), Walker()
    page = own.ask_for_code(own.identify("cleo@example.test"))
    theirs = other.ask_for_code(other.identify("cleo@example.test"))
    fields = theirs.forms["/recover/email/"] | {"step": page.forms["/recover/email/"]["step"], "code": "12345678"}
    assert other.post("/recover/email/", fields).status == 409


def test_a_session_id_planted_by_a_stranger_is_not_kept(cleo: Person) -> None:
    stranger, victim = Walker(), Walker()
    stranger.identify("eve@example.test")
    planted = stranger.client.cookies["keyback"].value
    victim.client.cookies["keyback"] = planted
    victim.identify("cleo@example.test")
    assert victim.client.cookies["keyback"].value != planted
    assert stranger.get("/recover/prove").heading == "Who are you?"


def test_a_recovery_lasts_fifteen_minutes(cleo: Person, walker: Walker, clock: Clock) -> None:
    walker.prove("cleo@example.test")
    clock.forward(minutes=14, seconds=50)
    page = walker.get("/recover/password/plain")
    assert page.heading == "What should your new password be?"
    clock.forward(seconds=15)
    typed = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}
    late = walker.post("/recover/password/plain", page.forms["/recover/password/plain"] | typed)
    assert late.status == 409
    assert walker.get("/recover/password/plain").heading == "Your 15 minutes are over"
    assert verify_password(cleo, OLD_PASSWORD)


def test_what_was_submitted_in_time_is_waited_for(
    ada: Person, directory: FakeDirectory, walker: Walker, clock: Clock
) -> None:
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    clock.forward(minutes=14, seconds=50)
    walker.send_boxes(page, boxes_for(page, "Winter-ist-kalt-7"))
    clock.forward(seconds=20)
    directory.write()
    assert walker.recovery().state == "done"


def test_a_post_without_a_csrf_token_is_refused(cleo: Person, walker: Walker) -> None:
    page = walker.identify("cleo@example.test")
    form = {"step": page.forms["/recover/email/send"]["step"]}
    refused = walker.post("/recover/email/send", form)
    assert refused.status == 403
    assert refused.heading == "Please load the page again"
