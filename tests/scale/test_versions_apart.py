"""Real processes of different versions of the protocol: one apart work together, in either order; two apart do not.

A later version is this tree with a higher number, since what matters is what each side makes of the other's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import keyback
from tests.serve.portal import Portal, make_portal

pytestmark = pytest.mark.scale

COMMAND = [sys.executable, "-c", "from keyback.cli.main import main; main()"]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """By version of the protocol."""
    made = {}
    for version in (1, 2, 3):
        root = tmp_path_factory.mktemp(f"version-{version}")
        source = Path(keyback.__file__).parent
        shutil.copytree(source, root / "keyback", ignore=shutil.ignore_patterns("__pycache__"))
        versions = root / "keyback/protocol/versions.py"
        text = versions.read_text()
        assert "\nCURRENT = 1\n" in text
        versions.write_text(text.replace("\nCURRENT = 1\n", f"\nCURRENT = {version}\n"))
        made[version] = root
    return made


@contextmanager
def portal_of(tree: Path, directory: Path) -> Iterator[Portal]:
    portal = make_portal(directory)
    assert portal.run("org", "create", "Example Ltd", "--slug", "example").returncode == 0
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(tree)
    try:
        with portal.process("serve"):
            yield portal
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def onboard(tree: Path, portal: Portal, directory: Path) -> subprocess.CompletedProcess[str]:
    """What an agent of this tree says when it is made known to this portal."""
    directory.mkdir()
    (directory / "service.password").write_text("Secret-1")
    (directory / "service.password").chmod(0o600)
    (directory / "ca.pem").touch()
    (directory / "agent.toml").write_text(
        f"""\
portal = "{portal.public_url}"
state_dir = "{directory / "state"}"
[[forest]]
name = "corp.example.test"
domains = ["corp.example.test"]
servers = ["ldaps://127.0.0.1"]
ca_file = "{directory / "ca.pem"}"
bind_dn = "CN=svc"
password_file = "{directory / "service.password"}"
base_dns = ["DC=example"]
"""
    )
    code = portal.run("agent-code", "create", "example").stdout.split()[-1]
    return subprocess.run(
        [*COMMAND, "agent", "onboard", "--code", code, "--config", str(directory / "agent.toml")],
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("portal", "agent"), [(1, 1), (1, 2), (2, 1), (3, 2), (2, 3)])
def test_one_version_apart_they_work_together(trees: dict[int, Path], tmp_path: Path, portal: int, agent: int) -> None:
    with portal_of(trees[portal], tmp_path) as served:
        said = onboard(trees[agent], served, tmp_path / "agent")
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize(("portal", "agent", "told"), [(3, 1, "agent_out_of_date"), (1, 3, "portal_out_of_date")])
def test_two_versions_apart_the_older_one_is_out_of_date(
    trees: dict[int, Path], tmp_path: Path, portal: int, agent: int, told: str
) -> None:
    with portal_of(trees[portal], tmp_path) as served:
        said = onboard(trees[agent], served, tmp_path / "agent")
    assert said.returncode != 0
    assert told in said.stderr and "Traceback" not in said.stderr
