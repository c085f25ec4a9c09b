"""One proof more than the password: at sign-in where the organization asks for it, and before what a password alone
must not do."""

from django.contrib.sessions.models import Session

from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.create import create_cloud_person
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.recovery.models import Recovery
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import name, sign_in, type_password
from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import Page, Walker, newest_code


def two_steps() -> None:
    Organization.objects.update(two_step_sign_in=True)


def prove(walker: Walker, page: Page) -> Page:
    return walker.type_code(walker.ask_for_code(page), newest_code())


def test_after_the_password_something_on_file_is_proved(cleo: Person, walker: Walker) -> None:
    two_steps()
    page = sign_in(walker, "cleo@example.test")
    assert page.heading == "How do you want to prove it is you?"
    assert "c••••@p••••.test" in page.text
    assert walker.get("/account").heading == "Show once more that it is you"
    page = walker.get("/recover/prove")
    page = prove(walker, page)
    assert page.heading == "Your account"
    assert AuditEntry.objects.get(activity="recovery.gate_opened").details == {"method": "email", "purpose": "verify"}


def test_the_second_step_leads_to_the_page_that_was_wanted(cleo: Person, walker: Walker) -> None:
    two_steps()
    page = sign_in(walker, "cleo@example.test", path="/sign-in?next=/account/prove")
    assert prove(walker, page).response.redirect_chain[-1][0] == "/account/prove"  # type: ignore[attr-defined]


def test_where_nothing_is_on_file_the_password_is_enough(cleo: Person, walker: Walker) -> None:
    two_steps()
    ContactDatum.objects.all().delete()
    sign_in(walker, "cleo@example.test")
    assert walker.get("/account").heading == "Your account"


def test_a_wrong_code_signs_nobody_in(cleo: Person, walker: Walker) -> None:
    two_steps()
    page = walker.ask_for_code(sign_in(walker, "cleo@example.test"))
    assert walker.type_code(page, "0000 0000").status == 422
    assert walker.get("/account").heading == "Show once more that it is you"


def test_the_proof_opens_no_password_page(cleo: Person, walker: Walker) -> None:
    two_steps()
    prove(walker, sign_in(walker, "cleo@example.test"))
    for path in ("/recover/password", "/recover/password/plain", "/recover/wait", "/recover/outcome"):
        assert walker.get(path).heading in ("Who are you?", "Your account")
    assert Recovery.objects.get().state == "done"


def test_a_proof_made_for_getting_back_in_is_none_for_signing_in(cleo: Person, walker: Walker) -> None:
    """CVE-2026-18963's kind: the state of one flow is nothing in another."""
    two_steps()
    walker.prove("cleo@example.test")
    sign_in(walker, "cleo@example.test")
    assert walker.get("/account/proved").heading == "Show once more that it is you"


def test_who_bends_the_purpose_in_the_database_gains_nothing(cleo: Person, walker: Walker) -> None:
    two_steps()
    page = walker.ask_for_code(sign_in(walker, "cleo@example.test"))
    Recovery.objects.update(purpose="reset")
    assert walker.type_code(page, newest_code()).status == 409
    Recovery.objects.update(purpose="verify")
    prove(walker, walker.get("/recover/prove"))
    Recovery.objects.update(purpose="reset", state="choose")
    assert walker.get("/recover/password/plain").heading == "Who are you?"


def test_somebody_else_s_proof_is_none(cleo: Person, walker: Walker) -> None:
    two_steps()
    eve = create_cloud_person(
        cleo.organization, "eve@example.test", by="operator:test", now=cleo.organization.created_at
    )
    add_mail(eve, "eve@private.test", origin="operator", by="operator:test", now=cleo.organization.created_at)
    page = walker.ask_for_code(sign_in(walker, "cleo@example.test"))
    Recovery.objects.update(person=eve)
    assert walker.type_code(page, newest_code()).status in (409, 422)
    assert walker.get("/account").heading != "Your account"


def test_the_second_step_has_fifteen_minutes(cleo: Person, walker: Walker, clock: Clock) -> None:
    two_steps()
    page = walker.ask_for_code(sign_in(walker, "cleo@example.test"))
    clock.forward(minutes=16)
    assert walker.type_code(page, newest_code()).status == 409
    page = walker.get("/account")
    assert page.heading == "Show once more that it is you"
    page = walker.post("/account/prove", page.forms["/account/prove"])
    assert prove(walker, page).heading == "Your account"


def test_the_session_id_is_new_after_the_second_step(cleo: Person, walker: Walker) -> None:
    two_steps()
    page = sign_in(walker, "cleo@example.test")
    half_way = walker.client.cookies["keyback"].value
    prove(walker, page)
    assert walker.client.cookies["keyback"].value != half_way
    assert Session.objects.count() == 1


def test_whoever_is_signed_in_proves_more_when_asked_and_stays_signed_in(cleo: Person, walker: Walker) -> None:
    type_password(walker, name(walker, "cleo@example.test"), OLD_PASSWORD)
    page = walker.get("/account/prove?next=/account")
    page = walker.post("/account/prove", page.forms["/account/prove"])
    assert prove(walker, page).heading == "Your account"
