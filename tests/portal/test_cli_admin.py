"""`keyback admin`: one account, from a terminal. The password is typed or made there, sealed there, and opened by the
agent only."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from keyback.portal.audit.models import AuditEntry
from keyback.portal.messages.models import Message
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people.cloud import verify_password
from keyback.portal.people.contacts import add_mail
from keyback.portal.people.create import create_cloud_person
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.people.sync import apply_push
from keyback.portal.writeback.models import SealedBox, WritebackRequest
from keyback.protocol.messages import Finding, PersonRecord, Push
from keyback.protocol.outcomes import OutcomeCode
from tests.portal.agents import AgentWithKeys, confirmed_agent
from tests.portal.commands import Keyback
from tests.portal.walk import FakeDirectory
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "Kanarienvogel-singt-4711"


@pytest.fixture
def organization(transactional_db: None) -> Organization:
    now = timezone.now()
    organization = setup.create("Example Ltd", slug="example", by="operator:test", now=now)
    domain = setup.add_domain(organization, "example.test", by="operator:test", now=now)
    setup.verify_domain(domain, by="operator:test", how="operator", now=now)
    return organization


@pytest.fixture
def agent(organization: Organization) -> AgentWithKeys:
    return confirmed_agent(organization, "corp.example.test", now=timezone.now())


@pytest.fixture
def ada(agent: AgentWithKeys) -> Person:
    record = PersonRecord(
        object_guid=uuid4(),
        anchor="a",
        user_id="ada@example.test",
        account_name="ada",
        display_name="Ada Lovelace",
        mail=["ada@mail.test"],
    )
    push = Push(run_id=agent.row.id, seq=1, forest_id=agent.forest.id, people=[record], last=True)
    apply_push(agent.row, push, timezone.now())
    return Person.objects.get()


@pytest.fixture
def cleo(organization: Organization) -> Person:
    now = timezone.now()
    person = create_cloud_person(organization, "cleo@example.test", display_name="Cleo", by="operator:test", now=now)
    add_mail(person, "cleo@mail.test", origin="operator", by="operator:test", now=now)
    return person


class Answering:
    """An agent that answers what waits, in a thread: inspections as usual, writes as it is told."""

    def __init__(self, agent: AgentWithKeys, person: Person, code: OutcomeCode, findings: list[Finding]) -> None:
        self.directory = FakeDirectory(agent)
        self.person, self.code, self.findings = person, code, findings
        self.inspected = OutcomeCode.DONE
        self.problems: list[BaseException] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.05):
                waiting = WritebackRequest.objects.filter(state="queued").first()
                if waiting is None:
                    continue
                if waiting.operation == "inspect":
                    self.directory.inspect(self.person, self.inspected)
                elif waiting.operation == "reset":
                    self.directory.write(self.code, self.findings)
                else:
                    fence, envelope, box = self.directory._claim()
                    assert box is None
                    self.directory._finish(envelope, fence, self.code)
        except BaseException as error:
            self.problems.append(error)
        finally:
            connection.close()


@contextmanager
def answering(
    agent: AgentWithKeys,
    person: Person,
    code: OutcomeCode = OutcomeCode.DONE,
    findings: list[Finding] | None = None,
    inspected: OutcomeCode = OutcomeCode.DONE,
) -> Iterator[FakeDirectory]:
    agent_thread = Answering(agent, person, code, findings or [])
    agent_thread.inspected = inspected
    agent_thread.start()
    try:
        yield agent_thread.directory
    finally:
        agent_thread.stop()
    assert agent_thread.problems == []


def outcome_entry(activity: str) -> AuditEntry:
    return AuditEntry.objects.get(activity=activity)


def test_a_typed_password_reaches_the_directory_and_nobody_else(
    keyback: Keyback, agent: AgentWithKeys, ada: Person
) -> None:
    with answering(agent, ada) as directory:
        terminal = keyback.at_terminal("admin", "reset", "ada@example.test")
        terminal.wait_for("New password: ")
        assert CANARY not in terminal.command_line()
        terminal.type(CANARY)
        terminal.wait_for("Once more: ")
        terminal.type(CANARY)
        assert terminal.end() == 0, terminal.seen
    assert directory.written == [CANARY]
    assert CANARY not in terminal.seen
    request = WritebackRequest.objects.get(operation="reset")
    assert "The password of ada@example.test was reset." in terminal.seen
    assert str(request.tracking_id) in terminal.seen
    assert CANARY.encode() not in bytes(request.envelope)
    assert not SealedBox.objects.exists()
    entry = outcome_entry("password.reset_by_admin")
    assert (entry.result, entry.tracking_id) == ("success", request.tracking_id)
    submitted = outcome_entry("admin.submitted")
    assert submitted.actor.startswith("operator:")
    assert submitted.details["initiator"] == entry.actor
    assert entry.details["kind"] == "pass_through"
    assert Message.objects.filter(kind="password_changed", tracking_id=request.tracking_id).count() == 1


def test_an_outcome_is_recorded_for_a_person_whose_addresses_were_bent(
    keyback: Keyback, agent: AgentWithKeys, ada: Person
) -> None:
    ContactDatum.objects.update(value="bent")
    with answering(agent, ada):
        keyback.ok("admin", "unlock", "ada@example.test")
    assert outcome_entry("account.unlocked_by_admin").result == "success"
    assert not Message.objects.filter(kind="password_changed").exists()


def test_passwords_that_differ_are_asked_for_again(keyback: Keyback, agent: AgentWithKeys, ada: Person) -> None:
    with answering(agent, ada) as directory:
        terminal = keyback.at_terminal("admin", "reset", "ada@example.test")
        terminal.wait_for("New password: ")
        terminal.type(CANARY)
        terminal.wait_for("Once more: ")
        terminal.type("something-else-9A")
        for question in ("New password: ", "Once more: "):
            terminal.wait_for(question, times=2)
            terminal.type(CANARY)
        assert terminal.end() == 0, terminal.seen
    assert directory.written == [CANARY]


def test_a_generated_password_is_printed_once_and_must_be_changed(
    keyback: Keyback, agent: AgentWithKeys, ada: Person
) -> None:
    with answering(agent, ada) as directory:
        said = keyback.ok("admin", "reset", "ada", "--generate")
    found = re.search(r"The new password is: (\S+)", said)
    assert found is not None
    assert directory.written == [found.group(1)]
    assert len(found.group(1)) == 23
    envelope = bytes(WritebackRequest.objects.get(operation="reset").envelope)
    assert b'"must_change":true' in envelope and b'"unlock":true' in envelope
    assert re.search(rb'"initiator":"admin:[0-9a-f-]{36}"', envelope)
    assert b'"password_version":5' in envelope


def test_the_password_may_be_for_good(keyback: Keyback, agent: AgentWithKeys, ada: Person) -> None:
    with answering(agent, ada):
        keyback.ok("admin", "reset", "ada", "--generate", "--keep", "--no-unlock")
    envelope = bytes(WritebackRequest.objects.get(operation="reset").envelope)
    assert b'"must_change":false' in envelope and b'"unlock":false' in envelope


def test_a_refused_password_names_the_rule(keyback: Keyback, agent: AgentWithKeys, ada: Person) -> None:
    broken = [Finding(code="too_short", params={"minimum": 12})]
    with answering(agent, ada, OutcomeCode.POLICY, broken):
        done = keyback("admin", "reset", "ada", "--generate")
    assert done.returncode == 1
    assert "Use at least 12 characters." in done.stderr
    assert "OnPremisesPolicyViolation" in done.stderr
    assert "The new password" not in done.stdout
    assert outcome_entry("password.reset_by_admin").result == "refused"


def test_what_is_wrong_with_the_account_is_told_before_a_password_is_asked_for(
    keyback: Keyback, agent: AgentWithKeys, ada: Person
) -> None:
    with answering(agent, ada, inspected=OutcomeCode.PROTECTED):
        terminal = keyback.at_terminal("admin", "reset", "ada@example.test")
        assert terminal.end() == 1
    assert "New password" not in terminal.seen
    assert "protected" in terminal.seen
    assert "SSPR_0029" in terminal.seen
    assert not WritebackRequest.objects.filter(operation="reset").exists()


@pytest.mark.parametrize(
    ("command", "activity", "said"),
    [
        ("unlock", "account.unlocked_by_admin", "is unlocked"),
        ("expire", "password.expired_by_admin", "must change the password"),
    ],
)
def test_unlock_and_expire_carry_no_password(
    keyback: Keyback, agent: AgentWithKeys, ada: Person, command: str, activity: str, said: str
) -> None:
    with answering(agent, ada):
        assert said in keyback.ok("admin", command, "ada@example.test")
    assert outcome_entry(activity).result == "success"


def test_show_tells_what_the_directory_says_now(keyback: Keyback, agent: AgentWithKeys, ada: Person) -> None:
    with answering(agent, ada):
        said = keyback.ok("admin", "show", "ADA@example.test")
    assert "Ada Lovelace" in said
    assert re.search(r"locked out\s+no", said)
    assert re.search(r"can be changed from\s+now", said)


def test_a_cloud_persons_password_is_set_at_once(keyback: Keyback, cleo: Person) -> None:
    said = keyback.ok("admin", "reset", "cleo@example.test", "--generate")
    found = re.search(r"The new password is: (\S+)", said)
    assert found is not None
    assert verify_password(cleo, found.group(1))
    assert not verify_password(cleo, "anything else")
    assert not verify_password(None, found.group(1))
    assert outcome_entry("password.reset_by_admin").actor.startswith("operator:")
    assert "nothing to unlock" in keyback.refused("admin", "unlock", "cleo@example.test")


def test_without_an_agent_nothing_is_queued(keyback: Keyback, ada: Person, agent: AgentWithKeys) -> None:
    from keyback.portal.agents.registry import revoke

    revoke(agent.row, "operator:test", timezone.now())
    assert "no confirmed agent" in keyback.refused("admin", "unlock", "ada@example.test")
    assert not WritebackRequest.objects.exists()


def test_a_request_that_no_agent_takes_ends_and_says_so(keyback: Keyback, agent: AgentWithKeys, ada: Person) -> None:
    """No portal runs here that would sweep: the waiting command does it."""
    terminal = keyback.at_terminal("admin", "unlock", "ada@example.test")
    wait_until(WritebackRequest.objects.exists, timeout=30, what="the request")
    WritebackRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=10))
    assert terminal.end() == 1
    assert "No agent took the request in time" in terminal.seen
    assert "SSPR_0030" in terminal.seen
    assert outcome_entry("account.unlocked_by_admin").details["outcome"] == "expired"


@pytest.mark.parametrize("user_id", ["nobody@example.test", "", "a\nb", "x" * 300])
def test_an_unknown_person_is_one_line(keyback: Keyback, organization: Organization, user_id: str) -> None:
    keyback.refused("admin", "reset", user_id, "--generate")


def test_a_password_is_not_an_option_of_any_command(keyback: Keyback) -> None:
    for command in ("reset", "unlock", "expire"):
        assert "password" not in re.findall(r"--([a-z-]+)", keyback.ok("admin", command, "--help"))
