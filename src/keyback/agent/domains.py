"""In which domains the user IDs of a forest end: what the agent's file says, until everybody has been read, and from
then on what was found.

The portal shows an unknown user ID what people of its domain see. Where that were another forest's page than theirs,
because the file does not name one of their domains, the page would tell who exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from keyback.agent.config import ForestConfig
from keyback.agent.journal import Journal
from keyback.protocol.messages import PersonRecord

__all__ = ["Domains", "domains_told"]

MOST = 100
"""As many as the protocol carries for one forest."""


class Domains:
    """Those of the people whom one run has brought to the portal."""

    def __init__(self) -> None:
        self._of_user_ids: set[str] = set()
        self._of_spellings: set[str] = set()

    def note(self, people: Iterable[PersonRecord]) -> None:
        for person in people:
            self._of_user_ids.add(_domain_of(person.user_id))
            self._of_spellings.update(map(_domain_of, person.spellings))

    def keep(self, journal: Journal, config: ForestConfig, *, everybody: bool) -> None:
        """``everybody``: the run has read the whole forest; what it did not find is gone. Other spellings than user
        IDs, such as mail addresses, may end in anything: of theirs only domains count that the file names."""
        found = (self._of_user_ids | (self._of_spellings & set(config.domains))) - {""}
        if not found:
            return
        told = domains_told(journal, config)
        now = sorted(found if everybody else found.union(told))[:MOST]
        if now != told:
            journal.write_note(_name(config), json.dumps(now))


def domains_told(journal: Journal, config: ForestConfig) -> list[str]:
    """What the portal is told."""
    kept = journal.note(_name(config))
    return sorted(config.domains) if kept is None else list(json.loads(kept))


def _domain_of(name: str) -> str:
    return name.rpartition("@")[2].lower() if "@" in name else ""


def _name(config: ForestConfig) -> str:
    return f"domains:{config.name}"
