"""The event log and its catalogue."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from keyback.agent.catalogue import Kind, Level, Source
from keyback.agent.events import EventLog, read_events
from keyback.cli.agent import agent

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

# Numbers, names, sources and levels of Microsoft's password writeback and synchronisation, as its users know them.
KNOWN = """
31001 PasswordResetStart information; 31002 PasswordResetSuccess information; 31003 PasswordResetFail error
31004 OnboardingEventStart information; 31005 OnboardingEventSuccess information
31006 ChangePasswordStart information; 31007 ChangePasswordSuccess information; 31008 ChangePasswordFail error
31009 ResetUserPasswordByAdminStart information; 31010 ResetUserPasswordByAdminSuccess information
31011 ResetUserPasswordByAdminFail error; 31012 OffboardingEventStart information
31013 OffboardingEventSuccess information; 31014 OffboardingEventFail error
31015 WriteBackServiceStarted information; 31016 WriteBackServiceStopped warning
31017 AuthTokenSuccess information; 31018 KeyPairCreationSuccess information; 31019 ServiceBusHeartBeat information
31034 ServiceBusListenerError error; 31044 PasswordResetService error; 32000 UnknownError error
32001 ServiceError error; 32002 ServiceBusError error; 32003 InPutValidationError error; 32004 DecryptionError error
32005 ConfigurationError error; 32007 OnBoardingConfigUpdateError error; 32008 ValidationError error
32009 AuthTokenError error; 32010 CryptoError error; 32011 OnBoardingServiceError error; 32013 OffBoardingError error
32014 ServiceBusWarning warning; 32015 ReportServiceHealthError error; 33001 ADUnKnownError error
33002 ADUserNotFoundError error; 33003 ADMutliMatchError error; 33004 ADPermissionsError error
33005 ADUserAccountDisabled error; 33006 ADUserAccountLockedOut error; 33007 ADUserIncorrectPassword warning
33008 ADPasswordPolicyError warning; 33009 ADConfigurationError error
"""
KNOWN_SYNC = """
6329 PolicyRestriction error; 6329 PolicyHintsControlMissing error; 6329 PasswordSyncNotEnabledOnConnector error
6329 ConnectorCredentialsDenied error; 800700CE CredentialTooLong error; 6800 EndpointStartFailure error
656 PasswordSyncRequest information; 657 PasswordSyncResult information; 8023042 DuplicateAnchor error
"""


class FixedClock:
    def __init__(self, now: datetime = NOON) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def elapsed(self) -> float:
        return 0.0


@pytest.mark.parametrize(("source", "table"), [(Source.RESET, KNOWN), (Source.SYNC, KNOWN_SYNC)])
def test_known_events_keep_their_numbers_names_and_levels(source: Source, table: str) -> None:
    wanted = [tuple(row.split()) for line in table.strip().splitlines() for row in line.split("; ")]
    ours = {(k.value.id, k.value.name, k.value.level.value) for k in Kind if k.value.source is source}
    assert set(wanted) <= ours


def test_names_are_unique_and_own_numbers_stand_apart() -> None:
    assert Counter(kind.value.name for kind in Kind).most_common(1)[0][1] == 1
    known = {row.split()[0] for line in (KNOWN.strip() + KNOWN_SYNC).strip().splitlines() for row in line.split("; ")}
    own = [kind.value.id for kind in Kind if kind.value.id not in known]
    assert all(number.startswith("42") for number in own)
    assert Counter(own).most_common(1)[0][1] == 1


def test_every_warning_and_error_says_what_to_do() -> None:
    assert [kind.name for kind in Kind if kind.value.level is not Level.INFORMATION and not kind.value.repair] == []


def test_an_event_is_found_by_tracking_id_and_source_in_the_order_of_writing(tmp_path: Path) -> None:
    log = EventLog(tmp_path, FixedClock())
    tracking = uuid4()
    log.write(Kind.RESET_START, tracking_id=tracking, request="r")
    log.write(Kind.SYNC_START, forest="corp")
    log.write(Kind.DIRECTORY_POLICY, "0000052D", tracking_id=tracking)
    log.write(Kind.RESET_FAIL, tracking_id=tracking)
    assert [event.id for event in read_events(tmp_path, tracking_id=str(tracking).upper())] == [
        "31001",
        "6329",
        "31003",
    ]
    assert [event.id for event in read_events(tmp_path, source="adsync")] == ["656", "6329"]
    assert [event.id for event in read_events(tmp_path, last=1)] == ["31003"]
    restriction = next(iter(read_events(tmp_path, source="ADSync", last=1)))
    assert restriction.fields == {"hr": "0x80230619"}
    assert restriction.time == NOON


def test_the_lines_file_holds_the_same(tmp_path: Path) -> None:
    log = EventLog(tmp_path, FixedClock())
    log.write(Kind.SERVICE_STARTED, "Grüße\n31002 forged", version="1")
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [event.to_dict() for event in read_events(tmp_path)]
    assert json.loads(lines[0])["message"] == "Grüße 31002 forged"  # a line feed makes no second event anywhere


def test_both_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    EventLog(tmp_path, FixedClock()).write(Kind.SERVICE_STARTED)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_request_is_told_from_another_of_the_same_operation(tmp_path: Path) -> None:
    log = EventLog(tmp_path, FixedClock())
    tracking, request = uuid4(), uuid4()
    log.write(Kind.RESET_FAIL, tracking_id=tracking, request=str(request))
    assert log.has(Kind.RESET_FAIL, tracking, request)
    assert not log.has(Kind.RESET_FAIL, tracking, uuid4())
    assert not log.has(Kind.RESET_SUCCESS, tracking, request)


def test_events_are_forgotten_after_ninety_days(tmp_path: Path) -> None:
    EventLog(tmp_path, FixedClock()).write(Kind.SERVICE_STARTED)
    EventLog(tmp_path, FixedClock(NOON + timedelta(days=91)))
    assert list(read_events(tmp_path)) == []


def test_a_damaged_log_is_set_aside_and_the_agent_goes_on(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite").write_text("a power cut left this behind " * 50)
    EventLog(tmp_path, FixedClock()).write(Kind.SERVICE_STARTED)
    assert [event.id for event in read_events(tmp_path)] == ["31015"]
    assert (tmp_path / "events.damaged").exists()


def test_the_log_of_an_agent_that_was_killed_while_it_wrote_can_be_read(tmp_path: Path) -> None:
    EventLog(tmp_path, FixedClock()).write(Kind.SERVICE_STARTED)
    killed = """
import os, signal, sqlite3, sys
log = sqlite3.connect(sys.argv[1], isolation_level=None)
log.executescript("PRAGMA journal_mode = PERSIST; PRAGMA cache_size = 1; BEGIN IMMEDIATE")
for number in range(500):  # more than the cache holds, so that pages and journal are on their way to the disk
    columns = "time, id, name, source, level, message, fields"
    log.execute(f"INSERT INTO event ({columns}) VALUES ('', '', '', '', '', ?, '{{}}')", ["x" * 1000])
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", killed, tmp_path / "events.sqlite"], check=False)
    assert died.returncode == -signal.SIGKILL
    assert [event.name for event in read_events(tmp_path)] == [Kind.SERVICE_STARTED.value.name]


def test_explain_tells_meaning_and_repair() -> None:
    said = CliRunner().invoke(agent, ["explain", "33004"])
    assert said.exit_code == 0
    assert "ADPermissionsError" in said.output
    assert "up to an hour" in said.output.replace("\n", " ")


def test_explain_tells_all_that_share_a_number() -> None:
    said = CliRunner().invoke(agent, ["explain", "6329"])
    assert said.output.count("6329 ") == 4


def test_explain_refuses_what_there_is_not() -> None:
    said = CliRunner().invoke(agent, ["explain", "99999"])
    assert said.exit_code == 1
    assert "no such event" in said.output


def test_the_catalogue_is_printed_without_a_configuration() -> None:
    said = CliRunner().invoke(agent, ["events", "--catalogue", "--json"])
    assert len(json.loads(said.output)) == len(Kind)
