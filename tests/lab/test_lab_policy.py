"""Policies, the filter and rights can be bent, and the controller's answers follow at once."""

from collections.abc import Callable
from datetime import UTC, datetime

import ldap
import pytest
from click.testing import CliRunner
from tests.lab.service import Service

from lab import api, cli
from lab.errors import BadNameError
from lab.forest import Forest
from lab.people import INITIAL_PASSWORD, FineGrainedPolicy, Kind, Person

Make = Callable[..., Person]
Bend = Callable[..., None]


def refused(service: Service, person: Person, password: str) -> str:
    """What the controller says to a reset with the policy hints control."""
    with pytest.raises(ldap.UNWILLING_TO_PERFORM) as error:
        service.reset(person.account, password)
    return str(error.value)


def test_length(forest: Forest, new_person: Make, policy: Bend) -> None:
    person, service = new_person(), Service(forest)
    policy(length=20)
    assert "too short" in refused(service, person, "Nineteen-chars-0123")
    service.reset(person.account, "Twenty-characters-01")


def test_complexity(forest: Forest, new_person: Make, policy: Bend) -> None:
    person, service = new_person(), Service(forest)
    assert "complexity" in refused(service, person, "alllowercase")
    policy(complexity=False)
    service.reset(person.account, "alllowercase")


def test_history(forest: Forest, new_person: Make, policy: Bend) -> None:
    person, service = new_person(), Service(forest)
    service.reset(person.account, "Second-Pa55word")
    assert "in history" in refused(service, person, INITIAL_PASSWORD)
    policy(history=0)
    service.reset(person.account, "Third-Pa55word")  # Samba forgets the history with the next write
    service.reset(person.account, INITIAL_PASSWORD)


def test_minimum_age(forest: Forest, new_person: Make, policy: Bend) -> None:
    person, service = new_person(), Service(forest)
    policy(min_age=60)
    assert "too young" in refused(service, person, "Second-Pa55word")
    api.age_password(forest, person.account, 61)
    service.reset(person.account, "Second-Pa55word")


def test_maximum_age(forest: Forest, new_person: Make, policy: Bend) -> None:
    person = new_person()
    api.age_password(forest, person.account, 120)
    policy(max_age=60)
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == "532"
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is api.SignIn.PASSWORD_EXPIRED
    policy(max_age=0)
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is api.SignIn.OK


def test_lockout_threshold(forest: Forest, new_person: Make, policy: Bend) -> None:
    person = new_person()
    policy(lockout_threshold=2)
    assert [api.bind(forest, person.account, "Wrong-0ne!") for _ in range(2)] == ["52e", "52e"]
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == "775"
    api.unlock(forest, person.account)
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == ""


def test_a_fine_grained_policy_holds_for_its_group_only(forest: Forest, new_person: Make, policy: Bend) -> None:
    api.add_policy(forest, FineGrainedPolicy("Long", "Research", 5, length=30, history=0, max_age=0))
    inside, outside, service = new_person(groups=("Research",)), new_person(), Service(forest)
    assert "30 characters" in refused(service, inside, "Long-enough-elsewhere-1")
    service.reset(outside.account, "Long-enough-elsewhere-1")
    policy(pso="Long", length=8)
    service.reset(inside.account, "Long-enough-elsewhere-1")


def test_the_filter_refuses_its_words_only_while_it_is_on(
    forest: Forest, new_person: Make, password_filter: Bend
) -> None:
    person = new_person()
    password_filter("forbiddenword")
    service = Service(forest)
    assert "0000052D" in refused(service, person, "My-ForbiddenWord-1")
    service.reset(person.account, "My-Permitted-1")
    password_filter()
    service.reset(person.account, "My-ForbiddenWord-1")
    # Samba asks the filter in place of its own rule.
    assert "complexity" in refused(service, person, "alllowercase")


@pytest.mark.parametrize(
    ("right", "attribute"),
    [("reset-password", None), ("write-lockout-time", "lockoutTime"), ("write-pwd-last-set", "pwdLastSet")],
)
def test_a_right_can_be_taken_denied_and_given_back(
    forest: Forest, new_person: Make, rights: Bend, right: api.Right, attribute: str | None
) -> None:
    person, service = new_person(Kind.LOCKED), Service(forest)

    def use() -> None:
        if attribute:
            service.write(person.account, **{attribute: "0"})
        else:
            service.reset(person.account, "Any-Pa55word-1", hints=False)

    use()
    rights(right)
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        use()
    api.restore_rights(forest)
    use()
    api.deny_right(forest, right, person.account)
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        use()
    api.allow_right(forest, right, person.account)
    use()
    api.deny_right(forest, right)
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        use()


def test_without_unexpire_password_nobody_is_freed_from_changing(
    forest: Forest, new_person: Make, rights: Bend
) -> None:
    person, service = new_person(Kind.MUST_CHANGE), Service(forest)
    service.write(person.account, pwdLastSet="-1")
    api.deny_right(forest, "unexpire-password")
    service.write(person.account, pwdLastSet="0")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS, match="Unexpire-Password"):
        service.write(person.account, pwdLastSet="-1")
    api.restore_rights(forest)
    service.write(person.account, pwdLastSet="-1")


def test_the_service_account_may_do_nothing_else(forest: Forest, new_person: Make) -> None:
    person, service = new_person(), Service(forest)
    for attribute in ("mail", "userAccountControl", "displayName", "sAMAccountName", "accountExpires"):
        with pytest.raises(ldap.INSUFFICIENT_ACCESS):
            service.write(person.account, **{attribute: "512"})
    for account in ("oskar", "adele", "Administrator"):
        with pytest.raises(ldap.INSUFFICIENT_ACCESS):
            service.reset(account, "Any-Pa55word-1", hints=False)


def test_the_audit_tells_who_wrote_what(forest: Forest, new_person: Make) -> None:
    person, service, begun = new_person(), Service(forest), datetime.now(UTC)
    service.reset(person.account, "Second-Pa55word")
    refused(service, person, "short")
    service.change(person.account, "Second-Pa55word", "Third-Pa55word")

    seen = api.audit(forest, account=person.account, since=begun)

    assert [(event.action, event.succeeded, event.by_service) for event in seen] == [
        ("Reset", True, True),
        ("Reset", False, True),
        ("Change", True, True),
    ]
    assert all(event.remote.startswith("ipv4:127.0.0.1:") for event in seen)
    assert api.password_version(forest, person.account) == 3


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("60s", 60), ("5m", 300), ("2h", 7200), ("2d", 172800), ("0.5s", 0.5)]
)
def test_durations_are_written_with_their_unit(text: str, seconds: float) -> None:
    assert api.duration(text) == seconds


@pytest.mark.parametrize("text", ["60", "-1s", "1 d", "1w", "", "s", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadNameError):
        api.duration(text)


def test_the_command_line_bends_and_restores_the_policy(forest: Forest, policy: Bend) -> None:
    options = ["--min-age", "60s", "--max-age", "2d", "--history", "5", "--length", "9", "--complexity", "off"]
    result = CliRunner().invoke(cli.group, ["policy", forest.name, *options])
    assert result.exit_code == 0, result.output
    names = ("minPwdAge", "maxPwdAge", "pwdHistoryLength", "minPwdLength", "pwdProperties")

    def read() -> list[int]:
        with forest.administrator() as directory:
            values = directory.read(forest.base_dn, *names)
        return [int(values[name][0]) for name in names]

    assert read() == [-60 * 10**7, -172800 * 10**7, 5, 9, 0]
    CliRunner().invoke(cli.group, ["policy", forest.name, "--reset"])
    assert read() == [0, -42 * 86400 * 10**7, 3, 8, 1]


def test_the_command_line_changes_a_person(forest: Forest, new_person: Make) -> None:
    person = new_person()

    def run(*arguments: str, input_: str = "") -> None:
        result = CliRunner().invoke(cli.group, ["user", *arguments], input=input_)
        assert result.exit_code == 0, result.output

    run("lock", forest.name, person.account)
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == "775"
    run("unlock", forest.name, person.account)
    run("password", forest.name, person.account, input_="From-the-c0mmand\n")
    assert api.kinit(forest, person.account, "From-the-c0mmand") is api.SignIn.OK
    run("age", forest.name, person.account, "43d")
    assert api.bind(forest, person.account, "From-the-c0mmand") == "532"
    run("admin-count", forest.name, person.account, "on")
    assert api.get_attributes(forest, person.account, "adminCount")["adminCount"] == [b"1"]
