"""Every refusal names its rule: on the page, with the code that administrators look up, and in the agent's events under
the same tracking id. And nothing was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.browser.walk import CHOOSE, DONE
from tests.support.person import Page, PersonAtBrowser
from tests.support.whole import Whole, fresh_password, start_agent

import lab
from lab import api
from lab.people import INITIAL_PASSWORD, FineGrainedPolicy, Kind, Person
from lab.stack import AgentProcess
from lab.testing import fresh_forest

VIOLATION, ADMINISTRATOR, CONNECTIVITY = "OnPremisesPolicyViolation", "SSPR_0029", "SSPR_0030"
_NORMAL_ACCOUNT, _DISABLED = 0x200, 0x2  # bits of userAccountControl


@pytest.fixture
def person(whole: Whole) -> Person:
    return whole.take()


@pytest.fixture
def browser(whole: Whole) -> Iterator[PersonAtBrowser]:
    with whole.browser() as browser:
        yield browser


def submitted(whole: Whole, browser: PersonAtBrowser, person: Person, password: str) -> Page:
    browser.reach_choose(whole.user_id(person), person.mail_address)
    browser.submit(password)
    return browser.outcome()


def proved(whole: Whole, browser: PersonAtBrowser, person: Person, forest: lab.Forest | None = None) -> Page:
    """Proves who they are, and sees what follows the look at the account."""
    browser.identify(f"{person.account}@{(forest or whole.forest).dns_domain}")
    browser.choose_email(person.mail_address)
    browser.enter_code(browser.read_code(person.mail_address))
    return browser.wait()


def ids(whole: Whole, page: Page) -> list[str]:
    whole.wait_for_event(page.support_code, "31003")
    return [event["id"] for event in whole.events(page.support_code)]


def nothing_was_written(whole: Whole, person: Person) -> None:
    writes = [write for write in whole.resets_of(person) if write.by_service]
    assert not any(write.succeeded for write in writes), writes
    if person.password:
        assert api.kinit(whole.forest, person.account, person.password) is api.SignIn.OK


@dataclass(frozen=True, slots=True)
class Branch:
    """Another forest with an agent of its own, Debian 12's Samba: ``refused`` is what came of a recovery there;
    ``waiting`` is in the middle of one, and the agent was killed."""

    forest: lab.Forest
    agent: AgentProcess
    refused: Page
    waiting: PersonAtBrowser


@pytest.fixture(scope="module")
def branch_forest() -> Iterator[lab.Forest]:
    with fresh_forest("branch", flavour="bookworm", domain="branch") as fresh:
        yield fresh


@pytest.fixture(scope="module")
def branch(whole: Whole, branch_forest: lab.Forest) -> Iterator[Branch]:
    """Made before the first test, since the minute that a request waits for an agent then passes during the others."""
    whole.stack.add_domain(branch_forest.dns_domain)
    agent = whole.stack.onboard("agent-two", [branch_forest])
    whole.sync(agent)
    start_agent(agent, whole.stack)
    with whole.browser() as ada, whole.browser() as grace:
        refused = proved(whole, ada, lab.people.person("ada"), branch_forest)
        agent.kill()
        grace.identify(f"grace@{branch_forest.dns_domain}")
        grace.choose_email("grace@example.test")
        grace.enter_code(grace.read_code("grace@example.test"))
        yield Branch(branch_forest, agent, refused, grace)


def test_a_directory_without_the_policy_hints_control(branch: Branch, whole: Whole) -> None:
    assert branch.refused.refusal == ADMINISTRATOR
    found = [(event["id"], event["name"]) for event in whole.events(branch.refused.support_code, branch.agent)]
    assert found == [
        ("31001", "PasswordResetStart"),
        ("6329", "PolicyHintsControlMissing"),
        ("33009", "ADConfigurationError"),
        ("31003", "PasswordResetFail"),
    ]
    assert not [write for write in api.audit(branch.forest) if write.by_service]


@pytest.mark.parametrize(
    ("password", "sentence", "events"),
    [
        pytest.param("Aa1-b", "Use at least 8 characters.", ["33008"], id="too short"),
        pytest.param("onlysmallletters", "Mix at least 3 of these", ["33008"], id="not complex"),
        # A name breaks the directory's rule, and the rule of words beside it.
        pytest.param(
            "x9Q-{account}-x9Q", "Leave out your account name.", ["33008", "42030"], id="contains the account name"
        ),
        pytest.param(
            "A-98-{surname}-zzz",
            "Leave out the parts of your name.",
            ["33008", "42030"],
            id="contains the display name",
        ),
    ],
)
def test_a_password_that_breaks_a_rule(
    whole: Whole, browser: PersonAtBrowser, person: Person, password: str, sentence: str, events: list[str]
) -> None:
    # The page's script would not even send the first four; this browser has none.
    page = submitted(whole, browser, person, password.format(account=person.account, surname=person.surname))
    assert (page.title, page.refusal) == (CHOOSE, VIOLATION)
    assert sentence in page.text
    found = ids(whole, page)
    assert found[0] == "31001" and found[-1 - len(events) :] == [*events, "31003"]
    nothing_was_written(whole, person)

    # The same recovery goes on with a better one.
    good = fresh_password()
    browser.submit(good)
    assert browser.outcome().title == DONE
    assert api.kinit(whole.forest, person.account, good) is api.SignIn.OK


def test_a_password_that_was_used_before(whole: Whole, browser: PersonAtBrowser, person: Person) -> None:
    first, second = fresh_password(), fresh_password()
    for password in (first, second):
        assert submitted(whole, browser, person, password).title == DONE
    page = submitted(whole, browser, person, first)
    assert (page.title, page.refusal) == (CHOOSE, VIOLATION)
    assert "You have used this password before." in page.text
    assert ids(whole, page) == ["31001", "6329", "33008", "31003"]
    assert api.kinit(whole.forest, person.account, second) is api.SignIn.OK


def test_a_password_that_is_easy_to_guess(whole: Whole, browser: PersonAtBrowser, person: Person) -> None:
    page = submitted(whole, browser, person, "P@ssw0rd-2026")
    assert (page.title, page.refusal) == (CHOOSE, "FuzzyPolicyViolation")
    assert "This password is too easy to guess." in page.text
    found = ids(whole, page)
    assert found[0] == "31001" and found[-1] == "31003"
    nothing_was_written(whole, person)


def test_a_password_that_a_filter_does_not_like(
    whole: Whole, browser: PersonAtBrowser, person: Person, password_filter: Callable[..., None]
) -> None:
    password_filter("forbiddenword")
    page = submitted(whole, browser, person, "My-ForbiddenWord-77")
    assert (page.title, page.refusal) == (CHOOSE, VIOLATION)
    assert "Your organization does not allow this password." in page.text
    assert ids(whole, page) == ["31001", "6329", "33008", "31003"]
    nothing_was_written(whole, person)


def test_a_password_that_is_too_young_with_the_time_from_which_it_may_be_changed(
    whole: Whole, browser: PersonAtBrowser, policy: Callable[..., None]
) -> None:
    person = whole.new_person(groups=("Research",))
    slow = FineGrainedPolicy("Slow", "Research", 5, 8, 3, max_age=42 * 86_400, min_age=2 * 86_400)
    api.add_policy(whole.forest, slow)  # the fixture takes it away again
    set_at = datetime.now(UTC)
    page = proved(whole, browser, person)
    assert (page.title, page.refusal) == ("Your password was changed too recently", VIOLATION)
    told = datetime.fromisoformat(page.times[0])
    assert abs(told - set_at - timedelta(days=2)) < timedelta(minutes=5)
    nothing_was_written(whole, person)


def test_a_protected_account(whole: Whole, browser: PersonAtBrowser) -> None:
    person = whole.new_person(Kind.ADMIN_COUNT)
    page = proved(whole, browser, person)
    assert page.refusal == ADMINISTRATOR
    assert ids(whole, page) == ["31001", "33004", "31003"]
    nothing_was_written(whole, person)


def test_an_account_that_is_protected_through_a_nested_group(whole: Whole, browser: PersonAtBrowser) -> None:
    person = whole.new_person(Kind.NESTED_ADMIN)
    page = proved(whole, browser, person)
    assert page.refusal == ADMINISTRATOR
    assert ids(whole, page) == ["31001", "33004", "31003"]
    assert "protected_group" in whole.wait_for_event(page.support_code, "33004")["message"]
    nothing_was_written(whole, person)


def test_a_right_that_the_service_account_does_not_have(whole: Whole, browser: PersonAtBrowser, person: Person) -> None:
    api.deny_right(whole.forest, "reset-password", person.account)
    page = proved(whole, browser, person)
    assert page.refusal == ADMINISTRATOR
    assert ids(whole, page) == ["31001", "33004", "31003"]
    assert "Reset Password" in whole.wait_for_event(page.support_code, "33004")["message"]
    nothing_was_written(whole, person)


def test_without_the_right_to_set_a_password_an_account_is_unlocked_all_the_same(
    whole: Whole, browser: PersonAtBrowser
) -> None:
    person = whole.new_person(Kind.LOCKED)
    api.deny_right(whole.forest, "reset-password", person.account)
    browser.identify(whole.user_id(person))
    browser.post("/recover/purpose")
    browser.choose_email(person.mail_address)
    browser.enter_code(browser.read_code(person.mail_address))
    page = browser.wait()
    assert page.title == "Unlock your account?"
    assert [form.action for form in page.forms if form.action == "/recover/purpose"] == []
    browser.post("/recover/unlock")
    assert browser.outcome().title == "Your account is unlocked"
    assert ids(whole, page)[:3] == ["31001", "33004", "31003"]
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is api.SignIn.OK


def test_a_right_that_is_taken_away_between_the_look_and_the_write(
    whole: Whole, browser: PersonAtBrowser, person: Person
) -> None:
    browser.reach_choose(whole.user_id(person), person.mail_address)
    api.deny_right(whole.forest, "reset-password", person.account)
    browser.submit(fresh_password())
    page = browser.outcome()
    assert page.refusal == ADMINISTRATOR
    assert ids(whole, page) == ["31001", "33004", "31003"]
    nothing_was_written(whole, person)


@pytest.mark.parametrize("kind", [Kind.EXPIRED, Kind.CANNOT_CHANGE])
def test_an_account_that_a_new_password_would_not_help(whole: Whole, browser: PersonAtBrowser, kind: Kind) -> None:
    person = whole.new_person(kind)
    page = proved(whole, browser, person)
    assert page.refusal == ADMINISTRATOR
    assert ids(whole, page) == ["31001", "33009", "31003"]
    assert not [write for write in whole.resets_of(person) if write.by_service]


def test_an_account_that_was_disabled_a_moment_ago(whole: Whole, browser: PersonAtBrowser, person: Person) -> None:
    api.set_attributes(whole.forest, person.account, {"userAccountControl": _NORMAL_ACCOUNT | _DISABLED})
    page = proved(whole, browser, person)
    assert page.refusal == ADMINISTRATOR
    assert ids(whole, page) == ["31001", "33005", "31003"]
    assert not [write for write in whole.resets_of(person) if write.by_service]


def test_a_directory_that_is_down(whole: Whole, browser: PersonAtBrowser, person: Person) -> None:
    lab.kill(whole.forest.name)
    try:
        page = proved(whole, browser, person)
        assert (page.title, page.refusal) == ("This is not possible at the moment", CONNECTIVITY)
        assert ids(whole, page) == ["31001", "42014", "31003"]
    finally:
        lab.restart(whole.forest.name)
    nothing_was_written(whole, person)
    assert browser.reset(whole.user_id(person), person.mail_address, fresh_password()).title == DONE


def test_an_agent_past_its_cap(whole: Whole, browser: PersonAtBrowser, person: Person) -> None:
    config = whole.agent.config
    before = config.read_text("utf-8")
    config.write_text(before.replace("per_hour = 100000", "per_hour = 1"), "utf-8")
    whole.restart_agent()
    try:
        page = proved(whole, browser, person)
        assert page.refusal == ADMINISTRATOR
        assert ids(whole, page) == ["31001", "42011", "31003"]
    finally:
        config.write_text(before, "utf-8")
        whole.restart_agent()
    # More room in the file does not wake what has stopped: somebody must have looked.
    assert proved(whole, browser, person).refusal == ADMINISTRATOR
    assert "inspect goes on" in whole.stack.keyback("agent", "resume", "--config", str(config))
    nothing_was_written(whole, person)
    assert browser.reset(whole.user_id(person), person.mail_address, fresh_password()).title == DONE


def test_an_agent_that_is_down(branch: Branch, whole: Whole) -> None:
    page = branch.waiting.wait(timeout=90)
    assert (page.title, page.refusal) == ("This is not possible at the moment", CONNECTIVITY)
    # Nobody was there to write an event; the portal's audit tells.
    assert whole.events(page.support_code, branch.agent) == []
    refused = [entry for entry in whole.audit_entries(page.support_code) if entry["result"] == "refused"]
    assert [entry["details"]["refusal"] for entry in refused] == [CONNECTIVITY]
