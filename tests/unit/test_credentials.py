"""Secrets from the service manager, and files that root leaves in a service's directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keyback.agent.files import read_private
from keyback.credentials import secret_file
from keyback.errors import ConfigurationError

NOBODY = 65534


def test_a_credential_takes_the_place_of_the_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, unreadable = tmp_path / "shown", tmp_path / "secrets" / "svc.password"
    shown.mkdir()
    (shown / "secret_svc.password").write_text("from systemd")
    (shown / "secret_svc.password").chmod(0o440)  # its access list shows as a group
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(shown))
    assert secret_file(unreadable) == shown / "secret_svc.password"
    assert read_private(unreadable) == b"from systemd"


def test_without_one_the_file_itself_is_read_and_must_be_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = tmp_path / "svc.password"
    path.write_text("mine")
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others can read"):
        read_private(path)
    path.chmod(0o600)
    assert read_private(path) == b"mine"


def as_root(directory: Path, code: str) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from keyback.credentials import give_back; "
            f"d = Path(sys.argv[1]); give_back(d); {code}",
            str(directory),
        ],
        check=True,
    )


def test_what_root_makes_in_a_service_s_directory_is_the_service_s(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "the tests run as root"
    directory, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    directory.mkdir()
    elsewhere.write_text("root's")
    os.link(elsewhere, directory / "linked")
    (directory / "shown").symlink_to(elsewhere)
    os.chown(directory, NOBODY, NOBODY)
    as_root(directory, "(d / 'keys').mkdir(); (d / 'keys' / 'one').write_text('x')")
    assert {path.stat().st_uid for path in (directory / "keys", directory / "keys" / "one")} == {NOBODY}
    # Neither by a second name nor by a link does a file elsewhere change hands.
    assert elsewhere.stat().st_uid == 0


def test_a_directory_of_root_s_stays_root_s(tmp_path: Path) -> None:
    as_root(tmp_path, "(d / 'one').write_text('x')")
    assert (tmp_path / "one").stat().st_uid == 0
