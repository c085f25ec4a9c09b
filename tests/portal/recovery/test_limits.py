"""Limits on the pages: what everybody may know is told, the person's own act silently, and strangers harm only
themselves."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from tests.portal.recovery.conftest import Clock
from tests.portal.walk import Page, Walker, newest_code

from keyback.portal.audit.models import AuditEntry
from keyback.portal.limits.budgets import Blocked, Budget, clear_all, spend, spend_all
from keyback.portal.limits.clients import Client
from keyback.portal.limits.settings import blocks
from keyback.portal.messages.models import Message
from keyback.portal.methods.codes import CodeRefused, latest, try_code
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Spelling
from keyback.portal.recovery.models import Recovery

HOME = "192.0.2.10"
STRANGER = "198.51.100.{}"


def moment(page: Page) -> str:
    found = re.search(r'datetime="([^"]+)"', page.response.content.decode())
    assert found is not None
    return found.group(1)


def fail_to_prove(walker: Walker, user_id: str, times: int = 5) -> Page:
    page = walker.ask_for_code(walker.identify(user_id))
    wrong = "00000001" if newest_code() != "0000 0001" else "00000002"
    answer = page
    for _ in range(times):
        answer = walker.type_code(page, wrong)
    return answer


def test_five_failed_proofs_close_the_method_for_this_client_for_a_day(cleo: Person, clock: Clock) -> None:
    walker = Walker(HOME)
    fail_to_prove(walker, "cleo@example.test")
    clock.forward(minutes=10)
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    blocked = walker.type_code(page, newest_code())
    assert blocked.status == 429
    assert blocked.heading == "There were too many tries"
    assert int(blocked.response["Retry-After"]) > 23 * 3600
    clock.forward(hours=23, minutes=55)
    assert walker.prove("cleo@example.test").heading == "What should your new password be?"


def test_the_audit_tells_when_a_block_begins_once(cleo: Person) -> None:
    fail_to_prove(Walker(HOME), "cleo@example.test", times=6)
    entry = AuditEntry.objects.get(activity="recovery.blocked")
    assert entry.details == {"method": "email", "budget": "proof_failed"}
    assert AuditEntry.objects.filter(activity="recovery.proof_failed").count() == 5


def test_tries_during_a_block_do_not_extend_it(cleo: Person, clock: Clock) -> None:
    walker = Walker(HOME)
    fail_to_prove(walker, "cleo@example.test")
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    until = moment(walker.type_code(page, "00000003"))
    clock.forward(minutes=4)
    assert moment(walker.type_code(page, "00000004")) == until


def test_a_stranger_blocks_only_themselves(cleo: Person) -> None:
    fail_to_prove(Walker(STRANGER.format(1)), "cleo@example.test")
    assert Walker(HOME).prove("cleo@example.test").heading == "What should your new password be?"


def test_changing_the_spelling_does_not_change_the_persons_own_count_and_nothing_shows_it(
    cleo: Person, organization: Organization
) -> None:
    Spelling.objects.create(organization=organization, text="cc", person=cleo)
    walker = Walker(HOME)
    fail_to_prove(walker, "cleo@example.test")
    page = walker.ask_for_code(walker.identify("cc"))
    answer = walker.type_code(page, newest_code())
    assert answer.status == 422
    assert "That is not the code." in answer.text


def test_the_sixth_sending_in_an_hour_is_refused_and_the_block_is_told(cleo: Person) -> None:
    walker = Walker(HOME)
    page = walker.identify("cleo@example.test")
    form = page.forms["/recover/email/send"]
    statuses = [walker.post("/recover/email/send", form).status for _ in range(6)]
    assert statuses == [200] * 5 + [429]


def test_a_mailbox_gets_ten_mails_in_ten_minutes_whoever_asks(cleo: Person) -> None:
    for number in range(12):
        walker = Walker(STRANGER.format(number + 1))
        page = walker.ask_for_code(walker.identify("cleo@example.test"))
        assert page.heading == "Which code did you get?"
    assert Message.objects.filter(discard=False).count() == 10
    assert Message.objects.filter(discard=True).count() == 2


def test_one_client_cannot_try_user_ids_without_end(organization: object) -> None:
    walker = Walker(STRANGER.format(1))
    statuses = [walker.identify(f"user{number}@example.test").status for number in range(31)]
    assert statuses == [200] * 30 + [429]


def test_an_office_network_may_start_as_often_as_its_people_forget(organization: object) -> None:
    office = settings.CONFIG.model_copy(update={"office_networks": ("203.0.113.0/24",)})
    with override_settings(CONFIG=office):
        walker = Walker("203.0.113.7")
        assert {walker.identify(f"user{number}@example.test").status for number in range(35)} == {200}


def test_the_header_of_a_proxy_that_nobody_trusts_makes_no_new_client(organization: object) -> None:
    walker = Walker(STRANGER.format(1))
    for number in range(30):
        walker.identify(f"user{number}@example.test")
    walker.client.defaults["HTTP_X_FORWARDED_FOR"] = "203.0.113.9"
    assert walker.identify("another@example.test").status == 429


def test_a_right_code_forgets_the_failures_before_it(cleo: Person, clock: Clock) -> None:
    walker = Walker(HOME)
    for _ in range(3):
        page = fail_to_prove(walker, "cleo@example.test", times=3)
        assert walker.type_code(page, newest_code()).heading == "What should your new password be?"
        clock.forward(minutes=1)


@pytest.mark.parametrize("user_id", ["cleo@example.test", "nobody@example.test"])
def test_a_block_says_when_it_ends(user_id: str, cleo: Person) -> None:
    walker = Walker(HOME)
    fail_to_prove(walker, user_id)
    page = walker.ask_for_code(walker.identify(user_id))
    blocked = walker.type_code(page, "12345678")
    assert moment(blocked) > timezone.now().isoformat()
    assert "Your account itself is not locked by this." in blocked.text


def test_what_is_counted_together_is_not_given_back_when_one_is_closed(organization: Organization) -> None:
    wide, narrow = Budget("wide", 10, timedelta(hours=1)), Budget("narrow", 1, timedelta(hours=1))
    now = timezone.now()
    spend_all(organization.id, (wide, ("x",)), (narrow, ("x",)), now=now)
    for _ in range(3):
        with pytest.raises(Blocked) as blocked:
            spend_all(organization.id, (wide, ("x",)), (narrow, ("x",)), now=now)
        assert blocked.value.budget == "narrow"
    assert spend(organization.id, wide, "x", now=now) == 10 - 5
    clear_all(organization.id, (wide, ("x",)), (narrow, ("x",)))
    spend_all(organization.id, (wide, ("x",)), (narrow, ("x",)), now=now)


def test_a_stranger_with_many_addresses_cannot_keep_a_known_browser_from_recovering(
    cleo: Person, organization: Organization
) -> None:
    """Whatever strangers share is used up: the pools of the person, the mailbox's mails, the organization's mails. The
    browser that helped her before gets its code all the same, and opens the gate with it."""
    known = Walker(HOME)
    page = known.prove("cleo@example.test")
    typed = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}
    known.post("/recover/password/plain", page.forms["/recover/password/plain"] | typed)
    # Small numbers, so that a dozen addresses use up what hundreds would.
    day: dict[str, int | None] = {"limit": 12, "window": 86_400, "block": 86_400}
    pools = ("mails_for_one_organization", "mails_to_one_mailbox", "proof_failed_pool", "codes_sent_pool")
    organization.limits = dict.fromkeys(pools, day) | {"proof_failed_pool": {**day, "limit": 9}}
    organization.save()
    for number in range(13):
        stranger = Walker(STRANGER.format(number + 1))
        page = stranger.ask_for_code(stranger.identify("cleo@example.test"))
        if page.status == 200:
            stranger.type_code(page, "0000 0000")
    newcomer = Walker(STRANGER.format(200))
    assert newcomer.ask_for_code(newcomer.identify("cleo@example.test")).status == 429
    closed = {block.name for block in blocks(organization, timezone.now())}
    assert closed >= set(pools)
    assert known.prove("cleo@example.test").heading == "What should your new password be?"


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_codes_tried_at_once_five_are_judged(cleo: Person, organization: Organization) -> None:
    """Through what every page calls: the budget belongs to the code, however many requests try it."""
    walker = Walker(HOME)
    walker.ask_for_code(walker.identify("cleo@example.test"))
    recovery = Recovery.objects.get()
    challenge = latest(recovery, "email")
    assert challenge is not None
    start = threading.Barrier(20)

    def try_five(thread: int) -> None:
        start.wait()
        try:
            for number in range(5):
                client = Client("block", f"203.0.113.{thread * 5 + number}")  # each a stranger of its own
                with suppress(CodeRefused, Blocked):
                    try_code(recovery, challenge, "00000000", client, timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(try_five, range(20)))
    assert AuditEntry.objects.filter(activity="recovery.proof_failed").count() == 5
    challenge.refresh_from_db()
    assert challenge.tries_left == 0
