"""Refusals about one person, on the pages: told once a gate is open, and never before."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.utils import timezone
from tests.portal.test_policies import group
from tests.portal.walk import FakeDirectory, Page, Walker, boxes_for, newest_code

from keyback.portal.config import GatewayConfig
from keyback.portal.methods.authenticator.enrol import add_app, new_secret
from keyback.portal.organizations.models import Organization
from keyback.portal.people import seats
from keyback.portal.people.contacts import index_of, new_contact
from keyback.portal.people.models import ContactDatum, GroupMember, Person, Policy, Seat
from keyback.portal.recovery.wording import explanations
from keyback.protocol.outcomes import OutcomeCode

HOW = "How do you want to prove it is you?"
NOT_ENABLED = "Your account is not enabled for password reset"
VERIFY = "We couldn't verify your account"
CHOOSE = "What should your new password be?"


def refused(page: Page, code: str, name: str, heading: str) -> None:
    """The title, a plain sentence, the technical line, and a link to the help that says more of this code."""
    assert page.heading == heading
    assert f"For your administrator: {code} ({name})." in page.text
    assert f"/help#{code}" in page.links
    assert "/contact" in page.links
    shown = Walker().get("/help")
    assert f'id="{code}"' in shown.response.content.decode()


# --- 13: not in a group


def test_13_who_is_in_no_group_of_any_policy(cleo: Person, walker: Walker, organization: Organization) -> None:
    staff = group(organization, "Staff")
    Policy.objects.update(groups=[str(staff.id)])
    assert walker.identify("cleo@example.test").heading == HOW
    page = walker.prove("cleo@example.test")
    refused(page, "SSPR_0013", "UserNotMemberOfScopedAccessGroup", NOT_ENABLED)
    inner = group(organization, "Inner", cleo)
    GroupMember.objects.create(organization=organization, group=staff, member_group=inner)
    assert walker.prove("cleo@example.test").heading == CHOOSE


def test_13_with_selected_flipped_and_tried_again_at_once(
    cleo: Person, walker: Walker, organization: Organization
) -> None:
    Policy.objects.create(
        organization=organization, name="Staff", groups=[str(group(organization, "Staff").id)], methods=["email"]
    )
    Organization.objects.update(reset_scope="selected")
    assert "SSPR_0013" in walker.prove("cleo@example.test").text
    Organization.objects.update(reset_scope="none")
    assert "SSPR_0009" in walker.identify("cleo@example.test").text
    Organization.objects.update(reset_scope="all")
    assert walker.prove("cleo@example.test").heading == CHOOSE


def test_9_when_it_is_switched_off_between_the_steps(cleo: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    Organization.objects.update(reset_scope="none")
    page = walker.type_code(page, newest_code())
    refused(page, "SSPR_0009", "TenantSSPRFlagDisabled", NOT_ENABLED)


def test_11_a_policy_for_the_board_that_allows_no_reset(
    cleo: Person, walker: Walker, organization: Organization
) -> None:
    Policy.objects.update(position=1)
    board = group(organization, "Board", cleo)
    Policy.objects.create(organization=organization, name="Board", groups=[str(board.id)], reset=False, unlock=False)
    refused(walker.prove("cleo@example.test"), "SSPR_0011", "SsprNotEnabledInUserPolicy", NOT_ENABLED)


# --- 12: seats


def test_12_who_has_no_seat_and_gets_one(cleo: Person, walker: Walker, organization: Organization) -> None:
    Organization.objects.update(seats=1)
    refused(walker.prove("cleo@example.test"), "SSPR_0012", "UserNotLicensed", NOT_ENABLED)
    cleo.refresh_from_db()
    seats.give(cleo, by="operator:test", now=timezone.now())
    assert walker.prove("cleo@example.test").heading == CHOOSE
    seats.release(cleo, by="operator:test", now=timezone.now())
    assert "SSPR_0012" in walker.prove("cleo@example.test").text


def test_12_members_of_a_seat_group_take_one_when_they_prove_who_they_are(
    cleo: Person, walker: Walker, organization: Organization
) -> None:
    staff = group(organization, "Staff", cleo)
    Organization.objects.update(seats=1, seat_groups=[str(staff.id)])
    walker.identify("cleo@example.test")
    assert not Seat.objects.exists()
    assert walker.prove("cleo@example.test").heading == CHOOSE
    assert Seat.objects.get().person_id == cleo.id
    GroupMember.objects.all().delete()
    assert "SSPR_0012" in walker.prove("cleo@example.test").text
    assert not Seat.objects.exists()


def test_12_when_the_last_seat_of_the_group_is_taken(
    cleo: Person, make_ada: Callable[..., Person], walker: Walker, organization: Organization
) -> None:
    staff = group(organization, "Staff", cleo, ada := make_ada())
    Organization.objects.update(seats=1, seat_groups=[str(staff.id)])
    ada.refresh_from_db()
    assert seats.take(ada, timezone.now())
    assert "SSPR_0012" in walker.prove("cleo@example.test").text


# --- 14, 29, 30


def test_14_names_the_page_where_people_register(cleo: Person, walker: Walker) -> None:
    Policy.objects.update(gates=2)
    page = walker.prove("cleo@example.test")
    refused(page, "SSPR_0014", "UserNotProperlyConfigured", VERIFY)
    assert "/security-info" in page.links


@pytest.mark.parametrize(("number", "heading"), [("abc", VERIFY), ("+44 7700900123", HOW)])
def test_14_for_malformed_data_which_counts_as_missing(
    cleo: Person, walker: Walker, settings: Any, number: str, heading: str
) -> None:
    sms = GatewayConfig.model_validate({"url": "http://127.0.0.1:9/", "fields": {"to": "{to}", "text": "{text}"}})
    settings.CONFIG = settings.CONFIG.model_copy(update={"sms": sms})
    Policy.objects.update(gates=2, methods=["email", "sms"])
    now = timezone.now()
    index = index_of(cleo.organization_id, "mobile", number)
    new = new_contact(
        cleo,
        origin="directory",
        kind="mobile",
        position=0,
        value=number,
        index=index,
        changed_at=now,
        opens_from=None,
    )
    ContactDatum.objects.create(**new._asdict())
    assert walker.prove("cleo@example.test").heading == heading


def test_29_follows_the_first_gate_of_two(
    make_ada: Callable[..., Person], directory: FakeDirectory, walker: Walker
) -> None:
    """A protected account, a missing right or a dead agent is told before anybody proves a second thing."""
    Policy.objects.update(gates=2, methods=["email", "authenticator"])
    ada = make_ada()
    secret, now = new_secret(), timezone.now()
    assert add_app(ada, secret, pyotp.TOTP(secret).at(now), label="App", by="self", now=now)
    page = walker.prove("ada@example.test")
    assert "One proof is done." in page.text
    directory.inspect(ada, OutcomeCode.NOT_ALLOWED)
    refused(
        walker.get("/recover/prove"),
        "SSPR_0029",
        "OnPremisesAdminActionRequired",
        "Please contact your administrator",
    )


def test_an_account_that_was_looked_at_with_the_first_gate_goes_on_with_the_second(
    make_ada: Callable[..., Person], directory: FakeDirectory, walker: Walker
) -> None:
    Policy.objects.update(gates=2, methods=["email", "authenticator"])
    ada = make_ada()
    secret, now = new_secret(), timezone.now()
    assert add_app(ada, secret, pyotp.TOTP(secret).at(now), label="App", by="self", now=now)
    page = walker.prove("ada@example.test")
    directory.inspect(ada)
    path = "/recover/authenticator/"
    page = walker.post(f"{path}start", walker.get("/recover/prove").forms[f"{path}start"])
    later = timezone.now() + timedelta(seconds=30)  # the code of enrolment is used
    page = walker.post(path, page.forms[path] | {"code": pyotp.TOTP(secret).at(later)})
    assert page.heading == CHOOSE
    walker.send_boxes(page, boxes_for(page, "Winter-ist-kalt-7"))
    directory.write()
    assert directory.written == ["Winter-ist-kalt-7"]


# --- before a gate


@pytest.mark.parametrize("code", ["SSPR_0012", "SSPR_0013", "SSPR_0014"])
def test_before_a_gate_nobody_sees_it(cleo: Person, organization: Organization, code: str) -> None:
    if code == "SSPR_0012":
        Organization.objects.update(seats=0)
    elif code == "SSPR_0013":
        Policy.objects.update(groups=[str(group(organization, "Staff").id)])
    else:
        Policy.objects.update(gates=2)

    def seen(user_id: str) -> list[str]:
        walker = Walker()
        pages = [walker.identify(user_id)]
        pages.append(walker.ask_for_code(pages[-1]))
        pages.append(walker.type_code(pages[-1], "0000 0000"))
        return [re.sub(r"[0-9a-f-]{36}", "", page.text) for page in pages]

    assert seen("cleo@example.test") == seen("nobody@example.test")
    assert code not in " ".join(seen("cleo@example.test"))


def test_an_organization_that_explains_tells_it_at_once_and_takes_no_seat(
    cleo: Person, walker: Walker, organization: Organization
) -> None:
    Organization.objects.update(
        explain_to_person=True, seats=1, seat_groups=[str(group(organization, "Staff", cleo).id)]
    )
    assert walker.identify("cleo@example.test").heading == HOW
    assert not Seat.objects.exists()
    assert "SSPR_0014" in walker.identify("nobody@example.test").text
    GroupMember.objects.all().delete()
    assert "SSPR_0012" in walker.identify("cleo@example.test").text


def test_every_code_is_explained_on_the_help_page() -> None:
    codes = {refusal.code for refusal in explanations()}
    assert codes >= {f"SSPR_{number:04}" for number in (9, 10, 11, 12, 13, 14, 29, 30)}
    assert codes >= {"OnPremisesPolicyViolation", "FuzzyPolicyViolation"}
    assert all(refusal.title and refusal.text and refusal.mend for refusal in explanations())
