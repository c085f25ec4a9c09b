"""Where canaries are looked for: everywhere below a folder, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile

from tests.support.canary import files_below


def test_all_files_below_but_those_that_are_left_out(tmp_path: Path) -> None:
    for name in ("here", "deep/er/there", "others/left"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = set(files_below(tmp_path, but=[tmp_path / "others"]))
    assert found == {tmp_path / "here", tmp_path / "deep/er/there"}


def test_another_file_system_is_looked_at_only_where_it_is_named() -> None:
    with NamedTemporaryFile(dir="/dev/shm") as file:
        assert Path(file.name) not in set(files_below(Path("/dev")))
        assert Path(file.name) in set(files_below(Path("/dev/shm")))  # noqa: S108
