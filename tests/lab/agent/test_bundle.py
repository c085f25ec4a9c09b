"""The support bundle: said before it is written, complete, and free of every secret."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import portals
from tests.support.canary import traces

import lab
from lab.stack import KEYBACK, AgentProcess

pytestmark = pytest.mark.lab

NAMES = ["configuration.json", "status.json", "versions.json", "checks.json", "events.jsonl", "timings.json"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest) -> Iterator[AgentProcess]:
    """Onboarded, confirmed, its people pushed."""
    with portals.running(tmp_path_factory.mktemp("bundle"), forest) as stack:
        agent = stack.onboard("bundled")
        assert bundle(agent, "sync", "run").returncode == 0
        yield agent


def bundle(agent: AgentProcess, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [KEYBACK, "agent", *arguments, "--config", agent.config],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, **environment},
    )


def test_what_would_be_in_it_can_be_seen_without_writing_it(agent: AgentProcess, tmp_path: Path) -> None:
    out = tmp_path / "bundle.zip"
    done = bundle(agent, "bundle", "--out", str(out), "--list")
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == [f"keyback/{name}" for name in NAMES]
    assert not out.exists()


def test_it_holds_what_helps_and_no_secret(agent: AgentProcess, forest: lab.Forest, tmp_path: Path) -> None:
    agent.config.write_text(f"# remember: Canary-in-a-Comment-17\n{agent.config.read_text()}")
    keys = agent.config.parent / "state/keys"
    pem = (keys / "sign.pem").read_text()
    stored = json.loads((keys / "unseal.json").read_text())
    secrets = {
        "comment": "Canary-in-a-Comment-17",
        "proxy": "Canary-of-the-Proxy-42",
        "service password": forest.service_password_file.read_text(),
        "signing key": pem.splitlines()[1],
        **{f"unsealing key {place}": one["pem"].splitlines()[1] for place, one in enumerate(stored)},
    }
    out = tmp_path / "bundle.zip"
    done = bundle(agent, "bundle", "--out", str(out), HTTPS_PROXY="http://someone:Canary-of-the-Proxy-42@127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o077 == 0
    listed = [line.split()[1] for line in done.stdout.splitlines() if "keyback/" in line and line.split()[0].isdigit()]
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == listed == [f"keyback/{name}" for name in NAMES]
        files = {name.removeprefix("keyback/"): archive.read(name) for name in archive.namelist()}
    assert {name: traces(data, secrets) for name, data in files.items()} == {name: [] for name in NAMES}
    assert traces(out.read_bytes(), secrets) == []
    assert traces(f"{done.stdout}{done.stderr}".encode(), secrets) == []

    assert json.loads(files["configuration.json"])["forest"][0]["bind_dn"] == forest.service_dn
    assert "python-ldap" in json.loads(files["versions.json"])["packages"]
    assert json.loads(files["checks.json"])["sections"][0]["title"] == "What this agent uses"
    assert "31005" in {json.loads(line)["id"] for line in files["events.jsonl"].splitlines()}
    assert json.loads(files["timings.json"])["synchronisation"][0]["people"] > 20
