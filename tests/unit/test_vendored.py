"""The vendored front-end files are the ones that VENDORED.md describes."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "frontend/VENDORED.md").read_text()
ROWS = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", TABLE, re.MULTILINE)


@pytest.mark.parametrize(("file", "sha256"), ROWS)
def test_file_has_the_hash_in_the_table(file: str, sha256: str) -> None:
    assert hashlib.sha256((ROOT / file).read_bytes()).hexdigest() == sha256


def test_every_vendored_script_is_in_the_table() -> None:
    folders = [ROOT / "src/keyback/portal/static/keyback/vendor", ROOT / "tests/browser/vendor"]
    scripts = {str(path.relative_to(ROOT)) for folder in folders for path in folder.glob("*.js")}
    assert scripts == {file for file, _ in ROWS}


@pytest.mark.parametrize("file", [file for file, _ in ROWS if file.startswith("src/")])
def test_served_scripts_need_nothing_the_pages_policy_forbids(file: str) -> None:
    script = (ROOT / file).read_text()
    assert not re.search(r"\beval\s*\(|\bnew Function\b|\bBlob\b|createObjectURL|https?://", script)


def test_the_npm_lock_names_no_registry() -> None:
    assert "http" not in re.sub(r'"funding": \{[^}]*\}', "", (ROOT / "frontend/package-lock.json").read_text())


@pytest.mark.parametrize("lock", ["base", "dev"])
def test_the_python_locks_pin_by_hash_and_name_no_index(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=[a-z])", text)
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in requirements)
