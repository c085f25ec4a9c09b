"""From the directory into the portal's rows: whole runs, changes, sweeps; what is in doubt is reported, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connections
from tests.portal.agents import AgentWithKeys, confirmed_agent

from keyback.agent.clock import SystemClock
from keyback.agent.config import ForestConfig, Protected
from keyback.agent.events import EventLog, read_events
from keyback.agent.exchange import Cause, Unreachable
from keyback.agent.forests import Forest as AgentForest
from keyback.agent.journal import Journal, SyncRun
from keyback.agent.sync import Synchronisation
from keyback.directory import dirsync
from keyback.directory.errors import PermissionMissing
from keyback.portal.organizations import setup
from keyback.portal.organizations.lookup import resolve
from keyback.portal.people.contacts import mails_of
from keyback.portal.people.groups import groups_of
from keyback.portal.people.models import Group, Person
from keyback.portal.people.removals import confirm
from keyback.portal.people.sync import apply_push
from keyback.portal.writeback.preparation import prepare
from keyback.protocol.messages import Operation, Push, PushReceipt
from lab import Forest, api
from lab.people import GROUPS, PEOPLE, Kind, alternative_suffixes
from lab.people import Person as LabPerson

pytestmark = pytest.mark.lab

WITHIN = {row.account for row in PEOPLE if row.kind is not Kind.OUTSIDE}


@dataclass
class Portal:
    """The portal's own code, called as the agents' door calls it. ``cut``: answers of so many pushes get lost."""

    agent: AgentWithKeys
    pushes: list[Push] = field(default_factory=list)
    cut: int = 0

    def push(self, push: Push) -> PushReceipt:
        self.pushes.append(push)
        try:
            receipt = apply_push(self.agent.row, push, datetime.now(UTC))
        finally:
            connections.close_all()
        if self.cut:
            self.cut -= 1
            raise Unreachable("the answer got lost", Cause.CUT)
        return receipt


class Bridge:
    """One agent with one forest, and the portal."""

    def __init__(self, forest: Forest, portal: Portal, folder: Path, **values: object) -> None:
        self.lab = forest
        self.portal = portal
        self.folder = folder
        settings: dict[str, object] = {
            "name": portal.agent.forest.name,
            "domains": (forest.dns_domain,),
            "servers": (forest.ldaps_url,),
            "ca_file": forest.ca_file,
            "bind_dn": forest.service_dn,
            "password_file": forest.service_password_file,
            "base_dns": (forest.people_dn,),
        }
        self.config = ForestConfig.model_validate(settings | values)
        self.forest = AgentForest(self.config, self.config.servers_with_password(), Protected(), 2)
        self.events = EventLog(folder, SystemClock())
        self.restart()

    def restart(self) -> None:
        """A new process: it knows what is on disk."""
        self.journal = Journal(self.folder / "journal.sqlite")
        self.sync = Synchronisation(
            journal=self.journal, events=self.events, portal=self.portal, clock=SystemClock(), wait=lambda _: None
        )

    def close(self) -> None:
        self.journal.close()
        self.events.close()
        self.forest.close()

    @property
    def forest_id(self) -> UUID:
        return self.portal.agent.forest.id

    def whole(self) -> SyncRun:
        run = self.sync.run(self.forest, self.forest_id)
        assert not run.problem
        return run

    def catch_up(self) -> SyncRun | None:
        run = self.sync.catch_up(self.forest, self.forest_id)
        assert run is None or not run.problem
        return run

    def sweep(self, *, tell_all: bool = False) -> SyncRun | None:
        run = self.sync.sweep(self.forest, self.forest_id, tell_all=tell_all)
        assert run is None or not run.problem
        return run

    def told(self) -> list[str]:
        return [event.id for event in read_events(self.folder)]


@pytest.fixture
def make_bridge(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Bridge]]:
    """make_bridge(forest): all bridges of a test are one organization's."""
    made: list[Bridge] = []

    def make(forest: Forest, **values: object) -> Bridge:
        now = datetime.now(UTC)
        organization = (
            made[0].portal.agent.row.organization if made else setup.create("Example", by="operator:test", now=now)
        )
        known = set(organization.domains.values_list("name", flat=True))
        for name in {forest.dns_domain, *alternative_suffixes(forest.dns_domain)} - known:
            domain = setup.add_domain(organization, name, by="operator:test", now=now)
            setup.verify_domain(domain, by="operator:test", how="operator", now=now)
        folder = tmp_path / str(len(made))
        folder.mkdir()
        agent = confirmed_agent(organization, str(values.get("name", forest.dns_domain)), now=now)
        made.append(Bridge(forest, Portal(agent), folder, **values))
        return made[-1]

    yield make
    for bridge in made:
        bridge.close()


@pytest.fixture
def bridge(forest: Forest, make_bridge: Callable[..., Bridge]) -> Bridge:
    return make_bridge(forest)


def present() -> set[str]:
    return set(Person.objects.filter(removed_at__isnull=True).values_list("account_name", flat=True))


def somebody(account: str) -> Person:
    return Person.objects.get(account_name=account)


def test_a_whole_run_brings_everybody_and_their_groups(bridge: Bridge) -> None:
    run = bridge.whole()
    assert present() == WITHIN
    assert (run.people, run.added, run.removed) == (len(WITHIN), len(WITHIN), 0)
    names = dict(Group.objects.values_list("pk", "name"))
    assert set(GROUPS) <= set(names.values())
    assert {names[key] for key in groups_of(somebody("ada"))} >= {"Engineering", "Password Reset Users"}
    assert "Password Reset Users" not in {names[key] for key in groups_of(somebody("margaret"))}
    again = bridge.whole()
    assert (again.added, again.changed, again.removed) == (0, 0, 0)
    assert bridge.told() == ["656", "657"] * 2


def test_what_changes_in_the_directory_is_brought_and_nothing_else_is_read_again(
    bridge: Bridge, forest: Forest, new_person: Callable[..., LabPerson]
) -> None:
    bridge.whole()
    assert bridge.catch_up() is None
    api.set_attributes(forest, "ada", {"mail": "ada.byron@example.test"})
    run = bridge.catch_up()
    assert run is not None and (run.kind, run.people, run.changed) == ("changes", 1, 1)
    assert [address for _, address in mails_of(somebody("ada"))] == ["ada.byron@example.test"]
    api.reset_person(forest, "ada")
    newcomer = new_person()
    run = bridge.catch_up()
    assert run is not None and (run.people, run.added, run.changed) == (2, 1, 1)
    assert newcomer.account in present()
    assert bridge.catch_up() is None


def test_renamed_moved_and_disabled_people_are_followed(
    bridge: Bridge, forest: Forest, new_person: Callable[..., LabPerson]
) -> None:
    person = new_person()
    account = person.account
    bridge.whole()
    with forest.administrator() as directory:
        directory.replace(
            directory.find(account), {"userPrincipalName": f"re-{account}@{forest.dns_domain}", "displayName": "Re N"}
        )
        directory.rename(directory.find(account), "CN=Renamed\\, \\+ #1 \\= \\\\")
        bridge.catch_up()
        assert resolve(f"re-{account}@{forest.dns_domain}")[1] == somebody(account)
        directory.replace(directory.find(account), {"userAccountControl": 0x202})
        bridge.catch_up()
        assert not somebody(account).enabled
        directory.rename(directory.find(account), "CN=Elsewhere", f"OU=Outside,{forest.base_dn}")
        run = bridge.catch_up()
        assert run is not None and run.removed == 1
        assert account not in present()
        directory.rename(directory.find(account), "CN=Home again", forest.people_dn)
        bridge.catch_up()
        assert account in present()


def test_a_deletion_is_a_change_to_an_account_that_may_look_into_deleted_objects(
    forest: Forest, make_bridge: Callable[..., Bridge], new_person: Callable[..., LabPerson]
) -> None:
    seeing = {"bind_dn": forest.administrator_upn, "password_file": forest.administrator_password_file}
    bridge = make_bridge(forest, **seeing)
    account = new_person().account
    bridge.whole()
    api.delete_person(forest, account)
    run = bridge.catch_up()
    assert run is not None and (run.kind, run.removed) == ("changes", 1)
    assert account not in present()


def test_a_sweep_finds_a_deletion_that_no_change_shows(
    bridge: Bridge, forest: Forest, new_person: Callable[..., LabPerson]
) -> None:
    account = new_person().account
    bridge.whole()
    api.delete_person(forest, account)
    bridge.catch_up()
    run = bridge.sweep()
    assert run is not None and run.removed == 1
    assert account not in present()
    assert bridge.sweep() is None


def test_people_below_a_moved_unit_go_with_it(bridge: Bridge, forest: Forest) -> None:
    unit = "OU=Sales \\+ West\\, \\#1 \\= \\\\ \\<EMEA\\>"
    with forest.administrator() as directory:
        directory.add(f"{unit},{forest.people_dn}", {"objectClass": "organizationalUnit"})
        try:
            person = api.new_person(forest)
            directory.rename(directory.find(person.account), f"CN={person.account}", f"{unit},{forest.people_dn}")
            bridge.whole()
            assert person.account in present()
            directory.rename(f"{unit},{forest.people_dn}", unit, forest.base_dn)
            bridge.catch_up()
            assert person.account not in present()
            directory.rename(f"{unit},{forest.base_dn}", unit, forest.people_dn)
            bridge.catch_up()
            assert person.account in present()
        finally:
            for base in (forest.people_dn, forest.base_dn):
                if directory.exists(f"{unit},{base}"):
                    directory.delete(f"{unit},{base}")


def test_a_base_may_be_any_name_that_rfc_4514_allows(forest: Forest, make_bridge: Callable[..., Bridge]) -> None:
    unit = 'OU=Verkauf \\"Süd\\" \\+ Co.\\, \\#1 \\= \\<a\\>\\; \\\\ 東京\\ '
    base = f"{unit},{forest.people_dn}"
    with forest.administrator() as directory:
        directory.add(base, {"objectClass": "organizationalUnit"})
        try:
            person = api.new_person(forest)
            directory.rename(directory.find(person.account), f"CN=\\ {person.account}", base)
            make_bridge(forest, base_dns=(base,)).whole()
            assert present() == {person.account}
        finally:
            directory.delete(base)


def test_membership_follows_the_directory(bridge: Bridge, forest: Forest, new_person: Callable[..., LabPerson]) -> None:
    account = new_person().account
    bridge.whole()
    assert groups_of(somebody(account)) == frozenset()
    api.add_to_group(forest, account, "Finance")
    run = bridge.catch_up()
    assert run is not None and run.people == 0
    names = dict(Group.objects.values_list("pk", "name"))
    assert {names[key] for key in groups_of(somebody(account))} == {"Finance", "Password Reset Users"}
    api.remove_from_group(forest, account, "Finance")
    bridge.catch_up()
    assert groups_of(somebody(account)) == frozenset()


def test_without_dirsync_changes_come_by_usn_of_each_controller(
    bridge: Bridge, forest: Forest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lab's controllers grant DirSync to everybody, as Windows does, unless object security is not asked for.
    monkeypatch.setattr(dirsync, "_OBJECT_SECURITY", 0)
    bridge.whole()
    assert "42043" in bridge.told()
    assert bridge.catch_up() is None
    api.set_attributes(forest, "grace", {"displayName": "Grace B. M. Hopper"})
    run = bridge.catch_up()
    api.reset_person(forest, "grace")
    assert run is not None and (run.kind, run.people, run.changed) == ("changes", 1, 1)
    with bridge.forest.connection() as connection, pytest.raises(PermissionMissing):
        dirsync.mark(connection)


def test_the_place_is_kept_over_a_restart(bridge: Bridge, forest: Forest) -> None:
    bridge.whole()
    bridge.journal.close()
    api.set_attributes(forest, "alan", {"displayName": "Alan M. Turing"})
    bridge.restart()
    run = bridge.catch_up()
    api.reset_person(forest, "alan")
    assert run is not None and (run.kind, run.changed) == ("changes", 1)


def test_after_the_file_was_changed_everybody_is_read_anew(bridge: Bridge, forest: Forest) -> None:
    bridge.whole()
    config = bridge.config.model_copy(update={"base_dns": (forest.base_dn,)})
    bridge.forest.close()
    bridge.forest = AgentForest(config, config.servers_with_password(), Protected(), 2)
    run = bridge.catch_up()
    assert run is not None and run.kind == "whole"
    assert "oskar" in present()


def test_an_answer_that_got_lost_is_no_harm(bridge: Bridge) -> None:
    bridge.portal.cut = 3
    run = bridge.whole()
    assert present() == WITHIN
    assert run.people == len(WITHIN)


def test_what_went_astray_is_found_when_everybody_is_told(bridge: Bridge) -> None:
    bridge.whole()
    Person.objects.filter(account_name="ada").delete()
    assert bridge.sweep() is None
    run = bridge.sweep(tell_all=True)
    assert run is not None and run.added == 1
    assert present() == WITHIN


# --- conflicts


def test_one_anchor_on_two_enabled_accounts_is_told_and_neither_is_written(
    forest: Forest, make_bridge: Callable[..., Bridge], new_person: Callable[..., LabPerson]
) -> None:
    bridge = make_bridge(forest, anchor="mS-DS-ConsistencyGuid")
    one, two = new_person().account, new_person().account
    for account in (one, two):
        api.set_attributes(forest, account, {"mS-DS-ConsistencyGuid": b"0123456789abcdef"})
    bridge.whole()
    assert "8023042" in bridge.told()
    assert ambiguous(one) and ambiguous(two) and not ambiguous("ada")
    api.set_attributes(forest, two, {"userAccountControl": "514"})
    bridge.catch_up()
    assert not ambiguous(one)


def test_one_anchor_enabled_in_two_forests_is_told(
    forest: Forest, other_forest: Forest, make_bridge: Callable[..., Bridge]
) -> None:
    here = make_bridge(forest, base_dns=(forest.people_dn,), filter="(sAMAccountName=ada)")
    here.whole()
    guid = somebody("ada").object_guid
    assert guid is not None
    api.set_attributes(other_forest, "grace", {"mS-DS-ConsistencyGuid": guid.bytes_le})
    there = make_bridge(other_forest, anchor="mS-DS-ConsistencyGuid", filter="(sAMAccountName=grace)")
    there.whole()
    assert there.told() == ["656", "8023042", "657"]
    assert ambiguous("ada") and ambiguous("grace")


def ambiguous(account: str) -> bool:
    now = datetime.now(UTC)
    person = somebody(account)
    prepared = prepare(person, Operation.INSPECT, tracking_id=person.id, deadline=now + timedelta(minutes=1), now=now)
    return prepared.envelope.ambiguous


def test_one_user_id_in_two_forests_names_nobody_and_is_told(
    forest: Forest, other_forest: Forest, make_bridge: Callable[..., Bridge]
) -> None:
    user_id = f"katherine@{forest.dns_domain}"
    make_bridge(forest, filter="(sAMAccountName=katherine)").whole()
    assert resolve(user_id)[1] is not None
    api.set_attributes(other_forest, "edsger", {"userPrincipalName": user_id})
    there = make_bridge(other_forest, filter="(sAMAccountName=edsger)")
    there.whole()
    assert there.told() == ["656", "42041", "657"]
    assert resolve(user_id)[1] is None


def test_an_account_made_again_is_told_and_inherits_nothing(bridge: Bridge, forest: Forest) -> None:
    person = api.new_person(forest)
    bridge.whole()
    before = somebody(person.account)
    api.delete_person(forest, person.account)
    bridge.sweep()
    api.new_person(forest, account=person.account, mail="")
    try:
        bridge.catch_up()
        after = resolve(f"{person.account}@{forest.dns_domain}")[1]
        assert after is not None and after != before
        assert mails_of(after) == []
        assert "42042" in bridge.told()
    finally:
        api.delete_person(forest, person.account)


# --- the guard


def test_when_many_go_at_once_nobody_is_removed_before_somebody_was_asked(bridge: Bridge, forest: Forest) -> None:
    bridge.whole()
    config = bridge.config.model_copy(update={"filter": "(&(objectClass=user)(sAMAccountName=a*))"})
    bridge.forest.close()
    bridge.forest = AgentForest(config, config.servers_with_password(), Protected(), 2)
    run = bridge.whole()
    gone = {account for account in WITHIN if not account.startswith("a")}
    assert (run.removed, run.held) == (0, len(gone))
    assert bridge.told()[-2:] == ["657", "42040"]
    assert present() == WITHIN
    bridge.whole()
    assert bridge.told().count("42040") == 1
    portal_forest = bridge.portal.agent.forest
    with pytest.raises(ValueError, match="look again"):
        confirm(portal_forest, len(gone) - 1, by="operator:test", now=datetime.now(UTC))
    assert confirm(portal_forest, len(gone), by="operator:test", now=datetime.now(UTC)) == len(gone)
    assert present() == WITHIN - gone


def test_a_filter_mended_in_time_leaves_everybody_as_they_were(bridge: Bridge, forest: Forest) -> None:
    bridge.whole()
    broken = bridge.config.model_copy(update={"filter": "(sAMAccountName=nobody)"})
    for config in (broken, bridge.config):
        bridge.forest.close()
        bridge.forest = AgentForest(config, config.servers_with_password(), Protected(), 2)
        run = bridge.whole()
    assert run.held == 0
    assert not Person.objects.filter(missing_at__isnull=False).exists()
