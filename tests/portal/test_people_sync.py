"""People as an agent pushes them: bound to the objectGUID, believed within the agent's own domains and forests only."""

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keyback.portal.agents.registry import revoke
from keyback.portal.agents.tokens import NotAdmitted
from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations import setup
from keyback.portal.organizations.lookup import resolve
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people.binding import PersonBent, check_binding
from keyback.portal.people.contacts import add_mail, mails_of, mask_mail, phones_of
from keyback.portal.people.models import ContactDatum, Person, Spelling
from keyback.portal.people.sync import ForestRefused, SequenceRefused, apply_push
from keyback.portal.writeback.preparation import prepare
from keyback.protocol.messages import Operation, PersonRecord, Push, PushReceipt, Span
from tests.portal.agents import AgentWithKeys, confirmed_agent, pending_agent
from tests.portal.walk import mails


def record(name: str = "ana", guid: UUID | None = None, **changed: object) -> PersonRecord:
    values: dict[str, object] = {
        "object_guid": guid or uuid4(),
        "anchor": f"anchor-{name}",
        "user_id": f"{name}@example.test",
        "spellings": [f"CORP\\{name}"],
        "account_name": name,
        "display_name": name.title(),
        "mail": [f"{name}@mail.example.test"],
    }
    return PersonRecord.model_validate(values | changed)


class Pusher:
    """An agent that counts its pushes. ``last``: a whole run ends, whose people were all that there are."""

    def __init__(self, agent: AgentWithKeys, now: datetime) -> None:
        self.agent = agent
        self.now = now
        self.seq = 0
        self.runs: dict[UUID, list[UUID]] = {}

    def push(
        self, *people: PersonRecord, run: UUID | None = None, last: bool = False, forest: UUID | None = None
    ) -> PushReceipt:
        run = run or uuid4()
        there = self.runs.setdefault(run, [])
        there += [one.object_guid for one in people]
        return self.send(
            run_id=run,
            forest_id=forest or self.agent.forest.id,
            people=list(people),
            people_in_scope=Span(objects=sorted(there)) if last else None,
            last=last,
        )

    def send(self, **values: object) -> PushReceipt:
        self.seq += 1
        self.now += timedelta(seconds=1)
        push = Push.model_validate({"run_id": uuid4(), "seq": self.seq, "forest_id": self.agent.forest.id} | values)
        return apply_push(self.agent.row, push, self.now)


@pytest.fixture
def pusher(organization: Organization, now: datetime) -> Pusher:
    return Pusher(confirmed_agent(organization, "corp.example.test", now=now), now)


def counts(receipt: PushReceipt) -> tuple[int, int, int]:
    return receipt.added, receipt.changed, receipt.removed


def test_a_pushed_person_is_found_by_every_spelling(pusher: Pusher) -> None:
    ana = record(spellings=["CORP\\Ana", "ana@corp.example.test", "CORP.EXAMPLE.TEST\\ana"])
    assert counts(pusher.push(ana, last=True)) == (1, 0, 0)
    person = Person.objects.get(object_guid=ana.object_guid)
    assert (person.source, person.user_id, person.display_name) == ("directory", "ana@example.test", "Ana")
    for spelling in ("ana@example.test", "ANA", "corp\\ana", "corp.example.test\\ana"):
        assert resolve(spelling)[1] == person
    assert [address for _, address in mails_of(person)] == ["ana@mail.example.test"]


def test_an_unchanged_person_costs_no_write_of_their_own(pusher: Pusher) -> None:
    people = [record(f"person{n}") for n in range(50)]
    pusher.push(*people, last=True)
    before = {row.pk: bytes(row.value_index) for row in ContactDatum.objects.all()}
    with CaptureQueriesContext(connection) as queries:
        assert counts(pusher.push(*people, last=True)) == (0, 0, 0)
    assert {row.pk: bytes(row.value_index) for row in ContactDatum.objects.all()} == before
    assert not [q for q in queries if 'INSERT INTO "people_person"' in q["sql"] or "CASE WHEN" in q["sql"]]


def test_a_push_of_500_people_takes_few_queries(pusher: Pusher) -> None:
    people = [record(f"person{n}") for n in range(500)]
    with CaptureQueriesContext(connection) as first:
        assert counts(pusher.push(*people)) == (500, 0, 0)
    with CaptureQueriesContext(connection) as unchanged:
        assert counts(pusher.push(*people)) == (0, 0, 0)
    assert len(unchanged) <= 25
    assert len(first) <= 60


@pytest.fixture
def work() -> Iterator[Callable[[], int]]:
    """How much the database has looked at so far: rows, or hundreds of steps of SQLite's machine."""
    steps = itertools.count()

    def look() -> int:
        if connection.vendor == "sqlite":
            return next(steps)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname LIKE 'people%'"
            )
            return int(cursor.fetchone()[0])

    if connection.vendor == "sqlite":
        connection.connection.set_progress_handler(lambda: next(steps) * 0, 100)
    yield look
    if connection.vendor == "sqlite":
        connection.connection.set_progress_handler(None, 0)


def test_a_push_costs_the_same_however_many_are_there(pusher: Pusher, work: Callable[[], int]) -> None:
    """Nothing is known of the tables in the beginning: a database that then reads all of them for each person would
    take hours over a large directory."""
    costs = []
    for some in range(8):
        before = work()
        assert counts(pusher.push(*(record(f"person{some}-{n}") for n in range(200)))) == (200, 0, 0)
        costs.append(work() - before)
    assert costs[-1] < 1.5 * costs[0], costs


def test_what_changes_in_the_directory_changes_here(pusher: Pusher) -> None:
    guid = uuid4()
    pusher.push(record(guid=guid, mobile="+44 20 7946 0000"), last=True)
    renamed = record("anna", guid=guid, mail=["anna@mail.example.test", "second@mail.example.test"])
    assert counts(pusher.push(renamed, last=True)) == (0, 1, 0)
    person = Person.objects.get(object_guid=guid)
    assert resolve("anna@example.test")[1] == person
    assert resolve("ana@example.test")[1] is None
    assert [address for _, address in mails_of(person)] == ["anna@mail.example.test", "second@mail.example.test"]
    assert not person.contact_data.filter(kind="mobile").exists()


def test_what_changes_of_many_at_once_changes_of_each(pusher: Pusher) -> None:
    people = [record(f"person{n}", mobile=f"+44 7700 900{n:03d}") for n in range(30)]
    pusher.push(*people)
    moved = [
        one.model_copy(update={"surname": f"O'Neill {n}", "enabled": n % 2 == 0, "mobile": ""})
        for n, one in enumerate(people)
    ]
    assert counts(pusher.push(*moved)) == (0, 30, 0)
    assert counts(pusher.push(*moved)) == (0, 0, 0)
    for n, one in enumerate(moved):
        person = Person.objects.get(object_guid=one.object_guid)
        assert (person.user_id, person.surname, person.enabled) == (
            f"person{n}@example.test",
            f"O'Neill {n}",
            n % 2 == 0,
        )
        assert (person.seen_at, person.missing_at) == (pusher.now - timedelta(seconds=1), None)
        assert [row.kind for row in ContactDatum.objects.filter(person=person)] == ["mail"]


def test_a_full_run_removes_who_was_not_in_it(pusher: Pusher) -> None:
    ana, ben = record("ana"), record("ben")
    pusher.push(ana, ben, last=True)
    assert counts(pusher.push(ana, last=True)) == (0, 0, 1)
    assert resolve("ben@example.test")[1] is None
    assert Person.objects.get(object_guid=ben.object_guid).removed_at is not None
    entry = AuditEntry.objects.filter(activity="people.synchronised").latest("id")
    assert entry.details["removed"] == 1


def test_a_run_of_several_pushes_removes_nobody_before_its_last(pusher: Pusher) -> None:
    ana, ben = record("ana"), record("ben")
    pusher.push(ana, ben, last=True)
    run = uuid4()
    assert counts(pusher.push(ana, run=run)) == (0, 0, 0)
    assert counts(pusher.push(ben, run=run, last=True)) == (0, 0, 0)


def test_who_comes_back_is_the_same_person(pusher: Pusher) -> None:
    ana, ben = record("ana"), record("ben")
    pusher.push(ana, ben, last=True)
    person = Person.objects.get(object_guid=ben.object_guid)
    pusher.push(ana, last=True)
    assert counts(pusher.push(ana, ben, last=True)) == (0, 1, 0)
    assert resolve("ben@example.test")[1] == person


def test_an_account_made_again_under_the_same_name_inherits_nothing(pusher: Pusher, now: datetime) -> None:
    old = record("ana")
    pusher.push(old, last=True)
    before = Person.objects.get(object_guid=old.object_guid)
    add_mail(before, "private@mail.test", origin="registered", by="self", now=now)
    new = record("ana", mail=[])
    pusher.push(new, last=True)
    after = resolve("ana@example.test")[1]
    assert after is not None
    assert after != before
    assert mails_of(after) == []


def test_two_agents_running_at_once_do_not_remove_each_others_people(organization: Organization, now: datetime) -> None:
    one = Pusher(confirmed_agent(organization, "corp.example.test", now=now), now)
    two = Pusher(confirmed_agent(organization, "corp.example.test", now=now), now + timedelta(milliseconds=500))
    ana, ben = record("ana"), record("ben")
    one.push(ana, ben, last=True)
    first, second = uuid4(), uuid4()
    one.push(ana, run=first)
    two.now = one.now + timedelta(milliseconds=500)
    two.push(ana, run=second)
    one.push(ben, run=first, last=True)
    two.push(ben, run=second, last=True)
    assert Person.objects.filter(removed_at__isnull=True).count() == 2


# --- what an agent is not believed


def test_people_of_a_foreign_domain_are_refused_one_by_one(
    pusher: Pusher, make_organization: Callable[..., Organization]
) -> None:
    make_organization("Other Ltd", "other.test")
    victim, bare, ana = record(user_id="boss@other.test"), record(user_id="bare"), record("ana")
    receipt = pusher.push(victim, bare, ana, last=True)
    assert counts(receipt) == (1, 0, 0)
    assert receipt.refused == {
        victim.object_guid: "other.test is not a verified domain of this organization",
        bare.object_guid: "the user ID has no domain",
    }
    assert resolve("boss@other.test")[1] is None


def test_a_domain_that_is_not_verified_yet_does_not_count(pusher: Pusher, now: datetime) -> None:
    organization = pusher.agent.row.organization
    domain = setup.add_domain(organization, "new.test", by="operator:test", now=now)
    ana = record(spellings=["ana@new.test"])
    newcomer = record("ben", user_id="ben@new.test")
    assert list(pusher.push(ana, newcomer, last=True).refused) == [newcomer.object_guid]
    assert not Spelling.objects.filter(text="ana@new.test").exists()
    setup.verify_domain(domain, by="operator:test", how="operator", now=now)
    assert counts(pusher.push(ana, newcomer, last=True)) == (1, 1, 0)
    assert resolve("ana@new.test")[1] == Person.objects.get(object_guid=ana.object_guid)


def test_a_domain_that_no_longer_counts_takes_its_people_away(pusher: Pusher) -> None:
    pusher.push(record("ana"), last=True)
    Domain.objects.update(verified_at=None)
    receipt = pusher.push(record("ana"), last=True)
    assert receipt.removed == 1


def test_a_forest_that_is_not_the_agents_is_refused(
    pusher: Pusher, make_organization: Callable[..., Organization], now: datetime
) -> None:
    other = confirmed_agent(make_organization("Other Ltd"), "corp.example.test", now=now)
    elsewhere = confirmed_agent(pusher.agent.row.organization, "elsewhere.test", now=now)
    for forest in (other.forest.id, elsewhere.forest.id, uuid4()):
        with pytest.raises(ForestRefused):
            pusher.push(record(), forest=forest)
    assert Person.objects.count() == 0


def test_an_old_push_cannot_be_played_again(pusher: Pusher, now: datetime) -> None:
    old = Push(run_id=uuid4(), seq=5, forest_id=pusher.agent.forest.id, people=[record()])
    apply_push(pusher.agent.row, old, now)
    for seq in (5, 4, 0):
        with pytest.raises(SequenceRefused):
            apply_push(pusher.agent.row, old.model_copy(update={"seq": seq}), now)


def test_a_run_that_has_ended_is_not_taken_up_again(pusher: Pusher) -> None:
    run = uuid4()
    pusher.push(record(), run=run, last=True)
    with pytest.raises(SequenceRefused):
        pusher.push(record(), run=run)


def test_a_refused_push_leaves_the_sequence_as_it_was(pusher: Pusher) -> None:
    with pytest.raises(ForestRefused):
        pusher.push(record(), forest=uuid4())
    pusher.seq = 0
    assert counts(pusher.push(record())) == (1, 0, 0)


def test_pending_and_revoked_agents_push_nothing(organization: Organization, now: datetime) -> None:
    pending = Pusher(pending_agent(organization, now=now), now)
    revoked = Pusher(confirmed_agent(organization, now=now), now)
    revoke(revoked.agent.row, "operator:test", now)
    for one, code in ((pending, "agent_pending"), (revoked, "agent_revoked")):
        with pytest.raises(NotAdmitted) as refusal:
            one.push(record())
        assert refusal.value.code == code


# --- contact data


def test_contact_data_does_not_stand_readable_in_the_database(pusher: Pusher) -> None:
    pusher.push(record(mobile="+44 20 7946 0000"), last=True)
    for row in ContactDatum.objects.all():
        assert "mail.example.test" not in row.value
        assert "7946" not in row.value


def test_an_address_moved_to_another_persons_row_is_not_believed(pusher: Pusher) -> None:
    ana, ben = record("ana"), record("ben")
    pusher.push(ana, ben, last=True)
    victim = Person.objects.get(object_guid=ben.object_guid)
    stolen = ContactDatum.objects.get(person__object_guid=ana.object_guid)
    ContactDatum.objects.filter(person=victim).update(value=stolen.value)
    assert mails_of(victim) == []


@pytest.mark.parametrize(
    "address", ["", "ana", "ana@", "a b@example.test", "ana@example.test\r\nBcc: x@y.test", "é@example.test"]
)
def test_a_malformed_address_counts_as_missing(pusher: Pusher, address: str) -> None:
    pusher.push(record(mail=[address]), last=True)
    assert mails_of(Person.objects.get()) == []


def test_names_come_without_line_breaks_and_nul(pusher: Pusher) -> None:
    pusher.push(record(display_name="Ana\r\nBcc: x\x00"), last=True)
    assert Person.objects.get().display_name == "AnaBcc: x"


def test_what_a_person_registered_themselves_survives_synchronisation(pusher: Pusher, now: datetime) -> None:
    guid = uuid4()
    pusher.push(record(guid=guid), last=True)
    person = Person.objects.get(object_guid=guid)
    add_mail(person, "private@mail.test", origin="registered", by="self", now=now)
    pusher.push(record(guid=guid, mail=["new@mail.example.test"]), last=True)
    assert {address for _, address in mails_of(person)} == {"new@mail.example.test", "private@mail.test"}


def test_an_address_added_twice_is_one(ana: Person, now: datetime) -> None:
    first = add_mail(ana, "ana@mail.test", origin="operator", by="operator:test", now=now)
    assert add_mail(ana, "Ana@MAIL.test", origin="operator", by="operator:test", now=now) == first


@pytest.mark.parametrize(
    ("address", "mask"),
    [
        ("ana@example.test", "a••••@e••••.test"),
        ("a@b.test", "a••••@b••••.test"),
        ("longer.name@mail.example.test", "l••••@m••••.test"),
    ],
)
def test_a_mask_tells_the_owner_and_not_the_length(address: str, mask: str) -> None:
    assert mask_mail(address) == mask


# --- bent rows


@pytest.mark.parametrize("what", ["object_guid", "user_id", "binding", "forest"])
def test_nobody_is_reset_in_the_place_of_another(pusher: Pusher, what: str, now: datetime) -> None:
    """Whoever can only write the database cannot turn a request for one person onto another's account."""
    ana, ben = record("ana"), record("ben")
    pusher.push(ana, ben, last=True)
    victim = Person.objects.get(object_guid=ben.object_guid)
    bent = Person.objects.get(object_guid=ana.object_guid)
    values: dict[str, object] = {
        "object_guid": uuid4(),
        "user_id": victim.user_id,
        "binding": victim.binding,
        "forest": confirmed_agent(bent.organization, "elsewhere.test", now=now).forest,
    }
    prepare(bent, Operation.UNLOCK, tracking_id=uuid4(), deadline=now, now=now)
    Person.objects.filter(pk=bent.pk).update(**{what: values[what]})
    with pytest.raises(PersonBent):
        prepare(Person.objects.get(pk=bent.pk), Operation.UNLOCK, tracking_id=uuid4(), deadline=now, now=now)


def test_the_next_synchronisation_heals_a_bent_row(pusher: Pusher) -> None:
    ana = record("ana")
    pusher.push(ana, last=True)
    Person.objects.update(user_id="boss@example.test", enabled=False)
    pusher.push(ana, last=True)
    person = Person.objects.get()
    check_binding(person)
    assert (person.user_id, person.enabled) == ("ana@example.test", True)


def test_nothing_stays_of_a_person_who_is_deleted(pusher: Pusher) -> None:
    """The database does not look whom spellings and contact data belong to."""
    pusher.push(record(), record("ben"), last=True)
    Person.objects.get(user_id="ana@example.test").delete()
    assert {row.person.user_id for row in ContactDatum.objects.all()} == {"ben@example.test"}
    assert {row.person.user_id for row in Spelling.objects.all()} == {"ben@example.test"}


def test_telephone_numbers_arrive_in_one_spelling_and_malformed_ones_not_at_all(pusher: Pusher) -> None:
    ana = record(mobile="+44 (0) 7700-900123", office_phone="+1 4251234567X12345")
    ben = record("ben", mobile="ask Ana", office_phone="020 7946 0018")
    pusher.push(ana, ben, last=True)
    person = Person.objects.get(object_guid=ana.object_guid)
    assert [number for _, number in phones_of(person, ContactDatum.Kind.MOBILE)] == ["+44 7700900123"]
    assert [number for _, number in phones_of(person, ContactDatum.Kind.OFFICE_PHONE)] == ["+1 4251234567"]
    assert not ContactDatum.objects.filter(person__object_guid=ben.object_guid).exclude(kind="mail").exists()


def test_a_region_set_later_makes_national_numbers_count(pusher: Pusher) -> None:
    ben = record("ben", office_phone="020 7946 0018 ext. 12")
    pusher.push(ben, last=True)
    Organization.objects.update(phone_region="GB")
    assert counts(pusher.push(ben, last=True)) == (0, 1, 0)
    person = Person.objects.get(object_guid=ben.object_guid)
    assert [number for _, number in phones_of(person, ContactDatum.Kind.OFFICE_PHONE)] == ["+44 2079460018"]


def test_an_unchanged_number_is_not_written_again(pusher: Pusher) -> None:
    guid = uuid4()
    pusher.push(record(guid=guid, mobile="+44 7700 900123"), last=True)
    [before] = ContactDatum.objects.filter(kind="mobile")
    pusher.push(record("anna", guid=guid, mobile="+447700900123"), last=True)
    [after] = ContactDatum.objects.filter(kind="mobile")
    assert (after.pk, after.changed_at) == (before.pk, before.changed_at)


def test_administrators_get_mail_once_when_so_many_have_gone_that_all_are_held(
    pusher: Pusher, organization: Organization
) -> None:
    setup.add_administrator(organization, "IT", "it@example.test", now=pusher.now)
    people = [record(f"person{n}") for n in range(20)]
    pusher.push(*people, last=True)
    for stays in (12, 11):
        assert pusher.push(*people[:stays], last=True).removed == 0
    held = [mail for mail in mails() if "gone from the directory" in mail["subject"]]
    assert [mail["to"] for mail in held] == ["it@example.test"]
    assert "keyback removals list" in held[0]["text"]
    pusher.now += timedelta(days=1)
    pusher.push(*people[:10], last=True)
    assert len([mail for mail in mails() if "gone from the directory" in mail["subject"]]) == 2
