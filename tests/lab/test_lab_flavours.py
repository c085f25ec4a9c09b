"""Debian 12's Samba beside 4.24, and two controllers of one domain."""

import time
from collections.abc import Callable

import ldap
import pytest
from tests.lab.service import HINTS, Service

import lab
from lab import api
from lab.forest import Forest
from lab.people import INITIAL_PASSWORD, PEOPLE, Kind


def wait_until(fact: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def controls(forest: Forest) -> set[str]:
    with forest.administrator() as directory:
        return {control.decode() for control in directory.read("", "supportedControl")["supportedControl"]}


def test_samba_4_24_offers_the_policy_hints_control(forest: Forest) -> None:
    assert HINTS.controlType in controls(forest)


def test_the_older_samba_lacks_the_control_and_accepts_a_password_from_the_history(older_forest: Forest) -> None:
    assert HINTS.controlType not in controls(older_forest)
    service = Service(older_forest)
    with pytest.raises(ldap.UNAVAILABLE_CRITICAL_EXTENSION):
        service.reset("ada", "Second-Pa55word")
    service.reset("ada", INITIAL_PASSWORD, hints=False)


def test_the_older_samba_has_the_same_people(older_forest: Forest) -> None:
    with older_forest.administrator() as directory:
        found = directory.search(older_forest.base_dn, "(&(objectCategory=person)(title=*))", ("sAMAccountName",))
    assert {values["sAMAccountName"][0].decode() for _, values in found} == {row.account for row in PEOPLE}
    assert api.bind(older_forest, "louis", INITIAL_PASSWORD) == "775"
    assert api.bind(older_forest, "radia", INITIAL_PASSWORD) == "532"


def test_a_password_reaches_the_second_controller(two_controllers: Forest) -> None:
    forest = two_controllers
    api.set_password(forest, "ada", "Comes-over-1")
    wait_until(lambda: api.password_version(forest, "ada", "dc2") == api.password_version(forest, "ada"))
    assert api.kinit(forest, "ada", "Comes-over-1", "dc2") is api.SignIn.OK


def test_replication_can_be_paused_and_resumed(two_controllers: Forest) -> None:
    forest = two_controllers
    lab.replication(forest.name, paused=True)
    api.set_password(forest, "grace", "Waits-1-moment")
    api.set_password(forest, "alan", "Waits-1-moment")
    version = api.password_version(forest, "grace")
    # What is written on dc2 still goes to dc1, so when that has arrived dc2 has had its chance to fetch.
    with forest.administrator("dc2") as directory:
        directory.replace(directory.find("donald"), {"title": "seen"})
    wait_until(lambda: api.get_attributes(forest, "donald", "title")["title"] == [b"seen"])
    assert api.password_version(forest, "grace", "dc2") == version - 1
    assert api.bind(forest, "grace", INITIAL_PASSWORD, "dc2") == ""

    lab.replication(forest.name, paused=False)

    wait_until(lambda: api.password_version(forest, "grace", "dc2") == version)
    assert api.kinit(forest, "grace", "Waits-1-moment", "dc2") is api.SignIn.OK


def test_one_controller_goes_on_while_the_other_is_killed(two_controllers: Forest) -> None:
    forest = two_controllers
    lab.kill(forest.name, "dc1")
    assert api.bind(forest, "katherine", INITIAL_PASSWORD, "dc2") == ""
    assert [controller.running for controller in lab.describe(forest.name).controllers] == [False, True]
    lab.up(forest.name)
    assert all(controller.running for controller in lab.describe(forest.name).controllers)
    assert api.bind(forest, "katherine", INITIAL_PASSWORD, "dc1") == ""


def test_there_is_somebody_locked_on_the_second_controller_too(two_controllers: Forest) -> None:
    locked = next(row for row in PEOPLE if row.kind is Kind.LOCKED)
    wait_until(lambda: api.bind(two_controllers, locked.account, INITIAL_PASSWORD, "dc2") == "775")
