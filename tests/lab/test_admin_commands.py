"""`keyback admin` on a real directory, with portal and agent as processes, typed as administrators do."""

import re
import subprocess
from datetime import UTC, datetime

import pytest
from tests.portal.commands import Keyback
from tests.support.whole import Whole, fresh_password, mail, whole

from lab import api
from lab.people import Kind, Person

pytestmark = pytest.mark.lab

__all__ = ["mail", "whole"]  # fixtures


def generated(said: str) -> str:
    found = re.search(r"The new password is: (\S+)", said)
    assert found is not None, said
    return found.group(1)


def tracking_id(said: str) -> str:
    found = re.search(r"[Tt]racking id ([0-9a-f-]{36})", said)
    assert found is not None, said
    return found.group(1)


def refused(whole: Whole, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that the directory or the agent must refuse: exit status 1."""
    done = Keyback(whole.stack.config)(*arguments)
    assert done.returncode == 1, (done.stdout, done.stderr)
    return done


def sign_in(whole: Whole, person: Person, password: str | None) -> api.SignIn:
    assert password is not None
    return api.kinit(whole.forest, person.account, password)


def test_a_typed_password_that_stays_works_at_once(whole: Whole) -> None:
    person, new, since = whole.new_person(), fresh_password(), datetime.now(UTC)
    terminal = Keyback(whole.stack.config).at_terminal("admin", "reset", whole.user_id(person), "--keep")
    for question in ("New password: ", "Once more: "):
        terminal.wait_for(question)
        assert new not in terminal.command_line()
        terminal.type(new)
    assert terminal.end() == 0, terminal.seen
    assert new not in terminal.seen
    assert sign_in(whole, person, new) is api.SignIn.OK
    assert sign_in(whole, person, person.password) is api.SignIn.WRONG_PASSWORD
    (write,) = whole.resets_of(person, since)
    assert (write.action, write.succeeded, write.by_service) == ("Reset", True, True)
    operation = tracking_id(terminal.seen)
    whole.wait_for_event(operation, "31010")
    assert [event["id"] for event in whole.events(operation)] == ["31009", "31010"]
    assert {entry["activity"] for entry in whole.audit_entries(operation)} == {
        "admin.submitted",
        "password.reset_by_admin",
    }
    assert new not in whole.log_text


def test_a_temporary_password_must_be_changed_at_the_next_sign_in(whole: Whole) -> None:
    person = whole.new_person()
    new = generated(whole.stack.keyback("admin", "reset", whole.user_id(person), "--generate"))
    assert sign_in(whole, person, new) is api.SignIn.PASSWORD_EXPIRED
    assert "must change at sign-in     yes" in whole.stack.keyback("admin", "show", whole.user_id(person))


def test_a_locked_account_is_shown_and_unlocked_and_keeps_its_password(whole: Whole) -> None:
    person = whole.new_person()
    api.lock_out(whole.forest, person.account)
    assert sign_in(whole, person, person.password) is api.SignIn.REVOKED
    assert re.search(r"locked out\s+yes", whole.stack.keyback("admin", "show", whole.user_id(person)))
    assert "is unlocked" in whole.stack.keyback("admin", "unlock", whole.user_id(person))
    assert sign_in(whole, person, person.password) is api.SignIn.OK


def test_a_password_that_the_domain_refuses_names_the_rule_and_changes_nothing(whole: Whole) -> None:
    person = whole.new_person()
    terminal = Keyback(whole.stack.config).at_terminal("admin", "reset", whole.user_id(person))
    for question in ("New password: ", "Once more: "):
        terminal.wait_for(question)
        terminal.type("Ab1-x")
    assert terminal.end() == 1
    assert "Use at least 8 characters." in terminal.seen
    assert sign_in(whole, person, person.password) is api.SignIn.OK


def test_a_protected_account_is_refused_before_a_password_is_asked_for(whole: Whole) -> None:
    person = whole.new_person(Kind.ADMIN_COUNT)
    done = refused(whole, "admin", "reset", whole.user_id(person), "--generate")
    assert "protected" in done.stderr
    assert "SSPR_0029" in done.stderr
    assert "The new password" not in done.stdout
    assert sign_in(whole, person, person.password) is api.SignIn.OK


def test_an_expired_password_must_be_changed_at_the_next_sign_in(whole: Whole) -> None:
    person = whole.new_person()
    assert "must change the password" in whole.stack.keyback("admin", "expire", whole.user_id(person))
    assert sign_in(whole, person, person.password) is api.SignIn.PASSWORD_EXPIRED
