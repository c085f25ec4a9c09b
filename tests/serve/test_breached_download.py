"""Downloading a corpus from a range service: prefix by prefix, again after a failure, from where it was."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Ranges(ThreadingHTTPServer):
    """Each prefix has one hash, which ends in zeros."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.broken = False


class _Handler(BaseHTTPRequestHandler):
    server: Ranges

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        refuse = self.server.broken and len(self.server.asked) > 20
        self.send_response(404 if refuse else 200)
        self.end_headers()
        if not refuse:
            self.wfile.write(b"0" * 35 + b":7\r\n" + b"1" * 35 + b":1\r\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ranges() -> Iterator[Ranges]:
    with Ranges() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def build(ranges: Ranges, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    address = f"http://127.0.0.1:{ranges.server_address[1]}/range"
    command = [sys.executable, "-m", "keyback.cli.main", "password", "breached", "build", "--format", "sha1"]
    options = ["--only", "00AB", "--per-second", "5000", *more]
    return subprocess.run(
        [*command, *options, address, str(out)], capture_output=True, text=True, timeout=100, check=False
    )


def test_ranges_are_fetched_and_built(ranges: Ranges, tmp_path: Path) -> None:
    done = build(ranges, tmp_path / "out", "--min-count", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'out'}: 16 hashes")
    assert sorted(ranges.asked) == [f"/range/00AB{digit:X}" for digit in range(16)]
    from keyback.passwords.breached import BreachedFile

    breached = BreachedFile(tmp_path / "out")
    assert breached.has(bytes.fromhex("00AB7" + "0" * 35))
    assert not breached.has(hashlib.sha256(b"x").digest()[:20])


def test_what_is_there_is_not_fetched_again(ranges: Ranges, tmp_path: Path) -> None:
    assert build(ranges, tmp_path / "out").returncode == 0
    before = len(ranges.asked)
    assert build(ranges, tmp_path / "out").returncode == 0
    assert len(ranges.asked) == before


def test_a_service_that_fails_is_told_in_one_line(ranges: Ranges, tmp_path: Path) -> None:
    ranges.broken = True
    ranges.asked = ["x"] * 21
    done = build(ranges, tmp_path / "out")
    assert done.returncode == 2
    assert "404" in done.stderr
    assert not (tmp_path / "out").exists()
