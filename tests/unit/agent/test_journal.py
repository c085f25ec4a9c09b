"""The journal: what it knows, it knows after a crash too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from keyback.agent.config import Limits
from keyback.agent.journal import Journal, SyncRun
from keyback.errors import ConfigurationError
from keyback.protocol.messages import Before, Operation, Outcome, Work
from keyback.protocol.outcomes import OutcomeCode

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TRACKING = uuid4()
BEFORE = Before(
    server="dc1.corp.example.test",
    invocation_id=uuid4(),
    object_guid=uuid4(),
    password_version=3,
    pwd_last_set_version=4,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


def begin(
    journal: Journal,
    request_id: UUID,
    *,
    fence: int = 1,
    limits: Limits | None = None,
    now: datetime = NOON,
    operation: Operation = Operation.RESET,
) -> bool:
    return journal.begin(
        request_id,
        tracking_id=TRACKING,
        operation=operation,
        initiator="self",
        fence=fence,
        before=BEFORE,
        limits=limits or Limits(),
        now=now,
    )


def end(journal: Journal, request_id: UUID, code: OutcomeCode = OutcomeCode.DONE, fence: int = 1) -> Outcome:
    outcome = Outcome(request_id=request_id, fence=fence, code=code)
    journal.end(outcome, tracking_id=TRACKING, operation=Operation.RESET, initiator="self", now=NOON)
    return outcome


def reopened(tmp_path: Path) -> Journal:
    """What another process finds, while the first has not closed it: as after kill -9."""
    return Journal(tmp_path / "journal.sqlite")


def test_what_was_begun_is_known_to_the_next_process(journal: Journal, tmp_path: Path) -> None:
    number = uuid4()
    assert begin(journal, number)
    entry = reopened(tmp_path).entry(number)
    assert entry is not None
    assert (entry.before, entry.outcome, entry.fence) == (BEFORE, None, 1)


def test_an_outcome_is_kept_until_the_portal_knows_it(journal: Journal, tmp_path: Path) -> None:
    number = uuid4()
    begin(journal, number)
    outcome = end(journal, number)
    (entry,) = reopened(tmp_path).unreported()
    assert entry.outcome == outcome
    journal.reported(number)
    assert journal.unreported() == []
    assert reopened(tmp_path).unreported() == []


def test_an_end_is_final_whatever_begins_again(journal: Journal) -> None:
    number = uuid4()
    begin(journal, number)
    outcome = end(journal, number)
    begin(journal, number, fence=9)
    entry = journal.entry(number)
    assert entry is not None
    assert entry.outcome == outcome
    assert entry.fence == 1


def test_an_end_under_another_fence_is_to_be_reported_again(journal: Journal) -> None:
    number = uuid4()
    end(journal, number)
    journal.reported(number)
    assert journal.unreported() == []
    end(journal, number, fence=2)
    assert [entry.fence for entry in journal.unreported()] == [2]


def test_past_the_hours_cap_an_operation_stops_even_in_the_next_hour(journal: Journal) -> None:
    limits = Limits(per_hour=2, per_day=100)
    assert [begin(journal, uuid4(), limits=limits) for _ in range(4)] == [True, True, False, False]
    assert journal.stopped() == {Operation.RESET: NOON}
    assert not begin(journal, uuid4(), limits=limits, now=NOON + timedelta(hours=2))


def test_caps_slide_and_the_days_cap_counts_over_hours(journal: Journal) -> None:
    limits = Limits(per_hour=2, per_day=3)
    later = NOON + timedelta(hours=1, seconds=1)
    assert [begin(journal, uuid4(), limits=limits) for _ in range(2)] == [True, True]
    assert begin(journal, uuid4(), limits=limits, now=later)
    assert not begin(journal, uuid4(), limits=limits, now=later)


def test_each_operation_is_counted_by_itself(journal: Journal) -> None:
    limits = Limits(per_hour=1)
    assert begin(journal, uuid4(), limits=limits)
    assert begin(journal, uuid4(), limits=limits, operation=Operation.UNLOCK)
    assert not begin(journal, uuid4(), limits=limits)


def test_what_is_refused_by_the_cap_is_not_journaled(journal: Journal) -> None:
    limits = Limits(per_hour=1)
    begin(journal, uuid4(), limits=limits)
    number = uuid4()
    begin(journal, number, limits=limits)
    assert journal.entry(number) is None


def test_resuming_lets_it_go_on_and_counts_anew_also_after_a_restart(journal: Journal, tmp_path: Path) -> None:
    limits = Limits(per_hour=1)
    begin(journal, uuid4(), limits=limits)
    begin(journal, uuid4(), limits=limits)
    assert reopened(tmp_path).resume(NOON) == [Operation.RESET]
    later = NOON + timedelta(seconds=1)
    assert begin(journal, uuid4(), limits=limits, now=later)
    assert not begin(journal, uuid4(), limits=limits, now=later)


def test_a_cap_is_exact_when_many_ask_at_once(journal: Journal) -> None:
    limits = Limits(per_hour=5)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: begin(journal, uuid4(), limits=limits), range(40)))
    assert answers.count(True) == 5


def test_what_has_not_ended_is_kept_to_be_resolved_and_its_box_goes_with_the_end(
    journal: Journal, tmp_path: Path
) -> None:
    number = uuid4()
    work = Work(
        kind="execute", request_id=number, fence=1, envelope="AAAA", signature="BBBB", box="Qk9Y", remaining_ms=1
    )
    journal.begin(
        number,
        tracking_id=TRACKING,
        operation=Operation.RESET,
        initiator="self",
        fence=1,
        before=BEFORE,
        limits=Limits(),
        now=NOON,
        work=work,
    )
    hour = timedelta(hours=1)
    assert reopened(tmp_path).unended(NOON - hour, NOON) == [
        work.model_copy(update={"kind": "resolve", "before": BEFORE})
    ]
    assert journal.unended(NOON - hour, NOON - timedelta(minutes=1)) == []
    end(journal, number)
    assert journal.unended(NOON - hour, NOON) == []
    assert b"Qk9Y" not in (tmp_path / "journal.sqlite").read_bytes()


def test_push_numbers_only_grow_even_when_the_clock_goes_back(journal: Journal, tmp_path: Path) -> None:
    numbers = [journal.next_push(NOON), journal.next_push(NOON - timedelta(days=1)), reopened(tmp_path).next_push(NOON)]
    assert numbers == sorted(set(numbers))


def test_runs_are_remembered_newest_first(journal: Journal) -> None:
    first = SyncRun(id=uuid4(), forest="corp", started_at=NOON, finished_at=NOON, people=3)
    second = SyncRun(id=uuid4(), forest="corp", started_at=NOON + timedelta(hours=1), finished_at=None)
    journal.save_run(first)
    journal.save_run(second)
    assert journal.runs() == [second, first]


def test_a_run_that_another_one_follows_was_broken_off(journal: Journal) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(3)]
    killed, elsewhere, next_one = (
        SyncRun(id=uuid4(), forest=forest, started_at=at, finished_at=None)
        for forest, at in zip(("corp", "other", "corp"), hours, strict=True)
    )
    for run in (killed, elsewhere, next_one):
        journal.save_run(run)
    assert [run.end for run in journal.runs()] == ["going on", "going on", "broken off"]
    journal.save_run(replace(next_one, finished_at=hours[2]))
    assert [run.end for run in journal.runs()] == ["complete", "going on", "broken off"]


def test_old_requests_are_forgotten_but_never_what_the_portal_does_not_know(journal: Journal) -> None:
    told, untold = uuid4(), uuid4()
    end(journal, told)
    journal.reported(told)
    end(journal, untold)
    journal.prune(NOON + timedelta(days=100))
    assert journal.entry(told) is None
    assert journal.entry(untold) is not None


def test_the_disk_is_waited_for_at_every_commit(tmp_path: Path, journal: Journal) -> None:
    assert journal._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._database.execute("PRAGMA journal_mode").fetchone() == ("persist",)
    assert (tmp_path / "journal.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_journal_stops_the_start_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_text("not a database, but long enough to be taken for one " * 20)
    with pytest.raises(ConfigurationError, match=r"journal\.sqlite: the journal cannot be used"):
        Journal(path)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(path).execute("SELECT * FROM request")
