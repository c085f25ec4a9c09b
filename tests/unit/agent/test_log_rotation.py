"""The agent's lines file turns over by itself, and no line is lost on the way."""

from pathlib import Path

import pytest

from keyback.agent import events as log
from keyback.agent.catalogue import Kind
from keyback.agent.clock import SystemClock


def test_the_lines_file_turns_over_and_five_older_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_LINES_FILE", 2_000)
    written = log.EventLog(tmp_path, SystemClock())
    for number in range(200):
        written.write(Kind.HEARTBEAT, f"number {number}")
    written.close()
    files = sorted(tmp_path.glob("events.jsonl*"))
    assert [file.name for file in files] == ["events.jsonl", *(f"events.jsonl.{number}" for number in range(1, 6))]
    for file in files:
        assert 0 < file.stat().st_size <= 2_000
        assert file.stat().st_mode & 0o077 == 0, file
    told = [line for file in (*reversed(files[1:]), files[0]) for line in file.read_text().splitlines()]
    assert [int(line.partition("number ")[2].partition('"')[0]) for line in told] == list(range(200 - len(told), 200))
