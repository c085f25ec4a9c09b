"""Portals of lab.stack for tests. Its commands make one in each run: every command costs half a second, and the
database's tables cost three. The further ones are copies with other addresses."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lab
from lab.stack import Stack
from tests.support import smtp

__all__ = ["create", "running", "shared_folder"]


def create(stack: Stack) -> None:
    """``stack.create()``. Copies have the same keys and the same organization, and know nothing of each other."""
    if stack.database is not None:
        stack.create()
        return
    names = [stack.slug, *(forest.dns_domain for forest in stack.forests)]
    pattern = shared_folder(stack.directory) / f"portal-{'-'.join(names)}"
    with pattern.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not pattern.exists():
            stack.create()
            _copy(stack.portal_directory, pattern, stack, backwards=True)
            return
    _copy(pattern, stack.portal_directory, stack)


def shared_folder(directory: Path) -> Path:
    """pytest's folder of this run, of which each process side by side has one of its own in it."""
    named = (parent for parent in directory.parents if parent.name.startswith(("popen-", "pytest-")))
    own = next(named, directory.parent)
    return own.parent if own.name.startswith("popen-") else own


def _copy(source: Path, target: Path, stack: Stack, *, backwards: bool = False) -> None:
    partial = target.with_name(f"{target.name}.partial")
    shutil.copytree(source, partial)
    config = partial / stack.config.name
    text = config.read_text("utf-8")
    own = {
        "@directory@": str(stack.portal_directory),
        "@address@": stack.url.removeprefix("http://"),
        "@mail@": f'host = "{stack.mail[0]}"\nport = {stack.mail[1]}',
        "@work@": f"work_cost = {stack.work_cost}",
    }
    for mark, value in own.items():
        text = text.replace(value, mark) if backwards else text.replace(mark, value)
    config.write_text(text, "utf-8")
    partial.rename(target)


@contextmanager
def running(directory: Path, forest: lab.Forest) -> Iterator[Stack]:
    """A portal that runs. Nothing of it is left running, whatever fails."""
    with smtp.sink() as mail:
        stack = Stack(directory, mail=(mail.host, mail.port), forests=[forest])
        try:
            create(stack)
            stack.portal.start()
            yield stack
        finally:
            stack.stop()
